//! Cassettes: what models and tools answered in a run, in a file that is read, reviewed and committed like any other, so that
//! the run can be had again without asking anybody.
//!
//! The file is JSON. Each entry holds one request as the journal recorded it, without credentials, with its digest, and what
//! came of it: `response` or `error`, and `usage`. Answers may be changed by hand; a request that was changed does not fit its
//! digest any more, and the file is refused.

mod tape;

use std::collections::BTreeMap;

use aikit_core::{
    ErrorKind, RunError,
    record::{JournalRow, Usage},
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub use tape::{Tape, TapeMode};

use crate::journal::{EffectKind, Record, digest};

/// The version of the format.
const VERSION: u32 = 1;

/// Recorded answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cassette {
    /// The version of the format.
    aikit_cassette: u32,
    /// The answers, in the order of their requests.
    pub entries: Vec<Taped>,
}

/// One request and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taped {
    /// What was asked: `model`, `tool`, ….
    pub kind: EffectKind,
    /// The model or the tool, for people.
    pub label: String,
    /// SHA-256 of the canonical request.
    pub digest: String,
    /// The request, without credentials.
    pub request: Value,
    /// What came back; `null` is an answer as well.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub response: Option<Value>,
    /// Or why nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RunError>,
    /// What it used.
    #[serde(default)]
    pub usage: Usage,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Default for Cassette {
    fn default() -> Self {
        Self { aikit_cassette: VERSION, entries: Vec::new() }
    }
}

/// Whether answers of this kind are kept: what only this process knows (its clock, its store, its scripts) is not, and neither
/// are runs of other agents, whose own requests are.
fn is_taped(kind: EffectKind) -> bool {
    !matches!(kind, EffectKind::Script | EffectKind::Storage | EffectKind::Clock | EffectKind::Id | EffectKind::Agent)
}

impl Cassette {
    /// Reads a cassette; `name` is what errors call it. One that is broken or altered is refused.
    pub fn parse(name: &str, text: &str) -> Result<Self, RunError> {
        let refuse = |what: String| {
            RunError::new(ErrorKind::ValidationInput, format!("the cassette {name} cannot be used: {what}"))
                .with_help("record it anew: `aikit run --record FILE`, or `aikit fixture RUN`")
        };
        let version =
            serde_json::from_str::<Value>(text).map_err(|error| refuse(format!("it is not JSON ({error})")))?;
        match version.get("aikit_cassette").and_then(Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {}
            Some(version) => return Err(refuse(format!("its format is of version {version}, not {VERSION}"))),
            None => return Err(refuse("it does not say `aikit_cassette`".into())),
        }
        let cassette: Self = serde_json::from_value(version).map_err(|error| refuse(error.to_string()))?;
        for (number, entry) in cassette.entries.iter().enumerate() {
            let told = || format!("entry {number} ({} `{}`)", entry.kind.as_str(), entry.label);
            if digest(&entry.request) != entry.digest {
                return Err(refuse(format!(
                    "the request of {} does not fit its digest; one of them was changed",
                    told()
                )));
            }
            if entry.response.is_some() == entry.error.is_some() {
                return Err(refuse(format!("{} needs either a response or an error", told())));
            }
        }
        Ok(cassette)
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        // Values of JSON always have a text.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// What a journal holds of answers.
    pub fn of(rows: &[JournalRow]) -> Self {
        let records: Vec<Record> = rows.iter().filter_map(Record::read).collect();
        let ended: BTreeMap<u64, (&Option<Value>, &Option<RunError>, &Usage)> = records
            .iter()
            .filter_map(|record| match record {
                Record::EffectEnded { effect, response, error, usage, .. } => Some((*effect, (response, error, usage))),
                _ => None,
            })
            .collect();
        let entries = records.iter().filter_map(|record| {
            let Record::EffectStarted { effect, kind, label, digest, request, .. } = record else { return None };
            let (response, error, usage) = ended.get(effect).filter(|_| is_taped(*kind))?;
            if error.as_ref().is_some_and(|error| error.kind == ErrorKind::Cancelled) {
                return None;
            }
            let response = if error.is_none() { Some((*response).clone().unwrap_or_default()) } else { None };
            Some(Taped {
                kind: *kind,
                label: label.clone(),
                digest: digest.clone(),
                request: request.clone(),
                response,
                error: (*error).clone(),
                usage: **usage,
            })
        });
        Self { entries: entries.collect(), ..Self::default() }
    }

    /// Adds what another one has more of: of each request as many answers as the other holds.
    pub fn add(&mut self, other: Cassette) {
        let mut left: BTreeMap<String, usize> = BTreeMap::new();
        self.entries.iter().for_each(|entry| *left.entry(entry.digest.clone()).or_default() += 1);
        for entry in other.entries {
            match left.get_mut(&entry.digest).filter(|left| **left > 0) {
                Some(left) => *left -= 1,
                None => self.entries.push(entry),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    pub(super) fn entry(kind: EffectKind, request: Value, response: &str) -> Taped {
        Taped {
            kind,
            label: "m".into(),
            digest: digest(&request),
            request,
            response: Some(json!(response)),
            error: None,
            usage: Usage::default(),
        }
    }

    #[test]
    fn what_is_written_is_read_and_what_is_altered_is_refused() {
        let mut cassette = Cassette::default();
        cassette.entries.push(entry(EffectKind::Model, json!({"model": "m", "temperature": 0.7}), "hi"));
        let text = cassette.text();
        assert_eq!(Cassette::parse("c.json", &text).unwrap(), cassette);
        // Answers belong to the person who commits them.
        assert!(Cassette::parse("c.json", &text.replace("\"hi\"", "\"ho\"")).is_ok());
        for (from, to, why) in [
            ("0.7", "0.8", "does not fit its digest"),
            ("\"digest\": \"", "\"digest\": \"0", "does not fit its digest"),
            ("\"response\": \"hi\",", "", "either a response or an error"),
            ("\"aikit_cassette\": 1", "\"aikit_cassette\": 2", "of version 2, not 1"),
            ("\"aikit_cassette\": 1,", "", "does not say `aikit_cassette`"),
            ("\"label\"", "\"lable\"", "unknown field `lable`"),
            ("}", "", "not JSON"),
        ] {
            let error = Cassette::parse("c.json", &text.replacen(from, to, 1)).unwrap_err();
            assert!(error.message.contains(why) && error.message.contains("c.json"), "{why}: {error}");
        }
    }

    #[test]
    fn what_is_there_already_is_not_added_again() {
        let one = || entry(EffectKind::Tool, json!(1), "a");
        let two = entry(EffectKind::Tool, json!(2), "b");
        let mut cassette = Cassette { entries: vec![one()], ..Cassette::default() };
        cassette.add(Cassette { entries: vec![one(), one(), two.clone()], ..Cassette::default() });
        assert_eq!(cassette.entries, [one(), one(), two]);
    }
}
