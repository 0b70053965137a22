//! The append-only journal of a run: typed records, chained by hash, durable at every step boundary.

use aikit_core::{
    RunError, RunId,
    record::{JournalRow, RunStatus, Usage},
};
use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What kind of thing an effect touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EffectKind {
    /// A request to a model.
    Model,
    /// A call of a tool.
    Tool,
    /// The code of a script step, as one effect; what it asks of the host is recorded inside it.
    Script,
    /// The tenant's key-value space.
    Storage,
    /// What agents remember and know.
    Memory,
    /// The clock.
    Clock,
    /// A fresh id.
    Id,
    /// A person's answer.
    Human,
    /// A run of another agent.
    Agent,
    /// An event of the tenant, told or heard.
    Event,
    /// What a server, a service or an agent says of its tools.
    Describe,
}

impl EffectKind {
    /// The word in the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            EffectKind::Model => "model",
            EffectKind::Tool => "tool",
            EffectKind::Script => "script",
            EffectKind::Storage => "storage",
            EffectKind::Memory => "memory",
            EffectKind::Clock => "clock",
            EffectKind::Id => "id",
            EffectKind::Human => "human",
            EffectKind::Agent => "agent",
            EffectKind::Event => "event",
            EffectKind::Describe => "describe",
        }
    }
}

/// What an effect changes outside the run; decides what may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SideEffect {
    /// Nothing.
    Read,
    /// Something that can be set again.
    Write,
}

/// A step of the plan as the journal's first record lists it, so that a view needs nothing but the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutlineStep {
    /// Its address, unique in the run: `classify`, `route/0/reply`.
    pub address: String,
    /// Its name.
    pub name: String,
    /// Its kind key.
    pub kind: String,
    /// Line of the document, from 1.
    pub line: u32,
    /// The labels of the branches that begin here (a switch's guards), with the steps of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<OutlineBranch>,
}

/// One branch of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutlineBranch {
    /// The guard, or `otherwise`.
    pub label: String,
    /// Its steps.
    pub steps: Vec<OutlineStep>,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepStatus {
    /// With an output.
    Done,
    /// Its `when` did not hold.
    Skipped,
    /// With an error.
    Failed,
}

/// One record of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record")]
pub enum Record {
    /// The run begins.
    #[serde(rename = "run.started")]
    RunStarted {
        /// The agent's id.
        agent: String,
        /// Its name.
        name: String,
        /// Its version.
        version: String,
        /// Digest of the document.
        spec_digest: String,
        /// The validated inputs.
        inputs: Value,
        /// The steps, for views.
        outline: Vec<OutlineStep>,
    },
    /// A step begins.
    #[serde(rename = "step.started")]
    StepStarted {
        /// Its address.
        address: String,
    },
    /// An effect is about to leave the process. Durable before it does.
    #[serde(rename = "effect.started")]
    EffectStarted {
        /// Ordinal of the effect within the run, from 1.
        effect: u64,
        /// The step that asks for it.
        address: String,
        /// What it touches.
        kind: EffectKind,
        /// What it changes.
        class: SideEffect,
        /// What people call it: the model or the tool.
        label: String,
        /// SHA-256 of the canonical request.
        digest: String,
        /// The request, without credentials.
        request: Value,
    },
    /// An effect came back.
    #[serde(rename = "effect.ended")]
    EffectEnded {
        /// Its ordinal.
        effect: u64,
        /// What came back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        response: Option<Value>,
        /// Or why nothing did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<RunError>,
        /// What it used.
        usage: Usage,
        /// How long it took, in milliseconds.
        millis: f64,
    },
    /// A step failed and is tried again.
    #[serde(rename = "step.retried")]
    StepRetried {
        /// Its address.
        address: String,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// Why.
        error: RunError,
    },
    /// A step did not begin, because the part of the run that it belongs to had been ended.
    #[serde(rename = "step.stopped")]
    StepStopped {
        /// Its address.
        address: String,
        /// Why.
        error: RunError,
    },
    /// A rule for what goes in or comes out was broken.
    #[serde(rename = "guardrail.broken")]
    GuardrailBroken {
        /// Where.
        address: String,
        /// The rule.
        name: String,
        /// What was done about it.
        action: String,
    },
    /// A step ended.
    #[serde(rename = "step.ended")]
    StepEnded {
        /// Its address.
        address: String,
        /// How.
        status: StepStatus,
        /// Its output.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<Value>,
        /// Its error; beside an output one that `on_error` handled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<RunError>,
        /// The state afterwards, where the step changed it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<Value>,
    },
    /// The run ended.
    #[serde(rename = "run.ended")]
    RunEnded {
        /// How.
        status: RunStatus,
        /// The result.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<Value>,
        /// The error.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<RunError>,
        /// The sum.
        usage: Usage,
    },
}

impl Record {
    /// The kind column: `effect.started` carries what it touches, for instance `effect.started.model`.
    fn kind(&self) -> String {
        match self {
            Record::RunStarted { .. } => "run.started".into(),
            Record::StepStarted { .. } => "step.started".into(),
            Record::EffectStarted { kind, .. } => format!("effect.started.{}", kind.as_str()),
            Record::EffectEnded { .. } => "effect.ended".into(),
            Record::StepRetried { .. } => "step.retried".into(),
            Record::StepStopped { .. } => "step.stopped".into(),
            Record::GuardrailBroken { .. } => "guardrail.broken".into(),
            Record::StepEnded { .. } => "step.ended".into(),
            Record::RunEnded { .. } => "run.ended".into(),
        }
    }

    /// The record as it is stored.
    pub fn body(&self) -> Value {
        serde_json::to_value(self).unwrap_or_else(|e| json!({ "record": "damaged", "why": e.to_string() }))
    }

    /// Reads a stored row; a row of a newer or damaged journal gives `None`.
    pub fn read(row: &JournalRow) -> Option<Record> {
        serde_json::from_value(row.body.clone()).ok()
    }
}

/// Builds the rows of one journal in order.
#[derive(Debug)]
pub struct Journal {
    run: RunId,
    next: u64,
    last_hash: String,
    pending: Vec<JournalRow>,
    rows: Vec<JournalRow>,
}

impl Journal {
    /// An empty journal of a run.
    pub fn new(run: RunId) -> Self {
        let seed = hex(&Sha256::digest(run.to_string().as_bytes()));
        Self { run, next: 0, last_hash: seed, pending: Vec::new(), rows: Vec::new() }
    }

    /// A journal that goes on behind rows that are durable already.
    pub fn resume(run: RunId, rows: Vec<JournalRow>) -> Self {
        let mut journal = Self::new(run);
        if let Some(last) = rows.last() {
            journal.next = last.seq + 1;
            journal.last_hash = last.hash.clone();
        }
        Self { rows, ..journal }
    }

    /// The run.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Appends a record; it becomes durable with the next flush.
    pub fn append(&mut self, record: &Record, at: DateTime<Utc>) {
        let (kind, body) = (record.kind(), record.body());
        // Stores keep microseconds; what is read back has to be what was written.
        let at = at.trunc_subsecs(6);
        let hash = chain(&self.last_hash, self.next, &kind, at, &body);
        let row = JournalRow { seq: self.next, kind, at, body, hash: hash.clone() };
        self.next += 1;
        self.last_hash = hash;
        self.pending.push(row.clone());
        self.rows.push(row);
    }

    /// Takes the rows that are not durable yet.
    pub fn take_pending(&mut self) -> Vec<JournalRow> {
        std::mem::take(&mut self.pending)
    }

    /// All rows so far.
    pub fn rows(&self) -> &[JournalRow] {
        &self.rows
    }
}

fn chain(previous: &str, seq: u64, kind: &str, at: DateTime<Utc>, body: &Value) -> String {
    let mut hasher = Sha256::new();
    hasher.update(previous.as_bytes());
    hasher.update(seq.to_be_bytes());
    hasher.update(kind.as_bytes());
    hasher.update(at.timestamp_micros().to_be_bytes());
    hasher.update(canonical(body).as_bytes());
    hex(&hasher.finalize())
}

/// Whether the rows are an unbroken, unaltered journal of this run. The first bad row's `seq` otherwise.
pub fn verify(run: RunId, rows: &[JournalRow]) -> Result<(), u64> {
    let mut previous = hex(&Sha256::digest(run.to_string().as_bytes()));
    for (i, row) in rows.iter().enumerate() {
        if row.seq != i as u64 || row.hash != chain(&previous, row.seq, &row.kind, row.at, &row.body) {
            return Err(i as u64);
        }
        previous.clone_from(&row.hash);
    }
    Ok(())
}

/// The canonical text of a JSON value: keys sorted, no white space. Equal values have equal texts.
pub fn canonical(value: &Value) -> String {
    fn write(value: &Value, out: &mut String) {
        match value {
            Value::Object(map) => {
                let mut keys: Vec<_> = map.keys().collect();
                keys.sort();
                out.push('{');
                for (i, key) in keys.into_iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    out.push_str(&Value::String(key.clone()).to_string());
                    out.push(':');
                    write(&map[key], out);
                }
                out.push('}');
            }
            Value::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write(item, out);
                }
                out.push(']');
            }
            scalar => out.push_str(&scalar.to_string()),
        }
    }
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// SHA-256 of the canonical text, lower-case hex.
pub fn digest(value: &Value) -> String {
    hex(&Sha256::digest(canonical(value).as_bytes()))
}

/// SHA-256 of a text, lower-case hex.
pub fn digest_text(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[(b >> 4) as usize] as char, DIGITS[(b & 15) as usize] as char]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Journal {
        let mut journal = Journal::new(RunId::generate());
        let at = Utc::now();
        journal.append(&Record::StepStarted { address: "a".into() }, at);
        journal.append(
            &Record::StepEnded {
                address: "a".into(),
                status: StepStatus::Done,
                output: Some(json!({"b": 1.5, "a": [1, "x"]})),
                error: None,
                state: None,
            },
            at,
        );
        journal
    }

    #[test]
    fn an_untouched_journal_verifies_and_reads_back() {
        let journal = sample();
        assert_eq!(verify(journal.run(), journal.rows()), Ok(()));
        assert!(journal.rows().iter().all(|row| Record::read(row).is_some()));
    }

    #[test]
    fn any_change_is_found() {
        let journal = sample();
        let mut rows = journal.rows().to_vec();
        rows[1].body["output"]["b"] = json!(2);
        assert_eq!(verify(journal.run(), &rows), Err(1));
        let mut rows = journal.rows().to_vec();
        rows.remove(0);
        assert_eq!(verify(journal.run(), &rows), Err(0));
        assert_eq!(verify(RunId::generate(), journal.rows()), Err(0));
    }

    #[test]
    fn a_stored_row_keeps_its_hash() {
        let journal = sample();
        let text = serde_json::to_string(journal.rows()).unwrap();
        let rows: Vec<JournalRow> = serde_json::from_str(&text).unwrap();
        assert_eq!(verify(journal.run(), &rows), Ok(()));
    }

    #[test]
    fn digests_do_not_depend_on_the_order_of_keys() {
        assert_eq!(digest(&json!({"a": 1, "b": {"d": 2, "c": 3}})), digest(&json!({"b": {"c": 3, "d": 2}, "a": 1})));
        assert_ne!(digest(&json!([1, 2])), digest(&json!([2, 1])));
    }
}
