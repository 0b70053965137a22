//! What a client refers to by number while the run stands still: frames, and values that it unfolds a page at a time.

use std::sync::Arc;

use aikit_runtime::debug::script::{Cut, Shown};
use serde_json::{Map, Value, json};

/// The longest text of a value.
const SHOWN: usize = 300;
/// The largest page of a large table, where a client asks for all of it.
const PAGE: usize = 1_000;

/// Where a group of variables belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The moment.
    pub moment: usize,
    /// The frame.
    pub frame: usize,
}

/// Where a value of a script was found, so that more of it can be read.
#[derive(Debug, Clone)]
struct Place {
    owner: Owner,
    /// As in [`Cut::path`].
    path: Vec<String>,
    /// What is missing in it and inside of it.
    cut: Arc<[Cut]>,
    /// The number of the first item of a list.
    first: usize,
}

impl Place {
    /// How many entries the table has, if not all were read.
    fn total(&self) -> Option<usize> {
        self.cut.iter().find(|cut| cut.path == self.path).map(|cut| cut.total)
    }

    fn inside(&self, name: &str) -> Self {
        let path = self.path.iter().cloned().chain([name.to_owned()]).collect();
        Self { path, cut: self.cut.clone(), ..*self }
    }
}

/// A value that a client can unfold.
#[derive(Debug)]
struct Held {
    value: Value,
    /// The frame of which it holds the variables.
    group_of: Option<Owner>,
    place: Option<Place>,
}

/// A part of a table that only the script can give.
#[derive(Debug, PartialEq)]
pub struct Wanted {
    /// The frame.
    pub owner: Owner,
    /// The table, as in [`Cut::path`].
    pub path: Vec<String>,
    /// The first entry.
    pub start: usize,
    /// How many entries.
    pub count: usize,
}

/// Numbers of frames and values; all of them die when the run goes on.
#[derive(Debug, Default)]
pub struct Handles {
    frames: Vec<Owner>,
    values: Vec<Held>,
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
        self.values.get(reference.checked_sub(1)?)?.group_of
    }

    /// The reference of a group of a frame's variables. Those of a script are in the group `script`, with the number of the
    /// first item of its lists; parts of them may be `cut`.
    pub fn group(&mut self, value: Value, owner: Owner, script: Option<(&str, usize)>, cut: &Arc<[Cut]>) -> usize {
        let place = script.map(|(group, first)| Place { owner, path: vec![group.to_owned()], cut: cut.clone(), first });
        self.values.push(Held { value, group_of: Some(owner), place });
        self.values.len()
    }

    /// The part of a large table that a page needs and that was not read.
    pub fn wanted(&self, reference: usize, start: usize, count: usize) -> Option<Wanted> {
        let held = self.values.get(reference.checked_sub(1)?)?;
        let place = held.place.as_ref()?;
        let total = place.total()?;
        let known = match &held.value {
            Value::Array(items) => items.len(),
            Value::Object(map) => map.len(),
            _ => 0,
        };
        let count = if count == 0 { PAGE } else { count };
        let end = start.saturating_add(count).min(total);
        (end > known).then(|| Wanted { owner: place.owner, path: place.path.clone(), start, count })
    }

    /// The variables of a page that the script gave.
    pub fn page(&mut self, reference: usize, start: usize, shown: Shown) -> Option<Vec<Value>> {
        let place = self.values.get(reference.checked_sub(1)?)?.place.as_ref()?;
        let place = Place { cut: shown.cut.into(), ..place.clone() };
        let named = named(&shown.value, None, 0, usize::MAX, start + place.first);
        Some(self.variables(named, Some(&place)))
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
        let held = self.values.get(reference.checked_sub(1)?)?;
        let place = held.place.clone();
        let first = place.as_ref().map_or(0, |place| place.first);
        let named = named(&held.value, indexed, start, count, first);
        Some(self.variables(named, place.as_ref()))
    }

    fn variables(&mut self, named: Vec<(String, Value)>, place: Option<&Place>) -> Vec<Value> {
        let variable = |(name, value): (String, Value)| {
            let mut shown = self.placed(&value, place.map(|place| place.inside(&name)));
            let text = shown.remove("result").unwrap_or_default();
            shown.insert("name".into(), name.into());
            shown.insert("value".into(), text);
            Value::Object(shown)
        };
        named.into_iter().map(variable).collect()
    }

    /// Values by name that belong to no frame.
    pub fn list(&mut self, values: Value) -> Vec<Value> {
        let named = named(&values, None, 0, usize::MAX, 0);
        self.variables(named, None)
    }

    /// A value as the answer to an evaluation: its text, its type, and how to unfold it.
    pub fn shown(&mut self, value: &Value) -> Map<String, Value> {
        self.placed(value, None)
    }

    fn placed(&mut self, value: &Value, place: Option<Place>) -> Map<String, Value> {
        let (kind, inside) = match value {
            Value::Null => ("null", None),
            Value::Bool(_) => ("boolean", None),
            Value::Number(_) => ("number", None),
            Value::String(_) => ("string", None),
            Value::Array(items) => ("list", Some(("indexedVariables", items.len()))),
            Value::Object(map) => ("object", Some(("namedVariables", map.len()))),
        };
        let total = place.as_ref().and_then(Place::total);
        let inside = inside.map(|(name, count)| (name, total.unwrap_or(count)));
        let reference = if inside.is_some_and(|(_, count)| count > 0) {
            self.values.push(Held { value: value.clone(), group_of: None, place });
            self.values.len()
        } else {
            0
        };
        let mut shown = Map::from_iter([
            ("result".to_owned(), Value::String(text(value, total))),
            ("type".to_owned(), kind.into()),
            ("variablesReference".to_owned(), json!(reference)),
        ]);
        if let Some((name, count)) = inside {
            shown.insert(name.into(), count.into());
        }
        shown
    }
}

/// A page of the entries of a value, with their names; those of a list are numbered from `first`.
fn named(value: &Value, indexed: Option<bool>, start: usize, count: usize, first: usize) -> Vec<(String, Value)> {
    match value {
        Value::Object(map) if indexed != Some(true) => {
            map.iter().skip(start).take(count).map(|(name, value)| (name.clone(), value.clone())).collect()
        }
        Value::Array(items) if indexed != Some(false) => {
            let numbered = items.iter().enumerate().skip(start).take(count);
            numbered.map(|(index, value)| ((first + index).to_string(), value.clone())).collect()
        }
        _ => Vec::new(),
    }
}

/// A value on one line of bounded length. A long list is not written out only to be cut. Of a table of `total` entries only
/// some may be in the value.
fn text(value: &Value, total: Option<usize>) -> String {
    let mut out = String::new();
    write(value, &mut out);
    if let Some(total) = total {
        out.pop();
        out.push_str(if out.len() > 1 { ", … of " } else { "… of " });
        out.push_str(&total.to_string());
        out.push(if value.is_array() { ']' } else { '}' });
    }
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
    fn what_a_script_did_not_show_is_asked_for() {
        let mut handles = Handles::default();
        let owner = Owner { moment: 3, frame: 1 };
        let path = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let cut: Arc<[Cut]> = [Cut { path: path(&["locals", "rows"]), total: 500 }].into();
        let rows: Vec<u32> = (1..=100).collect();
        let group = handles.group(json!({ "rows": rows }), owner, Some(("locals", 1)), &cut);
        assert_eq!(handles.wanted(group, 0, 0), None);
        let variables = handles.inside(group, None, 0, 0).unwrap();
        assert_eq!((&variables[0]["name"], &variables[0]["indexedVariables"]), (&json!("rows"), &json!(500)));
        assert!(variables[0]["value"].as_str().unwrap().ends_with('…'));
        let reference = variables[0]["variablesReference"].as_u64().unwrap() as usize;
        assert_eq!(handles.wanted(reference, 0, 100), None);
        let first = handles.inside(reference, Some(true), 0, 2).unwrap();
        assert_eq!((&first[0]["name"], &first[1]["name"]), (&json!("1"), &json!("2")));
        let wanted = Wanted { owner, path: path(&["locals", "rows"]), start: 400, count: 50 };
        assert_eq!(handles.wanted(reference, 400, 50), Some(wanted));
        let inner = Cut { path: path(&["locals", "rows", "401"]), total: 9 };
        let page = handles.page(reference, 400, Shown { value: json!([[], 402]), cut: vec![inner] }).unwrap();
        assert_eq!((&page[0]["name"], &page[0]["value"]), (&json!("401"), &json!("[… of 9]")));
        assert_eq!((&page[1]["name"], &page[1]["value"]), (&json!("402"), &json!("402")));
    }

    #[test]
    fn values_read_on_one_line() {
        for (value, shown) in
            [(json!(null), "null"), (json!("a\nb"), "\"a\\nb\""), (json!([1, {"a": []}]), "[1, {a: []}]")]
        {
            assert_eq!(text(&value, None), shown);
        }
    }
}
