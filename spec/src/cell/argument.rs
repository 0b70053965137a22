use aikit_core::{AgentId, TextRange};
use semver::Version;
use serde_json::{Map, Value};

/// An argument that is not what its magic needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ArgumentError {
    /// What is wrong, as one sentence.
    pub message: String,
    /// Where, in bytes of the argument.
    pub range: TextRange,
}

impl ArgumentError {
    fn new(start: usize, text: &str, message: impl Into<String>) -> Self {
        Self { message: message.into(), range: TextRange::new(start, start + text.len()) }
    }
}

/// `NAME` or `NAME@VERSION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionedName {
    /// The agent.
    pub agent: AgentId,
    /// The version, where one is named.
    pub version: Option<Version>,
}

impl VersionedName {
    /// Reads `NAME[@VERSION]`.
    pub fn parse(text: &str) -> Result<Self, ArgumentError> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let agent = AgentId::new(name).map_err(|error| ArgumentError::new(0, name, error.to_string()))?;
        let version = version
            .map(|version| {
                Version::parse(version).map_err(|_| {
                    let message = format!("`{version}` is not a version such as 1.2.0");
                    ArgumentError::new(name.len() + 1, version, message)
                })
            })
            .transpose()?;
        Ok(Self { agent, version })
    }
}

/// The argument of `%run` and `%%run`: `NAME[@VERSION] [key=value …] [-> VAR]`.
#[derive(Debug, Clone, PartialEq)]
pub struct RunArgument {
    /// The agent to run.
    pub agent: AgentId,
    /// Its version; `None` is the active one, or the newest.
    pub version: Option<Version>,
    /// The inputs of the line. A value is JSON where it reads as JSON, else a text; in quotes it is always a text.
    pub inputs: Map<String, Value>,
    /// The name in `vars` that takes the output.
    pub target: Option<String>,
}

impl RunArgument {
    /// Reads the argument of a run.
    pub fn parse(argument: &str) -> Result<Self, ArgumentError> {
        let words = words(argument)?;
        let mut rest = words.as_slice();
        let Some((name, after)) = rest.split_first() else {
            return Err(ArgumentError::new(0, argument, "the name of an agent is missing"));
        };
        rest = after;
        let VersionedName { agent, version } = VersionedName::parse(name.text).map_err(|mut error| {
            let shift = name.start as u32;
            error.range = TextRange { start: error.range.start + shift, end: error.range.end + shift };
            error
        })?;
        let mut run = Self { agent, version, inputs: Map::new(), target: None };
        while let Some((word, after)) = rest.split_first() {
            rest = after;
            if let Some(glued) = word.text.strip_prefix("->") {
                let target = if glued.is_empty() { rest.split_first() } else { None };
                let (target, start) = match target {
                    Some((target, after)) => {
                        rest = after;
                        (target.text, target.start)
                    }
                    None => (glued, word.start + 2),
                };
                if !is_name(target) {
                    let message = "behind `->` stands the name of a variable: letters, digits and `_`";
                    return Err(ArgumentError::new(start, target, message));
                }
                if let Some(extra) = rest.first() {
                    return Err(ArgumentError::new(extra.start, extra.text, "`-> VAR` must be the last word"));
                }
                run.target = Some(target.to_owned());
                break;
            }
            let Some((key, value)) = word.text.split_once('=').filter(|(key, _)| is_key(key)) else {
                let message = format!("`{}` is neither `key=value` nor `-> VAR`", word.text);
                return Err(ArgumentError::new(word.start, word.text, message));
            };
            if run.inputs.insert(key.to_owned(), read(value)).is_some() {
                return Err(ArgumentError::new(word.start, key, format!("`{key}` is given twice")));
            }
        }
        Ok(run)
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

fn read(value: &str) -> Value {
    if let Ok(json) = serde_json::from_str(value) {
        return json;
    }
    let bare = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    Value::String(bare.unwrap_or(value).to_owned())
}

struct Word<'a> {
    start: usize,
    text: &'a str,
}

/// Splits at blanks outside of quotes and brackets. Quotes and brackets count only where a value begins, so that
/// `name=O'Neill` is one plain word.
fn words(text: &str) -> Result<Vec<Word<'_>>, ArgumentError> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let blank = rest.len() - rest.trim_start().len();
        if blank > 0 {
            at += blank;
            continue;
        }
        let plain_end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let value = rest[..plain_end].find('=').map(|equals| equals + 1);
        let value = value.filter(|start| is_key(&rest[..start - 1]));
        let end = match value.map(|start| (start, value_end(&rest[start..]))) {
            Some((start, Some(len))) => start + len,
            Some((start, None)) => {
                let message = "a quote or a bracket is not closed";
                return Err(ArgumentError::new(at + start, &rest[start..], message));
            }
            None => plain_end,
        };
        found.push(Word { start: at, text: &rest[..end] });
        at += end;
    }
    Ok(found)
}

/// Where the value ends that begins `text`; `None` where a quote or a bracket stays open.
fn value_end(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut quote = None;
    let mut escaped = false;
    let structured = text.starts_with(['"', '\'', '[', '{']);
    for (at, c) in text.char_indices() {
        if let Some(open) = quote {
            match c {
                _ if escaped => escaped = false,
                '\\' if open == '"' => escaped = true,
                _ if c == open => {
                    quote = None;
                }
                _ => {}
            }
            continue;
        }
        match c {
            c if c.is_whitespace() && depth == 0 => return Some(at),
            '"' | '\'' if structured && (depth > 0 || at == 0) => quote = Some(c),
            '[' | '{' if structured => depth += 1,
            ']' | '}' if structured => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    (quote.is_none() && depth == 0).then_some(text.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_of_a_run_are_read() {
        for (argument, agent, version, inputs, target) in [
            ("support", "support", None, json!({}), None),
            ("support@1.2.0 -> answer", "support", Some("1.2.0"), json!({}), Some("answer")),
            (
                "a n=3 f=1.5 b=true z=null s=hi",
                "a",
                None,
                json!({"n": 3, "f": 1.5, "b": true, "z": null, "s": "hi"}),
                None,
            ),
            (r#"a q="hi there \"you\"" n="3""#, "a", None, json!({"q": "hi there \"you\"", "n": "3"}), None),
            ("a q='one two' p=O'Neill e=", "a", None, json!({"q": "one two", "p": "O'Neill", "e": ""}), None),
            (
                r#"a l=[1, "x ]", {"a": 1}] o={"k": [2]} ->v"#,
                "a",
                None,
                json!({"l": [1, "x ]", {"a": 1}], "o": {"k": [2]}}),
                Some("v"),
            ),
            ("a url=http://x/?a=b user-name=ü", "a", None, json!({"url": "http://x/?a=b", "user-name": "ü"}), None),
        ] {
            let run = RunArgument::parse(argument).unwrap_or_else(|error| panic!("{argument}: {error}"));
            assert_eq!(run.agent.as_str(), agent, "{argument}");
            assert_eq!(run.version.map(|v| v.to_string()).as_deref(), version, "{argument}");
            assert_eq!(Value::Object(run.inputs), inputs, "{argument}");
            assert_eq!(run.target.as_deref(), target, "{argument}");
        }
    }

    #[test]
    fn mistakes_have_a_place() {
        for (argument, place, message) in [
            ("", "", "the name of an agent is missing"),
            ("a x", "x", "`x` is neither `key=value` nor `-> VAR`"),
            ("a n=1 n=2", "n", "`n` is given twice"),
            ("a -> 1x", "1x", "behind `->` stands the name of a variable: letters, digits and `_`"),
            ("a ->", "", "behind `->` stands the name of a variable: letters, digits and `_`"),
            ("a -> v n=1", "n=1", "`-> VAR` must be the last word"),
            ("a q=\"x", "\"x", "a quote or a bracket is not closed"),
            ("a@1", "1", "`1` is not a version such as 1.2.0"),
        ] {
            let error = RunArgument::parse(argument).unwrap_err();
            assert_eq!((error.range.slice(argument), error.message.as_str()), (place, message), "{argument}");
        }
    }
}
