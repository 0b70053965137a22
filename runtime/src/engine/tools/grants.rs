//! What a document may reach, asked before anything leaves: the one place where a grant is found or missing.

use aikit_core::{ErrorKind, RunError};
use aikit_spec::{
    plan::{HostGrant, PermitsPlan, SecretSource},
    template::Template,
    words::environment,
};
use serde::Serialize;
use serde_json::{Value, json};
use url::Url;

use super::super::Execution;
use crate::ports::Secret;

/// The mark of an error that says which grant is missing: a model may choose other arguments.
pub(in crate::engine) const GRANT: &str = "grant";

/// What is not granted, and where it would be.
fn missing(what: &str, name: &str, key: &str) -> RunError {
    RunError::new(ErrorKind::ToolDenied, format!("the {what} `{name}` is not granted to this document"))
        .with_help(format!("add it to governance.security.permits.{key}, if the document is to reach it"))
        .with_detail(json!({ GRANT: key, "name": name }))
}

/// A path below the workspace, without `.` and without a way out.
pub(super) fn normal(path: &str) -> Result<String, RunError> {
    let mut parts = Vec::new();
    let slashes = path.replace('\\', "/");
    let rooted = slashes.starts_with('/') || slashes.chars().nth(1) == Some(':') || slashes.contains('\0');
    for part in slashes.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(outside(path)),
            part => parts.push(part),
        }
    }
    if rooted { Err(outside(path)) } else { Ok(parts.join("/")) }
}

fn outside(path: &str) -> RunError {
    RunError::new(ErrorKind::ToolDenied, format!("the path `{path}` leads out of the workspace"))
        .with_help("give it relative to the workspace, without `..`")
        .with_detail(json!({ GRANT: "fs_read", "name": path }))
}

/// A file that may be read.
pub(super) fn readable(permits: &PermitsPlan, path: &str) -> Result<String, RunError> {
    let path = normal(path)?;
    if permits.reads(&path) { Ok(path) } else { Err(missing("file", &path, "fs_read")) }
}

/// A file that may be written.
pub(super) fn writable(permits: &PermitsPlan, path: &str) -> Result<String, RunError> {
    let path = normal(path)?;
    if permits.writes(&path) { Ok(path) } else { Err(missing("file", &path, "fs_write")) }
}

/// A program that may be started.
pub(super) fn program(permits: &PermitsPlan, name: &str) -> Result<(), RunError> {
    if permits.runs(name) { Ok(()) } else { Err(missing("program", name, "exec")) }
}

/// A tool of an MCP server that may be called.
pub(super) fn mcp(permits: &PermitsPlan, server: &str, tool: &str) -> Result<(), RunError> {
    if permits.mcp(server, tool) { Ok(()) } else { Err(missing("MCP tool", &format!("{server}/{tool}"), "mcp")) }
}

/// An address that may be reached, and how its host was granted.
pub(super) fn address(permits: &PermitsPlan, text: &str) -> Result<(Url, HostGrant), RunError> {
    let wrong = |why: &str| {
        RunError::new(ErrorKind::ToolFailed, format!("`{}` is not an address that can be reached: {why}", brief(text)))
    };
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    let default = match url.scheme() {
        "http" => 80,
        "https" => 443,
        _ => return Err(wrong("it must begin with http:// or https://")),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it holds a user name or a password; use `secret`"));
    }
    let host = url.host_str().ok_or_else(|| wrong("it has no host"))?.trim_end_matches('.').to_ascii_lowercase();
    let port = url.port().unwrap_or(default);
    match permits.host(&host, port, default) {
        Some(grant) => Ok((url, grant)),
        None if port == default => Err(missing("host", &host, "net")),
        None => Err(missing("host", &format!("{host}:{port}"), "net")),
    }
}

/// An address as messages show it: without query, and short.
pub(super) fn brief(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or(url).chars().take(120).collect()
}

/// An environment variable of a program.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Variable {
    name: String,
    value: String,
    /// The value is `${NAME}` in the document, and is read from the environment behind the record of the request.
    outer: bool,
}

impl Execution {
    /// Environment variables for a program, rendered; those that are read from the environment are permitted.
    pub(super) fn environment(&self, entries: &[(String, Template)], scope: &Value) -> Result<Vec<Variable>, RunError> {
        let render = |(name, template): &(String, Template)| {
            let (name, outer) = (name.clone(), environment(&template.source));
            if let Some((variable, _)) = outer
                && !self.plan.permits.environment(variable)
            {
                return Err(missing("environment variable", variable, "env_allow"));
            }
            let value = match outer {
                Some(_) => template.source.clone(),
                None => template.render_text(scope).map_err(|e| self.expression_error(e))?,
            };
            Ok(Variable { name, value, outer: outer.is_some() })
        };
        entries.iter().map(render).collect()
    }

    /// The values of variables.
    pub(super) fn resolved(&self, variables: Vec<Variable>) -> Result<Vec<(String, Secret)>, RunError> {
        let secrets = &self.engine.ports.secrets;
        let resolve = |Variable { name, value, outer }: Variable| {
            let Some((variable, default)) = environment(&value).filter(|_| outer) else {
                return Ok((name, Secret::new(value)));
            };
            match (secrets.resolve(&SecretSource::Env(variable.to_owned())), default) {
                (Ok(secret), _) => Ok((name, secret)),
                (Err(_), Some(default)) => Ok((name, Secret::new(default))),
                (Err(error), None) => Err(error),
            }
        };
        variables.into_iter().map(resolve).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out() {
        assert_eq!(normal("./a//b/c.txt").unwrap(), "a/b/c.txt");
        for path in ["/etc/passwd", "a/../../b", "..", "..\\b", "C:\\x", "a\0b"] {
            assert_eq!(normal(path).unwrap_err().kind, ErrorKind::ToolDenied, "{path}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let permits = PermitsPlan { net: vec!["localhost:8080".into()], ..PermitsPlan::default() };
        assert!(address(&permits, "http://localhost:8080/x").is_ok());
        let error = address(&permits, "http://LOCALHOST:8081/x?key=hush").unwrap_err();
        assert_eq!(error.message, "the host `localhost:8081` is not granted to this document");
        assert_eq!(
            error.help.as_deref(),
            Some("add it to governance.security.permits.net, if the document is to reach it")
        );
        for bad in ["file:///etc/passwd", "http://user:pw@localhost:8080/", "nonsense"] {
            assert_eq!(address(&permits, bad).unwrap_err().kind, ErrorKind::ToolFailed, "{bad}");
        }
    }
}
