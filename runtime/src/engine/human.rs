//! Steps and calls that wait for a person.

use std::time::Duration;

use aikit_core::{ErrorKind, RunError};
use aikit_spec::{
    agent::HumanTask,
    plan::{HumanPlan, PromptPlan},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Execution;
use crate::{
    gate::Effect,
    journal::{EffectKind, SideEffect},
    people::Question,
    ports::Role,
};

impl Execution {
    /// A `human` step.
    pub(super) async fn human(&self, address: &str, name: &str, human: &HumanPlan) -> Result<Value, RunError> {
        let scope = self.scope();
        let text = |template: &aikit_spec::template::Template| {
            template.render_text(&scope).map_err(|error| self.expression_error(error))
        };
        let prompt = match &human.prompt {
            None => String::new(),
            Some(PromptPlan::Text(template)) => text(template)?,
            Some(messages) => {
                let messages = self.prompt(messages, Role::User, &scope)?;
                messages.into_iter().map(|message| message.content).collect::<Vec<_>>().join("\n\n")
            }
        };
        let question = Question {
            name: name.to_owned(),
            address: address.to_owned(),
            task: human.task,
            prompt,
            to: human.to.as_ref().map(text).transpose()?,
            choices: human.choices.iter().map(text).collect::<Result<_, _>>()?,
            schema: human.schema.clone(),
        };
        let instead = human.on_timeout.as_ref().map(|value| self.resolve(value, &scope)).transpose()?;
        let answer = self.ask_person(question, human.timeout, instead).await?;
        if human.task == HumanTask::Approve && answer == json!(false) {
            let message = format!("the person who was asked by step `{name}` said no");
            return Err(RunError::new(ErrorKind::HumanRejected, message));
        }
        Ok(answer)
    }

    /// Asks a person and waits. Where nobody is there the run is put aside, and this is asked again when it goes on.
    pub(super) async fn ask_person(
        &self,
        question: Question,
        timeout: Option<Duration>,
        instead: Option<Value>,
    ) -> Result<Value, RunError> {
        let deadline = match timeout {
            Some(timeout) => Some(self.now(&question.address).await? + timeout),
            None => None,
        };
        let effect = Effect {
            address: question.address.clone(),
            kind: EffectKind::Human,
            class: SideEffect::Read,
            label: question.name.clone(),
            request: json!(question),
        };
        let clock = self.engine.ports.clock.clone();
        let late = async {
            match deadline {
                None => std::future::pending().await,
                Some(deadline) => {
                    let left = deadline.signed_duration_since(clock.now()).to_std().unwrap_or_default();
                    if !left.is_zero() {
                        tokio::time::sleep(left).await;
                    }
                }
            }
            instead.ok_or_else(|| {
                let message = format!("nobody answered `{}` in time", question.name);
                RunError::new(ErrorKind::HumanTimeout, message)
                    .with_help("give `on_timeout` an answer, or handle `human.timeout` with `on_error`")
            })
        };
        let answered = async {
            let answer = match &self.options.people {
                Some(people) => people.ask(&question, self.gate.cancel()).await,
                None => None,
            };
            match answer {
                None => Err(self.gate.wait_for(question.clone()).await),
                Some(answer) => question.accept(answer).map_err(|problem| {
                    let message = format!("the answer to `{}` does not fit: {problem}", question.name);
                    RunError::new(ErrorKind::ValidationInput, message)
                }),
            }
        };
        let work = async {
            let answer = tokio::select! {
                biased;
                answer = late => answer,
                answer = answered => answer,
            };
            answer.map(|answer| (answer, Default::default()))
        };
        self.gate.effect(effect, work).await
    }

    /// The clock, recorded.
    pub(super) async fn now(&self, address: &str) -> Result<DateTime<Utc>, RunError> {
        let effect = Effect {
            address: address.to_owned(),
            kind: EffectKind::Clock,
            class: SideEffect::Read,
            label: "now".into(),
            request: json!({ "call": "now", "args": [] }),
        };
        let clock = self.engine.ports.clock.clone();
        let now = async { Ok((json!(clock.now().timestamp_millis()), Default::default())) };
        let millis = self.gate.effect(effect, now).await?;
        millis
            .as_i64()
            .and_then(DateTime::from_timestamp_millis)
            .ok_or_else(|| RunError::new(ErrorKind::Internal, format!("the recorded time {millis} cannot be read")))
    }
}
