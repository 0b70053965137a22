//! Breakpoints as a client sets them, placed where the document can stop.

use std::collections::BTreeMap;

use aikit_runtime::debug::{Breakpoint, Debugger, Filters, Hits, Sites};
use serde_json::{Value, json};

/// What a client has set, kept so that it can be placed when the document is known and again when it restarts.
#[derive(Debug, Default)]
pub struct Breakpoints {
    /// By the path that the client gave.
    files: BTreeMap<String, Vec<(u64, Value)>>,
    names: Vec<(u64, Value)>,
    filters: Filters,
    next: u64,
}

/// A breakpoint as it was placed.
pub struct Placed {
    /// As the client is told.
    pub shown: Value,
    /// As the debugger gets it.
    pub kept: Option<Breakpoint>,
}

impl Breakpoints {
    fn number(&mut self, asked: &Value) -> Vec<(u64, Value)> {
        let asked = asked.as_array().cloned().unwrap_or_default();
        let numbered = asked.into_iter().map(|asked| {
            self.next += 1;
            (self.next, asked)
        });
        numbered.collect()
    }

    /// Replaces the breakpoints of a file.
    pub fn set_lines(&mut self, arguments: &Value, program: Option<&Target<'_>>) -> Value {
        let source = &arguments["source"];
        let path = source["path"].as_str().or(source["name"].as_str()).unwrap_or_default().to_owned();
        let asked = self.number(&arguments["breakpoints"]);
        self.files.insert(path.clone(), asked.clone());
        let shown: Vec<Value> = asked.iter().map(|(id, asked)| place(*id, asked, &path, program).shown).collect();
        json!({ "breakpoints": shown })
    }

    /// Replaces the breakpoints on names.
    pub fn set_names(&mut self, arguments: &Value, program: Option<&Target<'_>>) -> Value {
        self.names = self.number(&arguments["breakpoints"]);
        let shown: Vec<Value> = self.names.iter().map(|(id, asked)| place_name(*id, asked, program).shown).collect();
        json!({ "breakpoints": shown })
    }

    /// Replaces the filters of failures.
    pub fn set_filters(&mut self, arguments: &Value) -> Value {
        let (filters, shown) = filters(arguments);
        self.filters = filters;
        shown
    }

    /// Gives everything to the debugger of a run.
    pub fn apply(&self, debugger: &Debugger, program: &Target<'_>) {
        let lines = self.placed(program).into_iter().filter_map(|placed| placed.kept);
        debugger.set_lines(lines.collect());
        let names = self.names.iter().filter_map(|(id, asked)| place_name(*id, asked, Some(program)).kept);
        debugger.set_names(names.collect());
        debugger.set_filters(self.filters);
    }

    /// What became of all breakpoints on lines and names, now that the document is known.
    pub fn all(&self, program: &Target<'_>) -> Vec<Value> {
        let names = self.names.iter().map(|(id, asked)| place_name(*id, asked, Some(program)));
        self.placed(program).into_iter().chain(names).map(|placed| placed.shown).collect()
    }

    fn placed(&self, program: &Target<'_>) -> Vec<Placed> {
        let all = self.files.iter().flat_map(|(path, list)| list.iter().map(move |(id, asked)| (path, id, asked)));
        all.map(|(path, id, asked)| place(*id, asked, path, Some(program))).collect()
    }
}

/// The document in which breakpoints are placed.
pub struct Target<'t> {
    /// Where it can stop.
    pub sites: &'t Sites,
    /// Its file, or its name.
    pub path: &'t str,
    /// As clients know it.
    pub source: Value,
}

/// Whether two paths may mean the same file: a client and the command line need not write them alike.
pub fn same_file(a: &str, b: &str) -> bool {
    let (a, b) = (a.replace('\\', "/"), b.replace('\\', "/"));
    let (a, b) = (a.trim_start_matches("./"), b.trim_start_matches("./"));
    let ends =
        |long: &str, short: &str| long.strip_suffix(short).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
    !a.is_empty() && !b.is_empty() && (ends(a, b) || ends(b, a))
}

/// The filters of failures that a client wants, and what it is told of them.
pub fn filters(arguments: &Value) -> (Filters, Value) {
    let plain = arguments["filters"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let options = arguments["filterOptions"].as_array().into_iter().flatten();
    let asked: Vec<&str> = plain.chain(options.filter_map(|option| option["filterId"].as_str())).collect();
    let has = |name| asked.contains(&name);
    let filters = Filters { failed: has("failed"), uncaught: has("uncaught"), raised: has("raised") };
    let shown = asked.iter().map(|name| json!({ "verified": matches!(*name, "failed" | "uncaught" | "raised") }));
    (filters, json!({ "breakpoints": shown.collect::<Vec<_>>() }))
}

fn options(id: u64, asked: &Value) -> Result<Breakpoint, String> {
    let text = |name: &str| asked[name].as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned);
    let hits = text("hitCondition").map(|text| Hits::parse(&text)).transpose()?;
    let line = asked["line"].as_u64().and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
    Ok(Breakpoint { id, line, hits, condition: text("condition"), log: text("logMessage"), ..Breakpoint::default() })
}

fn unverified(id: u64, line: u32, reason: &str, message: String) -> Placed {
    let mut shown = json!({ "id": id, "verified": false, "reason": reason, "message": message });
    if line > 0 {
        shown["line"] = line.into();
    }
    Placed { shown, kept: None }
}

fn readable(condition: Option<&str>) -> Result<(), String> {
    let wrong = condition.and_then(|text| aikit_spec::expr::check(text).err());
    wrong.map_or(Ok(()), |error| Err(format!("the condition cannot be read: {}", error.message)))
}

fn place(id: u64, asked: &Value, path: &str, program: Option<&Target<'_>>) -> Placed {
    let line = match options(id, asked) {
        Ok(breakpoint) => breakpoint.line,
        Err(message) => return unverified(id, asked["line"].as_u64().unwrap_or(0) as u32, "failed", message),
    };
    let Some(program) = program else {
        return unverified(id, line, "pending", "the document is not known yet".into());
    };
    if !same_file(path, program.path) {
        return unverified(id, line, "failed", "this run does not come from this document".into());
    }
    let mut placed = place_in(id, asked, program.sites, 0);
    if placed.kept.is_some() {
        placed.shown["source"] = program.source.clone();
    }
    placed
}

/// Places a breakpoint in a source of which so many lines stand before what can stop.
pub fn place_in(id: u64, asked: &Value, sites: &Sites, before: u32) -> Placed {
    let mut breakpoint = match options(id, asked) {
        Ok(breakpoint) => breakpoint,
        Err(message) => return unverified(id, asked["line"].as_u64().unwrap_or(0) as u32, "failed", message),
    };
    let line = breakpoint.line;
    let Some(spot) = line.checked_sub(before).and_then(|line| sites.place(line)) else {
        return unverified(id, line, "failed", "there is nothing to stop at".into());
    };
    if !spot.script
        && let Err(message) = readable(breakpoint.condition.as_deref())
    {
        return unverified(id, line, "failed", message);
    }
    breakpoint.line = spot.line + before;
    Placed { shown: json!({ "id": id, "verified": true, "line": breakpoint.line }), kept: Some(breakpoint) }
}

fn place_name(id: u64, asked: &Value, program: Option<&Target<'_>>) -> Placed {
    let name = asked["name"].as_str().unwrap_or_default().trim().to_owned();
    let options = options(id, asked).and_then(|breakpoint| {
        readable(breakpoint.condition.as_deref())?;
        Ok(breakpoint)
    });
    let breakpoint = match options {
        Ok(breakpoint) => breakpoint,
        Err(message) => return unverified(id, 0, "failed", message),
    };
    match program {
        None => unverified(id, 0, "pending", "the document is not known yet".into()),
        Some(program) if !program.sites.has_name(&name) => {
            unverified(id, 0, "failed", format!("the document has no step, tool or model `{name}`"))
        }
        Some(_) => Placed {
            shown: json!({ "id": id, "verified": true }),
            kept: Some(Breakpoint { name: Some(name), ..breakpoint }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_one_file_are_recognised() {
        for (a, b, same) in [
            ("/w/a.yaml", "/w/a.yaml", true),
            ("/w/a.yaml", "a.yaml", true),
            ("./a.yaml", "/w/a.yaml", true),
            ("c:\\w\\a.yaml", "w/a.yaml", true),
            ("/w/ba.yaml", "a.yaml", false),
            ("/w/b.yaml", "/w/a.yaml", false),
            ("", "/w/a.yaml", false),
        ] {
            assert_eq!(same_file(a, b), same, "{a} {b}");
        }
    }
}
