//! How a run that has a past treats it: replays it, goes on behind it, or forks from it.

use std::{collections::HashSet, fmt};

use aikit_core::{ErrorKind, RunError, record::JournalRow};
use serde::Serialize;
use serde_json::Value;

use crate::{
    gate::Effect,
    journal::{EffectKind, Record, SideEffect},
    recorded::{Recorded, RecordedOutcome},
};

/// What a run does with the journal that it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Compares every record with the journal; nothing leaves the process.
    Replay,
    /// Goes on where the journal ends, in the same run.
    Resume,
    /// A run of its own that takes over outcomes where the requests agree.
    Fork {
        /// Whether effects that change something and that the parent performed are performed again.
        repeat: bool,
    },
}

/// Where a replay left its journal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drift {
    /// The record.
    pub seq: u64,
    /// The step, where the record belongs to one.
    pub address: Option<String>,
    /// What the journal has there; `None` behind its end.
    pub expected: Option<Value>,
    /// What the run did instead.
    pub found: Value,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "drift at record {}", self.seq)?;
        if let Some(address) = &self.address {
            write!(f, ", step `{address}`")?;
        }
        let Some(expected) = &self.expected else {
            return write!(f, ": the journal ends here, the run goes on with {}", in_short(&self.found));
        };
        let mut differences = Vec::new();
        compare(expected, &self.found, "", &mut differences);
        differences.truncate(SHOWN);
        differences.iter().try_for_each(|(path, expected, found)| {
            write!(f, "\n  {path}: recorded {}, now {}", in_short(expected), in_short(found))
        })
    }
}

/// How many differences are shown.
const SHOWN: usize = 5;

/// Where two values differ: the path, and both sides.
fn compare(expected: &Value, found: &Value, path: &str, out: &mut Vec<(String, Value, Value)>) {
    match (expected, found) {
        (a, b) if a == b => {}
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                // A digest differs because something else does.
                if key != "digest" {
                    compare(a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), &path, out);
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                compare(a, b, &format!("{path}[{i}]"), out);
            }
        }
        (a, b) => out.push((path.to_owned(), a.clone(), b.clone())),
    }
}

/// A value in one line of bounded length.
fn in_short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A journal that lies behind a run.
#[derive(Debug)]
pub struct Past {
    mode: Mode,
    recorded: Recorded,
    /// The digests of all effects that changed something.
    writes: HashSet<String>,
    rows: Vec<JournalRow>,
    /// In a resumed run: which rows were met again.
    met: Vec<bool>,
    /// The number of rows of a replay so far.
    at: usize,
    /// Whether the journal has an end.
    complete: bool,
    drift: Option<Drift>,
}

/// What becomes of an effect.
#[derive(Debug)]
pub enum Way {
    /// It is performed; its duration is the recorded one where the outcome is the recorded one.
    Perform(Option<RecordedOutcome>),
    /// Its outcome is known.
    Known(RecordedOutcome),
    /// It never came back: it waits for the timeout that ended it.
    Never,
    /// The journal does not know it, or ends here.
    Stop,
}

/// What becomes of a record.
#[derive(Debug, PartialEq)]
pub enum Entry {
    /// It is new.
    Append,
    /// It stands in the journal already.
    Met,
    /// It is the journal's next row.
    Keep(Box<JournalRow>),
}

impl Past {
    /// A past of which the effects before `before` count.
    pub fn new(mode: Mode, rows: Vec<JournalRow>, before: u64) -> Self {
        let recorded = Recorded::read(&rows, before);
        let complete = rows.last().is_some_and(|row| row.kind == "run.ended");
        let writes = rows.iter().filter_map(Record::read).filter_map(write).collect();
        Self { mode, recorded, writes, met: vec![false; rows.len()], rows, at: 0, complete, drift: None }
    }

    /// The journal.
    pub fn rows(&self) -> &[JournalRow] {
        &self.rows
    }

    /// The highest number that an effect has.
    pub fn last_effect(&self) -> u64 {
        self.rows.iter().filter_map(|row| row.body.get("effect").and_then(Value::as_u64)).max().unwrap_or(0)
    }

    /// A step's effect that changes something and of which nobody knows whether it happened.
    pub fn doubtful(&self) -> Option<RunError> {
        self.recorded.unfinished_write().map(|effect| again(&effect.address, effect.kind, &effect.label))
    }

    /// What it is for.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Where the replay left the journal.
    pub fn drift(&self) -> Option<&Drift> {
        self.drift.as_ref()
    }

    /// Decides on a record.
    pub fn enter(&mut self, body: &Value) -> Entry {
        match self.mode {
            Mode::Fork { .. } => Entry::Append,
            Mode::Resume => {
                let found = (0..self.rows.len()).find(|&i| !self.met[i] && self.rows[i].body == *body);
                match found {
                    Some(i) => {
                        self.met[i] = true;
                        Entry::Met
                    }
                    None => Entry::Append,
                }
            }
            Mode::Replay => {
                let expected = self.rows.get(self.at);
                let seq = self.at as u64;
                self.at += 1;
                match expected {
                    Some(row) if row.body == *body => Entry::Keep(Box::new(row.clone())),
                    // A journal that was cut off has no opinion on what follows.
                    None if !self.complete => Entry::Append,
                    expected => {
                        let address = body.get("address").and_then(Value::as_str).map(str::to_owned);
                        let expected = expected.map(|row| row.body.clone());
                        self.drift.get_or_insert(Drift { seq, address, expected, found: body.clone() });
                        Entry::Append
                    }
                }
            }
        }
    }

    /// Decides on an effect: its number, where the journal gave it one, and what becomes of it.
    pub fn decide(&mut self, effect: &Effect, digest: &str) -> Result<(Option<u64>, Way), RunError> {
        let Some(known) = self.recorded.take(&effect.address, effect.kind, digest) else {
            return match self.mode {
                Mode::Replay => Ok((None, Way::Stop)),
                Mode::Fork { repeat: false }
                    if effect.class == SideEffect::Write
                        && effect.kind != EffectKind::Script
                        && self.writes.contains(digest) =>
                {
                    Err(repeated(effect))
                }
                _ => Ok((None, Way::Perform(None))),
            };
        };
        let number = match self.mode {
            Mode::Fork { .. } => None,
            Mode::Replay | Mode::Resume => Some(known.number),
        };
        // A script is a pure function of what the host answers: it runs again, and its calls are answered from here.
        let again = effect.kind == EffectKind::Script || known.asked();
        let way = match (known.outcome, self.mode) {
            (outcome, _) if again => Way::Perform(outcome),
            (Some(outcome), _) => Way::Known(outcome),
            (None, Mode::Replay) if self.complete => Way::Never,
            (None, Mode::Replay) => Way::Stop,
            (None, Mode::Fork { repeat: false }) if effect.class == SideEffect::Write => return Err(repeated(effect)),
            (None, Mode::Resume | Mode::Fork { .. }) => Way::Perform(None),
        };
        Ok((number, way))
    }
}

fn write(record: Record) -> Option<String> {
    match record {
        Record::EffectStarted { kind, class: SideEffect::Write, digest, .. } if kind != EffectKind::Script => {
            Some(digest)
        }
        _ => None,
    }
}

fn repeated(effect: &Effect) -> RunError {
    again(&effect.address, effect.kind, &effect.label)
}

/// An effect that would be performed again and must not be without being asked for.
pub(crate) fn again(address: &str, kind: EffectKind, label: &str) -> RunError {
    let what = kind.as_str();
    RunError::new(
        ErrorKind::ToolDenied,
        format!("step `{address}` would perform {what} `{label}` again, which may have changed something already"),
    )
    .with_help("look whether it happened; --repeat performs it again")
}
