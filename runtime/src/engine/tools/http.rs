//! Requests over HTTP: built from templates, every hop permitted, the answer as a value.

use std::time::Duration;

use aikit_core::{ErrorKind, RunError};
use aikit_spec::plan::{HostGrant, HttpPlan, SecretSource};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};
use url::Url;

use super::{super::Execution, encode, grants};
use crate::ports::{HttpAnswer, HttpRequest, Secret};

/// How long an answer may be.
const MAX_BODY: usize = 4 << 20;
/// How many redirects are followed.
const MAX_HOPS: usize = 5;
/// How much of a refusal's body stands in the error.
const SHOWN: usize = 2000;
/// Headers of an answer that a document reads.
const KEPT: &[&str] =
    &["content-type", "etag", "last-modified", "link", "location", "retry-after", "x-request-id", "date"];
/// Headers that follow from the request.
const OWN: &[&str] = &["host", "content-length", "transfer-encoding", "connection"];

/// A request that may leave.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub method: &'static str,
    pub url: Url,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
    pub secret: Option<SecretSource>,
    /// Patterns for addresses besides the first one's host; empty means every permitted host.
    pub allow: Vec<String>,
    /// What stands before the first template of the address, if its host does.
    pub fixed: Option<String>,
    pub timeout: Duration,
}

impl Outgoing {
    /// The request as the journal has it.
    pub fn record(&self) -> Value {
        let body = self.body.as_ref().map(|body| match std::str::from_utf8(body) {
            Ok(text) => json!(text),
            Err(_) => json!({ "base64": BASE64_STANDARD.encode(body) }),
        });
        json!({ "method": self.method, "url": self.url.as_str(), "headers": self.headers, "body": body })
    }
}

impl Execution {
    /// The request that a plan describes, with its templates filled and its host permitted.
    pub(super) fn outgoing(&self, plan: &HttpPlan, scope: &Value, timeout: Duration) -> Result<Outgoing, RunError> {
        let text = encode::address(&plan.url, scope).map_err(|e| self.expression_error(e))?;
        let (url, _) = grants::address(&self.plan.permits, &text)?;
        let mut headers = Vec::new();
        for (name, template) in &plan.headers {
            settable(name)?;
            headers.push((name.clone(), template.render_text(scope).map_err(|e| self.expression_error(e))?));
        }
        let body = match &plan.body {
            None => None,
            Some(body) => Some(content(self.resolve(body, scope)?, &mut headers)),
        };
        let outgoing = Outgoing {
            method: plan.method.as_str(),
            url,
            headers,
            body,
            secret: plan.secret.clone(),
            allow: plan.url_allow.clone(),
            fixed: encode::fixed_origin(&plan.url.source),
            timeout,
        };
        allowed(&outgoing, &outgoing.url)?;
        Ok(outgoing)
    }

    /// Sends a request and follows its redirects; each hop is permitted anew.
    pub(super) async fn send(&self, outgoing: Outgoing) -> Result<Value, RunError> {
        let ports = &self.engine.ports;
        let bearer = outgoing.secret.as_ref().map(|source| ports.secrets.resolve(source)).transpose()?;
        let Outgoing { mut method, mut url, mut headers, mut body, .. } = outgoing.clone();
        let mut own = true;
        for _ in 0..=MAX_HOPS {
            let (_, grant) = grants::address(&self.plan.permits, url.as_str())?;
            allowed(&outgoing, &url)?;
            let request = HttpRequest {
                method: method.to_owned(),
                url: url.to_string(),
                headers: headers.clone(),
                body: body.clone(),
                bearer: if own { bearer.clone() } else { None },
                private: grant == HostGrant::Named,
                timeout: outgoing.timeout,
                max_bytes: MAX_BODY,
            };
            let answer = ports.reach.http.send(request, self.gate.cancel()).await?;
            let next =
                matches!(answer.status, 301 | 302 | 303 | 307 | 308).then(|| answer.header("location")).flatten();
            let Some(next) = next else { return value(method, &url, &answer, bearer.as_ref()) };
            let next = url.join(next).map_err(|error| {
                RunError::new(ErrorKind::ToolFailed, format!("{url} redirects to what is no address: {error}"))
            })?;
            if url.scheme() == "https" && next.scheme() != "https" {
                let message = format!("{} redirects to an address without TLS", grants::brief(url.as_str()));
                return Err(RunError::new(ErrorKind::ToolFailed, message));
            }
            if answer.status == 303 || matches!(answer.status, 301 | 302) && method == "POST" {
                (method, body) = (if method == "HEAD" { "HEAD" } else { "GET" }, None);
                headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
            }
            if next.origin() != url.origin() {
                own = false;
                let private = |name: &str| ["authorization", "cookie", "proxy-authorization"].contains(&name);
                headers.retain(|(name, _)| {
                    let name = name.to_ascii_lowercase();
                    !private(&name) && !name.contains("key") && !name.contains("token")
                });
            }
            url = next;
        }
        Err(RunError::new(ErrorKind::ToolFailed, format!("more than {MAX_HOPS} redirects, the last to {url}")))
    }
}

/// Whether the document's own rules for the tool let it go to an address.
fn allowed(outgoing: &Outgoing, url: &Url) -> Result<(), RunError> {
    let own = outgoing.fixed.as_ref().is_some_and(|origin| *origin == url.origin().ascii_serialization());
    let fits = |glob: &String| aikit_spec::words::glob_fits(glob, url.as_str());
    if outgoing.allow.is_empty() || own || outgoing.allow.iter().any(fits) {
        return Ok(());
    }
    let message = format!("the address `{}` is not among the tool's `url_allow`", grants::brief(url.as_str()));
    Err(RunError::new(ErrorKind::ToolDenied, message)
        .with_help("add it to `url_allow`, if the tool is to reach it")
        .with_detail(json!({ grants::GRANT: "url_allow", "name": grants::brief(url.as_str()) })))
}

/// Refuses a header that follows from the request.
pub(super) fn settable(name: &str) -> Result<(), RunError> {
    if !OWN.contains(&name.to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    let message = format!("the header `{name}` follows from the request and cannot be set");
    Err(RunError::new(ErrorKind::ToolFailed, message).with_help("remove it"))
}

/// What is sent, and the header that says what it is.
pub(super) fn content(value: Value, headers: &mut Vec<(String, String)>) -> Vec<u8> {
    let (kind, bytes) = match value {
        Value::String(text) => ("text/plain; charset=utf-8", text.into_bytes()),
        value => ("application/json", value.to_string().into_bytes()),
    };
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.push(("content-type".into(), kind.into()));
    }
    bytes
}

/// An answer as a value; one that is not a success is an error.
fn value(method: &str, url: &Url, answer: &HttpAnswer, bearer: Option<&Secret>) -> Result<Value, RunError> {
    let mut headers = Map::new();
    for name in KEPT {
        if let Some(value) = answer.header(name) {
            headers.insert((*name).to_owned(), json!(clean(value, bearer)));
        }
    }
    let kind = answer.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    let body = match std::str::from_utf8(&answer.body) {
        Ok("") => Value::Null,
        Ok(text) => {
            let text = clean(text, bearer);
            let parsed = (kind == "application/json" || kind.ends_with("+json"))
                .then(|| serde_json::from_str(&text).ok())
                .flatten();
            parsed.unwrap_or(Value::String(text))
        }
        Err(_) => json!({ "base64": BASE64_STANDARD.encode(&answer.body) }),
    };
    let result = json!({ "status": answer.status, "headers": headers, "body": body });
    if (200..300).contains(&answer.status) || answer.status == 304 {
        return Ok(result);
    }
    let said = match &result["body"] {
        Value::Null => String::new(),
        Value::String(text) => format!(": {}", text.trim()),
        value => format!(": {value}"),
    };
    let said: String = said.chars().take(300).collect();
    let message = format!("{method} {} answered {}{said}", grants::brief(url.as_str()), answer.status);
    let mut detail = result;
    if let Value::String(text) = &mut detail["body"]
        && let Some((end, _)) = text.char_indices().nth(SHOWN)
    {
        text.truncate(end);
    }
    Err(RunError::new(ErrorKind::ToolFailed, message).with_detail(detail))
}

/// A text without the credential, should the server say it back.
fn clean(text: &str, bearer: Option<&Secret>) -> String {
    match bearer.map(Secret::reveal).map(str::trim).filter(|secret| secret.len() > 3) {
        Some(secret) => text.replace(secret, "…"),
        None => text.to_owned(),
    }
}
