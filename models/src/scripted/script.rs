//! `scripted/<file>`: answers from a JSON file.

use std::path::{Path, PathBuf};

use aikit_core::{ErrorKind, RunError};
use aikit_runtime::ports::{ModelRequest, Role, StopReason, ToolCall};
use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::Value;

/// What the file of a script ends with.
const SUFFIX: &str = ".script.json";
/// The largest file that is read.
const MAX_FILE: u64 = 4 << 20;

/// A list of answers.
#[derive(Debug)]
pub(super) struct Script {
    name: String,
    entries: Vec<Entry>,
}

/// One answer, or one failure. With both a text and an error the stream breaks behind the text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    #[serde(default, rename = "match")]
    condition: Option<Condition>,
    /// The text of the answer, as it is: it may as well be broken JSON.
    #[serde(default)]
    text: Option<String>,
    /// A value whose JSON is the text of the answer.
    #[serde(default)]
    json: Option<Value>,
    #[serde(default)]
    tool_calls: Vec<Call>,
    /// The pieces in which the text streams; without them word by word. They may stand in place of `text`.
    #[serde(default)]
    pub(super) chunks: Option<Vec<String>>,
    #[serde(default)]
    pub(super) delay_ms: u64,
    #[serde(default)]
    pub(super) chunk_delay_ms: u64,
    #[serde(default)]
    pub(super) usage: Option<Tokens>,
    #[serde(default)]
    pub(super) stop: Option<StopReason>,
    #[serde(default)]
    pub(super) error: Option<Failure>,
}

/// When an entry is chosen. All that is given has to hold.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Condition {
    /// The last message of the user or of a tool holds this text, in any case of letters.
    #[serde(default)]
    contains: Option<String>,
    /// The last message of the user or of a tool matches.
    #[serde(default)]
    regex: Option<Pattern>,
    /// The instructions hold this text, in any case of letters.
    #[serde(default)]
    system: Option<String>,
    /// So many answers of the model stand in the conversation.
    #[serde(default)]
    turn: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Pattern(Regex);

impl TryFrom<String> for Pattern {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let regex = RegexBuilder::new(&text).size_limit(1 << 20).build();
        regex.map(Pattern).map_err(|error| format!("`{text}` is not a regular expression: {error}"))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    name: String,
    #[serde(default = "empty")]
    arguments: Value,
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}

/// Tokens that an entry claims in place of those counted.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tokens {
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
}

/// A failure of the provider.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Failure {
    pub(super) kind: FailureKind,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    pub(super) retry_after_ms: Option<u64>,
}

/// One of the `provider.*` kinds, with or without that prefix.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct FailureKind(pub(super) ErrorKind);

impl TryFrom<String> for FailureKind {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let full = format!("provider.{}", text.trim_start_matches("provider."));
        ErrorKind::from_code(&full).map(FailureKind).ok_or_else(|| {
            let known = ErrorKind::ALL.iter().filter_map(|kind| kind.code().strip_prefix("provider."));
            format!("`{text}` is no kind of provider error; known are {}", known.collect::<Vec<_>>().join(", "))
        })
    }
}

impl Entry {
    /// The text of the answer.
    pub(super) fn content(&self) -> String {
        match (&self.text, &self.json, &self.chunks) {
            (Some(text), ..) => text.clone(),
            (None, Some(json), _) => json.to_string(),
            (None, None, Some(chunks)) => chunks.concat(),
            (None, None, None) => String::new(),
        }
    }

    /// The tool calls, with ids in order.
    pub(super) fn calls(&self) -> Vec<ToolCall> {
        let call = |(ordinal, call): (usize, &Call)| ToolCall {
            id: format!("call_{}", ordinal + 1),
            name: call.name.clone(),
            arguments: call.arguments.clone(),
        };
        self.tool_calls.iter().enumerate().map(call).collect()
    }
}

impl Failure {
    /// The message of the script, or one that says how far the answer had come.
    pub(super) fn message(&self, content: &str) -> String {
        let (kind, tokens) = (self.kind.0, crate::tokens::count_tokens(content));
        match (&self.message, tokens) {
            (Some(message), _) => message.clone(),
            (None, 0) => format!("simulated: {kind}"),
            (None, tokens) => format!("simulated: {kind} after {tokens} tokens"),
        }
    }
}

impl Script {
    fn parse(name: &str, text: &str) -> Result<Script, RunError> {
        let invalid = |why: String| RunError::new(ErrorKind::ProviderInvalid, format!("the script `{name}` {why}"));
        let entries: Vec<Entry> =
            serde_json::from_str(text).map_err(|error| invalid(format!("cannot be read: {error}")))?;
        for (at, entry) in entries.iter().enumerate() {
            let (texts, number) = (usize::from(entry.text.is_some()) + usize::from(entry.json.is_some()), at + 1);
            if texts == 2 {
                return Err(invalid(format!("has both `text` and `json` in entry {number}")));
            }
            if texts == 0 && entry.chunks.is_none() && entry.tool_calls.is_empty() && entry.error.is_none() {
                return Err(invalid(format!(
                    "says nothing in entry {number}: give `text`, `json`, `chunks`, `tool_calls` or `error`"
                )));
            }
            if let Some(chunks) =
                entry.chunks.as_ref().filter(|chunks| texts == 1 && chunks.concat() != entry.content())
            {
                return Err(invalid(format!(
                    "has `chunks` in entry {number} that do not add up to its text ({} pieces)",
                    chunks.len()
                )));
            }
        }
        Ok(Script { name: name.to_string(), entries })
    }

    /// The entry for a request: the first whose `match` holds, else the n-th without `match`, n being the number of
    /// answers of the model in the conversation. Nothing is remembered from request to request.
    pub(super) fn choose(&self, request: &ModelRequest) -> Result<&Entry, RunError> {
        let matching = self.entries.iter().find(|entry| entry.condition.as_ref().is_some_and(|c| c.holds(request)));
        if let Some(entry) = matching {
            return Ok(entry);
        }
        let turn = turns(request);
        let sequence: Vec<&Entry> = self.entries.iter().filter(|entry| entry.condition.is_none()).collect();
        sequence.get(turn).copied().ok_or_else(|| {
            let message = format!(
                "the script `{}` has no answer for turn {}: no `match` holds, and {} of its entries have none",
                self.name,
                turn + 1,
                sequence.len(),
            );
            RunError::new(ErrorKind::ProviderInvalid, message).with_help("Add an entry to the end of the script.")
        })
    }
}

impl Condition {
    fn holds(&self, request: &ModelRequest) -> bool {
        let heard = request.messages.iter().rfind(|message| matches!(message.role, Role::User | Role::Tool));
        let heard = heard.map(|message| message.content.as_str()).unwrap_or_default();
        let holds = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
        let mut instructions = request.messages.iter().filter(|message| message.role == Role::System);
        self.contains.as_ref().is_none_or(|part| holds(heard, part))
            && self.regex.as_ref().is_none_or(|Pattern(regex)| regex.is_match(heard))
            && self.system.as_ref().is_none_or(|part| instructions.any(|message| holds(&message.content, part)))
            && self.turn.is_none_or(|turn| turn == turns(request))
    }
}

fn turns(request: &ModelRequest) -> usize {
    request.messages.iter().filter(|message| message.role == Role::Assistant).count()
}

/// Reads the script `name` below `folder`. A name cannot lead outside, not even over a symbolic link.
pub(super) async fn load(folder: Option<&Path>, name: &str) -> Result<Script, RunError> {
    let error = |message: String| RunError::new(ErrorKind::ProviderInvalid, message);
    let Some(folder) = folder else {
        return Err(error(format!("there is no simulated model `{name}`: no folder of scripts is configured"))
            .with_help("Use `scripted/auto`, which needs no script."));
    };
    let stem = name.strip_suffix(SUFFIX).unwrap_or(name);
    let plain = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && part.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
    };
    if !stem.split('/').all(plain) {
        return Err(error(format!("`{name}` is not the name of a script"))
            .with_help("Letters, digits, `-`, `_` and `.`, with `/` between folders."));
    }
    let missing = || async {
        error(format!("there is no script `{stem}`; it would be the file `{stem}{SUFFIX}` in the folder of scripts"))
            .with_help(known_scripts(folder).await)
    };
    let (Ok(root), Ok(path)) =
        (tokio::fs::canonicalize(folder).await, tokio::fs::canonicalize(folder.join(format!("{stem}{SUFFIX}"))).await)
    else {
        return Err(missing().await);
    };
    if !path.starts_with(&root) {
        return Err(missing().await);
    }
    let text = read(path).await.map_err(|why| error(format!("the script `{stem}` cannot be read: {why}")))?;
    Script::parse(stem, &text)
}

async fn read(path: PathBuf) -> Result<String, String> {
    let size = tokio::fs::metadata(&path).await.map_err(|error| error.to_string())?.len();
    if size > MAX_FILE {
        return Err(format!("it is larger than {MAX_FILE} bytes"));
    }
    tokio::fs::read_to_string(&path).await.map_err(|error| error.to_string())
}

async fn known_scripts(folder: &Path) -> String {
    let mut names = Vec::new();
    if let Ok(mut files) = tokio::fs::read_dir(folder).await {
        while let Ok(Some(file)) = files.next_entry().await {
            names.extend(file.file_name().to_str().and_then(|name| name.strip_suffix(SUFFIX)).map(str::to_string));
        }
    }
    names.sort();
    names.truncate(20);
    match names.is_empty() {
        true => "`scripted/auto` needs no script.".to_string(),
        false => format!("Known are: auto, {}.", names.join(", ")),
    }
}
