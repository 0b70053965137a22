//! Tools, the servers behind them, and what they may reach.

use std::time::Duration;

use aikit_core::Language;
use aikit_yaml::Node;
use serde_json::json;

use super::{Lowering, at, duration, dynamic, script, template};
use crate::{
    BuiltinTool,
    agent::{
        self, AgentDocument, AuthKind, HttpMethod, McpPin, McpServer, McpStart, McpTransport, OnInvalidArgs, Overflow,
        ToolEntry, ToolSpec,
    },
    expr::Expr,
    plan::{
        CachePlan, CommandPlan, HttpPlan, McpServerPlan, McpTarget, OpenapiPlan, PermitsPlan, SecretSource,
        ToolExecutionPlan, ToolKind, ToolPlan,
    },
    template::Template,
    words::{DurationText, ToolGlob, call_name},
};

const TOOL_TIMEOUT: Duration = Duration::from_secs(30);

/// Built-in tools that change something.
const WRITING: &[&str] = &["write_file"];

impl Lowering<'_> {
    /// The declared tools that the document's rules leave.
    pub(super) fn tools(&mut self, root: &Node) -> Result<Vec<ToolPlan>, String> {
        let nodes = at(root, &["integration", "tools"]).map(Node::items).unwrap_or_default();
        let document = self.document;
        let mut tools = Vec::new();
        for (tool, node) in document.integration.tools.iter().zip(nodes) {
            let mut plan = self.tool(root, tool, node)?;
            plan.ask = confirmation(node);
            plan.repeatable = match (node.get("effect").and_then(Node::as_str), node.get("idempotent")) {
                (Some("read"), _) => true,
                (_, Some(node)) if node.to_json() == true => true,
                (Some(_), _) => false,
                (None, _) => match &plan.kind {
                    ToolKind::Builtin(name) => !WRITING.contains(&name.as_str()),
                    ToolKind::Http(http) => http.method.is_safe(),
                    _ => false,
                },
            };
            plan.mock = node.get("mock").map(Node::to_json);
            tools.push(plan);
        }
        Ok(tools)
    }

    fn tool(&mut self, root: &Node, tool: &ToolEntry, node: &Node) -> Result<ToolPlan, String> {
        let spec = match tool {
            ToolEntry::Builtin(name) => return Ok(self.builtin(&name.0.0, None, node)),
            ToolEntry::Declared(spec) => &**spec,
        };
        /// What all kinds of tools have.
        macro_rules! plan {
            ($spec:expr, $kind:expr, $timeout:expr) => {
                ToolPlan {
                    name: call_name(&$spec.name.0),
                    rule_name: $spec.name.0.clone(),
                    description: $spec.description.clone(),
                    input: node.get("input").map_or_else(|| json!({"type": "object"}), Node::to_json),
                    output: node.get("output").map(Node::to_json),
                    kind: $kind,
                    timeout: duration($spec.timeout.as_ref()).unwrap_or($timeout),
                    repeatable: false,
                    mock: None,
                    ask: Vec::new(),
                    retry: $spec.retry.as_ref().map(super::steps::retry),
                    cache: cache($spec.cache.as_ref(), node),
                    cost: $spec.cost.unwrap_or_default(),
                    range: node.range,
                }
            };
        }
        // A run inside the run is bounded by the run.
        let wall = super::limits(self.document).wall;
        let lost = || format!("the tool at byte {} cannot be read", node.range.start);
        Ok(match spec {
            ToolSpec::Builtin(spec) => {
                let plan = self.builtin(&spec.name.0.0, spec.timeout.as_ref(), node);
                ToolPlan {
                    description: spec.description.clone().unwrap_or(plan.description),
                    retry: spec.retry.as_ref().map(super::steps::retry),
                    cache: cache(spec.cache.as_ref(), node),
                    cost: spec.cost.unwrap_or_default(),
                    ..plan
                }
            }
            ToolSpec::Lua(spec) => {
                let code = script(Language::Lua, node.get("code"), spec.instructions, spec.memory_mb);
                plan!(spec, ToolKind::Script(code), TOOL_TIMEOUT)
            }
            ToolSpec::Js(spec) => {
                let code = script(Language::Js, node.get("code"), spec.instructions, spec.memory_mb);
                plan!(spec, ToolKind::Script(code), TOOL_TIMEOUT)
            }
            ToolSpec::Http(spec) => {
                let secret = spec.secret.as_ref().and_then(|name| self.secret(&name.0));
                let plan = http(spec.method, node, spec.url_allow.clone(), secret).ok_or_else(lost)?;
                plan!(spec, ToolKind::Http(plan), TOOL_TIMEOUT)
            }
            ToolSpec::Openapi(spec) => {
                let plan = OpenapiPlan {
                    spec: spec.spec.0.clone(),
                    operations: spec.operations.clone(),
                    base_url: spec.base_url.as_ref().map(|url| url.0.clone()),
                    secret: spec.secret.as_ref().and_then(|name| self.secret(&name.0)),
                };
                plan!(spec, ToolKind::Openapi(plan), TOOL_TIMEOUT)
            }
            ToolSpec::Mcp(spec) => {
                let server = spec.server.0.0.clone();
                let tool = spec.tool.clone().unwrap_or_else(|| spec.name.0.clone());
                plan!(spec, ToolKind::Mcp { server, tool }, TOOL_TIMEOUT)
            }
            ToolSpec::Agent(spec) => {
                plan!(spec, ToolKind::Agent(spec.agent.0.clone()), wall)
            }
            ToolSpec::Workflow(spec) => {
                let nodes = node.get("steps").map(Node::items).unwrap_or_default();
                let steps = self.steps(root, &spec.steps, nodes, false)?;
                plan!(spec, ToolKind::Workflow(steps), wall)
            }
            ToolSpec::Command(spec) => {
                let argv = node.get("argv").map(Node::items).unwrap_or_default().iter().map(template);
                let plan = CommandPlan {
                    argv: argv.collect::<Option<_>>().ok_or_else(lost)?,
                    cwd: spec.cwd.as_ref().map(|path| path.0.clone()),
                    env: templates(node, "env"),
                };
                plan!(spec, ToolKind::Command(plan), TOOL_TIMEOUT)
            }
            ToolSpec::Wasm(spec) => plan!(spec, ToolKind::Unsupported("wasm"), TOOL_TIMEOUT),
        })
    }

    pub(super) fn builtin(&self, name: &str, timeout: Option<&DurationText>, node: &Node) -> ToolPlan {
        let known: Option<&BuiltinTool> = self.context.builtins.iter().find(|builtin| builtin.name == name);
        ToolPlan {
            name: call_name(name),
            rule_name: name.to_owned(),
            description: known.map(|known| known.description.clone()).unwrap_or_default(),
            input: known.map_or_else(|| json!({"type": "object"}), |known| known.input.clone()),
            output: None,
            kind: ToolKind::Builtin(name.to_owned()),
            timeout: duration(timeout).unwrap_or(TOOL_TIMEOUT),
            repeatable: false,
            mock: None,
            ask: Vec::new(),
            retry: None,
            cache: None,
            cost: 0.0,
            range: node.range,
        }
    }

    /// The declared MCP servers.
    pub(super) fn mcp_servers(&self, root: &Node) -> Vec<McpServerPlan> {
        let nodes = at(root, &["integration", "mcp_servers"]).map(Node::items).unwrap_or_default();
        let servers = self.document.integration.mcp_servers.iter().zip(nodes);
        servers.map(|(server, node)| self.mcp_server(server, node)).collect()
    }

    fn mcp_server(&self, server: &McpServer, node: &Node) -> McpServerPlan {
        // A server with an address and without a program is one over HTTP.
        let over_http = server.url.is_some() && server.command.is_empty();
        let transport = server.transport.unwrap_or(if over_http { McpTransport::Http } else { McpTransport::Stdio });
        let auth = server.auth.as_ref();
        let target = match (transport, auth.map(|auth| auth.kind)) {
            (_, Some(AuthKind::Oauth)) => McpTarget::Unsupported("auth.kind: oauth"),
            (McpTransport::Unix, _) => McpTarget::Unsupported("transport: unix"),
            (McpTransport::Stdio, _) => McpTarget::Stdio { argv: server.command.clone(), env: templates(node, "env") },
            (McpTransport::Http, _) => {
                McpTarget::Http { url: server.url.clone().unwrap_or_default(), headers: templates(node, "headers") }
            }
        };
        McpServerPlan {
            name: server.name.0.clone(),
            target,
            secret: auth.and_then(|auth| auth.secret.as_ref()).and_then(|name| self.secret(&name.0)),
            tools: server.tools.clone(),
            prefix: server.prefix.clone(),
            pin: server.pin.unwrap_or(McpPin::Names),
            eager: server.start == Some(McpStart::Eager),
            timeout: duration(server.timeout.as_ref()).unwrap_or(TOOL_TIMEOUT),
        }
    }
}

/// A request as a tool or a step describes it.
pub(super) fn http(
    method: Option<HttpMethod>,
    node: &Node,
    url_allow: Vec<String>,
    secret: Option<SecretSource>,
) -> Option<HttpPlan> {
    Some(HttpPlan {
        method: method.unwrap_or(HttpMethod::Get),
        url: node.get("url").and_then(template)?,
        headers: templates(node, "headers"),
        body: node.get("body").map(dynamic),
        url_allow,
        secret,
    })
}

/// The entries of a mapping of names to templates.
fn templates(node: &Node, key: &str) -> Vec<(String, Template)> {
    let entries = node.get(key).map(Node::entries).unwrap_or_default().iter();
    entries.filter_map(|entry| Some((entry.name().to_owned(), template(&entry.value)?))).collect()
}

fn cache(cache: Option<&agent::Cache>, node: &Node) -> Option<CachePlan> {
    let ttl = duration(Some(&cache?.ttl))?;
    Some(CachePlan { ttl, key: node.get("cache").and_then(|node| node.get("key")).and_then(template) })
}

/// When the tool itself wants a person to agree.
fn confirmation(tool: &Node) -> Vec<Option<Expr>> {
    match tool.get("confirm").and_then(|node| Some((node, node.as_str()?))) {
        None | Some((_, "never")) => Vec::new(),
        Some((_, "always")) => vec![None],
        Some((node, _)) => vec![expr(node)],
    }
}

fn expr(node: &Node) -> Option<Expr> {
    Some(Expr { source: node.as_str()?.to_owned(), range: node.range })
}

/// What the document may reach, and which of its tools may be called.
pub(super) fn permits(document: &AgentDocument, root: &Node) -> PermitsPlan {
    let security = &document.governance.security;
    let permits = &security.permits;
    let asks = at(root, &["governance", "security", "ask_tools"]).map(Node::items).unwrap_or_default().iter();
    let ask = |node: &Node| {
        let glob = node.as_str().or_else(|| node.get("tool")?.as_str())?;
        Some((ToolGlob(glob.to_owned()), node.get("when").and_then(expr)))
    };
    PermitsPlan {
        net: permits.net.iter().map(|glob| glob.0.clone()).collect(),
        fs_read: permits.fs_read.clone(),
        fs_write: permits.fs_write.clone(),
        exec: permits.exec.clone(),
        env_allow: permits.env_allow.iter().map(|name| name.0.clone()).collect(),
        mcp: permits.mcp.iter().map(|glob| glob.0.clone()).collect(),
        allowed: security.allowed_tools.clone(),
        denied: security.denied_tools.clone(),
        ask: asks.filter_map(ask).collect(),
    }
}

/// How tools are called for a model.
pub(super) fn execution(document: &AgentDocument) -> ToolExecutionPlan {
    let declared = document.integration.tool_execution.clone().unwrap_or_default();
    let bytes = declared.max_result_bytes.as_ref().and_then(|size| size.bytes()).unwrap_or(64 << 10);
    ToolExecutionPlan {
        parallel: declared.parallel.unwrap_or(4) as usize,
        on_invalid_args: declared.on_invalid_args.unwrap_or(OnInvalidArgs::Repair),
        max_result_bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        overflow: declared.overflow.unwrap_or(Overflow::Truncate),
    }
}
