//! `history_request`.

use aikit_runtime::cell::{CellEngine, HistoryQuery};
use serde_json::{Value, json};

use crate::request::{BadRequest, Fields};

/// The most entries that one answer holds.
const MOST: u32 = 10_000;

/// The content of a `history_reply`.
pub async fn history(engine: &dyn CellEngine, fields: Fields<'_>) -> Result<Value, BadRequest> {
    let query = query(fields)?;
    let output = fields.flag("output", false)?;
    let entries: Vec<Value> = engine
        .history(query)
        .await
        .into_iter()
        .map(|entry| match output {
            true => json!([entry.session, entry.line, [entry.input, entry.output]]),
            false => json!([entry.session, entry.line, entry.input]),
        })
        .collect();
    Ok(json!({ "status": "ok", "history": entries }))
}

fn query(fields: Fields<'_>) -> Result<HistoryQuery, BadRequest> {
    let count = |n: Option<i64>, default: u32| match n {
        None => default,
        Some(n) => u32::try_from(n.max(0)).unwrap_or(MOST).min(MOST),
    };
    let n = fields.integer("n")?;
    match fields.text("hist_access_type")? {
        "tail" => Ok(HistoryQuery::Tail { n: count(n, MOST) }),
        "range" => Ok(HistoryQuery::Range {
            session: fields.integer("session")?.unwrap_or(0),
            start: fields.integer("start")?.unwrap_or(1),
            stop: fields.integer("stop")?,
        }),
        "search" => Ok(HistoryQuery::Search {
            pattern: fields.optional_text("pattern")?.unwrap_or("*").to_owned(),
            n: count(n, MOST),
            unique: fields.flag("unique", false)?,
        }),
        other => Err(BadRequest(format!("`hist_access_type` is `{other}`; use `tail`, `range` or `search`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_with_their_defaults() {
        let read = |content: Value| query(Fields(content.as_object().unwrap()));
        assert_eq!(read(json!({"hist_access_type": "tail", "n": 3})), Ok(HistoryQuery::Tail { n: 3 }));
        assert_eq!(read(json!({"hist_access_type": "tail", "n": -1})), Ok(HistoryQuery::Tail { n: 0 }));
        let range = HistoryQuery::Range { session: -1, start: 1, stop: Some(5) };
        assert_eq!(read(json!({"hist_access_type": "range", "session": -1, "stop": 5})), Ok(range));
        let search = HistoryQuery::Search { pattern: "a*".into(), n: 10_000, unique: true };
        assert_eq!(read(json!({"hist_access_type": "search", "pattern": "a*", "unique": true})), Ok(search));
        assert!(read(json!({})).is_err());
        assert!(read(json!({"hist_access_type": "all"})).is_err());
    }
}
