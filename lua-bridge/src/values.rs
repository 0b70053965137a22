//! Values of a script that stands still, as JSON that can be looked at: the beginning of large tables, the rest by pages. No
//! code of the script runs.

use aikit_runtime::debug::script::{Cut, Shown};
use mlua::{Function, Lua, Table, Value};
use serde_json::{Map, Value as Json};

/// How many values are shown at a stop, those inside of tables counted.
const VALUES: usize = 2_000;
/// How many entries of a table are shown at a stop.
const ENTRIES: usize = 100;
/// How many values are in an answer that was asked for.
const ANSWER: usize = 20_000;
/// How deep tables are shown.
const DEPTH: usize = 8;
/// How many entries that are not items of a list are looked at.
const NAMED: usize = 2_000;

/// Where Lua's own `next` is kept, whatever a script does to its globals.
const NEXT_KEY: &str = "aikit.next";

/// Remembers what is needed before a script can change it.
pub(crate) fn prepare(lua: &Lua) -> mlua::Result<()> {
    let next: Function = lua.globals().raw_get("next")?;
    lua.set_named_registry_value(NEXT_KEY, next)
}

/// Shows values until its bounds are reached.
pub(crate) struct Show<'l> {
    lua: &'l Lua,
    left: usize,
    entries: usize,
    /// Where the value that is shown belongs.
    path: Vec<String>,
    cut: Vec<Cut>,
}

impl<'l> Show<'l> {
    /// What is shown without being asked for.
    pub fn some(lua: &'l Lua) -> Self {
        Self { lua, left: VALUES, entries: ENTRIES, path: Vec::new(), cut: Vec::new() }
    }

    /// Variables by name, as a part of what a frame shows.
    pub fn variables(&mut self, group: &str, variables: impl IntoIterator<Item = (String, Value)>) -> Shown {
        self.path = vec![group.to_owned()];
        let named = variables.into_iter().map(|(name, value)| {
            let shown = self.inside(name.clone(), &value);
            (name, shown)
        });
        let value = Json::Object(named.collect::<Map<_, _>>());
        Shown { value, cut: std::mem::take(&mut self.cut) }
    }

    fn inside(&mut self, name: String, value: &Value) -> Json {
        self.path.push(name);
        let shown = self.value(value);
        self.path.pop();
        shown
    }

    fn value(&mut self, value: &Value) -> Json {
        self.left = self.left.saturating_sub(1);
        match value {
            Value::Table(table) => {
                let count = if self.path.len() > DEPTH { 0 } else { self.entries.min(self.left) };
                self.table(table, 0, count)
            }
            plain => scalar(plain),
        }
    }

    /// Entries of a table; the items of a list come first.
    fn table(&mut self, table: &Table, start: usize, count: usize) -> Json {
        let length = table.raw_len();
        let named = self.named(table, length).unwrap_or_default();
        let total = length + named.len();
        let end = start.saturating_add(count).min(total);
        if start > 0 || end < total {
            self.cut.push(Cut { path: self.path.clone(), total });
        }
        let is_list = named.is_empty() && length > 0;
        let items = (start..end.min(length)).map(|at| (at + 1).to_string()).map(|name| (name, None));
        let rest = named.into_iter().skip(start.saturating_sub(length)).take(end.saturating_sub(length.max(start)));
        let shown = items.chain(rest.map(|(name, value)| (name, Some(value)))).map(|(name, value)| {
            let value = value.or_else(|| table.raw_get(name.parse::<i64>().ok()?).ok()).unwrap_or(Value::Nil);
            let shown = self.inside(name.clone(), &value);
            (name, shown)
        });
        if is_list { shown.map(|(_, value)| value).collect() } else { Json::Object(shown.collect()) }
    }

    /// The entries that are not items of the list, sorted by name. After the last item Lua goes on with those, so that a
    /// long list is not walked.
    fn named(&self, table: &Table, length: usize) -> mlua::Result<Vec<(String, Value)>> {
        let next: Function = self.lua.named_registry_value(NEXT_KEY)?;
        let is_item = |key: &Value| matches!(key, Value::Integer(i) if usize::try_from(*i).is_ok_and(|i| (1..=length).contains(&i)));
        let mut key =
            if length > ENTRIES { Value::Integer(i64::try_from(length).unwrap_or(i64::MAX)) } else { Value::Nil };
        let mut found = Vec::new();
        for _ in 0..NAMED + ENTRIES {
            let (name, value): (Value, Value) = next.call((table, key))?;
            if name.is_nil() {
                break;
            }
            if !is_item(&name) {
                let text = match scalar(&name) {
                    Json::String(text) => text,
                    plain => plain.to_string(),
                };
                found.push((text, value));
            }
            key = name;
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }
}

/// A value that was asked for.
pub(crate) fn whole(lua: &Lua, value: &Value) -> Json {
    Show { lua, left: ANSWER, entries: ANSWER, path: Vec::new(), cut: Vec::new() }.value(value)
}

/// A page of a table that stands at a path.
pub(crate) fn page(lua: &Lua, value: &Value, path: &[String], start: usize, count: usize) -> Result<Shown, String> {
    let mut show = Show { left: ANSWER, path: path.to_vec(), ..Show::some(lua) };
    let Value::Table(table) = value else { return Err("the value is gone".into()) };
    let value = show.table(table, start, count.min(ANSWER));
    Ok(Shown { value, cut: show.cut })
}

/// What stands in a table under a name that [`Show`] gave it.
pub(crate) fn entry(lua: &Lua, value: &Value, name: &str) -> Option<Value> {
    let Value::Table(table) = value else { return None };
    let found: Value = table.raw_get(name).ok()?;
    if !found.is_nil() {
        return Some(found);
    }
    if let Ok(number) = name.parse::<i64>() {
        return table.raw_get(number).ok();
    }
    let named = Show::some(lua).named(table, table.raw_len()).ok()?;
    named.into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

fn scalar(value: &Value) -> Json {
    match value {
        Value::Nil => Json::Null,
        Value::LightUserData(pointer) if pointer.0.is_null() => Json::Null,
        Value::Boolean(truth) => Json::Bool(*truth),
        Value::Integer(integer) => Json::from(*integer),
        Value::Number(number) => {
            serde_json::Number::from_f64(*number).map_or_else(|| Json::String(number.to_string()), Json::Number)
        }
        Value::String(text) => Json::String(text.to_string_lossy()),
        other => Json::String(format!("<{}>", other.type_name())),
    }
}
