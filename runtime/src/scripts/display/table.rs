//! Rows as a table, in HTML and as aligned text.

use std::fmt::Write;

use serde_json::Value;

use crate::view::escape;

/// How many rows are shown; more are counted.
const ROWS: usize = 500;

/// How many characters of a cell the text form shows.
const CELL: usize = 60;

/// Rows and columns, ready to be shown.
pub(super) struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
    more: usize,
}

struct Cell {
    text: String,
    number: bool,
}

impl Table {
    /// A table of rows that are tables of fields, lists, or plain values. Without `columns` there is one column for each
    /// field that occurs, in the order in which they are met.
    pub(super) fn new(rows: Option<&Value>, columns: Option<&Value>) -> Result<Self, String> {
        let none = Vec::new();
        let rows = match rows {
            Some(Value::Array(rows)) => rows,
            // An empty table of Lua has no shape.
            Some(Value::Object(fields)) if fields.is_empty() => &none,
            _ => return Err("the rows must be a list of tables".to_owned()),
        };
        let shown = &rows[..rows.len().min(ROWS)];
        let keys = match columns {
            Some(Value::Array(names)) => names.iter().map(plain).collect(),
            Some(_) => return Err("the option `columns` must be a list of names".to_owned()),
            None => fields(shown),
        };
        let by_name = shown.iter().any(Value::is_object);
        let width = shown.iter().map(|row| row.as_array().map_or(1, Vec::len)).max().unwrap_or(0);
        let columns: Vec<String> = match by_name || !keys.is_empty() {
            true => keys,
            false => (1..=width).map(|n| n.to_string()).collect(),
        };
        let cell = |row: &Value, index: usize, name: &str| {
            let value = match row {
                Value::Object(fields) => fields.get(name),
                Value::Array(values) => values.get(index),
                single => Some(single).filter(|_| index == 0),
            };
            value.map_or(Cell { text: String::new(), number: false }, |value| Cell {
                text: plain(value),
                number: value.is_number(),
            })
        };
        let cells =
            shown.iter().map(|row| columns.iter().enumerate().map(|(i, name)| cell(row, i, name)).collect()).collect();
        Ok(Self { columns, rows: cells, more: rows.len() - shown.len() })
    }

    fn numeric(&self, column: usize) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|row| row[column].number || row[column].text.is_empty())
    }

    pub(super) fn html(&self) -> String {
        let align = |column| if self.numeric(column) { "right" } else { "left" };
        let mut out = String::from("<table><thead><tr>");
        for (i, name) in self.columns.iter().enumerate() {
            let _ = write!(out, "<th style=\"text-align:{}\">{}</th>", align(i), escape(name));
        }
        out.push_str("</tr></thead><tbody>");
        for row in &self.rows {
            out.push_str("<tr>");
            for (i, cell) in row.iter().enumerate() {
                let _ = write!(out, "<td style=\"text-align:{}\">{}</td>", align(i), escape(&cell.text));
            }
            out.push_str("</tr>");
        }
        out.push_str("</tbody></table>");
        if self.more > 0 {
            let _ = write!(out, "<p>… and {} more rows</p>", self.more);
        }
        out
    }

    pub(super) fn text(&self) -> String {
        if self.columns.is_empty() {
            return "(no rows)".to_owned();
        }
        let short = |text: &str| {
            let line = text.replace(['\n', '\r', '\t'], " ");
            match line.chars().count() > CELL {
                true => line.chars().take(CELL - 1).chain(['…']).collect(),
                false => line,
            }
        };
        let head: Vec<String> = self.columns.iter().map(|name| short(name)).collect();
        let body: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(|cell| short(&cell.text)).collect()).collect();
        let widths: Vec<usize> = (0..head.len())
            .map(|i| body.iter().chain([&head]).map(|row| row[i].chars().count()).max().unwrap_or(0))
            .collect();
        let mut out = String::new();
        for row in [&head].into_iter().chain(&body) {
            let cells = row.iter().enumerate().map(|(i, cell)| {
                let width = widths[i];
                if self.numeric(i) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            let _ = writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
        }
        if self.more > 0 {
            let _ = writeln!(out, "… and {} more rows", self.more);
        }
        out.trim_end().to_owned()
    }
}

fn fields(rows: &[Value]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for name in rows.iter().filter_map(Value::as_object).flat_map(|row| row.keys()) {
        if seen.insert(name) {
            names.push(name.clone());
        }
    }
    names
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_become_columns_by_field_by_position_and_by_wish() {
        for (rows, columns, text) in [
            (
                json!([{ "name": "a", "n": 1 }, { "n": 22, "x": [1] }]),
                json!(null),
                "name   n  x\na      1\n      22  [1]",
            ),
            (json!([["a", 1.5], ["b"]]), json!(null), "1    2\na  1.5\nb"),
            (json!([["a", 1], ["b", 2]]), json!(["what", "n"]), "what  n\na     1\nb     2"),
            (json!([{ "n": 1, "name": "a" }]), json!(["name"]), "name\na"),
            (json!(["x", "y"]), json!(null), "1\nx\ny"),
            (json!([]), json!(null), "(no rows)"),
            (json!({}), json!(null), "(no rows)"),
        ] {
            let columns = Some(&columns).filter(|columns| !columns.is_null());
            assert_eq!(Table::new(Some(&rows), columns).unwrap().text(), text, "{rows}");
        }
    }

    #[test]
    fn html_is_escaped_and_long_tables_are_cut() {
        let rows: Vec<Value> = (0..ROWS + 7).map(|i| json!({ "<i>": i })).collect();
        let table = Table::new(Some(&Value::Array(rows)), None).unwrap();
        assert!(table.html().contains("&lt;i&gt;") && table.html().ends_with("<p>… and 7 more rows</p>"));
        assert!(table.text().ends_with("… and 7 more rows"));
    }
}
