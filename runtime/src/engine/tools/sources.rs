//! Where tools come from: the document itself, and what servers, services and agents say of theirs. What they say is asked
//! once in a run and recorded, so that a replay needs none of them.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use aikit_core::{ErrorKind, RunError, record::Usage};
use aikit_spec::plan::{ToolKind, ToolPlan};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::super::Execution;
use crate::{
    gate::Effect,
    journal::{EffectKind, SideEffect, digest_text},
};

/// The longest name of a tool that model providers take.
const MAX_NAME: usize = 64;

/// Tools of one source.
pub(in crate::engine) type Found = Arc<Vec<Arc<ToolPlan>>>;

/// What the sources of a run have said.
#[derive(Default)]
pub(in crate::engine) struct Sources(Mutex<BTreeMap<String, Arc<OnceCell<Found>>>>);

impl Sources {
    fn cell(&self, source: &str) -> Arc<OnceCell<Found>> {
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cells.entry(source.to_owned()).or_default().clone()
    }
}

impl Execution {
    /// The tools that a model may call: those of that name, or all of them.
    pub(in crate::engine) fn offered<'a>(
        &'a self,
        names: Option<&'a [String]>,
    ) -> BoxFuture<'a, Result<Vec<Arc<ToolPlan>>, RunError>> {
        Box::pin(async move {
            let plan = self.plan.clone();
            let mut all: Vec<Arc<ToolPlan>> = Vec::new();
            let Some(names) = names else {
                for tool in &plan.tools {
                    all.extend(self.as_offered(tool).await?);
                }
                for server in &plan.mcp_servers {
                    let declared = |tool: &ToolPlan| all.iter().any(|known| same(known, tool));
                    let more: Vec<_> =
                        self.server_tools(server).await?.iter().filter(|tool| !declared(tool)).cloned().collect();
                    all.extend(more);
                }
                return Ok(self.callable(all));
            };
            for name in names {
                if let Some(tool) = plan.tools.iter().find(|tool| tool.name == *name) {
                    all.extend(self.as_offered(tool).await?);
                } else if let Some(server) = plan.mcp_servers.iter().find(|server| server.name == *name) {
                    all.extend(self.server_tools(server).await?.iter().cloned());
                } else {
                    let tool = self.find_tool(name).await?;
                    all.push(tool.ok_or_else(|| unknown(name))?);
                }
            }
            Ok(self.callable(all))
        })
    }

    /// Those that no rule of the document keeps out, each name once.
    fn callable(&self, tools: Vec<Arc<ToolPlan>>) -> Vec<Arc<ToolPlan>> {
        let mut names = std::collections::BTreeSet::new();
        let granted = |tool: &Arc<ToolPlan>| self.plan.permits.refuses(&tool.rule_name).is_none();
        tools.into_iter().filter(granted).filter(|tool| names.insert(tool.name.clone())).collect()
    }

    /// A declared tool as models see it.
    async fn as_offered(&self, tool: &ToolPlan) -> Result<Vec<Arc<ToolPlan>>, RunError> {
        if self.plan.permits.refuses(&tool.rule_name).is_some() {
            return Ok(Vec::new());
        }
        if self.options.stubs.contains_key(&tool.name) {
            return Ok(vec![Arc::new(tool.clone())]);
        }
        Ok(match &tool.kind {
            ToolKind::Openapi(_) => self.service_tools(tool).await?.to_vec(),
            ToolKind::Mcp { server, tool: there } if untyped(tool) => {
                let theirs = self.server_tool(server, there).await?;
                let description =
                    if tool.description.is_empty() { &theirs.description } else { &tool.description }.clone();
                vec![Arc::new(ToolPlan { input: theirs.input.clone(), description, ..tool.clone() })]
            }
            ToolKind::Agent(agent) if untyped(tool) => self.agent_interface(tool, agent).await?.to_vec(),
            _ => vec![Arc::new(tool.clone())],
        })
    }

    /// The tool that is called by a name: a declared one, an operation of a service, a tool of a server.
    pub(in crate::engine) fn find_tool<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Arc<ToolPlan>>, RunError>> {
        Box::pin(async move {
            let plan = self.plan.clone();
            if let Some(tool) = plan.tools.iter().find(|tool| tool.name == name) {
                return Ok(Some(Arc::new(tool.clone())));
            }
            let by_name = |found: &Found| found.iter().find(|tool| tool.name.eq_ignore_ascii_case(name)).cloned();
            let begins =
                |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
            for tool in &plan.tools {
                if matches!(tool.kind, ToolKind::Openapi(_)) && begins(&format!("{}__", tool.name)) {
                    return self.service_tools(tool).await.map(|found| by_name(&found));
                }
            }
            for server in &plan.mcp_servers {
                if begins(&format!("{}__", server.name)) || server.prefix.as_deref().is_some_and(begins) {
                    let found = self.server_tools(server).await?;
                    let there = name.get(server.name.len() + 2..).unwrap_or_default();
                    let by_own_name = || {
                        let mut list = found.iter();
                        list.find(|t| matches!(&t.kind, ToolKind::Mcp { tool, .. } if tool.eq_ignore_ascii_case(there)))
                    };
                    if let Some(tool) = by_name(&found).or_else(|| by_own_name().cloned()) {
                        return Ok(Some(tool));
                    }
                }
            }
            Ok(None)
        })
    }

    /// What a source says, asked once.
    pub(super) async fn once(
        &self,
        source: &str,
        ask: impl Future<Output = Result<Vec<ToolPlan>, RunError>>,
    ) -> Result<Found, RunError> {
        let cell = self.sources.cell(source);
        let found = cell
            .get_or_try_init(|| async { Ok(Arc::new(ask.await?.into_iter().map(Arc::new).collect::<Vec<_>>())) })
            .await?;
        Ok(found.clone())
    }

    /// Asks a source; what it says is recorded. It belongs to no step: whoever asks first asks for all.
    pub(super) async fn describe(
        &self,
        source: &str,
        request: Value,
        work: impl Future<Output = Result<Value, RunError>>,
    ) -> Result<Value, RunError> {
        let effect = Effect {
            address: format!("integration/{source}"),
            kind: EffectKind::Describe,
            class: SideEffect::Read,
            label: source.to_owned(),
            request,
        };
        self.gate.effect(effect, async { Ok((work.await?, Usage::default())) }).await
    }

    /// A tool that is an agent, with the agent's own inputs as arguments.
    async fn agent_interface(&self, tool: &ToolPlan, agent: &str) -> Result<Found, RunError> {
        let ask = async {
            let work = async {
                let plan = self.engine.load(agent).await?;
                Ok(json!({ "input": plan.inputs, "description": plan.agent.description }))
            };
            let said = self.describe(&tool.name, json!({ "agent": agent }), work).await?;
            let own = said["description"].as_str().unwrap_or_default();
            let description = if tool.description.is_empty() { own } else { &tool.description }.to_owned();
            Ok(vec![ToolPlan { input: said["input"].clone(), description, ..tool.clone() }])
        };
        self.once(&tool.name, ask).await
    }
}

/// Whether two tools are one tool of one server.
fn same(one: &ToolPlan, other: &ToolPlan) -> bool {
    match (&one.kind, &other.kind) {
        (ToolKind::Mcp { server, tool }, ToolKind::Mcp { server: there, tool: name }) => {
            server == there && tool == name
        }
        _ => false,
    }
}

/// Whether the document says nothing of a tool's arguments.
fn untyped(tool: &ToolPlan) -> bool {
    tool.input.as_object().is_some_and(|schema| schema.keys().all(|key| key == "type"))
}

/// There is no such tool.
pub(in crate::engine) fn unknown(name: &str) -> RunError {
    RunError::new(ErrorKind::ToolNotFound, format!("there is no tool `{name}`"))
}

/// A name that model providers take: letters, digits, `_` and `-`, not too long.
pub(super) fn model_name(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let clean: String = name.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    if clean.len() <= MAX_NAME {
        return clean;
    }
    // What was cut off still tells two names apart.
    format!("{}_{}", &clean[..MAX_NAME - 9], &digest_text(name)[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_such_as_providers_take() {
        assert_eq!(model_name("github__issues/create.new"), "github__issues_create_new");
        let (one, other) = (model_name(&"a".repeat(70)), model_name(&"a".repeat(71)));
        assert_eq!((one.len(), other.len()), (MAX_NAME, MAX_NAME));
        assert_ne!(one, other);
    }
}
