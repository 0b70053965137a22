//! How values stand in columns: times, JSON, numbers, ids.

use std::str::FromStr;

use chrono::{DateTime, Datelike, SecondsFormat, SubsecRound, Utc};
use serde_json::Value;
use sqlx::{Decode, Row, Sqlite, Type, sqlite::SqliteRow};

use crate::failure::Failure;

/// What `serde_json` reads back: deeper values could be written and never be read again.
const MAX_DEPTH: usize = 127;

/// The store's clock, cut to microseconds, which is what every engine keeps.
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

/// RFC 3339 with nine decimals: exact, and in the order of time when compared as text.
pub(crate) fn time(at: DateTime<Utc>) -> Result<String, Failure> {
    if !(0..=9999).contains(&at.year()) {
        return Err(Failure::refused(format!("the year {} cannot be stored", at.year())));
    }
    Ok(at.to_rfc3339_opts(SecondsFormat::Nanos, true))
}

/// A JSON value as the text that is stored.
pub(crate) fn json(value: &Value) -> Result<String, Failure> {
    if depth_exceeds(value, MAX_DEPTH) {
        return Err(Failure::refused(format!("a value nested deeper than {MAX_DEPTH} levels cannot be stored")));
    }
    Ok(value.to_string())
}

/// Whether `value` nests deeper than `limit`; walks no deeper than that.
fn depth_exceeds(value: &Value, limit: usize) -> bool {
    let mut inner: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(members) => Box::new(members.values()),
        _ => return false,
    };
    limit == 0 || inner.any(|value| depth_exceeds(value, limit - 1))
}

/// A count as the database's signed integer.
pub(crate) fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Reads columns of one row by name; what cannot be read is named in the error.
pub(crate) struct Columns<'r>(pub(crate) &'r SqliteRow);

impl<'r> Columns<'r> {
    pub(crate) fn get<T: Decode<'r, Sqlite> + Type<Sqlite>>(&self, column: &str) -> Result<T, Failure> {
        Ok(self.0.try_get(column)?)
    }

    /// A text column in its parsed form: an id, a version.
    pub(crate) fn parsed<T: FromStr>(&self, column: &str) -> Result<T, Failure> {
        let text: &str = self.get(column)?;
        text.parse().map_err(|_| damaged(column, text))
    }

    pub(crate) fn time(&self, column: &str) -> Result<DateTime<Utc>, Failure> {
        self.parsed(column)
    }

    pub(crate) fn json(&self, column: &str) -> Result<Value, Failure> {
        let text: &str = self.get(column)?;
        serde_json::from_str(text).map_err(|_| damaged(column, text))
    }

    pub(crate) fn count(&self, column: &str) -> Result<u64, Failure> {
        let n: i64 = self.get(column)?;
        u64::try_from(n).map_err(|_| damaged(column, &n.to_string()))
    }

    /// A nullable column read by one of the other methods.
    pub(crate) fn optional<T>(
        &self,
        column: &str,
        read: impl FnOnce(&Self, &str) -> Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        match self.get::<Option<&str>>(column)? {
            None => Ok(None),
            Some(_) => read(self, column).map(Some),
        }
    }

    /// A text column that holds one of few words.
    pub(crate) fn word<T: Copy>(&self, column: &str, words: &[(&str, T)]) -> Result<T, Failure> {
        let text: &str = self.get(column)?;
        words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| damaged(column, text))
    }
}

pub(crate) fn damaged(column: &str, text: &str) -> Failure {
    let shown: String = text.chars().take(60).collect();
    Failure::Damaged(format!("column `{column}` holds the unreadable value `{shown}`"))
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use serde_json::json;

    use super::*;

    #[test]
    fn times_sort_as_text_and_read_back_exactly() {
        let times: Vec<_> =
            [0, 1, 1_000, 999_999_999].map(|nanos| Utc.timestamp_opt(1_700_000_000, nanos).unwrap()).into();
        let texts: Vec<_> = times.iter().map(|at| time(*at).unwrap()).collect();
        assert!(texts.is_sorted());
        for (at, text) in times.iter().zip(&texts) {
            assert_eq!(text.parse::<DateTime<Utc>>().unwrap(), *at);
        }
        assert!(time(DateTime::<Utc>::MAX_UTC).is_err());
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut value = json!(1);
        for _ in 0..MAX_DEPTH {
            value = json!([value]);
        }
        let text = super::json(&value).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert!(super::json(&json!({ "deeper": value })).is_err());
    }
}
