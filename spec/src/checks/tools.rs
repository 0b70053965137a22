//! Tools that consist of others: steps, the operations of a service, the tools of a server.

use aikit_core::{Diagnostic, codes};
use aikit_yaml::Node;

use super::{Checker, schema_value};
use crate::{roots::Roots, words::glob_fits};

impl<'a> Checker<'a> {
    /// The steps of tools of kind `workflow`; `inputs` holds the arguments.
    pub(super) fn workflow_tools(&mut self) {
        for tool in self.at(&["integration", "tools"]).map(Node::items).unwrap_or_default() {
            let Some(steps) = tool.get("steps") else { continue };
            let roots = match schema_value(tool.get("input")) {
                Some(input) => Roots::standard().with_inputs(&input),
                None => Roots::standard(),
            };
            self.nested(steps.items(), roots);
        }
    }

    /// Whether a name means tools that only a server or a description knows: `server`, `server.tool`, `api`,
    /// `api.operation`, or an operation by the name with which models call it. Whether they are there shows when it runs.
    pub(super) fn of_source(&mut self, node: &'a Node) -> bool {
        let Some(name) = node.as_str() else { return false };
        let source = name.split('.').next().unwrap_or(name);
        if self.tools.contains_key(name) && !self.is_openapi(name) {
            return false;
        }
        if self.names_in(&["integration", "mcp_servers"]).contains(&source) {
            return true;
        }
        let service = self.tools.keys().copied().find(|tool| {
            let of = |rest: &str| rest.is_empty() || rest.starts_with('.') || rest.starts_with("__");
            name.strip_prefix(tool).is_some_and(of) && self.is_openapi(tool)
        });
        service.is_some_and(|service| {
            self.used_tools.insert(service);
            true
        })
    }

    fn is_openapi(&self, tool: &str) -> bool {
        self.tools.get(tool).is_some_and(|tool| tool.node.get("kind").and_then(Node::as_str) == Some("openapi"))
    }

    /// Tools of MCP servers that are named and not permitted.
    pub(super) fn permitted_mcp(&mut self) {
        let permits = self.at(&["governance", "security", "permits", "mcp"]);
        let rules: Vec<&str> = permits.map(Node::items).unwrap_or_default().iter().filter_map(Node::as_str).collect();
        let mut named: Vec<(&Node, String)> = Vec::new();
        for tool in self.at(&["integration", "tools"]).map(Node::items).unwrap_or_default() {
            let Some(server) = tool.get("server").and_then(Node::as_str) else { continue };
            let there = tool.get("tool").or_else(|| tool.get("name"));
            named.extend(there.and_then(|node| Some((node, format!("{server}/{}", node.as_str()?)))));
        }
        for step in super::steps::all(self.root).into_iter().chain(super::steps::of_tools(self.root)) {
            named.extend(step.get("mcp").and_then(|node| Some((node, node.as_str()?.to_owned()))));
        }
        for (node, name) in named {
            if rules.iter().any(|rule| glob_fits(rule, &name)) {
                continue;
            }
            let message = format!("the tool `{name}` is not among `governance.security.permits.mcp`");
            let finding = Diagnostic::new(codes::NOT_PERMITTED, node.range, message)
                .with_help(format!("what is not named there cannot be reached; add `{name}` to `permits.mcp`"));
            self.push(match permits {
                Some(permits) => finding.with_related(permits.range, "this is permitted"),
                None => finding,
            });
        }
        for server in self.at(&["integration", "mcp_servers"]).map(Node::items).unwrap_or_default() {
            let Some(name) = server.get("name") else { continue };
            let Some(text) = name.as_str() else { continue };
            let of_it = |rule: &&str| rule.split_once('/').is_some_and(|(server, _)| glob_fits(server, text));
            if !rules.iter().any(of_it) {
                let message = format!("no tool of the server `{text}` is among `governance.security.permits.mcp`");
                self.push(
                    Diagnostic::new(codes::UNUSED_DECLARATION, name.range, message)
                        .with_help(format!("`{text}/*` permits all of them")),
                );
            }
        }
    }
}
