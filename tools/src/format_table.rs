use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::builtin::{Builtin, Failure};

/// The most rows that are written.
const MAX_ROWS: usize = 10_000;

/// `format_table`: rows as a Markdown table.
pub(crate) struct FormatTable;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The rows, each an object.
    rows: Vec<Map<String, Value>>,
    /// The columns in order; without it all that occur, in the order of their first occurrence.
    #[serde(default)]
    columns: Option<Vec<String>>,
}

impl Builtin for FormatTable {
    const NAME: &'static str = "format_table";
    const DESCRIPTION: &'static str = "Writes rows as a Markdown table with aligned columns; numbers to the right.";
    type Args = Args;

    fn call(args: Args) -> Result<Value, Failure> {
        if args.rows.len() > MAX_ROWS {
            return Err(format!("there are {} rows; at most {MAX_ROWS} are written", args.rows.len()).into());
        }
        let columns = args.columns.unwrap_or_else(|| {
            let mut columns: Vec<String> = Vec::new();
            for name in args.rows.iter().flat_map(Map::keys) {
                if !columns.contains(name) {
                    columns.push(name.clone());
                }
            }
            columns
        });
        if columns.is_empty() {
            return Err(
                Failure::from("there are no columns").with_help("give at least one row with a field, or `columns`")
            );
        }
        let cells: Vec<Vec<String>> =
            args.rows.iter().map(|row| columns.iter().map(|name| cell(row.get(name))).collect()).collect();
        let numeric = |name: &String| {
            let mut values =
                args.rows.iter().filter_map(|row| row.get(name)).filter(|value| !value.is_null()).peekable();
            values.peek().is_some() && values.all(Value::is_number)
        };
        let width = |at: usize| {
            let cells = cells.iter().map(|row| row[at].chars().count());
            cells.chain([columns[at].chars().count(), 3]).max().unwrap_or(3)
        };
        let shape: Vec<(usize, bool)> =
            columns.iter().enumerate().map(|(at, name)| (width(at), numeric(name))).collect();
        let rule: Vec<String> = shape
            .iter()
            .map(|(width, right)| if *right { format!("{}:", "-".repeat(width - 1)) } else { "-".repeat(*width) })
            .collect();
        let heads: Vec<String> = columns.iter().map(|name| escape(name)).collect();
        let lines =
            [line(&heads, &shape), line(&rule, &shape)].into_iter().chain(cells.iter().map(|row| line(row, &shape)));
        Ok(Value::from(lines.collect::<Vec<_>>().join("\n")))
    }
}

fn line(cells: &[String], shape: &[(usize, bool)]) -> String {
    let padded = cells.iter().zip(shape).map(|(cell, (width, right))| match right {
        true => format!("{cell:>width$}"),
        false => format!("{cell:<width$}"),
    });
    format!("| {} |", padded.collect::<Vec<_>>().join(" | "))
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => escape(text),
        Some(other) => escape(&other.to_string()),
    }
}

/// What would end a cell or a row.
fn escape(text: &str) -> String {
    text.replace('|', "\\|").lines().collect::<Vec<_>>().join(" ")
}
