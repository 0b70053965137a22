//! What is known, with two times: since when something holds, and since when that is known. Nothing is overwritten: what was
//! thought at any time can be asked again.

use std::collections::{BTreeSet, VecDeque};

use aikit_core::memory::{Fact, NewFact};
use aikit_runtime::ports::memory::{Conflict, FactOutcome};
use chrono::{DateTime, Utc};

/// What a new fact does to those that are there.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What is told to whom wanted the change.
    pub outcome: FactOutcome,
    /// Facts that are no longer thought since now, and what takes the place of each, if anything does.
    pub superseded: Vec<(u64, Option<NewFact>)>,
    /// Whether the new fact is recorded.
    pub record: bool,
}

/// Decides what becomes of a new fact beside those that hold now for the same subject and relation. Values that differ
/// contradict each other while they hold at the same time.
pub fn decide(current: &[Fact], new: &NewFact, conflict: Conflict, now: DateTime<Utc>) -> Change {
    let from = new.valid_from.unwrap_or(now);
    let same = |fact: &&Fact| fact.subject == new.subject && fact.relation == new.relation;
    let known: Vec<&Fact> = current.iter().filter(|fact| fact.superseded_at.is_none()).filter(same).collect();
    let meets =
        |fact: &Fact| fact.valid_to.is_none_or(|to| to > from) && new.valid_to.is_none_or(|to| fact.valid_from < to);
    if let Some(known) = known.iter().find(|fact| fact.object == new.object && meets(fact))
        && known.valid_from <= from
        && (known.valid_to.is_none() || known.valid_to == new.valid_to)
    {
        return Change { outcome: FactOutcome::Known, superseded: Vec::new(), record: false };
    }
    let against: Vec<&Fact> = known.into_iter().filter(|fact| fact.object != new.object && meets(fact)).collect();
    match conflict {
        _ if against.is_empty() => Change { outcome: FactOutcome::Recorded, superseded: Vec::new(), record: true },
        Conflict::KeepBoth => Change { outcome: FactOutcome::Recorded, superseded: Vec::new(), record: true },
        Conflict::Ask => {
            let against = against.into_iter().cloned().collect();
            Change { outcome: FactOutcome::Contradicts(against), superseded: Vec::new(), record: false }
        }
        Conflict::Latest => {
            let shorter = |fact: &Fact| {
                // What began before goes on being true of the past; what begins later never was.
                let rest = (fact.valid_from < from).then(|| NewFact {
                    subject: fact.subject.clone(),
                    relation: fact.relation.clone(),
                    object: fact.object.clone(),
                    valid_from: Some(fact.valid_from),
                    valid_to: Some(from),
                });
                (fact.id, rest)
            };
            let superseded = against.iter().map(|fact| shorter(fact)).collect();
            let replaced = against.into_iter().cloned().collect();
            Change { outcome: FactOutcome::Replaces(replaced), superseded, record: true }
        }
    }
}

/// What held at `valid`, as it was known at `known`.
pub fn as_of(facts: &[Fact], valid: DateTime<Utc>, known: DateTime<Utc>) -> Vec<Fact> {
    let holds = |fact: &&Fact| {
        fact.recorded_at <= known
            && fact.superseded_at.is_none_or(|at| at > known)
            && fact.valid_from <= valid
            && fact.valid_to.is_none_or(|to| to > valid)
    };
    facts.iter().filter(holds).cloned().collect()
}

/// The facts that are at most `steps` away from a thing, the nearest first.
pub fn neighbourhood(facts: &[Fact], thing: &str, steps: usize) -> Vec<Fact> {
    let mut seen: BTreeSet<&str> = BTreeSet::from([thing]);
    let mut taken: BTreeSet<u64> = BTreeSet::new();
    let mut open: VecDeque<(&str, usize)> = VecDeque::from([(thing, 0)]);
    let mut found = Vec::new();
    while let Some((at, distance)) = open.pop_front() {
        if distance == steps {
            continue;
        }
        for fact in facts.iter().filter(|fact| fact.subject == at || fact.object == at) {
            if taken.insert(fact.id) {
                found.push(fact.clone());
            }
            for end in [fact.subject.as_str(), fact.object.as_str()] {
                if seen.insert(end) {
                    open.push_back((end, distance + 1));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use proptest::prelude::*;

    use super::*;

    fn day(n: i64) -> DateTime<Utc> {
        Utc.timestamp_opt(n * 86_400, 0).unwrap()
    }

    fn new(object: &str, from: i64) -> NewFact {
        NewFact {
            subject: "ada".into(),
            relation: "lives_in".into(),
            object: object.into(),
            valid_from: Some(day(from)),
            valid_to: None,
        }
    }

    /// Applies a change as a store does.
    fn apply(facts: &mut Vec<Fact>, new: &NewFact, conflict: Conflict, now: i64) -> FactOutcome {
        let change = decide(facts, new, conflict, day(now));
        let record = |facts: &mut Vec<Fact>, new: &NewFact| {
            let id = facts.len() as u64 + 1;
            facts.push(Fact {
                id,
                subject: new.subject.clone(),
                relation: new.relation.clone(),
                object: new.object.clone(),
                valid_from: new.valid_from.unwrap_or(day(now)),
                valid_to: new.valid_to,
                recorded_at: day(now),
                superseded_at: None,
            });
        };
        for (id, rest) in change.superseded {
            facts.iter_mut().filter(|fact| fact.id == id).for_each(|fact| fact.superseded_at = Some(day(now)));
            rest.iter().for_each(|rest| record(facts, rest));
        }
        if change.record {
            record(facts, new);
        }
        change.outcome
    }

    fn objects(facts: &[Fact], valid: i64, known: i64) -> Vec<String> {
        as_of(facts, day(valid), day(known)).into_iter().map(|fact| fact.object).collect()
    }

    #[test]
    fn the_latest_holds_and_the_past_stays_true() {
        let mut facts = Vec::new();
        assert_eq!(apply(&mut facts, &new("london", 10), Conflict::Latest, 11), FactOutcome::Recorded);
        assert_eq!(apply(&mut facts, &new("london", 10), Conflict::Latest, 12), FactOutcome::Known);
        assert!(
            matches!(apply(&mut facts, &new("paris", 20), Conflict::Latest, 30), FactOutcome::Replaces(old) if old.len() == 1)
        );
        assert_eq!(objects(&facts, 15, 40), ["london"]);
        assert_eq!(objects(&facts, 25, 40), ["paris"]);
        // On day 25 nobody knew of the move yet.
        assert_eq!(objects(&facts, 25, 25), ["london"]);
        assert!(objects(&facts, 5, 40).is_empty());
        // A fact about the past, told late: both sides of it stay.
        assert_eq!(
            apply(&mut facts, &NewFact { valid_to: Some(day(9)), ..new("turin", 5) }, Conflict::Latest, 50),
            FactOutcome::Recorded
        );
        assert_eq!(objects(&facts, 6, 60), ["turin"]);
    }

    #[test]
    fn contradictions_are_kept_or_asked_about() {
        let mut facts = Vec::new();
        apply(&mut facts, &new("london", 10), Conflict::KeepBoth, 10);
        apply(&mut facts, &new("paris", 10), Conflict::KeepBoth, 11);
        assert_eq!(objects(&facts, 12, 12), ["london", "paris"]);
        let outcome = apply(&mut facts, &new("rome", 10), Conflict::Ask, 12);
        assert!(matches!(outcome, FactOutcome::Contradicts(old) if old.len() == 2));
        assert_eq!(objects(&facts, 12, 12).len(), 2);
    }

    #[test]
    fn neighbours_are_found_by_steps() {
        let mut facts = Vec::new();
        for (subject, object) in [("a", "b"), ("b", "c"), ("c", "d"), ("x", "y"), ("c", "a")] {
            let fact = NewFact { subject: subject.into(), ..new(object, 1) };
            apply(&mut facts, &fact, Conflict::KeepBoth, 1);
        }
        let told =
            |steps| neighbourhood(&facts, "a", steps).into_iter().map(|f| f.subject + &f.object).collect::<Vec<_>>();
        assert_eq!(told(1), ["ab", "ca"]);
        assert_eq!(told(2), ["ab", "ca", "bc", "cd"]);
        assert!(told(0).is_empty());
    }

    proptest! {
        #[test]
        fn with_latest_one_value_holds_at_any_time(told in prop::collection::vec((0..4u8, 0..20i64), 1..12)) {
            let mut facts = Vec::new();
            for (now, (object, from)) in (100..).zip(&told) {
                apply(&mut facts, &new(&object.to_string(), *from), Conflict::Latest, now);
                for valid in 0..25 {
                    let holding = objects(&facts, valid, now);
                    prop_assert!(holding.iter().all(|one| *one == holding[0]), "{holding:?} at {valid}");
                }
            }
            // What was told last holds now.
            prop_assert_eq!(&objects(&facts, 50, 200)[0], &told.last().unwrap().0.to_string());
            // What was known after the first fact is known for ever.
            prop_assert!(objects(&facts, told[0].1, 100).contains(&told[0].0.to_string()));
        }
    }
}
