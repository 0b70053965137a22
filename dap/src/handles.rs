//! What a client refers to by number while the run stands still: frames, and values that it unfolds a page at a time.

use serde_json::{Map, Value, json};

/// The longest text of a value.
const SHOWN: usize = 300;

/// Where a group of variables belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The moment.
    pub moment: usize,
    /// The frame.
    pub frame: usize,
}

/// Numbers of frames and values; all of them die when the run goes on.
#[derive(Debug, Default)]
pub struct Handles {
    frames: Vec<Owner>,
    values: Vec<(Value, Option<Owner>)>,
}

impl Handles {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.values.clear();
    }

    /// The number of a frame.
    pub fn frame(&mut self, owner: Owner) -> usize {
        if let Some(at) = self.frames.iter().position(|known| *known == owner) {
            return at + 1;
        }
        self.frames.push(owner);
        self.frames.len()
    }

    /// The frame behind a number.
    pub fn owner(&self, number: usize) -> Option<Owner> {
        self.frames.get(number.checked_sub(1)?).copied()
    }

    /// The frame whose variables a reference holds.
    pub fn owner_of(&self, reference: usize) -> Option<Owner> {
        self.values.get(reference.checked_sub(1)?)?.1
    }

    /// The reference of a group of a frame's variables.
    pub fn group(&mut self, value: Value, owner: Owner) -> usize {
        self.values.push((value, Some(owner)));
        self.values.len()
    }

    /// The reference of a value; 0 for one that has nothing inside.
    fn reference(&mut self, value: &Value) -> usize {
        let inside = match value {
            Value::Object(map) => !map.is_empty(),
            Value::Array(items) => !items.is_empty(),
            _ => false,
        };
        if !inside {
            return 0;
        }
        self.values.push((value.clone(), None));
        self.values.len()
    }

    /// What is inside of a reference, from `start`, at most `count` (0 means all). `indexed` picks the items of lists or
    /// the entries of objects.
    pub fn inside(
        &mut self,
        reference: usize,
        indexed: Option<bool>,
        start: usize,
        count: usize,
    ) -> Option<Vec<Value>> {
        let count = if count == 0 { usize::MAX } else { count };
        let (value, _) = self.values.get(reference.checked_sub(1)?)?;
        let page: Vec<(String, Value)> = match value {
            Value::Object(map) if indexed != Some(true) => {
                map.iter().skip(start).take(count).map(|(name, value)| (name.clone(), value.clone())).collect()
            }
            Value::Array(items) if indexed != Some(false) => {
                let numbered = items.iter().enumerate().skip(start).take(count);
                numbered.map(|(index, value)| (index.to_string(), value.clone())).collect()
            }
            _ => Vec::new(),
        };
        let variable = |(name, value): (String, Value)| {
            let mut shown = self.shown(&value);
            let text = shown.remove("result").unwrap_or_default();
            shown.insert("name".into(), name.into());
            shown.insert("value".into(), text);
            Value::Object(shown)
        };
        Some(page.into_iter().map(variable).collect())
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
        let mut shown = Map::from_iter([
            ("result".to_owned(), Value::String(text(value))),
            ("type".to_owned(), kind.into()),
            ("variablesReference".to_owned(), json!(self.reference(value))),
        ]);
        if let Some((name, count)) = inside {
            shown.insert(name.into(), count.into());
        }
        shown
    }
}

/// A value on one line of bounded length. A long list is not written out only to be cut.
fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    if let Some((end, _)) = out.char_indices().nth(SHOWN) {
        out.truncate(end);
        out.push('…');
    }
    out
}

fn write(value: &Value, out: &mut String) {
    if out.len() > SHOWN * 4 {
        return;
    }
    match value {
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write(item, out);
                if out.len() > SHOWN * 4 {
                    return;
                }
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (i, (name, item)) in map.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                out.push_str(name);
                out.push_str(": ");
                write(item, out);
                if out.len() > SHOWN * 4 {
                    return;
                }
            }
            out.push('}');
        }
        Value::String(long) if long.len() > SHOWN * 8 => {
            let start: String = long.chars().take(SHOWN).collect();
            out.push_str(&json!(start).to_string());
        }
        plain => out.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_shown_in_part_and_unfolded_by_pages() {
        let mut handles = Handles::default();
        let list: Value = (0..100_000).collect();
        let shown = handles.shown(&list);
        assert!(shown["result"].as_str().unwrap().chars().count() <= SHOWN + 1);
        assert_eq!(shown["indexedVariables"], 100_000);
        let reference = shown["variablesReference"].as_u64().unwrap() as usize;
        let page = handles.inside(reference, Some(true), 99_998, 10).unwrap();
        assert_eq!(page.len(), 2);
        assert_eq!((&page[1]["name"], &page[1]["value"]), (&json!("99999"), &json!("99999")));
        assert_eq!(handles.inside(reference, Some(false), 0, 10).unwrap(), Vec::<Value>::new());
        assert_eq!(handles.inside(0, None, 0, 0), None);
        assert_eq!(handles.inside(99, None, 0, 0), None);
    }

    #[test]
    fn values_read_on_one_line() {
        for (value, shown) in
            [(json!(null), "null"), (json!("a\nb"), "\"a\\nb\""), (json!([1, {"a": []}]), "[1, {a: []}]")]
        {
            assert_eq!(text(&value), shown);
        }
    }
}
