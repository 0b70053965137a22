use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::builtin::{Builtin, Failure, number};

/// The most rows that are read.
const MAX_ROWS: usize = 100_000;

/// `parse_csv`: a table out of text.
pub(crate) struct ParseCsv;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The text. Fields may be quoted with `"`, and then hold separators, line ends and doubled quotes.
    text: String,
    /// What separates the fields: one character. Without it the one of `,`, `;` and tab that the first line has most of.
    #[serde(default)]
    separator: Option<char>,
    /// Whether the first line names the columns; without names each row is a list.
    #[serde(default = "yes")]
    header: bool,
    /// Whether unquoted numbers, `true` and `false` become values; empty fields become null then.
    #[serde(default = "yes")]
    types: bool,
}

fn yes() -> bool {
    true
}

/// One field, and whether it was quoted.
struct Field {
    text: String,
    quoted: bool,
}

impl Builtin for ParseCsv {
    const NAME: &'static str = "parse_csv";
    const DESCRIPTION: &'static str =
        "Reads comma-separated text into rows: a list of objects named by the first line.";
    type Args = Args;

    fn call(args: Args) -> Result<Value, Failure> {
        let text = args.text.strip_prefix('\u{feff}').unwrap_or(&args.text);
        let separator = args.separator.unwrap_or_else(|| likely_separator(text));
        if matches!(separator, '"' | '\n' | '\r') {
            return Err("a quotation mark or a line end cannot separate fields".into());
        }
        let mut rows = records(text, separator)?;
        let value = |field: Field| if args.types { typed(field) } else { Value::String(field.text) };
        if !args.header {
            return Ok(rows.into_iter().map(|(_, row)| row.into_iter().map(value).collect::<Value>()).collect());
        }
        if rows.is_empty() {
            return Ok(Value::Array(Vec::new()));
        }
        let names: Vec<String> = rows.remove(0).1.into_iter().map(|field| field.text.trim().to_string()).collect();
        if let Some(name) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            return Err(format!("the first line names the column `{}` twice", name.1).into());
        }
        let object = |(line, row): (usize, Vec<Field>)| {
            if row.len() != names.len() {
                let (found, wanted) = (row.len(), names.len());
                return Err(Failure::from(format!("line {line} has {found} fields, the first line has {wanted}"))
                    .with_help("fields that hold the separator have to be quoted"));
            }
            Ok(Value::Object(names.iter().cloned().zip(row.into_iter().map(value)).collect::<Map<_, _>>()))
        };
        rows.into_iter().map(object).collect::<Result<Vec<_>, _>>().map(Value::Array)
    }
}

fn likely_separator(text: &str) -> char {
    let first = text.lines().next().unwrap_or_default();
    let count = |separator: &char| first.matches(*separator).count();
    // The last of equal ones wins, so the comma stands last.
    ['\t', ';', ','].into_iter().max_by_key(count).unwrap_or(',')
}

/// The records with the line on which each begins. Blank lines are none.
fn records(text: &str, separator: char) -> Result<Vec<(usize, Vec<Field>)>, Failure> {
    let mut records = Vec::new();
    let mut chars = text.chars().peekable();
    let mut line = 1;
    while chars.peek().is_some() {
        if records.len() == MAX_ROWS {
            return Err(format!("there are more than {MAX_ROWS} rows").into());
        }
        let began = line;
        let mut row = Vec::new();
        loop {
            let quoted = chars.next_if_eq(&'"').is_some();
            let mut text = String::new();
            if quoted {
                let opened = line;
                loop {
                    match chars.next() {
                        Some('"') if chars.next_if_eq(&'"').is_some() => text.push('"'),
                        Some('"') => break,
                        Some(c) => {
                            line += usize::from(c == '\n');
                            text.push(c);
                        }
                        None => return Err(format!("the quotation mark of line {opened} is not closed").into()),
                    }
                }
            }
            while let Some(c) = chars.next_if(|c| *c != separator && !matches!(c, '\n' | '\r')) {
                if quoted && !c.is_whitespace() {
                    return Err(Failure::from(format!("line {line} has text behind a closing quotation mark"))
                        .with_help("a quotation mark inside a quoted field is written twice"));
                }
                if !quoted {
                    text.push(c);
                }
            }
            row.push(Field { text, quoted });
            if chars.next_if_eq(&separator).is_none() {
                break;
            }
        }
        chars.next_if_eq(&'\r');
        chars.next_if_eq(&'\n');
        line += 1;
        let blank = row.len() == 1 && !row[0].quoted && row[0].text.trim().is_empty();
        if !blank {
            records.push((began, row));
        }
    }
    Ok(records)
}

fn typed(field: Field) -> Value {
    if field.quoted {
        return Value::String(field.text);
    }
    match field.text.trim() {
        "" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        text => as_number(text).unwrap_or_else(|| Value::String(text.to_string())),
    }
}

/// Numbers as people write them. A leading zero is part of a code, not of a number.
fn as_number(text: &str) -> Option<Value> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.starts_with(|c: char| c.is_ascii_digit())
        && !(digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0."))
        && digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    if !plain {
        return None;
    }
    text.parse::<i64>().map(Value::from).ok().or_else(|| text.parse().ok().filter(|n: &f64| n.is_finite()).map(number))
}
