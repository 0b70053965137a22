use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::builtin::{Builtin, Failure};

/// `format_csv`: rows as CSV.
pub(crate) struct FormatCsv;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The rows, each an object.
    rows: Vec<Map<String, Value>>,
    /// The columns in order; without it all that occur, in the order of their first occurrence.
    #[serde(default)]
    columns: Option<Vec<String>>,
}

impl Builtin for FormatCsv {
    const NAME: &'static str = "format_csv";
    const DESCRIPTION: &'static str =
        "Writes rows as CSV (RFC 4180) with a line of column names; lists and objects are written as JSON.";
    type Args = Args;

    fn call(args: Args) -> Result<Value, Failure> {
        let mut columns = args.columns.unwrap_or_default();
        if columns.is_empty() {
            for name in args.rows.iter().flat_map(Map::keys) {
                if !columns.contains(name) {
                    columns.push(name.clone());
                }
            }
        }
        if columns.is_empty() {
            return Err(
                Failure::from("there are no columns").with_help("give at least one row with a field, or `columns`")
            );
        }
        let line = |cells: Vec<String>| cells.join(",") + "\r\n";
        let mut text = line(columns.iter().map(|name| quoted(name)).collect());
        for row in &args.rows {
            text.push_str(&line(columns.iter().map(|name| quoted(&cell(row.get(name)))).collect()));
        }
        Ok(Value::String(text))
    }
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
