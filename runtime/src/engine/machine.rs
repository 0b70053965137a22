//! State machines: one state at a time; events, time and the end of its steps lead from one to the next. Names and order of
//! work follow SCXML: entry, steps, exit of the old state, actions of the way, entry of the new one.

use std::{sync::Arc, time::Duration};

use aikit_core::{ErrorKind, RunError};
use aikit_spec::{
    agent::StateKind,
    plan::{BodySegment, MachinePlan, StatePlan, TransitionPlan},
};
use serde_json::{Value, json};

use super::{
    Execution,
    steps::{Flow, error_value, within},
    visits::{Visits, too_many},
};

/// An event as guards and actions see it.
#[derive(Debug, Clone)]
pub(super) struct Event {
    /// Its name.
    pub name: String,
    /// What was told.
    pub payload: Value,
}

/// What a state does next.
enum Next {
    /// This state is entered.
    State(String),
    /// The run has its result.
    End(Flow),
}

/// What became of the ways of a state.
enum Followed {
    /// None is open.
    None,
    /// One is, and it leads nowhere else.
    Stays,
    /// One leads away.
    Away(Next),
}

/// The code of the error that a state ends with when its time is over: never seen by a document.
const AFTER: &str = "after";

impl Execution {
    /// Runs a state machine to a final state. The result is what `return` gave, else the last output.
    pub(super) async fn machine(&mut self, machine: &MachinePlan) -> Result<Flow, RunError> {
        let state = |name: &str| {
            machine
                .states
                .iter()
                .find(|state| state.name == name)
                .ok_or_else(|| RunError::new(ErrorKind::Internal, format!("the plan lost the state `{name}`")))
        };
        let (mut current, mut visits, mut last) = (state(&machine.initial)?, Visits::default(), Value::Null);
        let mut been: Vec<&str> = Vec::new();
        for _ in 0..self.plan.flow.max_iterations {
            if current.kind == StateKind::History {
                let Some(before) = been.iter().rev().nth(1).or(been.last()) else {
                    let message = format!("the state `{}` leads back to where nothing has been", current.name);
                    return Err(RunError::new(ErrorKind::ExpressionFailed, message));
                };
                current = state(before)?;
            }
            been.push(&current.name);
            let address = visits.address(&current.name);
            self.gate.go_on(&address)?;
            self.gate.count_step()?;
            self.step_started(&address, "state");
            let before = self.state.clone();
            let next = self.in_state(current, &address, &mut last).await;
            let changed = (!Arc::ptr_eq(&before, &self.state)).then(|| (*self.state).clone());
            let ended = next.as_ref().map(|_| last.clone()).map_err(Clone::clone);
            self.step_ended(&address, &ended, changed);
            match next? {
                Next::End(flow) => return Ok(flow),
                Next::State(name) => current = state(&name)?,
            }
        }
        Err(too_many("states", self.plan.flow.max_iterations))
    }

    /// Everything that happens in a state, up to the way out of it.
    async fn in_state(&mut self, state: &StatePlan, address: &str, last: &mut Value) -> Result<Next, RunError> {
        let entered = tokio::time::Instant::now();
        match self.sequence(&state.entry, &BodySegment::Named("entry").prefix(address)).await? {
            Flow::Next(value) if !state.entry.is_empty() => *last = value,
            Flow::Next(_) => {}
            elsewhere => return Ok(Next::End(elsewhere)),
        }
        let followed = match self.work_of(state, address).await {
            Ok(Flow::Next(value)) => {
                if !state.steps.is_empty() {
                    *last = value;
                }
                if state.kind == StateKind::Final {
                    return Ok(Next::End(Flow::Next(last.clone())));
                }
                self.follow(state, address, &state.on_done, None, None).await?
            }
            Ok(elsewhere) => return Ok(Next::End(elsewhere)),
            Err(error) if error.own_code.as_deref() == Some(AFTER) => {
                return self.leave(state, address, error.message).await;
            }
            Err(error) => match self.follow(state, address, &state.on_error, None, Some(&error)).await? {
                Followed::None => return Err(error),
                followed => followed,
            },
        };
        if let Followed::Away(next) = followed {
            return Ok(next);
        }
        loop {
            if state.on.is_empty() && state.after.is_empty() {
                // Nothing can happen any more.
                return Ok(Next::End(Flow::Next(last.clone())));
            }
            let event = match self.internal.pop_front() {
                Some(event) => event,
                None => match self.listen(state, address, entered.elapsed()).await? {
                    Heard::Event(event) => event,
                    Heard::Time(target) => return self.leave(state, address, target).await,
                },
            };
            let ways = state.on.iter().find(|(name, _)| *name == event.name);
            let ways = ways.map(|(_, ways)| ways.as_slice()).unwrap_or_default();
            if let Followed::Away(next) = self.follow(state, address, ways, Some(event), None).await? {
                return Ok(next);
            }
        }
    }

    /// The steps of a state, ended when its time is over.
    async fn work_of(&mut self, state: &StatePlan, address: &str) -> Result<Flow, RunError> {
        let prefix = BodySegment::Named("do").prefix(address);
        let mark = self.done.len();
        let limit = state.after.first().filter(|_| !state.steps.is_empty());
        let done = match limit {
            None => self.sequence(&state.steps, &prefix).await,
            Some((time, target)) => {
                let why =
                    RunError { own_code: Some(AFTER.into()), ..RunError::new(ErrorKind::Cancelled, target.clone()) };
                let limit = Some(self.time(*time)).filter(|_| !self.gate.is_replay());
                let outer = self.enter_part();
                let gate = self.gate.clone();
                let done = within(&gate, limit, why, self.sequence(&state.steps, &prefix)).await;
                self.gate = outer;
                done
            }
        };
        match done {
            Err(error) if !state.on_error.is_empty() => Err(self.undo(mark, error).await),
            done => done,
        }
    }

    /// Takes the first way that is open.
    async fn follow(
        &mut self,
        state: &StatePlan,
        address: &str,
        ways: &[TransitionPlan],
        event: Option<Event>,
        error: Option<&RunError>,
    ) -> Result<Followed, RunError> {
        let outer = self.locals.clone();
        let locals = Arc::make_mut(&mut self.locals);
        if let Some(event) = event {
            locals.insert("event".into(), json!({ "name": event.name, "payload": event.payload }));
        }
        if let Some(error) = error {
            locals.insert("error".into(), error_value(error));
        }
        let followed = self.follow_inside(state, address, ways).await;
        self.locals = outer;
        followed
    }

    async fn follow_inside(
        &mut self,
        state: &StatePlan,
        address: &str,
        ways: &[TransitionPlan],
    ) -> Result<Followed, RunError> {
        let scope = self.scope();
        for way in ways {
            let open = way.guard.as_ref().map_or(Ok(true), |guard| guard.holds(&scope));
            if !open.map_err(|error| self.expression_error(error))? {
                continue;
            }
            let leaves = match &way.target {
                None => None,
                Some(target) => match self.leave(state, address, target.clone()).await? {
                    Next::State(target) => Some(target),
                    end => return Ok(Followed::Away(end)),
                },
            };
            return Ok(match self.sequence(&way.actions, &BodySegment::Named("actions").prefix(address)).await? {
                Flow::Next(_) => leaves.map_or(Followed::Stays, |target| Followed::Away(Next::State(target))),
                elsewhere => Followed::Away(Next::End(elsewhere)),
            });
        }
        Ok(Followed::None)
    }

    /// What is done when a state is left.
    async fn leave(&mut self, state: &StatePlan, address: &str, target: String) -> Result<Next, RunError> {
        Ok(match self.sequence(&state.exit, &BodySegment::Named("exit").prefix(address)).await? {
            Flow::Next(_) => Next::State(target),
            elsewhere => Next::End(elsewhere),
        })
    }

    /// Waits for an event that the state listens to, or for its time to be over.
    async fn listen(&mut self, state: &StatePlan, address: &str, active: Duration) -> Result<Heard, RunError> {
        let names = state.on.iter().map(|(name, _)| name.clone()).collect();
        let after = state.after.first();
        let time = after.map(|(time, _)| (*time, time.saturating_sub(active)));
        Ok(match (self.hear(address, names, time).await?, after) {
            (Some(event), _) => Heard::Event(event),
            (None, Some((_, target))) => Heard::Time(target.clone()),
            (None, None) => return Err(RunError::cancelled()),
        })
    }
}

/// What a state waited for.
enum Heard {
    Event(Event),
    Time(String),
}
