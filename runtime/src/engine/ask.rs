//! Requests to models: who is asked, how often, and who is asked instead.

use aikit_core::{ErrorKind, RunError};
use aikit_spec::{
    agent::FallbackReason,
    plan::{ModelPlan, RetryPlan},
};

use serde_json::json;

use super::{Execution, model, retry, steps::boxed};
use crate::{
    debug::{CallSite, FrameKind},
    event::RunEvent,
    gate::Effect,
    journal::{EffectKind, SideEffect},
    ports::{ModelRequest, ModelResponse},
};

/// The models of one conversation: the one that is asked, and those that stand in for it.
#[derive(Debug)]
pub(super) struct Lineup<'p> {
    models: Vec<(&'p str, &'p [FallbackReason])>,
    at: usize,
}

impl<'p> Lineup<'p> {
    /// The model that is asked.
    fn model(&self) -> &'p str {
        self.models[self.at].0
    }

    /// Goes on to the next model that stands in for one that failed for this reason.
    pub(super) fn advance(&mut self, reason: FallbackReason) -> bool {
        let follows = |on: &[FallbackReason]| on.is_empty() || on.contains(&reason);
        match (self.at + 1..self.models.len()).find(|&at| follows(self.models[at].1)) {
            Some(next) => {
                self.at = next;
                true
            }
            None => false,
        }
    }
}

/// Why a model is left for another; no error of the request itself is a reason.
fn reason(kind: ErrorKind) -> Option<FallbackReason> {
    match kind {
        ErrorKind::ProviderRateLimit => Some(FallbackReason::RateLimit),
        ErrorKind::ProviderTimeout => Some(FallbackReason::Timeout),
        ErrorKind::ProviderUnavailable => Some(FallbackReason::Unavailable),
        ErrorKind::ProviderRefusal => Some(FallbackReason::Refusal),
        _ => None,
    }
}

impl Execution {
    /// The models of a conversation: the one that the step names, else the first route that holds, else the default; behind it
    /// the fallbacks.
    pub(super) fn lineup<'p>(&'p self, named: Option<&'p str>) -> Result<Lineup<'p>, RunError> {
        let plan = &self.plan;
        let first = match named {
            Some(name) => name,
            None if plan.routing.routes.is_empty() => &plan.default_model,
            None => {
                let scope = self.scope();
                let mut chosen = plan.default_model.as_str();
                for (when, model) in &plan.routing.routes {
                    if when.holds(&scope).map_err(|e| self.expression_error(e))? {
                        chosen = model;
                        break;
                    }
                }
                chosen
            }
        };
        let fallbacks = plan.routing.fallbacks.iter().filter(|(model, _)| model != first);
        let fallbacks = fallbacks.map(|(model, on)| (model.as_str(), on.as_slice()));
        Ok(Lineup { models: std::iter::once((first, &[][..])).chain(fallbacks).collect(), at: 0 })
    }

    /// Asks the models of a lineup until one answers. `shape` makes the request of a model.
    pub(super) async fn ask(
        &self,
        address: &str,
        lineup: &mut Lineup<'_>,
        shape: impl Fn(&ModelPlan) -> ModelRequest,
    ) -> Result<ModelResponse, RunError> {
        loop {
            let name = lineup.model();
            let model = self
                .plan
                .models
                .get(name)
                .ok_or_else(|| RunError::new(ErrorKind::Internal, format!("the plan lost the model `{name}`")))?;
            match self.ask_one(address, name, model, &shape).await {
                Err(error) if reason(error.kind).is_some_and(|reason| lineup.advance(reason)) => {}
                answered => return answered,
            }
        }
    }

    /// Asks one model, as often as it says.
    async fn ask_one(
        &self,
        address: &str,
        name: &str,
        model: &ModelPlan,
        shape: &impl Fn(&ModelPlan) -> ModelRequest,
    ) -> Result<ModelResponse, RunError> {
        let mut attempt = 1;
        loop {
            let error = match self.request(address, name, model, shape(model)).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let again = |retry: &&RetryPlan| attempt < retry.max_attempts && retry::worth_it(retry, &error);
            let Some(retry) = model.retry.as_ref().filter(again) else { return Err(error) };
            let pause = retry::pause(retry, self.gate.run(), address, attempt, &error);
            retry::wait(&self.gate, pause).await;
            attempt += 1;
        }
    }

    /// One request, which is an effect of its own.
    async fn request(
        &self,
        address: &str,
        name: &str,
        plan: &ModelPlan,
        request: ModelRequest,
    ) -> Result<ModelResponse, RunError> {
        let journalled = serde_json::to_value(&request)
            .map_err(|e| RunError::new(ErrorKind::Internal, format!("the request cannot be recorded: {e}")))?;
        if let Some(debugger) = &self.options.debugger {
            let request = journalled.clone();
            let site = CallSite { kind: FrameKind::Model, name: name.to_owned(), request };
            debugger.call(self.thread, site).await?;
        }
        let hooks = &self.plan.flow.hooks;
        let asked = || json!({ "model": name, "messages": journalled["messages"] });
        boxed(|| self.call_hook(&hooks.before_llm, format!("{address}/before_llm/"), asked)).await?;
        let gate = &self.gate;
        let on_text = |text: &str| gate.tell(RunEvent::Token { address: address.to_owned(), text: text.to_owned() });
        let effect = Effect {
            address: address.to_owned(),
            kind: EffectKind::Model,
            class: SideEffect::Read,
            label: format!("{}/{}", plan.provider, plan.model),
            request: journalled.clone(),
        };
        let value = gate
            .effect(effect, async {
                let (response, usage) = model::call(&self.engine.ports, plan, request, &on_text, gate.cancel()).await?;
                let value = serde_json::to_value(&response)
                    .map_err(|e| RunError::new(ErrorKind::Internal, format!("the answer cannot be recorded: {e}")))?;
                Ok((value, usage))
            })
            .await?;
        let answered = || json!({ "model": name, "messages": journalled["messages"], "response": value });
        boxed(|| self.call_hook(&hooks.after_llm, format!("{address}/after_llm/"), answered)).await?;
        serde_json::from_value(value)
            .map_err(|e| RunError::new(ErrorKind::Internal, format!("the recorded answer cannot be read: {e}")))
    }
}
