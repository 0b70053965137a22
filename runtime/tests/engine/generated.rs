//! Made programs: whatever steps hold what steps and whatever fails in them, a replay is the same journal, and a process that
//! dies in the middle changes nothing.

use std::sync::Arc;

use aikit_core::record::RunStatus;
use aikit_runtime::{engine::RunOptions, past::Doubts, people::Answers, ports::Store};
use serde_json::{Map, Value, json};

use crate::support::{Reply, World};

/// How many programs are made.
const PROGRAMS: u64 = 1000;

/// Makes the same program of the same number.
struct Maker {
    seed: u64,
    names: u32,
    answers: Map<String, Value>,
}

impl Maker {
    fn new(number: u64) -> Self {
        Self { seed: number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, names: 0, answers: Map::new() }
    }

    /// A number below `end` (xorshift64*).
    fn below(&mut self, end: u64) -> u64 {
        self.seed ^= self.seed >> 12;
        self.seed ^= self.seed << 25;
        self.seed ^= self.seed >> 27;
        (self.seed.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("s{}", self.names)
    }

    fn steps(&mut self, depth: u32) -> Value {
        let count = 1 + self.below(3);
        (0..count).map(|_| self.step(depth)).collect()
    }

    fn step(&mut self, depth: u32) -> Value {
        let name = self.name();
        let mut step = json!({ "name": name });
        let kinds = if depth == 0 { 7 } else { 12 };
        let (key, body) = match self.below(kinds) {
            0 => ("set", json!({ "list": self.below(9) })),
            1 | 2 => {
                let tool = ["double", "pay"][self.below(2) as usize];
                step["args"] = json!({ "n": self.below(1100) });
                ("tool", json!(tool))
            }
            3 => {
                step["args"] = json!({ "n": 1 });
                step["timeout"] = json!("3ms");
                ("tool", json!("slow"))
            }
            4 => ("wait", json!({ "for": format!("{}ms", self.below(3)) })),
            5 => ("raise", json!(["tool.failed", "own_error"][self.below(2) as usize])),
            6 => {
                if self.chance(80) {
                    let yes = self.chance(70);
                    self.answers.insert(name.clone(), json!(yes));
                    ("human", json!({ "ask": "approve" }))
                } else {
                    ("emit", json!({ "event": "made", "payload": self.below(9) }))
                }
            }
            7 => {
                let list = json!([{ "when": "state.list.size() > 2", "do": self.steps(depth - 1) }, { "default": self.steps(depth - 1) }]);
                ("switch", list)
            }
            8 | 9 => {
                let mut branches = Map::new();
                for _ in 0..1 + self.below(3) {
                    let name = self.name();
                    branches.insert(name, self.steps(depth - 1));
                }
                let join = [json!("all"), json!("any"), json!(1), json!(2)][self.below(4) as usize].clone();
                let on_fail = ["cancel", "wait"][self.below(2) as usize];
                ("parallel", json!({ "branches": branches, "join": join, "on_fail": on_fail }))
            }
            10 => {
                let concurrency = 1 + self.below(3);
                ("map", json!({ "over": "[1, 2, 3]", "concurrency": concurrency, "do": self.steps(depth - 1) }))
            }
            _ => ("loop", json!({ "while": "index < 2", "max": 3, "do": self.steps(depth - 1) })),
        };
        step[key] = body;
        if self.chance(20) {
            step["on_error"] = json!([{ "match": "*", "use": 1 }]);
        }
        if self.chance(15) {
            step["retry"] =
                json!({ "max_attempts": 2, "on": ["tool.*", "own_*"], "initial_delay": "1ms", "max_delay": "1ms" });
        }
        if self.chance(15) {
            step["compensate"] = json!([{ "name": self.name(), "tool": "pay", "args": { "n": -1 } }]);
        }
        if self.chance(10) && step.get("timeout").is_none() {
            step["timeout"] = json!("20ms");
        }
        step
    }

    fn document(&mut self) -> String {
        let document = json!({
            "identity": { "agent_id": "made", "name": "Made" },
            "interface": { "errors": [{ "code": "own_error", "description": "Its own." }] },
            "integration": { "tools": ["double", "slow", { "name": "pay", "kind": "builtin", "effect": "write" }] },
            "behavior": {
                "state": { "initial": { "list": [] }, "reducers": { "list": "append" } },
                "steps": self.steps(2),
            },
        });
        document.to_string()
    }
}

fn options(maker: &Maker) -> RunOptions {
    RunOptions { people: Some(Arc::new(Answers(maker.answers.clone()))), ..RunOptions::default() }
}

#[tokio::test]
async fn a_replay_of_a_made_program_is_the_same_journal() {
    let world = World::new(std::iter::empty::<Reply>());
    let (mut good, mut bad) = (0, 0);
    for number in 0..PROGRAMS {
        let mut maker = Maker::new(number);
        let source = maker.document();
        let plan = world.plan(&source);
        let run = world.engine.run(&plan, json!({}), options(&maker), world.cancel.clone());
        let report = run.await.unwrap_or_else(|error| panic!("program {number}: {error}\n{source}"));
        assert_ne!(report.record.status, RunStatus::Running, "program {number} waits\n{source}");
        if report.result().is_ok() {
            good += 1
        } else {
            bad += 1
        }
        let replay =
            world.engine.replay(report.record.id, Some(plan), options(&maker), world.cancel.clone()).await.unwrap();
        if let Some(drift) = replay.drift {
            let kinds: Vec<_> = report.journal.iter().map(|row| format!("{} {}", row.seq, row.body)).collect();
            panic!("program {number}: {drift}\n{source}\n{}", kinds.join("\n"));
        }
        assert!(replay.report.journal == report.journal, "program {number}\n{source}");
    }
    assert!(good > PROGRAMS / 10 && bad > PROGRAMS / 10, "{good} good, {bad} bad");
}

#[tokio::test]
async fn a_made_program_survives_the_death_of_its_process() {
    for number in 0..PROGRAMS / 5 {
        let mut maker = Maker::new(number);
        let source = maker.document();
        let world = World::new(std::iter::empty::<Reply>());
        let plan = world.plan(&source);
        let death = 2 + maker.below(30) as usize;
        world.store.die_behind(death);
        tokio::select! {
            _ = world.engine.run(&plan, json!({}), options(&maker), world.cancel.clone()) => continue,
            () = world.store.dead() => {}
        }
        world.store.revive();
        let runs = world.store.runs(None, 1).await.unwrap();
        let Some(run) = runs.first().filter(|run| run.status == RunStatus::Running) else { continue };
        let doubts = Arc::new(Doubts { repeat: true, ..Doubts::default() });
        let options = RunOptions { doubts, ..options(&maker) };
        let resumed = world.engine.resume(run.id, Some(plan.clone()), options.clone(), world.cancel.clone()).await;
        let resumed = resumed.unwrap_or_else(|error| panic!("program {number}, death {death}: {error}\n{source}"));
        assert_ne!(resumed.record.status, RunStatus::Running);
        let replay = world.engine.replay(run.id, Some(plan), options, world.cancel.clone()).await.unwrap();
        let kinds: Vec<_> = resumed.journal.iter().map(|row| format!("{} {}", row.seq, row.body)).collect();
        assert!(
            replay.drift.is_none(),
            "program {number}, death {death}: {}\n{source}\n{}",
            replay.drift.unwrap(),
            kinds.join("\n")
        );
    }
}
