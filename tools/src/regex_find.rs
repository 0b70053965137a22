use regex::RegexBuilder;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::builtin::{Builtin, Failure};

/// How large a compiled pattern may become, in bytes.
const MAX_COMPILED: usize = 1 << 20;

/// `regex_find`: matches of a pattern.
pub(crate) struct RegexFind;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// Where to look.
    text: String,
    /// The regular expression. Named groups `(?P<name>…)` are given by name. Look-around and back references do not exist,
    /// so that every search ends in time proportional to the text.
    pattern: String,
    /// Whether upper and lower case are the same.
    #[serde(default)]
    ignore_case: bool,
    /// How many matches at most.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 10_000))]
    limit: usize,
}

fn hundred() -> usize {
    100
}

impl Builtin for RegexFind {
    const NAME: &'static str = "regex_find";
    const DESCRIPTION: &'static str =
        "Finds all matches of a regular expression in a text, with their places and groups.";
    type Args = Args;

    fn call(args: Args) -> Result<Value, Failure> {
        let regex = RegexBuilder::new(&args.pattern)
            .case_insensitive(args.ignore_case)
            .size_limit(MAX_COMPILED)
            .build()
            .map_err(|error| explained(&error))?;
        let mut matches = Vec::new();
        let (mut counted_to, mut characters) = (0, 0);
        for found in regex.captures_iter(&args.text).take(args.limit) {
            let whole = found.get_match();
            // Places in characters, as scripts and people count them.
            characters += args.text[counted_to..whole.start()].chars().count();
            counted_to = whole.start();
            let groups: Vec<Value> =
                found.iter().skip(1).map(|group| json!(group.map(|group| group.as_str()))).collect();
            let named: Map<String, Value> = regex
                .capture_names()
                .flatten()
                .map(|name| (name.to_string(), json!(found.name(name).map(|group| group.as_str()))))
                .collect();
            let mut entry = json!({ "text": whole.as_str(), "start": characters });
            if !groups.is_empty() {
                entry["groups"] = Value::Array(groups);
            }
            if !named.is_empty() {
                entry["named"] = Value::Object(named);
            }
            matches.push(entry);
        }
        Ok(json!({ "count": matches.len(), "matches": matches }))
    }
}

/// The last line of a syntax error says what is wrong; those before it draw the pattern.
fn explained(error: &regex::Error) -> Failure {
    match error {
        regex::Error::Syntax(text) => {
            let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("the pattern is not a regular expression: {why}").into()
        }
        _ => "the pattern becomes too large; use fewer or smaller repetitions".into(),
    }
}
