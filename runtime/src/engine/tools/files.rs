//! The built-in tools that touch the outside: files of the workspace, the network, the clock. What they may touch, the
//! document's grants say.

use std::time::Duration;

use aikit_core::{ErrorKind, RunError};
use aikit_spec::{BuiltinTool, plan::ToolPlan};
use chrono::SecondsFormat;
use serde_json::{Map, Value, json};

use super::{
    super::Execution,
    grants,
    http::{Outgoing, settable},
};
use crate::ports::Clock;

/// How long a file may be that is read.
const MAX_READ: u64 = 4 << 20;
/// How many characters of a file are given at once, unless said otherwise.
const PAGE: u64 = 64 << 10;
/// How many files are listed.
const MAX_LISTED: usize = 2000;

/// Those tools, with the schemas of their arguments.
pub fn outside_tools() -> Vec<BuiltinTool> {
    let tool = |name: &str, description: &str, required: Value, properties: Value| BuiltinTool {
        name: name.into(),
        description: description.into(),
        input: json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false,
        }),
    };
    vec![
        tool(
            "current_time",
            "Tells what time it is, as RFC 3339 in UTC, with the day of the week.",
            json!([]),
            json!({}),
        ),
        tool(
            "http_fetch",
            "Fetches a page or a document from the web and gives its status, headers and body. JSON is parsed.",
            json!(["url"]),
            json!({
                "url": { "type": "string", "description": "The address, which begins with http:// or https://." },
                "headers": {
                    "type": "object", "additionalProperties": { "type": "string" },
                    "description": "Headers of the request.",
                },
            }),
        ),
        tool(
            "list_files",
            "Lists the files of the workspace whose paths match a pattern, with their lengths in bytes.",
            json!([]),
            json!({
                "pattern": {
                    "type": "string", "default": "**",
                    "description": "`*` stands for anything within a part of a path, `**` for any number of parts.",
                },
            }),
        ),
        tool("new_id", "Makes an id that nothing else has (a UUID).", json!([]), json!({})),
        tool(
            "read_file",
            "Reads a text file of the workspace.",
            json!(["path"]),
            json!({
                "path": { "type": "string", "description": "Where it is, below the workspace, as in `docs/notes.md`." },
                "offset": { "type": "integer", "minimum": 0, "default": 0, "description": "The character to begin with." },
                "limit": {
                    "type": "integer", "minimum": 1, "maximum": 1_000_000, "default": PAGE,
                    "description": "How many characters at most.",
                },
            }),
        ),
        tool(
            "write_file",
            "Writes a text file of the workspace: makes it, or replaces all that it holds.",
            json!(["path", "text"]),
            json!({
                "path": { "type": "string", "description": "Where it is, below the workspace, as in `docs/notes.md`." },
                "text": { "type": "string", "description": "What it is to hold." },
            }),
        ),
    ]
}

/// Whether a built-in tool touches the outside.
pub(in crate::engine) fn is_outside(name: &str) -> bool {
    matches!(name, "current_time" | "http_fetch" | "list_files" | "new_id" | "read_file" | "write_file")
}

/// What such a tool is going to do, permitted.
#[derive(Debug, Clone)]
pub(super) enum Errand {
    List(String),
    Read { path: String, offset: u64, limit: u64 },
    Write { path: String, text: String },
    Fetch(Box<Outgoing>),
    Time,
    Id,
}

/// What time it is.
pub(in crate::engine) fn current_time(clock: &dyn Clock) -> Value {
    let now = clock.now();
    json!({ "time": now.to_rfc3339_opts(SecondsFormat::Secs, true), "weekday": now.format("%A").to_string() })
}

impl Execution {
    /// What a built-in tool that touches the outside is going to do.
    pub(super) fn errand(&self, name: &str, tool: &ToolPlan, args: &Value) -> Result<Errand, RunError> {
        let text = |key: &str| args.get(key).and_then(Value::as_str).unwrap_or_default();
        let number = |key: &str, default: u64| args.get(key).and_then(Value::as_u64).unwrap_or(default);
        let permits = &self.plan.permits;
        Ok(match name {
            "current_time" => Errand::Time,
            "new_id" => Errand::Id,
            "list_files" => Errand::List(args.get("pattern").and_then(Value::as_str).unwrap_or("**").to_owned()),
            "read_file" => Errand::Read {
                path: grants::readable(permits, text("path"))?,
                offset: number("offset", 0),
                limit: number("limit", PAGE),
            },
            "write_file" => {
                Errand::Write { path: grants::writable(permits, text("path"))?, text: text("text").to_owned() }
            }
            _ => Errand::Fetch(Box::new(self.fetch(text("url"), args.get("headers"), tool.timeout)?)),
        })
    }

    /// A request for a page.
    pub(super) fn fetch(&self, url: &str, headers: Option<&Value>, timeout: Duration) -> Result<Outgoing, RunError> {
        let (url, _) = grants::address(&self.plan.permits, url)?;
        let none = Map::new();
        let headers = headers.and_then(Value::as_object).unwrap_or(&none).iter();
        let headers: Vec<(String, String)> =
            headers.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
        headers.iter().try_for_each(|(name, _)| settable(name))?;
        let (allow, fixed) = (Vec::new(), None);
        Ok(Outgoing { method: "GET", url, headers, body: None, secret: None, allow, fixed, timeout })
    }

    /// Does it.
    pub(super) async fn go(&self, errand: Errand) -> Result<Value, RunError> {
        let files = &self.engine.ports.files;
        match errand {
            Errand::Time => Ok(current_time(self.engine.ports.clock.as_ref())),
            Errand::Id => Ok(json!(self.engine.ports.clock.uuid().to_string())),
            Errand::Fetch(outgoing) => self.send(*outgoing).await,
            Errand::Write { path, text } => {
                files.write(&path, text.as_bytes()).await?;
                Ok(json!({ "path": path, "bytes": text.len() }))
            }
            Errand::List(pattern) => {
                let mut found = files.list(&pattern).await?;
                found.retain(|file| self.plan.permits.reads(&file.path));
                let more = found.len().saturating_sub(MAX_LISTED);
                let list: Vec<Value> =
                    found.iter().take(MAX_LISTED).map(|f| json!({ "path": f.path, "bytes": f.bytes })).collect();
                Ok(json!({ "files": list, "more": more }))
            }
            Errand::Read { path, offset, limit } => {
                let bytes = files.read(&path, MAX_READ).await?;
                let Ok(text) = String::from_utf8(bytes) else {
                    let message = format!("`{path}` is not UTF-8 text");
                    return Err(RunError::new(ErrorKind::ToolFailed, message));
                };
                let count = text.chars().count() as u64;
                let skip = usize::try_from(offset).unwrap_or(usize::MAX);
                let take = usize::try_from(limit).unwrap_or(usize::MAX);
                let part: String = text.chars().skip(skip).take(take).collect();
                let end = offset.saturating_add(limit);
                let next = (end < count).then_some(end);
                Ok(json!({ "path": path, "text": part, "characters": count, "next_offset": next }))
            }
        }
    }
}
