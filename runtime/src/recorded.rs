//! What a journal already knows: the outcomes of a run's effects, to be given out again instead of performing them.

use std::collections::HashMap;

use aikit_core::{
    ErrorKind, RunError,
    record::{JournalRow, Usage},
};
use serde_json::Value;

use crate::journal::{EffectKind, Record, SideEffect};

/// An effect as a journal recorded it.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedEffect {
    /// Its ordinal in that journal.
    pub number: u64,
    /// The step.
    pub address: String,
    /// What it touches.
    pub kind: EffectKind,
    /// What it changes.
    pub class: SideEffect,
    /// What people call it.
    pub label: String,
    /// The digest of its request.
    pub digest: String,
    /// What came back; `None` when the journal ends before.
    pub outcome: Option<RecordedOutcome>,
    /// Effects that a script or a tool asked for while it ran.
    children: Vec<RecordedEffect>,
}

impl RecordedEffect {
    /// Whether it asked for effects itself.
    pub fn asked(&self) -> bool {
        !self.children.is_empty()
    }

    /// Whether a bound of time or the end of its part ended it, rather than what it did itself.
    pub fn was_broken_off(&self) -> bool {
        let from_outside = [ErrorKind::Cancelled, ErrorKind::ToolTimeout, ErrorKind::ScriptLimit];
        let error = self.outcome.as_ref().and_then(|outcome| outcome.result.as_ref().err());
        error.is_some_and(|error| from_outside.contains(&error.kind))
    }

    /// The numbers of all effects that it asked for.
    pub fn inside(&self) -> Vec<u64> {
        let below = |child: &RecordedEffect| [vec![child.number], child.inside()].concat();
        self.children.iter().flat_map(below).collect()
    }

    /// What those used.
    pub fn used_inside(&self) -> Usage {
        let mut used = Usage::default();
        for child in &self.children {
            match child.kind {
                EffectKind::Model => used.model_calls += 1,
                EffectKind::Tool => used.tool_calls += 1,
                _ => {}
            }
            used.add(&child.outcome.as_ref().map(|outcome| outcome.usage).unwrap_or_default());
            used.add(&child.used_inside());
        }
        used
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedOutcome {
    /// The answer, or the error.
    pub result: Result<Value, RunError>,
    /// What it used.
    pub usage: Usage,
    /// How long it took, in milliseconds.
    pub millis: f64,
}

/// The effects of a journal that were not given out yet, by step and in their order.
#[derive(Debug, Default)]
pub struct Recorded {
    waiting: HashMap<String, Vec<RecordedEffect>>,
}

impl Recorded {
    /// The effects among the rows before `before`.
    pub fn read(rows: &[JournalRow], before: u64) -> Self {
        let records: Vec<(u64, Record)> =
            rows.iter().filter(|row| row.seq < before).filter_map(|row| Some((row.seq, Record::read(row)?))).collect();
        let ends: HashMap<u64, (u64, RecordedOutcome)> = records
            .iter()
            .filter_map(|(seq, record)| match record {
                Record::EffectEnded { effect, response, error, usage, millis } => {
                    let result = match error {
                        Some(error) => Err(error.clone()),
                        None => Ok(response.clone().unwrap_or_default()),
                    };
                    Some((*effect, (*seq, RecordedOutcome { result, usage: *usage, millis: *millis })))
                }
                _ => None,
            })
            .collect();
        let mut recorded = Self::default();
        for (seq, record) in records {
            let Record::EffectStarted { effect, address, kind, class, label, digest, .. } = record else {
                continue;
            };
            let outcome = ends.get(&effect).map(|(_, outcome)| outcome.clone());
            let new = RecordedEffect {
                number: effect,
                address: address.clone(),
                kind,
                class,
                label,
                digest,
                outcome,
                children: Vec::new(),
            };
            place(recorded.waiting.entry(address).or_default(), new, &|parent| {
                matches!(parent.kind, EffectKind::Script | EffectKind::Tool | EffectKind::Agent)
                    && ends.get(&parent.number).is_none_or(|(end, _)| *end > seq)
            });
        }
        recorded
    }

    /// Takes the next effect of a step with this kind and digest. The effects inside it become available with it, unless it
    /// was broken off.
    pub fn take(&mut self, address: &str, kind: EffectKind, digest: &str) -> Option<RecordedEffect> {
        let waiting = self.waiting.get_mut(address)?;
        let at = waiting.iter().position(|effect| effect.kind == kind && effect.digest == digest)?;
        let effect = waiting.remove(at);
        if !effect.was_broken_off() {
            waiting.splice(at..at, effect.children.iter().cloned());
        }
        Some(effect)
    }

    /// Whether the next effect of a step with this kind and digest came back.
    pub fn knows(&self, address: &str, kind: EffectKind, digest: &str) -> bool {
        let mut waiting = self.waiting.get(address).into_iter().flatten();
        waiting
            .find(|effect| effect.kind == kind && effect.digest == digest)
            .is_some_and(|effect| effect.outcome.is_some())
    }

    /// The effects that change something and of which nobody knows whether they happened.
    pub fn doubtful(&mut self) -> Vec<&mut RecordedEffect> {
        fn find<'e>(list: &'e mut [RecordedEffect], found: &mut Vec<&'e mut RecordedEffect>) {
            for effect in list {
                let unknown = effect.outcome.is_none() && effect.class == SideEffect::Write;
                if unknown && effect.kind != EffectKind::Script {
                    found.push(effect);
                } else {
                    find(&mut effect.children, found);
                }
            }
        }
        let mut found = Vec::new();
        self.waiting.values_mut().for_each(|list| find(list, &mut found));
        found.sort_by_key(|effect| effect.number);
        found
    }
}

/// Puts an effect below the open one that asked for it, or at the end of the list.
fn place(list: &mut Vec<RecordedEffect>, effect: RecordedEffect, is_open: &impl Fn(&RecordedEffect) -> bool) {
    match list.last_mut().filter(|last| is_open(last)) {
        Some(parent) => place(&mut parent.children, effect, is_open),
        None => list.push(effect),
    }
}
