//! What all runs of an agent may use together, in a minute and in a day: reserved before, settled after.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aikit_core::{
    AgentId, ErrorKind, RunError,
    record::{Charge, Usage},
};
use aikit_spec::plan::RatePlan;
use chrono::{DateTime, Utc};

use crate::{
    gate::store_error,
    journal::EffectKind,
    ports::{Clock, Store},
};

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;

/// The quotas of one agent.
#[derive(Clone)]
pub(crate) struct Quota {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    agent: AgentId,
    rates: RatePlan,
}

/// What was set aside for an effect.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reserved {
    tokens: f64,
    day: i64,
}

impl Quota {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, agent: AgentId, rates: RatePlan) -> Self {
        Self { store, clock, agent, rates }
    }

    /// When the window of so many seconds began in which a time lies. Days are those of UTC.
    fn window(now: DateTime<Utc>, seconds: i64) -> i64 {
        now.timestamp().div_euclid(seconds) * seconds
    }

    fn charge(&self, what: &str, started: i64, amount: f64, limit: Option<f64>) -> Charge {
        Charge { key: format!("{}/{what}", self.agent), started, amount, limit }
    }

    /// Counts a run that is about to begin.
    pub(crate) async fn begin_run(&self) -> Result<(), RunError> {
        let Some(limit) = self.rates.runs_per_minute else { return Ok(()) };
        let limit = f64::from(limit) + f64::from(self.rates.burst);
        let minute = Self::window(self.clock.now(), MINUTE);
        self.pay(vec![(self.charge("runs", minute, 1.0, Some(limit)), "requests_per_minute")]).await
    }

    /// Sets aside what an effect may use: `tokens` is what is known of it before.
    pub(crate) async fn reserve(&self, kind: EffectKind, tokens: u64) -> Result<Reserved, RunError> {
        let (now, rates) = (self.clock.now(), &self.rates);
        let (minute, day) = (Self::window(now, MINUTE), Self::window(now, DAY));
        let tokens = tokens as f64;
        let mut charges = Vec::new();
        match kind {
            EffectKind::Model => {
                let limit = rates.tokens_per_day.map(|limit| limit as f64);
                charges.extend(limit.map(|_| (self.charge("tokens", day, tokens, limit), "llm_tokens_per_day")));
                let limit = rates.usd_per_day;
                charges.extend(limit.map(|_| (self.charge("usd", day, 0.0, limit), "cost_limit_usd_per_day")));
            }
            EffectKind::Tool => {
                let limit = rates.tool_calls_per_minute.map(f64::from);
                charges.extend(limit.map(|_| (self.charge("tools", minute, 1.0, limit), "tool_calls_per_minute")));
            }
            _ => {}
        }
        if !charges.is_empty() {
            self.pay(charges).await?;
        }
        Ok(Reserved { tokens, day })
    }

    /// Replaces what was set aside by what was used.
    pub(crate) async fn settle(&self, kind: EffectKind, reserved: Reserved, usage: Usage) -> Result<(), RunError> {
        if kind != EffectKind::Model {
            return Ok(());
        }
        let used = (usage.input_tokens + usage.output_tokens) as f64 - reserved.tokens;
        let mut charges = Vec::new();
        if self.rates.tokens_per_day.is_some() {
            charges.push(self.charge("tokens", reserved.day, used, None));
        }
        if self.rates.usd_per_day.is_some() {
            charges.push(self.charge("usd", reserved.day, usage.cost_usd, None));
        }
        if !charges.is_empty() {
            self.store.charge(&charges).await.map_err(store_error)?;
        }
        Ok(())
    }

    async fn pay(&self, charges: Vec<(Charge, &'static str)>) -> Result<(), RunError> {
        let (list, names): (Vec<Charge>, Vec<&str>) = charges.into_iter().unzip();
        let Some((at, used)) = self.store.charge(&list).await.map_err(store_error)? else { return Ok(()) };
        let (name, limit) = (names[at], list[at].limit.unwrap_or_default());
        Err(RunError::new(
            ErrorKind::TenantQuota,
            format!("the quota `{name}` of agent `{}` is spent: {used} of {limit}", self.agent),
        )
        .with_help(format!("wait for the next window of time, or raise governance.rate_limits.{name}")))
    }
}

/// How many runs of each agent are at work in this process.
#[derive(Debug, Default)]
pub(crate) struct Concurrent(Mutex<HashMap<AgentId, u32>>);

impl Concurrent {
    /// Counts a run; it counts until what this gives is dropped.
    pub(crate) fn enter(self: &Arc<Self>, agent: &AgentId, most: Option<u32>) -> Result<Entered, RunError> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(agent.clone()).or_insert(0);
        if most.is_some_and(|most| *count >= most) {
            let message = format!("{count} runs of agent `{agent}` are at work already, and no more are allowed");
            return Err(RunError::new(ErrorKind::TenantQuota, message).with_help(
                "wait for one to end, or raise governance.security.resource_limits.max_concurrent_executions",
            ));
        }
        *count += 1;
        Ok(Entered { counts: self.clone(), agent: agent.clone() })
    }
}

/// A run at work.
pub(crate) struct Entered {
    counts: Arc<Concurrent>,
    agent: AgentId,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut counts = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.agent) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.agent);
            }
        }
    }
}
