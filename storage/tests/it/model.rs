//! Random operations of several tenants, users and sessions, interleaved on one database, against a model in plain maps.

use std::collections::BTreeMap;

use aikit_core::record::{NewRun, RunStatus, SpecStatus, StoreError};
use aikit_storage::{Database, TenantStore};
use proptest::prelude::*;
use semver::Version;
use serde_json::{Value, json};

use crate::support::*;

const TENANTS: [&str; 2] = ["acme", "globex"];
const USERS: [&str; 2] = ["ada", "bob"];
const AGENTS: [&str; 2] = ["support", "billing"];
const VERSIONS: [&str; 5] = ["1.2.0", "1.9.0", "1.10.0-rc.1", "1.10.0", "2.0.0"];
const KEYS: [&str; 4] = ["a", "ab", "b%", "é"];

#[derive(Debug, Clone)]
enum Op {
    Put { agent: usize, version: usize, source: u8 },
    Promote { agent: usize, version: usize },
    Begin { run: u128, agent: usize, parent: Option<u128> },
    Append { run: u128, skew: i8, count: u8 },
    End { run: u128 },
    Set { key: usize, value: i32 },
    Delete { key: usize },
    Input { line: i64, text: u8 },
}

/// Who acts: tenant and user by index, and which of the user's two sessions.
type Actor = (usize, usize, u128);

fn op() -> impl Strategy<Value = Op> {
    let run = 0u128..4;
    prop_oneof![
        3 => (0..2usize, 0..5usize, 0..3u8).prop_map(|(agent, version, source)| Op::Put { agent, version, source }),
        2 => (0..2usize, 0..5usize).prop_map(|(agent, version)| Op::Promote { agent, version }),
        2 => (run.clone(), 0..2usize, prop::option::of(run.clone()))
            .prop_map(|(run, agent, parent)| Op::Begin { run, agent, parent }),
        3 => (run.clone(), prop_oneof![4 => Just(0i8), 1 => -1..=1i8], 0..3u8)
            .prop_map(|(run, skew, count)| Op::Append { run, skew, count }),
        1 => run.prop_map(|run| Op::End { run }),
        2 => (0..4usize, any::<i32>()).prop_map(|(key, value)| Op::Set { key, value }),
        1 => (0..4usize).prop_map(|key| Op::Delete { key }),
        2 => (1..5i64, 0..3u8).prop_map(|(line, text)| Op::Input { line, text }),
    ]
}

#[derive(Debug, Default)]
struct Model {
    specs: BTreeMap<usize, BTreeMap<Version, (String, SpecStatus)>>,
    changes: BTreeMap<usize, Vec<String>>,
    /// Agent, journal length, whether it runs.
    runs: BTreeMap<u128, (usize, u64, bool)>,
    kv: BTreeMap<String, Value>,
    /// Per user the sessions in order of opening, each with its inputs.
    history: BTreeMap<usize, Vec<(u128, Inputs)>>,
}

/// What was typed in one session, by line.
type Inputs = BTreeMap<i64, String>;

impl Model {
    fn session(&mut self, user: usize, session: u128) -> &mut Inputs {
        let sessions = self.history.entry(user).or_default();
        let at = sessions.iter().position(|(id, _)| *id == session).unwrap_or_else(|| {
            sessions.push((session, BTreeMap::new()));
            sessions.len() - 1
        });
        &mut sessions[at].1
    }

    /// Applies an operation; the answer is the kind of outcome that the store must give.
    fn apply(&mut self, (_, user, session): Actor, op: &Op) -> &'static str {
        match op {
            Op::Put { agent, version, source } => {
                let version: Version = VERSIONS[*version].parse().unwrap();
                let source = source.to_string();
                let versions = self.specs.entry(*agent).or_default();
                let change = match versions.get(&version) {
                    Some((stored, _)) if *stored == source => return "ok",
                    Some((_, SpecStatus::Draft)) => "updated",
                    Some(_) => return "immutable",
                    None if versions.keys().any(|other| *other > version) => return "conflict",
                    None => "created",
                };
                self.changes.entry(*agent).or_default().push(format!("{change} {version} {}", USERS[user]));
                versions.insert(version, (source, SpecStatus::Draft));
                "ok"
            }
            Op::Promote { agent, version } => {
                let version: Version = VERSIONS[*version].parse().unwrap();
                let Some(versions) = self.specs.get_mut(agent) else { return "not found" };
                match versions.get(&version) {
                    None => return "not found",
                    Some((_, SpecStatus::Active)) => return "ok",
                    Some(_) => {}
                }
                let changes = self.changes.entry(*agent).or_default();
                for (other, (_, status)) in versions.iter_mut() {
                    if *status == SpecStatus::Active {
                        *status = SpecStatus::Deprecated;
                        changes.push(format!("deprecated {other} {}", USERS[user]));
                    }
                }
                if let Some((_, status)) = versions.get_mut(&version) {
                    *status = SpecStatus::Active;
                }
                changes.push(format!("promoted {version} {}", USERS[user]));
                "ok"
            }
            Op::Begin { run, agent, parent } => {
                if self.runs.contains_key(run) {
                    return "conflict";
                }
                if parent.is_some_and(|parent| !self.runs.contains_key(&parent)) {
                    return "not found";
                }
                self.session(user, session);
                self.runs.insert(*run, (*agent, 1, true));
                "ok"
            }
            Op::Append { run, skew, count } => match self.runs.get_mut(run) {
                None => "not found",
                Some((_, _, false)) => "conflict",
                Some((_, length, _)) => {
                    if *skew != 0 && *count > 0 {
                        return "conflict";
                    }
                    *length += u64::from(*count);
                    "ok"
                }
            },
            Op::End { run } => match self.runs.get_mut(run) {
                None => "not found",
                Some((_, _, false)) => "conflict",
                Some((_, length, running)) => {
                    (*length, *running) = (*length + 1, false);
                    "ok"
                }
            },
            Op::Set { key, value } => {
                self.kv.insert(KEYS[*key].to_owned(), json!(value));
                "ok"
            }
            Op::Delete { key } => {
                self.kv.remove(KEYS[*key]);
                "ok"
            }
            Op::Input { line, text } => {
                self.session(user, session).insert(*line, text.to_string());
                "ok"
            }
        }
    }
}

fn kind<T>(result: Result<T, StoreError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(StoreError::NotFound { .. }) => "not found",
        Err(StoreError::Conflict(_)) => "conflict",
        Err(StoreError::Immutable { .. }) => "immutable",
        Err(_) => "failed",
    }
}

/// Does to the store what [`Model::apply`] does to the model. `length` is that of the journal in question.
async fn perform(store: &TenantStore, op: &Op, length: u64) -> &'static str {
    match op {
        Op::Put { agent, version, source } => {
            kind(store.put_spec(spec(AGENTS[*agent], VERSIONS[*version], &source.to_string())).await)
        }
        Op::Promote { agent: name, version } => {
            kind(store.promote_spec(&agent(AGENTS[*name]), &VERSIONS[*version].parse().unwrap()).await)
        }
        Op::Begin { run, agent: name, parent } => {
            let run = NewRun { agent: agent(AGENTS[*name]), parent: parent.map(run_id), ..new_run(run_id(*run)) };
            kind(store.begin_run(run, rows(0, 1)).await)
        }
        Op::Append { run, skew, count } => {
            let from = length.saturating_add_signed(i64::from(*skew));
            kind(store.append_journal(run_id(*run), rows(from, from + u64::from(*count))).await)
        }
        Op::End { run } => kind(store.end_run(run_id(*run), rows(length, length + 1), end()).await),
        Op::Set { key, value } => kind(store.kv_set(KEYS[*key], &json!(value)).await),
        Op::Delete { key } => kind(store.kv_delete(KEYS[*key]).await),
        Op::Input { line, text } => kind(store.add_history(*line, &text.to_string(), None).await),
    }
}

async fn enter(database: &Database, (tenant, user, session): Actor) -> TenantStore {
    // The same session ids in both tenants, different ones for different users.
    let session = 10 * (user as u128 + 1) + session;
    database.enter(&scope(TENANTS[tenant], USERS[user], session), "test").await.unwrap()
}

async fn compare(database: &Database, tenant: usize, model: &Model) {
    let store = enter(database, (tenant, 0, 0)).await;
    let mut shown = Vec::new();
    for (at, name) in AGENTS.iter().enumerate() {
        let agent = agent(name);
        let expected: Vec<_> = model.specs.get(&at).into_iter().flatten().rev().collect();
        let found = store.spec_versions(&agent).await.unwrap();
        let found: Vec<_> = found.into_iter().map(|spec| (spec.version, (spec.source, spec.status))).collect();
        assert_eq!(found.iter().map(|(version, rest)| (version, rest)).collect::<Vec<_>>(), expected);
        let default = expected
            .iter()
            .find(|(_, (_, status))| *status == SpecStatus::Active)
            .or_else(|| expected.iter().find(|(_, (_, status))| *status == SpecStatus::Draft))
            .map(|(version, _)| (*version).clone());
        assert_eq!(store.spec(&agent, None).await.unwrap().map(|spec| spec.version), default);
        shown.extend(default.map(|version| (agent.clone(), version)));
        let changes = store.spec_history(&agent).await.unwrap();
        let changes: Vec<_> = changes.iter().rev().map(|c| format!("{} {} {}", c.change, c.version, c.actor)).collect();
        assert_eq!(changes, model.changes.get(&at).cloned().unwrap_or_default());
    }
    shown.sort();
    let specs: Vec<_> = store.specs().await.unwrap().into_iter().map(|spec| (spec.agent, spec.version)).collect();
    assert_eq!(specs, shown);

    assert_eq!(store.runs(None, 100).await.unwrap().len(), model.runs.len());
    for n in 0..4 {
        let record = store.run(run_id(n)).await.unwrap();
        let expected = model.runs.get(&n);
        assert_eq!(record.as_ref().map(|run| run.status == RunStatus::Running), expected.map(|run| run.2));
        assert_eq!(record.map(|run| run.agent), expected.map(|run| agent(AGENTS[run.0])));
        assert_eq!(store.journal(run_id(n)).await.unwrap(), rows(0, expected.map_or(0, |run| run.1)));
    }

    assert_eq!(store.kv_list("").await.unwrap(), model.kv.keys().cloned().collect::<Vec<_>>());
    for key in KEYS {
        assert_eq!(store.kv_get(key).await.unwrap().as_ref(), model.kv.get(key));
    }

    for user in 0..2 {
        let store = enter(database, (tenant, user, 0)).await;
        let expected: Vec<_> = model
            .history
            .get(&user)
            .into_iter()
            .flatten()
            .zip(1..)
            .flat_map(|((_, lines), ordinal)| lines.iter().map(move |(line, text)| (ordinal, *line, text.clone())))
            .collect();
        let found = store.history_tail(1000).await.unwrap();
        assert_eq!(found.into_iter().map(|e| (e.session, e.line, e.input)).collect::<Vec<_>>(), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_behaves_as_the_model(
        steps in prop::collection::vec((((0..2usize), (0..2usize), (0..2u128)), op()), 1..60)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let database = two_tenants().await;
            let mut models = [Model::default(), Model::default()];
            for (actor, op) in &steps {
                let model = &mut models[actor.0];
                let length = match op {
                    Op::Append { run, .. } | Op::End { run } => model.runs.get(run).map_or(0, |run| run.1),
                    _ => 0,
                };
                let store = enter(&database, *actor).await;
                let found = perform(&store, op, length).await;
                assert_eq!(found, model.apply(*actor, op), "{op:?} by {actor:?}");
            }
            for (tenant, model) in models.iter().enumerate() {
                compare(&database, tenant, model).await;
            }
        });
    }
}
