//! Breakpoints: where they fit, when they count, what they say.

use aikit_core::TextRange;
use aikit_spec::{
    expr::{self, Expr},
    template::{self, Template},
};
use serde_json::Value;

use super::{Inner, Moment, Reason};

/// From which hits on a breakpoint counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hits {
    /// From this one on.
    From(u64),
    /// This one only.
    Only(u64),
    /// Every so many.
    Every(u64),
}

impl Hits {
    /// Reads `5`, `>= 5`, `> 5`, `== 5`, `% 5`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let number = |rest: &str| {
            let number: Option<u64> = rest.trim().parse().ok();
            number
                .filter(|number| *number > 0)
                .ok_or_else(|| format!("`{text}` is not a count, such as `5`, `== 5`, `% 5`"))
        };
        if let Some(rest) = text.strip_prefix(">=") {
            number(rest).map(Self::From)
        } else if let Some(rest) = text.strip_prefix('>') {
            number(rest).map(|number| Self::From(number + 1))
        } else if let Some(rest) = text.strip_prefix("==").or_else(|| text.strip_prefix('=')) {
            number(rest).map(Self::Only)
        } else if let Some(rest) = text.strip_prefix('%') {
            number(rest).map(Self::Every)
        } else {
            number(text).map(Self::From)
        }
    }

    fn counts(self, hits: u64) -> bool {
        match self {
            Hits::From(first) => hits >= first,
            Hits::Only(only) => hits == only,
            Hits::Every(every) => hits.is_multiple_of(every),
        }
    }
}

/// A breakpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Breakpoint {
    /// Its number.
    pub id: u64,
    /// Line of the document, from 1.
    pub line: u32,
    /// The script in which the line is, by its job's name; the document, where there is none.
    pub source: Option<String>,
    /// Or the name of a step, a tool or a model.
    pub name: Option<String>,
    /// The run stops only if it holds: CEL at a step, the script's language in a script.
    pub condition: Option<String>,
    /// Which hits count.
    pub hits: Option<Hits>,
    /// A text that is put out instead of stopping; `{…}` holds an expression.
    pub log: Option<String>,
    /// How often it was met.
    pub met: u64,
}

impl Breakpoint {
    /// Counts a hit; whether it is one that counts.
    pub(super) fn hit(&mut self) -> bool {
        self.met += 1;
        self.hits.is_none_or(|hits| hits.counts(self.met))
    }

    fn fits(&self, line: Option<u32>, name: &str) -> bool {
        match &self.name {
            Some(wanted) => wanted == name,
            None => line == Some(self.line),
        }
    }

    fn holds(&self, scope: &Value) -> bool {
        self.condition.as_deref().is_none_or(|text| evaluate(text, scope).is_ok_and(|value| value == Value::Bool(true)))
    }
}

/// Replaces breakpoints; those that stay as they are keep what they have counted.
pub(super) fn keep_hits(old: &[Breakpoint], mut new: Vec<Breakpoint>) -> Vec<Breakpoint> {
    for breakpoint in &mut new {
        let same = |known: &&Breakpoint| {
            (known.line, &known.source, &known.name, &known.condition, known.hits)
                == (breakpoint.line, &breakpoint.source, &breakpoint.name, &breakpoint.condition, breakpoint.hits)
        };
        if let Some(known) = old.iter().find(same) {
            breakpoint.met = known.met;
        }
    }
    new
}

impl Inner {
    /// Whether a breakpoint that stops stands where a moment was, whatever its hits.
    pub(super) fn has_breakpoint(&self, moment: &Moment) -> bool {
        let Some(frame) = moment.frames.first() else { return false };
        let name = frame.name.rsplit_once(" (").map_or(frame.name.as_str(), |(name, _)| name);
        let line = (moment.script.is_some() || frame.kind == super::FrameKind::Step).then_some(frame.line);
        let all = self.lines.iter().chain(&self.names);
        let here = frame.script.as_ref().map(|(name, _)| name);
        let mut fitting = all.filter(|breakpoint| {
            let there = breakpoint.source.is_none() || breakpoint.source.as_ref() == here;
            there && breakpoint.log.is_none() && breakpoint.fits(line, name)
        });
        fitting.any(|breakpoint| moment.script.is_some() || breakpoint.holds(&frame.scope))
    }

    /// Meets the breakpoints at a place: why the run is to stop, which ones were hit, and what the log points say.
    pub(super) fn breakpoints_at(
        &mut self,
        moment: &Moment,
        line: Option<u32>,
        name: &str,
    ) -> (Option<Reason>, Vec<u64>, Vec<String>) {
        let Some(frame) = moment.frames.first() else { return (None, Vec::new(), Vec::new()) };
        let (mut reason, mut hit, mut logs) = (None, Vec::new(), Vec::new());
        let lines = self.lines.iter_mut().map(|breakpoint| (breakpoint, Reason::Breakpoint));
        let names = self.names.iter_mut().map(|breakpoint| (breakpoint, Reason::FunctionBreakpoint));
        for (breakpoint, why) in lines.chain(names) {
            if !breakpoint.fits(line, name) || !breakpoint.holds(&frame.scope) || !breakpoint.hit() {
                continue;
            }
            match &breakpoint.log {
                Some(text) => logs.push(filled(text, |inner| evaluate(inner, &frame.scope))),
                None => {
                    hit.push(breakpoint.id);
                    reason = reason.or(Some(why));
                }
            }
        }
        (reason, hit, logs)
    }
}

/// The value of an expression, or of a text with `{{ … }}`.
pub fn evaluate(text: &str, scope: &Value) -> Result<Value, String> {
    if text.contains("{{") {
        template::check(text).map_err(|error| error.message)?;
        let template = Template { source: text.to_owned(), range: TextRange::default() };
        return template.render(scope).map_err(|error| error.message);
    }
    expr::check(text).map_err(|error| error.message)?;
    Expr { source: text.to_owned(), range: TextRange::default() }.eval(scope).map_err(|error| error.message)
}

/// A log text with the values of its `{…}`.
pub(super) fn filled(text: &str, evaluate: impl Fn(&str) -> Result<Value, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        out.push_str(before);
        let Some((inner, behind)) = behind.split_once('}') else {
            out.push('{');
            rest = behind;
            break;
        };
        match evaluate(inner) {
            Ok(Value::String(value)) => out.push_str(&value),
            Ok(value) => out.push_str(&value.to_string()),
            Err(error) => out.push_str(&format!("<{error}>")),
        }
        rest = behind;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_hits_are_read_as_people_write_them() {
        for (text, counted) in [("2", "234"), (">= 2", "234"), ("> 2", "34"), ("== 2", "2"), ("=2", "2"), ("% 2", "24")]
        {
            let hits = Hits::parse(text).unwrap();
            let counts: String = (1..=4).filter(|n| hits.counts(*n)).map(|n: u64| n.to_string()).collect();
            assert_eq!(counts, counted, "{text}");
        }
        for text in ["", "0", "x", ">", "-1", "% 0"] {
            assert!(Hits::parse(text).is_err(), "{text}");
        }
    }
}
