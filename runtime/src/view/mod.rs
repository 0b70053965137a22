//! Pictures of a run, for every face: views over the record and the journal, nothing else.

mod card;
mod graph;
mod timeline;

use std::collections::HashMap;

use aikit_core::{
    RunError,
    record::{JournalRow, RunRecord, RunStatus, Usage},
};
use chrono::{DateTime, Utc};
use serde_json::Value;

pub use card::{bundle, text};

use crate::journal::{EffectKind, OutlineStep, Record, StepStatus};

/// A run, read back from its journal.
#[derive(Debug, Clone)]
pub struct RunView {
    /// The stored record.
    pub record: RunRecord,
    /// The agent's name.
    pub name: String,
    /// The steps of the plan.
    pub outline: Vec<OutlineStep>,
    /// What became of each step, by address.
    pub steps: HashMap<String, StepView>,
    /// The effects in order.
    pub effects: Vec<EffectView>,
    /// Whether any answer came from a simulated model.
    pub simulated: bool,
}

/// What became of a step.
#[derive(Debug, Clone, Default)]
pub struct StepView {
    /// When it began.
    pub started: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended: Option<DateTime<Utc>>,
    /// How; `None` while it runs.
    pub status: Option<StepStatus>,
    /// Its error.
    pub error: Option<RunError>,
}

/// An effect of a run.
#[derive(Debug, Clone)]
pub struct EffectView {
    /// The step that asked.
    pub address: String,
    /// What it touched.
    pub kind: EffectKind,
    /// The model or the tool.
    pub label: String,
    /// When it left.
    pub started: DateTime<Utc>,
    /// How long it took, in milliseconds; `None` if it never came back.
    pub millis: Option<f64>,
    /// What it used.
    pub usage: Usage,
    /// Whether it failed.
    pub failed: bool,
}

/// An address as the outline has it: `each[3]/mail` is a round of `each/mail`.
fn without_rounds(address: &str) -> String {
    let mut out = String::with_capacity(address.len());
    let mut rest = address;
    while let Some((before, bracket)) = rest.split_once('[') {
        out.push_str(before);
        rest = bracket.split_once(']').map_or("", |(_, behind)| behind);
    }
    out + rest
}

impl RunView {
    /// Reads a journal. Rows that cannot be read are left out.
    pub fn new(record: RunRecord, rows: &[JournalRow]) -> Self {
        let mut view = RunView {
            name: record.agent.to_string(),
            record,
            outline: Vec::new(),
            steps: HashMap::new(),
            effects: Vec::new(),
            simulated: false,
        };
        let mut numbers = HashMap::new();
        for row in rows {
            match Record::read(row) {
                Some(Record::RunStarted { name, outline, .. }) => {
                    view.name = name;
                    view.outline = outline;
                }
                Some(Record::StepStarted { address }) => {
                    view.steps.entry(without_rounds(&address)).or_default().started.get_or_insert(row.at);
                }
                Some(Record::StepRetried { .. } | Record::StepStopped { .. } | Record::GuardrailBroken { .. }) => {}
                Some(Record::StepEnded { address, status, error, .. }) => {
                    let step = view.steps.entry(without_rounds(&address)).or_default();
                    step.ended = Some(row.at);
                    // Of many rounds, one that failed is what a person looks for.
                    if step.status != Some(StepStatus::Failed) {
                        step.status = Some(status);
                        step.error = error;
                    }
                }
                Some(Record::EffectStarted { effect, address, kind, label, .. }) => {
                    numbers.insert(effect, view.effects.len());
                    view.effects.push(EffectView {
                        address,
                        kind,
                        label,
                        started: row.at,
                        millis: None,
                        usage: Usage::default(),
                        failed: false,
                    });
                }
                Some(Record::EffectEnded { effect, response, error, usage, millis }) => {
                    if response.as_ref().and_then(|r| r.get("simulated")).and_then(Value::as_bool) == Some(true) {
                        view.simulated = true;
                    }
                    if let Some(seen) = numbers.get(&effect).and_then(|&i| view.effects.get_mut(i)) {
                        seen.millis = Some(millis);
                        seen.usage = usage;
                        seen.failed = error.is_some();
                    }
                }
                Some(Record::RunEnded { .. }) | None => {}
            }
        }
        view
    }

    /// Wall time in milliseconds, once the run has ended.
    pub fn millis(&self) -> Option<f64> {
        let ended = self.record.ended_at?;
        let taken = ended.signed_duration_since(self.record.started_at);
        Some(taken.num_microseconds().unwrap_or(i64::MAX).max(0) as f64 / 1e3)
    }
}

/// The colour of a status: fill, line. Chosen to read on light and dark pages.
fn colours(status: Option<StepStatus>, started: bool) -> (&'static str, &'static str) {
    match status {
        Some(StepStatus::Done) => ("#d7f0df", "#2a8f55"),
        Some(StepStatus::Failed) => ("#fbdcdc", "#c93a3a"),
        Some(StepStatus::Skipped) => ("#eeeeee", "#9a9a9a"),
        None if started => ("#fdf0cf", "#b98209"),
        None => ("#f6f7f9", "#b8bec8"),
    }
}

fn status_word(status: RunStatus) -> (&'static str, &'static str) {
    match status {
        RunStatus::Running => ("running", "#b98209"),
        RunStatus::Succeeded => ("succeeded", "#2a8f55"),
        RunStatus::Failed => ("failed", "#c93a3a"),
        RunStatus::Cancelled => ("cancelled", "#6b7280"),
    }
}

/// Text made safe for HTML and SVG, in content and in quoted attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // XML knows no control characters but these three.
            c if c.is_control() && !matches!(c, '\n' | '\t' | '\r') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn shorten(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        text.to_owned()
    } else {
        text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
    }
}

/// `0.4 ms`, `12 ms`, `3.2 s`, `2 min 5 s`.
pub fn duration(millis: f64) -> String {
    if millis < 10.0 {
        format!("{millis:.1} ms")
    } else if millis < 1000.0 {
        format!("{millis:.0} ms")
    } else if millis < 60_000.0 {
        format!("{:.1} s", millis / 1e3)
    } else {
        format!("{} min {} s", (millis / 60_000.0) as u64, ((millis / 1e3) as u64) % 60)
    }
}
