//! Guardrails: rules for what goes into a run, comes out of it, and passes its tools.

use std::borrow::Cow;

use aikit_core::{ErrorKind, RunError};
use aikit_spec::{
    agent::{GuardrailAction, GuardrailPoint, HumanTask},
    plan::{GuardrailPlan, GuardrailRule},
};
use regex::Regex;
use serde_json::{Map, Value, json};

use super::{Execution, conversation::Conversation};
use crate::{
    journal::Record,
    people::Question,
    ports::{Message, Role},
    validate,
};

/// What stands where something was blacked out.
const REDACTED: &str = "[redacted]";

impl Execution {
    /// A value, as the rules for this point let it through.
    pub(super) async fn guard(
        &self,
        point: GuardrailPoint,
        address: &str,
        mut value: Value,
    ) -> Result<Value, RunError> {
        let plan = self.plan.clone();
        for rail in plan.flow.guardrails.iter().filter(|rail| rail.on == point) {
            let Some(why) = self.broken(rail, address, &value).await? else { continue };
            self.gate.record(&Record::GuardrailBroken {
                address: address.to_owned(),
                name: rail.name.clone(),
                action: rail.action.word().into(),
            });
            let said = rail.message.clone().unwrap_or(why);
            match rail.action {
                GuardrailAction::Warn => {}
                GuardrailAction::Redact => value = redact(rail, value),
                GuardrailAction::Block => return Err(blocked(rail, &said)),
                GuardrailAction::Ask => {
                    let question = Question {
                        name: rail.name.clone(),
                        address: address.to_owned(),
                        task: HumanTask::Approve,
                        prompt: format!("{said}\n\n{value:#}\n\nLet it pass?"),
                        to: None,
                        choices: Vec::new(),
                        schema: None,
                    };
                    if self.ask_person(question, None, None).await? != json!(true) {
                        return Err(blocked(rail, &said));
                    }
                }
            }
        }
        Ok(value)
    }

    /// Why a rule is broken, if it is.
    async fn broken(&self, rail: &GuardrailPlan, address: &str, value: &Value) -> Result<Option<String>, RunError> {
        let says = |broken: bool| broken.then(|| format!("the guardrail `{}` is broken", rail.name));
        Ok(match &rail.rule {
            GuardrailRule::Regex(pattern) => says(texts(value).any(|text| pattern.is_match(text))),
            GuardrailRule::Schema(schema) => {
                let found = validate::violations(schema, value)?;
                (!found.is_empty()).then(|| found.join("; "))
            }
            GuardrailRule::Cel(condition) => {
                let mut scope = self.scope();
                scope["value"] = value.clone();
                says(condition.holds(&scope).map_err(|error| self.expression_error(error))?)
            }
            GuardrailRule::Script(script) => {
                let name = format!("{}: guardrail {}", self.source_name(), rail.name);
                let inputs = json!({ "value": value });
                says(self.run_script(address, script, &name, inputs, Value::Object(Map::new())).await? == json!(true))
            }
            GuardrailRule::Model { model, prompt, output } => {
                let mut scope = self.scope();
                scope["value"] = value.clone();
                let rule = match prompt {
                    Some(prompt) => prompt.render_text(&scope).map_err(|error| self.expression_error(error))?,
                    None => rail.message.clone().unwrap_or_else(|| rail.name.clone()),
                };
                let messages = vec![
                    Message::text(
                        Role::System,
                        "You check whether a value breaks a rule. Answer with JSON: violated (true or false) and reason.",
                    ),
                    Message::text(Role::User, format!("The rule: {rule}\n\nThe value:\n{value:#}")),
                ];
                let conversation = Conversation {
                    address,
                    model: model.as_deref(),
                    messages,
                    tools: Vec::new(),
                    output: Some(output),
                    max_iterations: 1,
                };
                let answer = self.boxed_converse(conversation).await?;
                let reason = answer.get("reason").and_then(Value::as_str).unwrap_or(&rail.name);
                (answer.get("violated") == Some(&json!(true))).then(|| reason.to_owned())
            }
        })
    }
}

fn blocked(rail: &GuardrailPlan, why: &str) -> RunError {
    RunError::new(ErrorKind::GuardrailBlocked, format!("blocked by the guardrail `{}`: {why}", rail.name))
}

/// All texts of a value.
fn texts(value: &Value) -> Box<dyn Iterator<Item = &str> + '_> {
    match value {
        Value::String(text) => Box::new(std::iter::once(text.as_str())),
        Value::Array(items) => Box::new(items.iter().flat_map(texts)),
        Value::Object(map) => Box::new(map.values().flat_map(texts)),
        _ => Box::new(std::iter::empty()),
    }
}

/// A value with what a rule found blacked out: by a regular expression what it matches, by any other rule every text.
fn redact(rail: &GuardrailPlan, value: Value) -> Value {
    fn each(value: Value, change: &dyn Fn(&str) -> String) -> Value {
        match value {
            Value::String(text) => Value::String(change(&text)),
            Value::Array(items) => items.into_iter().map(|item| each(item, change)).collect(),
            Value::Object(map) => map.into_iter().map(|(key, value)| (key, each(value, change))).collect(),
            other => other,
        }
    }
    let found = |pattern: &Regex, text: &str| match pattern.replace_all(text, REDACTED) {
        Cow::Borrowed(_) => text.to_owned(),
        Cow::Owned(changed) => changed,
    };
    match &rail.rule {
        GuardrailRule::Regex(pattern) => each(value, &|text| found(pattern, text)),
        _ => each(value, &|_| REDACTED.to_owned()),
    }
}
