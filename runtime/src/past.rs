//! How a run that has a past treats it: replays it, goes on behind it, or forks from it.

use std::{collections::HashSet, fmt};

use aikit_core::{
    ErrorKind, RunError,
    record::{JournalRow, Usage},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

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

/// What a person found out about effects that may have happened when the process died.
#[derive(Debug, Clone, Default)]
pub struct Doubts {
    /// Those of which nothing is said are performed, perhaps again.
    pub repeat: bool,
    /// What those gave that did happen, by the address of the step or the name of the tool.
    pub outcomes: Map<String, Value>,
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
    /// Which rows were met again.
    met: Vec<bool>,
    /// The first that was not.
    first: usize,
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
    /// It was broken off while it asked for effects itself; what those used.
    BrokenOff(RecordedOutcome, Usage),
    /// It never came back: it waits for the timeout that ended it.
    Never,
    /// The journal does not know it, or ends here.
    Stop,
}

/// What comes next of a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// It begins.
    Begins,
    /// It does not begin, because of this.
    Stopped(RunError),
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It is new.
    Append,
    /// It stands in the journal already.
    Met,
}

impl Past {
    /// A past of which the effects before `before` count.
    pub fn new(mode: Mode, rows: Vec<JournalRow>, before: u64) -> Self {
        let recorded = Recorded::read(&rows, before);
        let complete = rows.last().is_some_and(|row| row.kind == "run.ended");
        let writes = rows.iter().filter_map(Record::read).filter_map(write).collect();
        Self { mode, recorded, writes, met: vec![false; rows.len()], rows, first: 0, complete, drift: None }
    }

    /// The journal.
    pub fn rows(&self) -> &[JournalRow] {
        &self.rows
    }

    /// The highest number that an effect has.
    pub fn last_effect(&self) -> u64 {
        self.rows.iter().filter_map(|row| row.body.get("effect").and_then(Value::as_u64)).max().unwrap_or(0)
    }

    /// Takes up what a person found out about effects that change something and of which the journal does not say whether
    /// they happened. Those of which nobody knows are an error, unless they may be repeated.
    pub fn settle(&mut self, doubts: &Doubts) -> Result<(), RunError> {
        let mut open = Vec::new();
        for effect in self.recorded.doubtful() {
            match doubts.outcomes.get(&effect.address).or_else(|| doubts.outcomes.get(&effect.label)) {
                Some(value) => {
                    let (result, usage) = (Ok(value.clone()), Usage::default());
                    effect.outcome = Some(RecordedOutcome { result, usage, millis: 0.0 });
                }
                None => open.push(effect),
            }
        }
        let Some(first) = open.first().filter(|_| !doubts.repeat) else { return Ok(()) };
        let list = open.iter().map(|effect| {
            json!({ "address": effect.address, "kind": effect.kind, "label": effect.label, "effect": effect.number })
        });
        let list = list.collect();
        Err(again(&first.address, first.kind, &first.label)
            .with_help(format!(
                "look whether it happened: --outcome {}=RESULT takes what it gave, --repeat performs it again",
                first.address
            ))
            .with_detail(json!({ "doubtful": Value::Array(list) })))
    }

    /// What it is for.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Where the replay left the journal.
    pub fn drift(&self) -> Option<&Drift> {
        self.drift.as_ref()
    }

    /// Decides on a record. Branches may be ahead of each other in another way than they were recorded; what counts is
    /// that every record is there.
    pub fn enter(&mut self, body: &Value) -> Entry {
        if matches!(self.mode, Mode::Fork { .. }) {
            return Entry::Append;
        }
        let open = |row: &JournalRow, met: bool| !met && same_record(&row.body, body);
        if let Some(i) = (self.first..self.rows.len()).find(|&i| open(&self.rows[i], self.met[i])) {
            self.met[i] = true;
            while self.met.get(self.first) == Some(&true) {
                self.first += 1;
            }
            let ended = self.rows[i].kind == "run.ended";
            if self.mode == Mode::Replay && ended && self.first < self.rows.len() {
                self.drifts(body);
            }
            return Entry::Met;
        }
        // A journal that was cut off has no opinion on what follows.
        if self.mode == Mode::Replay && (self.complete || self.first < self.rows.len()) {
            self.drifts(body);
        }
        Entry::Append
    }

    /// What the journal says comes next of the step at this address.
    pub fn next_of(&self, address: &str) -> Option<Next> {
        if matches!(self.mode, Mode::Fork { .. }) {
            return None;
        }
        let next = self.open().find(|row| of_step(row) && address_of(row) == Some(address))?;
        match Record::read(next)? {
            Record::StepStopped { error, .. } => Some(Next::Stopped(error)),
            _ => Some(Next::Begins),
        }
    }

    /// Whether anything of a branch is still to come, as far as a whole journal tells.
    pub fn began(&self, prefix: &str) -> bool {
        self.mode != Mode::Replay
            || !self.complete
            || self.open().any(|row| address_of(row).is_some_and(|address| address.starts_with(prefix)))
    }

    /// How many records have not been met.
    pub fn ahead(&self) -> usize {
        self.met[self.first..].iter().filter(|met| !**met).count()
    }

    fn open(&self) -> impl Iterator<Item = &JournalRow> {
        (self.first..self.rows.len()).filter(|&i| !self.met[i]).map(|i| &self.rows[i])
    }

    /// Whether the outcome of an effect is known.
    pub fn knows(&self, effect: &Effect, digest: &str) -> bool {
        self.recorded.knows(&effect.address, effect.kind, digest)
    }

    /// Meets the rows of effects that will not happen again.
    fn meet(&mut self, effects: &[u64]) {
        for i in self.first..self.rows.len() {
            let effect = self.rows[i].body.get("effect").and_then(Value::as_u64);
            if effect.is_some_and(|effect| effects.contains(&effect)) {
                self.met[i] = true;
            }
        }
        while self.met.get(self.first) == Some(&true) {
            self.first += 1;
        }
    }

    /// Remembers the first record that is not the journal's: what the journal has at that step, or next.
    fn drifts(&mut self, body: &Value) {
        if self.drift.is_some() {
            return;
        }
        let address = body.get("address").and_then(Value::as_str);
        let mut open = (self.first..self.rows.len()).filter(|&i| !self.met[i]);
        let expected = match address {
            Some(address) => open.clone().find(|&i| address_of(&self.rows[i]) == Some(address)),
            None => None,
        };
        let expected = expected.or_else(|| open.next()).map(|i| &self.rows[i]);
        let seq = expected.map_or(self.rows.len() as u64, |row| row.seq);
        let expected = expected.map(|row| row.body.clone());
        self.drift = Some(Drift { seq, address: address.map(str::to_owned), expected, found: body.clone() });
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
        if let (Some(outcome), Mode::Replay | Mode::Resume) = (&known.outcome, self.mode)
            && known.was_broken_off()
        {
            let inside = known.inside();
            self.meet(&inside);
            return Ok((number, Way::BrokenOff(outcome.clone(), known.used_inside())));
        }
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

fn address_of(row: &JournalRow) -> Option<&str> {
    row.body.get("address").and_then(Value::as_str)
}

/// Whether a row says that a step began, ended, or did not begin.
fn of_step(row: &JournalRow) -> bool {
    matches!(row.kind.as_str(), "step.started" | "step.stopped" | "step.ended")
}

/// Whether two records say the same. Under which name a document was run, which places in errors hold, is no difference.
fn same_record(one: &Value, other: &Value) -> bool {
    let placed = |body: &Value| body.get("error").is_some_and(|error| error.get("trace").is_some());
    if !placed(one) || !placed(other) {
        return one == other;
    }
    let bare = |body: &Value| {
        let mut body = body.clone();
        for place in body["error"]["trace"].as_array_mut().into_iter().flatten() {
            place["source"] = Value::Null;
        }
        body
    };
    bare(one) == bare(other)
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
