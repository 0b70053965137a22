//! Graphs: steps as nodes, edges that say which one comes next.

use aikit_core::RunError;
use aikit_spec::plan::GraphPlan;
use serde_json::Value;

use super::{
    Execution,
    steps::Flow,
    together::lost,
    visits::{Visits, too_many},
};

impl Execution {
    /// Runs nodes from the first one until no edge leads on. The result is what `return` gave, else the last output.
    pub(super) async fn graph(&mut self, graph: &GraphPlan) -> Result<Flow, RunError> {
        let Some(mut node) = graph.nodes.first() else { return Ok(Flow::Next(Value::Null)) };
        let mut visits = Visits::default();
        let mut last = Value::Null;
        for _ in 0..self.plan.flow.max_iterations {
            let flow = self.step(node, &visits.address(&node.name)).await?;
            let next = match flow {
                Some(Flow::Return(value)) => return Ok(Flow::Return(value)),
                Some(Flow::Goto(target)) => Some(target),
                done => {
                    if let Some(Flow::Next(value)) = done {
                        last = value;
                    }
                    let scope = self.scope();
                    let mut next = None;
                    for edge in graph.edges.iter().filter(|edge| edge.from == node.name) {
                        let open = edge.when.as_ref().map_or(Ok(true), |when| when.holds(&scope));
                        if open.map_err(|error| self.expression_error(error))? {
                            next = Some(edge.to.clone());
                            break;
                        }
                    }
                    next
                }
            };
            let Some(next) = next else { return Ok(Flow::Next(last)) };
            node = graph.nodes.iter().find(|node| node.name == next).ok_or_else(|| lost(&next))?;
        }
        Err(too_many("nodes", self.plan.flow.max_iterations))
    }
}
