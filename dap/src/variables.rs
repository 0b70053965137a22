//! Values as a client unfolds them: by reference, a page at a time.

use serde_json::{Map, Value, json};

/// The longest text of a value.
const SHOWN: usize = 300;

/// The values that a client may unfold while the run stands still.
#[derive(Debug, Default)]
pub struct Variables(Vec<Value>);

impl Variables {
    /// Forgets all references.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The reference of a value; 0 for one that has nothing inside.
    pub fn reference(&mut self, value: &Value) -> usize {
        let inside = match value {
            Value::Object(map) => !map.is_empty(),
            Value::Array(items) => !items.is_empty(),
            _ => false,
        };
        if !inside {
            return 0;
        }
        self.0.push(value.clone());
        self.0.len()
    }

    /// What is inside of a reference, from `start`, at most `count` (0 means all).
    pub fn inside(&mut self, reference: usize, start: usize, count: usize) -> Option<Vec<Value>> {
        let value = self.0.get(reference.checked_sub(1)?)?.clone();
        let count = if count == 0 { usize::MAX } else { count };
        Some(match value {
            Value::Object(map) => {
                map.iter().skip(start).take(count).map(|(name, value)| self.variable(name, value)).collect()
            }
            Value::Array(items) => {
                let numbered = items.iter().enumerate().skip(start).take(count);
                numbered.map(|(index, value)| self.variable(&index.to_string(), value)).collect()
            }
            _ => Vec::new(),
        })
    }

    fn variable(&mut self, name: &str, value: &Value) -> Value {
        let mut shown = self.shown(value);
        shown.insert("name".into(), name.into());
        let text = shown.remove("result").unwrap_or_default();
        shown.insert("value".into(), text);
        Value::Object(shown)
    }

    /// A value as the answer to an evaluation: its text, its type, and how to unfold it.
    pub fn shown(&mut self, value: &Value) -> Map<String, Value> {
        let (kind, inside) = match value {
            Value::Null => ("null", None),
            Value::Bool(_) => ("boolean", None),
            Value::Number(_) => ("number", None),
            Value::String(_) => ("string", None),
            Value::Array(items) => ("list", Some(("indexedVariables", items.len()))),
            Value::Object(map) => ("object", Some(("namedVariables", map.len()))),
        };
        let mut text = value.to_string();
        if let Some((end, _)) = text.char_indices().nth(SHOWN) {
            text.truncate(end);
            text.push('…');
        }
        let mut shown = Map::from_iter([
            ("result".to_owned(), Value::String(text)),
            ("type".to_owned(), kind.into()),
            ("variablesReference".to_owned(), json!(self.reference(value))),
        ]);
        if let Some((name, count)) = inside {
            shown.insert(name.into(), count.into());
        }
        shown
    }
}
