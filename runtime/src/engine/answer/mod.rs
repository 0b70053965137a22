//! The form of an answer: how the model is brought to keep it, and how what it said is read.

mod xml;

use aikit_core::{ErrorKind, RunError};
use aikit_spec::{
    agent::OutputMode,
    plan::{OutputPlan, ParserPlan},
};
use serde_json::{Map, Value, json};

use super::Execution;
use crate::{
    gate::Effect,
    journal::{EffectKind, SideEffect},
    ports::{Message, OutputForm, Role, ToolSpec, as_arguments},
};

/// The tool that takes an answer, where the form is kept by a tool.
const ANSWER_TOOL: &str = "final_answer";

/// How a conversation asks for the form of its answer.
#[derive(Debug, Default)]
pub(super) struct Form {
    /// The schema that goes with each request.
    pub schema: Option<Value>,
    /// Who sees to it.
    pub kept_by: OutputForm,
    /// The tool that takes the answer.
    pub tool: Option<ToolSpec>,
    /// The answer is the property `answer` of the tool's arguments: tools take objects only.
    wrapped: bool,
    /// What the model is told in words.
    told: Option<String>,
}

impl Form {
    /// How this form of an answer is asked for, beside tools of these names.
    pub(super) fn new(output: Option<&OutputPlan>, tools: &[ToolSpec]) -> Self {
        let Some(output) = output.filter(|output| matches!(output.parser, ParserPlan::Json)) else {
            return Self::default();
        };
        let schema = Some(output.schema.clone());
        match output.mode {
            OutputMode::Auto | OutputMode::Native => Self { schema, ..Self::default() },
            OutputMode::Grammar => Self { schema, kept_by: OutputForm::Strict, ..Self::default() },
            OutputMode::Prompted => Self {
                told: Some(format!(
                    "Answer with JSON only, without any text around it. It has to fit this JSON Schema:\n{}",
                    output.schema
                )),
                schema,
                kept_by: OutputForm::Told,
                ..Self::default()
            },
            OutputMode::Tool => {
                let mut name = ANSWER_TOOL.to_owned();
                while tools.iter().any(|tool| tool.name == name) {
                    name.push('_');
                }
                let (parameters, wrapped) = as_arguments(&output.schema);
                let description = "Takes the final answer. Call it once, when the answer is complete.".to_owned();
                let tool = Some(ToolSpec { name, description, parameters });
                Self { schema, kept_by: OutputForm::Told, tool, wrapped, told: None }
            }
        }
    }

    /// Says in words what is wanted, behind what the author has said.
    pub(super) fn tell(&self, messages: &mut Vec<Message>) {
        if let Some(told) = &self.told {
            instruct(messages, told);
        }
    }

    /// The answer that a call of the answer's tool brings.
    pub(super) fn taken(&self, name: &str, arguments: &Value) -> Option<Value> {
        self.tool.as_ref().filter(|tool| tool.name == name)?;
        Some(match arguments {
            Value::Object(map) if self.wrapped => map.get("answer").cloned().unwrap_or_default(),
            other => other.clone(),
        })
    }
}

/// Adds an instruction behind those that stand at the beginning.
pub(super) fn instruct(messages: &mut Vec<Message>, text: &str) {
    let at = messages.iter().position(|message| message.role != Role::System).unwrap_or(messages.len());
    messages.insert(at, Message::text(Role::System, text));
}

impl Execution {
    /// Reads what a model said; the inner error says why it cannot be read, for the model itself.
    pub(super) async fn read_answer(
        &self,
        address: &str,
        output: &OutputPlan,
        text: &str,
    ) -> Result<Result<Value, String>, RunError> {
        Ok(match &output.parser {
            ParserPlan::Json => parse_json(text).map_err(|why| format!("it is not valid JSON ({why})")),
            ParserPlan::Text => Ok(Value::String(text.to_owned())),
            ParserPlan::Regex(pattern) => parse_regex(pattern, &output.schema, text)?,
            ParserPlan::Xml => xml::parse(text, &output.schema),
            ParserPlan::Script(script) => {
                let inputs = json!({ "answer": text });
                let effect = Effect {
                    address: address.to_owned(),
                    kind: EffectKind::Script,
                    class: SideEffect::Write,
                    label: script.language.keyword().into(),
                    request: json!({ "language": script.language, "code": script.code, "inputs": inputs }),
                };
                let name = format!("{}: the answer of {address}", self.source_name());
                let work = async {
                    let steps = Value::Object(Map::new());
                    Ok((self.run_script(address, script, &name, inputs.clone(), steps).await?, Default::default()))
                };
                match self.gate.effect(effect, work).await {
                    Ok(value) => Ok(value),
                    Err(error) if error.kind == ErrorKind::ScriptError => {
                        Err(format!("it cannot be read ({})", error.message))
                    }
                    Err(error) => return Err(error),
                }
            }
        })
    }
}

/// Reads an answer as JSON, also from inside a Markdown fence.
fn parse_json(text: &str) -> Result<Value, String> {
    let text = text.trim();
    let inner = text
        .strip_prefix("```")
        .and_then(|rest| rest.strip_suffix("```"))
        .map(|body| body.split_once('\n').map_or(body, |(_, rest)| rest))
        .unwrap_or(text);
    serde_json::from_str(inner.trim()).map_err(|e| e.to_string())
}

/// What a regular expression finds: its named groups as properties, else its first group, else all of it.
fn parse_regex(pattern: &str, schema: &Value, text: &str) -> Result<Result<Value, String>, RunError> {
    let regex = regex::RegexBuilder::new(pattern).size_limit(1 << 20).build().map_err(|error| {
        RunError::new(ErrorKind::Internal, format!("the pattern of the answer cannot be used: {error}"))
    })?;
    let Some(found) = regex.captures(text) else {
        return Ok(Err(format!("`{pattern}` finds nothing in it")));
    };
    let properties = schema.get("properties");
    let mut names = regex.capture_names().flatten().peekable();
    if names.peek().is_none() {
        let whole = found.get(1).or_else(|| found.get(0)).map_or("", |found| found.as_str());
        return Ok(Ok(typed(whole, Some(schema))));
    }
    let entries = names.filter_map(|name| {
        let value = typed(found.name(name)?.as_str(), properties.and_then(|properties| properties.get(name)));
        Some((name.to_owned(), value))
    });
    Ok(Ok(Value::Object(entries.collect())))
}

/// A text as the type that the schema names; what does not read as that type stays a text.
fn typed(text: &str, schema: Option<&Value>) -> Value {
    let kind = schema.and_then(|schema| schema.get("type")).and_then(Value::as_str);
    let trimmed = text.trim();
    let read = match kind {
        Some("integer") => trimmed.parse::<i64>().ok().map(Value::from),
        Some("number") => trimmed.parse::<f64>().ok().and_then(|n| serde_json::Number::from_f64(n).map(Value::Number)),
        Some("boolean") => trimmed.to_ascii_lowercase().parse::<bool>().ok().map(Value::Bool),
        Some("null") if trimmed.is_empty() => Some(Value::Null),
        _ => None,
    };
    read.unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_with_and_without_a_fence() {
        for text in ["{\"a\":1}", "```json\n{\"a\":1}\n```", "  ```\n{\"a\":1}```  "] {
            assert_eq!(parse_json(text).unwrap(), json!({"a": 1}), "{text}");
        }
        assert!(parse_json("Sure! {\"a\":1}").is_err());
    }

    #[test]
    fn patterns_give_properties_and_values() {
        let schema = json!({"type": "object", "properties": {"mark": {"type": "integer"}, "why": {"type": "string"}}});
        let read = |pattern: &str, schema: &Value, text: &str| parse_regex(pattern, schema, text).unwrap();
        let named = r"mark: (?<mark>\d+)(?s:.*)because (?<why>\w+)";
        assert_eq!(read(named, &schema, "mark: 7, because fine"), Ok(json!({"mark": 7, "why": "fine"})));
        assert_eq!(read(r"(\d+) of", &json!({"type": "integer"}), "3 of 4"), Ok(json!(3)));
        assert_eq!(read(r"[a-z]+", &json!({"type": "string"}), "42 yes"), Ok(json!("yes")));
        assert_eq!(read("x", &schema, "y"), Err("`x` finds nothing in it".into()));
    }

    #[test]
    fn a_tool_takes_objects_only() {
        let output = OutputPlan { mode: OutputMode::Tool, ..OutputPlan::json(json!({"type": "string"})) };
        let form = Form::new(
            Some(&output),
            &[ToolSpec { name: ANSWER_TOOL.into(), description: String::new(), parameters: json!({}) }],
        );
        assert_eq!(form.taken("final_answer_", &json!({"answer": "yes"})), Some(json!("yes")));
        assert_eq!(form.taken(ANSWER_TOOL, &json!({"answer": "yes"})), None);
    }
}
