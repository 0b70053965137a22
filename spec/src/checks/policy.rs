//! What the document may do: isolation, what is reached outside, rules for values.

use aikit_core::{Diagnostic, Severity, codes};
use aikit_yaml::Node;

use super::{Checker, is_template};
use crate::{
    limits::{self, Limits},
    roots::Shape,
    words::{ToolGlob, environment, glob_fits},
};

impl<'a> Checker<'a> {
    pub(super) fn policy(&mut self) {
        self.isolation();
        self.grants();
        self.reached();
        self.permitted_mcp();
        self.guardrails();
        self.outer_limits();
    }

    /// Bounds that are wider than an outer layer allows: the outer one holds.
    fn outer_limits(&mut self) {
        for (name, path) in limits::NAMES {
            let Some(node) = self.at(path) else { continue };
            let Ok(own) = Limits::read(&serde_json::json!({ name: node.to_json() })) else { continue };
            let Some(own) = own.get(name) else { continue };
            let outer = self.context.limits.iter().filter_map(|layer| Some((layer.limits.get(name)?, &layer.name)));
            let Some((least, layer)) = outer.min_by(|one, other| one.0.total_cmp(&other.0)) else { continue };
            if own > least {
                let unit = if name == "max_wall" { " seconds" } else { "" };
                let message = format!("`{name}` is wider than the {layer} allows: {least}{unit} holds");
                let mut finding = Diagnostic::new(codes::LIMIT_EXCEEDED, node.range, message);
                finding.severity = Severity::Warning;
                self.push(finding);
            }
        }
    }

    /// Fields by which an author could loosen what the operator decides: the stricter side holds.
    fn isolation(&mut self) {
        let loosened = [
            (&["governance", "security", "tenant_isolation"][..], "relaxed", "tenants are always separated"),
            (&["governance", "security", "sandbox"], "moderate", "scripts always run in the strict sandbox"),
            (&["governance", "security", "sandbox"], "none", "scripts always run in the strict sandbox"),
            (&["memory", "semantic", "rls_enabled"], "false", "tenants are always separated"),
        ];
        for (path, word, instead) in loosened {
            if let Some(node) = self.at(path)
                && node.scalar().is_some_and(|scalar| scalar.text == word)
            {
                let key = path.last().copied().unwrap_or_default();
                let message = format!("`{key}: {word}` has no effect: {instead}");
                self.push(Diagnostic::new(codes::ISOLATION_LOOSENED, node.range, message).with_help("remove it"));
            }
        }
        let namespaces = [
            &["context_policy", "rag", "namespace"][..],
            &["memory", "episodic", "namespace"],
            &["memory", "semantic", "namespace"],
            &["network", "discovery", "namespace"],
        ];
        for path in namespaces {
            let Some((node, text)) = self.at(path).and_then(|node| Some((node, node.as_str()?))) else { continue };
            let squeezed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            let outer = squeezed.split('/').next().unwrap_or_default();
            let own = self.context.tenant.as_ref().is_some_and(|tenant| outer == tenant.as_str());
            if !matches!(outer, "{{tenant_id}}" | "{{tenant.id}}") && !own {
                let message = "the namespace does not begin with the tenant; it is put inside of the tenant's";
                self.push(
                    Diagnostic::new(codes::ISOLATION_LOOSENED, node.range, message)
                        .with_help("begin it with `{{tenant_id}}/`"),
                );
            }
        }
    }

    /// Rules about tools that no tool fits.
    fn grants(&mut self) {
        if self.is_doubtful("integration") {
            return;
        }
        let servers = self.names_in(&["integration", "mcp_servers"]);
        for key in ["allowed_tools", "denied_tools", "ask_tools"] {
            for rule in self.at(&["governance", "security", key]).map(Node::items).unwrap_or_default() {
                let rule = rule.get("tool").unwrap_or(rule);
                let Some(text) = rule.as_str() else { continue };
                let glob = ToolGlob(text.to_owned());
                let server = text.split_once('/').map(|(server, _)| server);
                let of_server = server.is_some_and(|server| servers.iter().any(|name| glob_fits(server, name)));
                if of_server || self.tools.keys().any(|name| glob.matches(name)) {
                    continue;
                }
                let message = format!("`{text}` in `{key}` fits no tool of the document");
                let finding = Diagnostic::new(codes::UNUSED_DECLARATION, rule.range, message);
                self.push(match crate::roots::nearest(text, self.tools.keys().copied()) {
                    Some(meant) => finding.with_help(format!("did you mean `{meant}`?")).with_fix(
                        format!("Replace with `{meant}`"),
                        rule.range,
                        meant,
                    ),
                    None => finding,
                });
            }
        }
    }

    /// Hosts and programs that are reached and not permitted.
    fn reached(&mut self) {
        let mut urls: Vec<&'a Node> = Vec::new();
        let mut programs: Vec<&'a Node> = Vec::new();
        for tool in self.at(&["integration", "tools"]).map(Node::items).unwrap_or_default() {
            match tool.get("kind").and_then(Node::as_str) {
                Some("http") => urls.extend(tool.get("url")),
                Some("openapi") => urls.extend(tool.get("base_url").into_iter().chain(tool.get("spec"))),
                Some("command") => programs.extend(tool.get("argv").and_then(|argv| argv.items().first())),
                _ => {}
            }
        }
        for server in self.at(&["integration", "mcp_servers"]).map(Node::items).unwrap_or_default() {
            urls.extend(server.get("url"));
            programs.extend(server.get("command").and_then(|command| command.items().first()));
        }
        for step in super::steps::all(self.root).into_iter().chain(super::steps::of_tools(self.root)) {
            urls.extend(step.get("http").and_then(|http| http.get("url")));
        }
        let models = self.models.values().map(|model| model.node).collect::<Vec<_>>();
        for url in models.into_iter().filter_map(|model| model.get("base_url")) {
            let Some((name, _)) = url.as_str().and_then(environment) else { continue };
            self.permitted(url, "env_allow", "environment variable", name);
        }
        for url in urls {
            let Some(host) = url.as_str().and_then(host) else { continue };
            self.permitted(url, "net", "host", host);
        }
        for program in programs {
            let Some(name) = program.as_str().filter(|name| !is_template(name)) else { continue };
            self.permitted(program, "exec", "program", name);
        }
    }

    fn permitted(&mut self, node: &Node, key: &str, what: &str, name: &str) {
        let permits = self.at(&["governance", "security", "permits", key]);
        let rules = permits.map(Node::items).unwrap_or_default();
        if rules.iter().any(|rule| rule.as_str().is_some_and(|rule| glob_fits(rule, name))) {
            return;
        }
        let message = format!("the {what} `{name}` is not among `governance.security.permits.{key}`");
        let finding = Diagnostic::new(codes::NOT_PERMITTED, node.range, message)
            .with_help(format!("what is not named there cannot be reached; add `{name}` to `permits.{key}`"));
        self.push(match permits {
            Some(permits) => finding.with_related(permits.range, "this is permitted"),
            None => finding,
        });
    }

    /// A rule that says how it looks says as well what for.
    fn guardrails(&mut self) {
        let roots = self.roots().with("steps", Shape::Any).with("value", Shape::Any);
        for guardrail in self.at(&["governance", "guardrails"]).map(Node::items).unwrap_or_default() {
            let Some(method) = guardrail.entry("use") else { continue };
            let needs: &[&str] = match method.value.as_str() {
                Some("regex" | "cel") => &["rule"],
                Some("schema") => &["schema"],
                Some("script") => &["lua", "js"],
                Some("model") => &["prompt"],
                _ => continue,
            };
            if needs.iter().all(|key| guardrail.get(key).is_none()) {
                let word = method.value.as_str().unwrap_or_default();
                let wanted: Vec<String> = needs.iter().map(|key| format!("`{key}`")).collect();
                let message = format!("`use: {word}` needs {}", wanted.join(" or "));
                self.push(Diagnostic::new(codes::MISSING_KEY, method.value.range, message));
            }
            let Some(rule) = guardrail.get("rule") else { continue };
            match method.value.as_str() {
                Some("cel") => self.condition(rule, &roots),
                Some("regex") => self.regex(rule),
                _ => {}
            }
        }
    }

    /// A regular expression.
    pub(super) fn regex(&mut self, node: &Node) {
        let Some(text) = node.as_str() else { return };
        if let Err(error) = regex::RegexBuilder::new(text).size_limit(1 << 20).build() {
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            let message = format!("the regular expression cannot be used: {reason}");
            self.push(Diagnostic::new(codes::INVALID_FORMAT, node.range, message));
        }
    }
}

/// The host of an address, if it is written out.
fn host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let host = rest.split(['/', '?', '#']).next()?;
    let host = host.rsplit('@').next()?;
    (!host.is_empty() && !is_template(host) && !host.contains("}}")).then_some(host)
}
