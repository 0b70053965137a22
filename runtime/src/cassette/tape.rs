//! A cassette that is being played.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use aikit_core::{ErrorKind, RunError, record::Usage};
use serde_json::Value;

use super::{Cassette, is_local, is_taped};
use crate::{
    gate::Effect,
    journal::EffectKind,
    testing::{Difference, differences},
};

/// How many differences to the nearest request are told.
const SHOWN: usize = 5;
/// How much of a value is shown, in characters.
const EXCERPT: usize = 60;

/// What is done with a request that the cassette does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TapeMode {
    /// It fails, and the run with it.
    Replay,
    /// It is performed.
    Auto,
}

/// A cassette in a run. The same request gets its recorded answers one after the other, and the last of them from then on.
#[derive(Debug)]
pub struct Tape {
    name: String,
    mode: TapeMode,
    cassette: Cassette,
    /// Tools that are not called and need no answer from here.
    stubs: BTreeSet<String>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// How many answers of a request were given.
    given: BTreeMap<(&'static str, String), usize>,
    missed: Option<RunError>,
}

impl Tape {
    /// Puts a cassette in; `name` is what errors call it.
    pub fn new(name: impl Into<String>, mode: TapeMode, cassette: Cassette) -> Self {
        Self { name: name.into(), mode, cassette, stubs: BTreeSet::new(), inner: Mutex::default() }
    }

    /// The same tape, without the tools of these names: somebody else answers for them.
    pub fn without_tools(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.stubs.extend(names);
        self
    }

    /// The cassette.
    pub fn cassette(&self) -> &Cassette {
        &self.cassette
    }

    /// Whether nothing is performed: then nothing is waited for either.
    pub fn is_replay(&self) -> bool {
        self.mode == TapeMode::Replay
    }

    /// The first request that the cassette did not know, in a replay.
    pub fn missed(&self) -> Option<RunError> {
        self.lock().missed.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came of a request when it was recorded; nothing when it is to be performed.
    pub(crate) fn play(&self, effect: &Effect, digest: &str) -> Option<Result<(Value, Usage), RunError>> {
        if !is_taped(effect.kind) || effect.kind == EffectKind::Tool && self.stubs.contains(&effect.label) {
            return None;
        }
        let known: Vec<_> =
            self.cassette.entries.iter().filter(|entry| entry.kind == effect.kind && entry.digest == digest).collect();
        let mut inner = self.lock();
        let given = inner.given.entry((effect.kind.as_str(), digest.to_owned())).or_default();
        if let Some(entry) = known.get(*given).or(known.last()) {
            *given += 1;
            return Some(match &entry.error {
                Some(error) => Err(error.clone()),
                None => Ok((entry.response.clone().unwrap_or_default(), entry.usage)),
            });
        }
        if self.mode == TapeMode::Auto || is_local(effect.kind) {
            return None;
        }
        let error = self.miss(effect);
        inner.missed.get_or_insert_with(|| error.clone());
        Some(Err(error))
    }

    /// A request that was never recorded, beside the one that is nearest to it.
    fn miss(&self, effect: &Effect) -> RunError {
        let (kind, label, name) = (effect.kind.as_str(), &effect.label, &self.name);
        let mut message = format!("the cassette {name} holds no answer to this request of {kind} `{label}`");
        let all = self.cassette.entries.iter().filter(|entry| entry.kind == effect.kind);
        let compared = all.map(|entry| (differences(&entry.request, &effect.request), entry));
        match compared.min_by_key(|(found, entry)| (entry.label != effect.label, found.len())) {
            Some((found, nearest)) => {
                let more = found.len().saturating_sub(SHOWN);
                message.push_str(&format!("; the nearest one, of `{}`, differs:", nearest.label));
                found.iter().take(SHOWN).for_each(|one| message.push_str(&line(one)));
                if more > 0 {
                    message.push_str(&format!("\n  and {more} more"));
                }
            }
            None => message.push_str(&format!("; it holds none of {kind} at all")),
        }
        RunError::new(ErrorKind::ProviderInvalid, message)
            .with_help("`--cassette-mode auto` performs what is missing and adds it; `--record` records all of it anew")
    }
}

/// A difference in a line: where two texts part, what is before is left out.
fn line(one: &Difference) -> String {
    let (recorded, now) = match (&one.expected, &one.actual) {
        (Some(Value::String(recorded)), Some(Value::String(now))) => {
            let same = recorded.chars().zip(now.chars()).take_while(|(a, b)| a == b).count();
            let from = same.saturating_sub(EXCERPT / 3);
            (part(recorded, from), part(now, from))
        }
        (recorded, now) => {
            let shown = |value: &Option<Value>| value.as_ref().map_or("nothing".into(), |v| cut(&v.to_string(), 0));
            (shown(recorded), shown(now))
        }
    };
    let path = if one.path.is_empty() { "/" } else { &one.path };
    format!("\n  {path}: recorded {recorded}, now {now}")
}

fn part(text: &str, from: usize) -> String {
    Value::String(cut(text, from)).to_string()
}

fn cut(text: &str, from: usize) -> String {
    let mut shown: String = text.chars().skip(from).take(EXCERPT).collect();
    if from > 0 {
        shown.insert(0, '…');
    }
    if text.chars().nth(from + EXCERPT).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{cassette::tests::entry, journal};

    fn effect(kind: EffectKind, request: Value) -> Effect {
        let class = crate::journal::SideEffect::Read;
        Effect { address: "a".into(), kind, class, label: "m".into(), request }
    }

    fn play(tape: &Tape, effect: &Effect) -> Option<Result<Value, RunError>> {
        tape.play(effect, &journal::digest(&effect.request)).map(|outcome| outcome.map(|(value, _)| value))
    }

    #[test]
    fn answers_come_one_after_the_other_and_the_last_one_stays() {
        let request = json!({"say": "hi"});
        let entries = ["a", "b"].map(|answer| entry(EffectKind::Model, request.clone(), answer)).to_vec();
        let tape = Tape::new("c.json", TapeMode::Replay, Cassette { entries, ..Cassette::default() });
        let asked = effect(EffectKind::Model, request);
        let answers: Vec<_> = (0..3).map(|_| play(&tape, &asked).unwrap().unwrap()).collect();
        assert_eq!(answers, ["a", "b", "b"]);
        assert_eq!(tape.missed(), None);
        for kind in [EffectKind::Clock, EffectKind::Storage, EffectKind::Script, EffectKind::Agent, EffectKind::Memory]
        {
            assert_eq!(play(&tape, &effect(kind, json!(1))), None);
        }
    }

    #[test]
    fn a_miss_shows_the_nearest_request() {
        let long = "word ".repeat(40);
        let near = json!({"model": "m", "messages": [{"content": format!("{long}old end")}], "seed": 1});
        let far = json!({"model": "n", "messages": [], "other": true});
        let entries = vec![entry(EffectKind::Model, far, "x"), entry(EffectKind::Model, near, "y")];
        let tape = |mode| Tape::new("c.json", mode, Cassette { entries: entries.clone(), ..Cassette::default() });
        let asked =
            effect(EffectKind::Model, json!({"model": "m", "messages": [{"content": format!("{long}new end")}]}));
        assert_eq!(play(&tape(TapeMode::Auto), &asked), None);
        let replay = tape(TapeMode::Replay);
        let error = play(&replay, &asked).unwrap().unwrap_err();
        assert_eq!(
            error.message,
            "the cassette c.json holds no answer to this request of model `m`; the nearest one, of `m`, differs:\n  \
             /messages/0/content: recorded \"…word word word word old end\", now \"…word word word word new end\"\n  \
             /seed: recorded 1, now nothing"
        );
        assert_eq!(replay.missed(), Some(error));
        let tool = effect(EffectKind::Tool, json!(1));
        assert!(play(&replay, &tool).unwrap().unwrap_err().message.ends_with("it holds none of tool at all"));
        let stubbed = replay.without_tools(["m".to_owned()]);
        assert_eq!(play(&stubbed, &tool), None);
    }
}
