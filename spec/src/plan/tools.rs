//! Tools as the engine calls them, and what a document may reach by them.

use std::time::Duration;

use aikit_core::TextRange;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Dynamic, MemoryTool, RetryPlan, ScriptPlan, SecretSource, StepPlan};
use crate::{
    agent::{HttpMethod, McpPin, OnInvalidArgs, Overflow},
    expr::Expr,
    template::Template,
    words::{ToolGlob, glob_fits},
};

/// A declared tool.
#[derive(Debug, Clone)]
pub struct ToolPlan {
    /// The name by which models and steps call it.
    pub name: String,
    /// The name by which the document's rules know it: `search`, `server/tool`.
    pub rule_name: String,
    /// What it is good for.
    pub description: String,
    /// JSON Schema of its arguments.
    pub input: Value,
    /// JSON Schema of its result, where declared.
    pub output: Option<Value>,
    /// What runs.
    pub kind: ToolKind,
    /// How long a call may take.
    pub timeout: Duration,
    /// Whether a call may be made again without harm: it changes nothing, or the same again.
    pub repeatable: bool,
    /// What a call gives in tests that do not say otherwise.
    pub mock: Option<Value>,
    /// When a person has to agree to a call: always, or under a condition in which `args` holds the arguments.
    pub ask: Vec<Option<Expr>>,
    /// How a call is tried again.
    pub retry: Option<RetryPlan>,
    /// For how long results are kept.
    pub cache: Option<CachePlan>,
    /// What a call costs, in US dollars.
    pub cost: f64,
    /// Where it is declared.
    pub range: TextRange,
}

/// What a tool runs.
#[derive(Debug, Clone)]
pub enum ToolKind {
    /// One that comes with aikit, by name.
    Builtin(String),
    /// A script; `ctx.inputs` holds the arguments.
    Script(ScriptPlan),
    /// One request over HTTP.
    Http(HttpPlan),
    /// A program.
    Command(CommandPlan),
    /// Another agent of the tenant, as `name` or `name@version`.
    Agent(String),
    /// Steps; `inputs` holds the arguments, the last output is the result.
    Workflow(Vec<StepPlan>),
    /// A tool of an MCP server.
    Mcp {
        /// The server's name in the document.
        server: String,
        /// The tool's name there.
        tool: String,
    },
    /// The operations of a service; each is a tool of its own, which the engine makes from the description.
    Openapi(OpenapiPlan),
    /// One operation of a service, as the engine found it in the description.
    Operation(Box<OperationPlan>),
    /// The agent's memory.
    Memory(MemoryTool),
    /// A kind of tool that this version does not execute: a call fails.
    Unsupported(&'static str),
}

/// For how long a result is kept.
#[derive(Debug, Clone)]
pub struct CachePlan {
    /// For how long.
    pub ttl: Duration,
    /// What tells results apart; what goes in unless said otherwise.
    pub key: Option<Template>,
}

/// One request over HTTP.
#[derive(Debug, Clone)]
pub struct HttpPlan {
    /// The method.
    pub method: HttpMethod,
    /// The address.
    pub url: Template,
    /// Headers by name.
    pub headers: Vec<(String, Template)>,
    /// What is sent.
    pub body: Option<Dynamic>,
    /// Addresses to which the request may go besides; empty means every permitted host.
    pub url_allow: Vec<String>,
    /// The credential that is sent as a bearer token.
    pub secret: Option<SecretSource>,
}

/// A program that is started.
#[derive(Debug, Clone)]
pub struct CommandPlan {
    /// The program and its arguments.
    pub argv: Vec<Template>,
    /// The folder in which it starts, below the workspace.
    pub cwd: Option<String>,
    /// Environment variables by name.
    pub env: Vec<(String, Template)>,
}

/// A service that is described by OpenAPI.
#[derive(Debug, Clone)]
pub struct OpenapiPlan {
    /// A file of the workspace, or the address of the description.
    pub spec: String,
    /// The operations that can be called; empty means all.
    pub operations: Vec<String>,
    /// Where the service is, when the description does not say it.
    pub base_url: Option<String>,
    /// The credential that is sent as a bearer token.
    pub secret: Option<SecretSource>,
}

/// One operation of a service.
#[derive(Debug, Clone)]
pub struct OperationPlan {
    /// The method.
    pub method: HttpMethod,
    /// The address of the service, without a slash at its end.
    pub base_url: String,
    /// The path, with `{name}` for parameters.
    pub path: String,
    /// Its parameters.
    pub parameters: Vec<ParameterPlan>,
    /// The media type of the body, where there is one.
    pub body: Option<String>,
    /// The credential that is sent as a bearer token.
    pub secret: Option<SecretSource>,
}

/// A parameter of an operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParameterPlan {
    /// The argument that fills it.
    pub argument: String,
    /// Its name on the wire.
    pub name: String,
    /// Where it goes: `path`, `query` or `header`.
    pub place: String,
    /// Whether the items of a list and the entries of an object stand each by itself.
    pub explode: bool,
    /// Whether the entries of an object are written as `name[key]`.
    pub deep: bool,
}

/// A server of the Model Context Protocol.
#[derive(Debug, Clone)]
pub struct McpServerPlan {
    /// Its name.
    pub name: String,
    /// How it is reached.
    pub target: McpTarget,
    /// The credential that is sent as a bearer token.
    pub secret: Option<SecretSource>,
    /// The tools that can be used; empty means all.
    pub tools: Vec<String>,
    /// Stands before the names of the tools in place of `server__`.
    pub prefix: Option<String>,
    /// Whether a change of the server's tools is noticed.
    pub pin: McpPin,
    /// Whether it is started when the run begins.
    pub eager: bool,
    /// How long it may take to answer.
    pub timeout: Duration,
}

/// How an MCP server is reached.
#[derive(Debug, Clone)]
pub enum McpTarget {
    /// A program and its arguments.
    Stdio {
        /// The program and its arguments.
        argv: Vec<String>,
        /// Environment variables by name.
        env: Vec<(String, Template)>,
    },
    /// Over HTTP.
    Http {
        /// Its address.
        url: String,
        /// Headers by name.
        headers: Vec<(String, Template)>,
    },
    /// A way that this version does not know.
    Unsupported(&'static str),
}

/// How tools are called for a model.
#[derive(Debug, Clone)]
pub struct ToolExecutionPlan {
    /// How many at the same time.
    pub parallel: usize,
    /// What happens to arguments that do not fit.
    pub on_invalid_args: OnInvalidArgs,
    /// How long a result may be, in bytes.
    pub max_result_bytes: usize,
    /// What happens to a longer one.
    pub overflow: Overflow,
}

/// What a document may reach, and which of its tools may be called.
#[derive(Debug, Clone, Default)]
pub struct PermitsPlan {
    /// Hosts, with their ports where they are not those of the scheme.
    pub net: Vec<String>,
    /// Files that may be read.
    pub fs_read: Vec<String>,
    /// Files that may be written.
    pub fs_write: Vec<String>,
    /// Programs.
    pub exec: Vec<String>,
    /// Environment variables.
    pub env_allow: Vec<String>,
    /// Tools of MCP servers, as `server/tool`.
    pub mcp: Vec<String>,
    /// Tools that may be called; empty means all.
    pub allowed: Vec<ToolGlob>,
    /// Tools that may not be called.
    pub denied: Vec<ToolGlob>,
    /// Tools that may be called if a person agrees, and when.
    pub ask: Vec<(ToolGlob, Option<Expr>)>,
}

/// How a host was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostGrant {
    /// By its own name: an address of the private network is meant.
    Named,
    /// By a pattern, which means public addresses only.
    Pattern,
}

impl PermitsPlan {
    /// Whether a host may be reached; a rule without a port means the port of the scheme.
    pub fn host(&self, host: &str, port: u16, default_port: u16) -> Option<HostGrant> {
        let whole = format!("{host}:{port}");
        let fits = |rule: &&String| glob_fits(rule, &whole) || port == default_port && glob_fits(rule, host);
        let mut rules = self.net.iter().filter(fits).peekable();
        rules.peek()?;
        Some(if rules.any(|rule| !rule.contains('*')) { HostGrant::Named } else { HostGrant::Pattern })
    }

    /// Whether a file may be read.
    pub fn reads(&self, path: &str) -> bool {
        self.fs_read.iter().any(|rule| path_fits(rule, path))
    }

    /// Whether a file may be written.
    pub fn writes(&self, path: &str) -> bool {
        self.fs_write.iter().any(|rule| path_fits(rule, path))
    }

    /// Whether a program may be started.
    pub fn runs(&self, program: &str) -> bool {
        self.exec.iter().any(|rule| glob_fits(rule, program))
    }

    /// Whether an environment variable may be read.
    pub fn environment(&self, name: &str) -> bool {
        self.env_allow.iter().any(|allowed| allowed == name)
    }

    /// Whether a tool of an MCP server may be called.
    pub fn mcp(&self, server: &str, tool: &str) -> bool {
        let name = format!("{server}/{tool}");
        self.mcp.iter().any(|rule| glob_fits(rule, &name))
    }

    /// The key of the rule that keeps a tool from being called.
    pub fn refuses(&self, tool: &str) -> Option<&'static str> {
        let matches = |globs: &[ToolGlob]| globs.iter().any(|glob| glob.matches(tool));
        if matches(&self.denied) {
            return Some("denied_tools");
        }
        (!self.allowed.is_empty() && !matches(&self.allowed)).then_some("allowed_tools")
    }
}

/// Whether a path below the workspace fits a pattern: `*` stands for anything within a part, `**` for any number of parts.
pub fn path_fits(pattern: &str, path: &str) -> bool {
    fn fits(pattern: &[&str], path: &[&str]) -> bool {
        match (pattern.split_first(), path.split_first()) {
            (None, None) => true,
            (Some((&"**", rest)), _) => {
                fits(rest, path) || path.split_first().is_some_and(|(_, more)| fits(pattern, more))
            }
            (Some((part, rest)), Some((name, more))) => glob_fits(part, name) && fits(rest, more),
            _ => false,
        }
    }
    let pattern: Vec<&str> = pattern.split('/').filter(|part| !matches!(*part, "" | ".")).take(64).collect();
    let path: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    path.len() <= 64 && fits(&pattern, &path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fit_patterns() {
        for (pattern, path, expected) in [
            ("data/*.csv", "data/a.csv", true),
            ("data/*.csv", "data/sub/a.csv", false),
            ("data/**", "data/sub/a.csv", true),
            ("data/**", "data", true),
            ("data/**", "database/a", false),
            ("**/*.md", "a.md", true),
            ("**/*.md", "a/b/c.md", true),
            ("./notes.txt", "notes.txt", true),
            ("**", "anything/at/all", true),
            ("*", "a/b", false),
        ] {
            assert_eq!(path_fits(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_host_is_granted_by_name_or_by_pattern() {
        let permits = PermitsPlan {
            net: ["api.example.org", "*.example.org", "localhost:8080"].map(str::to_owned).into(),
            ..PermitsPlan::default()
        };
        for (host, port, grant) in [
            ("api.example.org", 443, Some(HostGrant::Named)),
            ("api.example.org", 8443, None),
            ("www.example.org", 443, Some(HostGrant::Pattern)),
            ("localhost", 8080, Some(HostGrant::Named)),
            ("localhost", 443, None),
            ("example.org", 443, None),
        ] {
            assert_eq!(permits.host(host, port, 443), grant, "{host}:{port}");
        }
    }

    #[test]
    fn denying_wins() {
        let globs = |list: &[&str]| list.iter().map(|glob| ToolGlob((*glob).to_owned())).collect();
        let permits =
            PermitsPlan { allowed: globs(&["web_*"]), denied: globs(&["*_delete"]), ..PermitsPlan::default() };
        assert_eq!(permits.refuses("web_get"), None);
        assert_eq!(permits.refuses("web_delete"), Some("denied_tools"));
        assert_eq!(permits.refuses("mail"), Some("allowed_tools"));
    }
}
