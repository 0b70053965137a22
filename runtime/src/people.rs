//! What a run asks of people. The run waits for the answer; where nobody is there to give it, the run is put aside and goes on
//! when it is resumed with the answer.

use std::collections::BTreeMap;

use aikit_core::record::JournalRow;
use aikit_spec::agent::HumanTask;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    engine::RunReport,
    journal::{EffectKind, Record},
    validate,
};

/// A question to a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// The name by which it is answered: the step, or the tool that asks to be called.
    pub name: String,
    /// The step.
    pub address: String,
    /// What the person does.
    pub task: HumanTask,
    /// What the person reads.
    pub prompt: String,
    /// Who is asked; the user of the run where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What there is to choose from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// JSON Schema of the answer, for a form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

impl Question {
    /// The question with what can be answered, in one text.
    pub fn asked(&self) -> String {
        let prompt = if self.prompt.is_empty() { &self.name } else { &self.prompt };
        match self.task {
            HumanTask::Approve => format!("{prompt} (yes/no) "),
            HumanTask::Choose => {
                let choices = self.choices.iter().enumerate();
                let choices: Vec<String> = choices.map(|(at, choice)| format!("{} {choice}", at + 1)).collect();
                format!("{prompt} ({}) ", choices.join(", "))
            }
            HumanTask::Form => format!("{prompt} (JSON) "),
            HumanTask::Text => format!("{prompt} "),
        }
    }

    /// The answer as the document reads it: true or false, a choice, a form, a text. A sentence says what does not fit.
    pub fn accept(&self, answer: Value) -> Result<Value, String> {
        let text = answer.as_str().map(str::trim);
        match self.task {
            HumanTask::Approve => match (&answer, text.map(str::to_ascii_lowercase).as_deref()) {
                (Value::Bool(_), _) => Ok(answer),
                (_, Some("yes" | "y" | "true" | "approve")) => Ok(json!(true)),
                (_, Some("no" | "n" | "false" | "reject")) => Ok(json!(false)),
                _ => Err("answer yes or no".into()),
            },
            HumanTask::Choose => {
                let chosen = match text {
                    Some(text) => text.to_owned(),
                    None => answer.to_string(),
                };
                let number = chosen.parse::<usize>().ok().filter(|number| *number > 0);
                let by_number = number.and_then(|number| self.choices.get(number - 1));
                match self.choices.iter().find(|choice| **choice == chosen).or(by_number) {
                    Some(choice) => Ok(json!(choice)),
                    None => Err(format!("choose one of: {}", self.choices.join(", "))),
                }
            }
            HumanTask::Form => {
                let answer = match text.and_then(|text| serde_json::from_str(text).ok()) {
                    Some(read) => read,
                    None => answer,
                };
                let schema = self.schema.clone().unwrap_or_else(|| json!({}));
                match validate::violations(&schema, &answer) {
                    Ok(found) if found.is_empty() => Ok(answer),
                    Ok(found) => Err(found.join("; ")),
                    Err(error) => Err(error.message),
                }
            }
            HumanTask::Text => match answer {
                Value::String(_) => Ok(answer),
                other => Ok(json!(other.to_string())),
            },
        }
    }
}

/// The questions of a journal that nobody has answered.
pub fn open_questions(rows: &[JournalRow]) -> Vec<Question> {
    let mut open: BTreeMap<u64, Question> = BTreeMap::new();
    for row in rows {
        match Record::read(row) {
            Some(Record::EffectStarted { effect, kind: EffectKind::Human, request, .. }) => {
                open.extend(serde_json::from_value(request).ok().map(|question| (effect, question)));
            }
            Some(Record::EffectEnded { effect, .. }) => drop(open.remove(&effect)),
            _ => {}
        }
    }
    open.into_values().collect()
}

/// What a run that was put aside waits for, for a person; `go_on` says how it goes on.
pub fn waits(report: &RunReport, go_on: &str) -> String {
    let asked = report.waiting.iter().map(|question| format!("  {}: {}\n", question.name, question.asked().trim_end()));
    format!("run {} waits for a person:\n{}{go_on}\n", report.record.id, asked.collect::<String>())
}

/// Who can be asked while a run is at work.
#[async_trait]
pub trait People: Send + Sync {
    /// Asks and waits for the answer; `None` where nobody is there who could give it. Ends when `cancel` fires.
    async fn ask(&self, question: &Question, cancel: &CancellationToken) -> Option<Value>;
}

/// Answers that were given beforehand, by the name or the address of what asks.
#[derive(Debug, Clone, Default)]
pub struct Answers(pub Map<String, Value>);

impl From<BTreeMap<String, Value>> for Answers {
    fn from(answers: BTreeMap<String, Value>) -> Self {
        Self(answers.into_iter().collect())
    }
}

#[async_trait]
impl People for Answers {
    async fn ask(&self, question: &Question, _: &CancellationToken) -> Option<Value> {
        self.0.get(&question.address).or_else(|| self.0.get(&question.name)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(task: HumanTask) -> Question {
        Question {
            name: "ask".into(),
            address: "ask".into(),
            task,
            prompt: "?".into(),
            to: None,
            choices: vec!["red".into(), "blue".into()],
            schema: Some(json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}})),
        }
    }

    #[test]
    fn answers_are_read_as_people_write_them() {
        for (task, answer, read) in [
            (HumanTask::Approve, json!("Yes"), Some(json!(true))),
            (HumanTask::Approve, json!(false), Some(json!(false))),
            (HumanTask::Approve, json!("perhaps"), None),
            (HumanTask::Choose, json!("blue"), Some(json!("blue"))),
            (HumanTask::Choose, json!(1), Some(json!("red"))),
            (HumanTask::Choose, json!("green"), None),
            (HumanTask::Form, json!("{\"n\": 3}"), Some(json!({"n": 3}))),
            (HumanTask::Form, json!({"n": "x"}), None),
            (HumanTask::Text, json!(4), Some(json!("4"))),
        ] {
            assert_eq!(question(task).accept(answer.clone()).ok(), read, "{answer}");
        }
    }
}
