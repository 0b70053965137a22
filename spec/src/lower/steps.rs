use aikit_core::Language;
use aikit_yaml::Node;

use super::{Lowering, duration, dynamic, output_plan, script};
use crate::{
    agent::{LlmStep, Step},
    checks::execution_order,
    expr::Expr,
    plan::{Dynamic, PromptPlan, StepKind, StepPlan},
};

impl Lowering<'_> {
    /// Steps in the order in which they run.
    pub(super) fn steps(
        &mut self,
        root: &Node,
        steps: &[Step],
        nodes: &[Node],
        reorder: bool,
    ) -> Result<Vec<StepPlan>, String> {
        let (order, _) = execution_order(nodes, reorder);
        let pairs = order.into_iter().filter_map(|index| steps.get(index).zip(nodes.get(index)));
        pairs.map(|(step, node)| self.step(root, step, node)).collect()
    }

    fn step(&mut self, root: &Node, step: &Step, node: &Node) -> Result<StepPlan, String> {
        let save = node.get("save").map(Node::entries).unwrap_or_default().iter();
        Ok(StepPlan {
            name: step.name.0.clone(),
            range: node.range,
            line: self.lines.line_of(node.range.start as usize),
            when: node.get("when").and_then(expr),
            needs: step.needs.iter().map(|name| name.0.0.clone()).collect(),
            kind: self.kind(root, step, node)?,
            output: node.get("output").map(Node::to_json),
            save: save.filter_map(|entry| Some((state_path(entry.name()), expr(&entry.value)?))).collect(),
            timeout: duration(step.timeout.as_ref()),
        })
    }

    fn kind(&mut self, root: &Node, step: &Step, node: &Node) -> Result<StepKind, String> {
        let lost = || format!("step `{}` has no kind", step.name.0);
        if let (Some(llm), Some(node)) = (&step.llm, node.get("llm")) {
            return self.llm(root, llm, node).ok_or_else(lost);
        }
        if let Some(tool) = &step.tool {
            let args = node.get("args").map_or_else(|| Dynamic::Object(Vec::new()), dynamic);
            return Ok(StepKind::Tool { tool: tool.0.0.clone(), args });
        }
        if let (Some(step), Some(node)) = (&step.script, node.get("script")) {
            let language = if step.lua.is_some() { Language::Lua } else { Language::Js };
            let code = node.get(language.keyword());
            return Ok(StepKind::Script(script(language, code, step.instructions, step.memory_mb)));
        }
        if let Some(entries) = node.get("set").map(Node::entries) {
            let entries = entries.iter().map(|entry| (state_path(entry.name()), dynamic(&entry.value)));
            return Ok(StepKind::Set(entries.collect()));
        }
        if let (Some(cases), Some(node)) = (&step.switch, node.get("switch")) {
            let (mut guarded, mut default) = (Vec::new(), Vec::new());
            for (case, node) in cases.iter().zip(node.items()) {
                if let (Some(steps), Some(nodes)) = (&case.steps, node.get("do")) {
                    let guard = node.get("when").and_then(expr).ok_or_else(lost)?;
                    guarded.push((guard, self.steps(root, steps, nodes.items(), false)?));
                }
                if let (Some(steps), Some(nodes)) = (&case.default, node.get("default")) {
                    default = self.steps(root, steps, nodes.items(), false)?;
                }
            }
            return Ok(StepKind::Switch { cases: guarded, default });
        }
        node.get("return").map(|value| StepKind::Return(dynamic(value))).ok_or_else(lost)
    }

    fn llm(&mut self, root: &Node, llm: &LlmStep, node: &Node) -> Option<StepKind> {
        let default_iterations = self.document.intelligence.cognition.max_iterations;
        let LlmStep::Full(body) = llm else {
            return Some(StepKind::Llm {
                prompt: PromptPlan::Text(super::template(node)?),
                model: None,
                tools: Vec::new(),
                output: None,
                max_iterations: default_iterations,
            });
        };
        Some(StepKind::Llm {
            prompt: self.prompt(root, node.get("prompt")?)?,
            model: body.model.as_ref().map(|model| self.model(&model.0, node.get("model").unwrap_or(node))),
            tools: body.tools.iter().map(|tool| tool.0.0.clone()).collect(),
            output: body.output.as_ref().map(|output| output_plan(output, node.get("output"))),
            max_iterations: body.max_iterations.unwrap_or(default_iterations),
        })
    }
}

fn expr(node: &Node) -> Option<Expr> {
    Some(Expr { source: node.as_str()?.to_owned(), range: node.range })
}

fn state_path(path: &str) -> String {
    path.strip_prefix("state.").unwrap_or(path).to_owned()
}
