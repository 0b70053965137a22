//! Tools of MCP servers: listed once in a run, compared with what was pinned, called by their own names.

use std::{collections::BTreeMap, sync::Arc};

use aikit_core::{ErrorKind, RunError};
use aikit_spec::{
    agent::McpPin,
    plan::{HostGrant, McpServerPlan, McpTarget, SecretSource, ToolKind, ToolPlan},
    words::glob_fits,
};
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{
    super::{Execution, state::RESERVED},
    grants,
    sources::{Found, model_name},
};
use crate::{
    gate::store_error,
    journal::digest,
    ports::{McpEndpoint, McpToolInfo, McpWay},
};

/// How many differences an error names.
const SHOWN: usize = 8;

/// How a server is reached, permitted; credentials are not resolved yet.
enum Approach {
    Program(Vec<String>, Vec<grants::Variable>),
    Http(String, Vec<(String, String)>, bool, Option<SecretSource>),
}

impl Execution {
    /// The permitted tools of a server, by the names with which models call them.
    pub(in crate::engine) fn server_tools<'a>(
        &'a self,
        server: &'a McpServerPlan,
    ) -> BoxFuture<'a, Result<Found, RunError>> {
        Box::pin(async move { self.once(&server.name, self.list_server(server)).await })
    }

    async fn list_server(&self, server: &McpServerPlan) -> Result<Vec<ToolPlan>, RunError> {
        let prefix = server.prefix.clone().unwrap_or_else(|| format!("{}__", server.name));
        let stubs: Vec<McpToolInfo> = (self.options.stubs.keys())
            .filter_map(|name| name.strip_prefix(&prefix))
            .map(|name| McpToolInfo { name: name.to_owned(), description: String::new(), input: object() })
            .collect();
        let tools = if stubs.is_empty() { self.ask_server(server).await? } else { stubs };
        let plan = |info: McpToolInfo| ToolPlan {
            name: model_name(&format!("{prefix}{}", info.name)),
            rule_name: format!("{}/{}", server.name, info.name),
            description: info.description,
            input: if info.input.is_object() { info.input } else { object() },
            output: None,
            kind: ToolKind::Mcp { server: server.name.clone(), tool: info.name },
            timeout: server.timeout,
            repeatable: false,
            mock: None,
            ask: Vec::new(),
            retry: None,
            cache: None,
            cost: 0.0,
            range: Default::default(),
        };
        Ok(tools.into_iter().filter(|info| self.plan.permits.mcp(&server.name, &info.name)).map(plan).collect())
    }

    /// Asks a server for its tools, and compares them with those that it had before.
    async fn ask_server(&self, server: &McpServerPlan) -> Result<Vec<McpToolInfo>, RunError> {
        let approach = self.approach(server)?;
        let request = match &approach {
            Approach::Program(argv, env) => json!({ "server": server.name, "argv": argv, "env": env }),
            Approach::Http(url, headers, ..) => json!({ "server": server.name, "url": url, "headers": headers }),
        };
        let key = format!("{RESERVED}pins/{}/{}", self.plan.agent.id, server.name);
        let work = async {
            let endpoint = self.endpoint(server, approach)?;
            let mut tools = self.engine.ports.reach.mcp.tools(&endpoint, self.gate.cancel()).await?;
            let wanted = |name: &str| server.tools.is_empty() || server.tools.iter().any(|glob| glob_fits(glob, name));
            tools.retain(|tool| wanted(&tool.name));
            self.pin(server, &key, &tools).await?;
            Ok(json!(tools))
        };
        let said = self.describe(&server.name, request, work).await?;
        serde_json::from_value(said).map_err(|error| {
            RunError::new(
                ErrorKind::Internal,
                format!("the recorded tools of `{}` cannot be read: {error}", server.name),
            )
        })
    }

    /// Remembers the tools of a server when it is first used; later they must be the same.
    async fn pin(&self, server: &McpServerPlan, key: &str, tools: &[McpToolInfo]) -> Result<(), RunError> {
        if server.pin == McpPin::None {
            return Ok(());
        }
        let store = &self.engine.ports.store;
        let now: BTreeMap<&str, String> = (tools.iter())
            .map(|tool| (tool.name.as_str(), digest(&json!({ "description": tool.description, "input": tool.input }))))
            .collect();
        let Some(then) = store.kv_get(key).await.map_err(store_error)? else {
            return store.kv_set(key, &json!(now)).await.map_err(store_error);
        };
        let then: BTreeMap<&str, &str> =
            then.as_object().into_iter().flatten().filter_map(|(name, v)| Some((name.as_str(), v.as_str()?))).collect();
        let exact = server.pin == McpPin::Exact;
        let mut changes: Vec<String> = Vec::new();
        changes.extend(then.keys().filter(|name| !now.contains_key(*name)).map(|name| format!("`{name}` is gone")));
        for (name, digest) in &now {
            match then.get(name) {
                None => changes.push(format!("`{name}` is new")),
                Some(old) if exact && old != digest => {
                    changes.push(format!("`{name}` has another description or other arguments"));
                }
                Some(_) => {}
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        let more = changes.len().saturating_sub(SHOWN);
        changes.truncate(SHOWN);
        if more > 0 {
            changes.push(format!("and {more} more"));
        }
        let message = format!("the tools of the MCP server `{}` have changed: {}", server.name, changes.join("; "));
        Err(RunError::new(ErrorKind::McpPinChanged, message)
            .with_help(format!(
                "if that is as it should be, forget the old ones in a Lua cell: ctx.storage.delete(\"{key}\")"
            ))
            .with_detail(json!({ "server": server.name, "changes": changes })))
    }

    /// A tool of a server, by its own name.
    pub(in crate::engine) fn server_tool<'a>(
        &'a self,
        server: &'a str,
        tool: &'a str,
    ) -> BoxFuture<'a, Result<Arc<ToolPlan>, RunError>> {
        Box::pin(async move {
            let plan = self.plan.clone();
            let server = declared(&plan.mcp_servers, server)?;
            grants::mcp(&plan.permits, &server.name, tool)?;
            let found = self.server_tools(server).await?;
            let own = |plan: &&Arc<ToolPlan>| matches!(&plan.kind, ToolKind::Mcp { tool: name, .. } if name == tool);
            found.iter().find(own).cloned().ok_or_else(|| {
                let known: Vec<&str> = (found.iter())
                    .filter_map(|plan| match &plan.kind {
                        ToolKind::Mcp { tool, .. } => Some(tool.as_str()),
                        _ => None,
                    })
                    .collect();
                let message = format!("the MCP server `{}` has no tool `{tool}`", server.name);
                RunError::new(ErrorKind::ToolNotFound, message).with_help(match known.is_empty() {
                    true => "none of its tools can be used here".to_owned(),
                    false => format!("its tools are: {}", known.join(", ")),
                })
            })
        })
    }

    /// Whether a server still has a tool; its list is asked for and compared once in a run.
    pub(super) async fn server_has(&self, server: &str, tool: &str) -> Result<(), RunError> {
        self.server_tool(server, tool).await.map(drop)
    }

    /// Calls a tool of a server.
    pub(super) async fn call_server(&self, server: &str, tool: &str, args: Value) -> Result<Value, RunError> {
        let plan = self.plan.clone();
        let server = declared(&plan.mcp_servers, server)?;
        let endpoint = self.endpoint(server, self.approach(server)?)?;
        self.engine.ports.reach.mcp.call(&endpoint, tool, args, self.gate.cancel()).await
    }

    fn approach(&self, server: &McpServerPlan) -> Result<Approach, RunError> {
        let scope = self.scope();
        match &server.target {
            McpTarget::Unsupported(what) => {
                Err(RunError::unsupported(format!("`{what}` of the MCP server `{}`", server.name)))
            }
            McpTarget::Stdio { argv, env } => {
                let program = argv.first().ok_or_else(|| {
                    RunError::new(ErrorKind::McpUnavailable, format!("the MCP server `{}` has no command", server.name))
                        .with_help("give `command`, or `url` for one that is reached over HTTP")
                })?;
                grants::program(&self.plan.permits, program)?;
                Ok(Approach::Program(argv.clone(), self.environment(env, &scope)?))
            }
            McpTarget::Http { url, headers } => {
                let (url, grant) = grants::address(&self.plan.permits, url)?;
                let render = |(name, template): &(String, aikit_spec::template::Template)| {
                    let value = template.render_text(&scope).map_err(|e| self.expression_error(e))?;
                    Ok((name.clone(), value))
                };
                let headers = headers.iter().map(render).collect::<Result<_, RunError>>()?;
                Ok(Approach::Http(url.into(), headers, grant == HostGrant::Named, server.secret.clone()))
            }
        }
    }

    fn endpoint(&self, server: &McpServerPlan, approach: Approach) -> Result<McpEndpoint, RunError> {
        let secrets = &self.engine.ports.secrets;
        let way = match approach {
            Approach::Program(argv, env) => McpWay::Program { argv, env: self.resolved(env)? },
            Approach::Http(url, headers, private, secret) => {
                let bearer = secret.as_ref().map(|source| secrets.resolve(source)).transpose()?;
                McpWay::Http { url, headers, bearer, private }
            }
        };
        Ok(McpEndpoint { run: self.gate.run(), server: server.name.clone(), way, timeout: server.timeout })
    }
}

fn declared<'p>(servers: &'p [McpServerPlan], name: &str) -> Result<&'p McpServerPlan, RunError> {
    servers.iter().find(|server| server.name == name).ok_or_else(|| {
        RunError::new(ErrorKind::ToolNotFound, format!("there is no MCP server `{name}`"))
            .with_help("declare it under integration.mcp_servers")
    })
}

fn object() -> Value {
    json!({ "type": "object" })
}
