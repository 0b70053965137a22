//! The bodies of the steps that reach outside: people, memories, others, the clock.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::steps::present;
use crate::{
    agent::HttpMethod,
    words::{
        AgentRef, DurationText, DynamicObject, DynamicValue, ErrorName, EventName, ExprText, HttpUrl, JsonSchemaObject,
        KnowledgeRef, Name, SecretRef, TemplateText, by_json_type,
    },
};

/// A call of an agent elsewhere.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [{"required": ["agent"]}, {"required": ["card_url"]}]))]
pub struct A2aStep {
    /// An agent of `network.delegation`.
    pub agent: Option<AgentRef>,
    /// The address of the agent's card.
    pub card_url: Option<HttpUrl>,
    /// What it should do.
    pub skill: Option<String>,
    /// What it is told.
    pub message: Option<TemplateText>,
    /// What it is given.
    pub input: Option<DynamicObject>,
}

/// Waits for a person.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct HumanStep {
    /// What the person does.
    pub ask: HumanTask,
    /// What the person reads; it may be a template.
    pub prompt: Option<TemplateText>,
    /// Who is asked; the user of the run unless said otherwise.
    pub to: Option<TemplateText>,
    /// What the person can choose from, for `choose`.
    #[serde(default)]
    pub choices: Vec<TemplateText>,
    /// JSON Schema (2020-12) of the answer, for `form`.
    pub schema: Option<JsonSchemaObject>,
    /// How long the run waits.
    pub timeout: Option<DurationText>,
    /// What happens then: the answer that is taken, or the failure `human.timeout` without one.
    #[serde(default, deserialize_with = "present")]
    pub on_timeout: Option<DynamicValue>,
}

/// What a person does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HumanTask {
    /// Says yes or no; no is the error `human.rejected`.
    Approve,
    /// Chooses one.
    Choose,
    /// Fills in a form.
    Form,
    /// Writes a text.
    Text,
}

/// A search in knowledge bases. The output is a list of passages, the best first: `id`, `text`, `score` from 0 to 1, `source` (the
/// file), `headings`, `citation` (file and headings), `start` and `end` (bytes in the file), `base`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RetrieveStep {
    /// What is searched for.
    pub query: TemplateText,
    /// The knowledge bases, by name; all of them unless said otherwise.
    #[serde(default)]
    pub from: Vec<KnowledgeRef>,
    /// How many passages at most.
    #[schemars(range(min = 1, max = 1000), extend("default" = 8))]
    pub top_k: Option<u32>,
    /// How well a passage has to fit, from 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub min_score: Option<f64>,
}

/// A write to the memory. The output is an object with `outcome`: `remembered` (with `id`), `filtered` or `off`; for facts
/// `recorded`, `known`, `replaced` or `conflict`, the last two with `facts`, the ones that the new one meets.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RememberStep {
    /// What is remembered; texts may be templates. A text or `{text, metadata}`; for `semantic` `{subject, relation, object,
    /// valid_from, valid_to}`, for `procedural` `{task, steps}`.
    pub value: DynamicValue,
    /// Where.
    #[schemars(extend("default" = "episodic"))]
    pub into: Option<MemoryKind>,
    /// The label of a block of `memory.blocks`, for `block`.
    pub label: Option<Name>,
}

/// A part of the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemoryKind {
    /// What happened.
    Episodic,
    /// What is known.
    Semantic,
    /// What has worked.
    Procedural,
    /// A block.
    Block,
}

/// A search in the memory. The output is a list, the best first: `id`, `text`, `score` from 0 to 1, and what belongs to the
/// kind: `metadata` and `created_at`; `subject`, `relation`, `object`, `valid_from`, `valid_to`; `steps` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RecallStep {
    /// What is searched for.
    pub query: TemplateText,
    /// Where.
    #[schemars(extend("default" = "episodic"))]
    pub from: Option<MemoryKind>,
    /// How many memories at most.
    #[schemars(range(min = 1, max = 1000), extend("default" = 8))]
    pub top_k: Option<u32>,
}

/// Something that others are told.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct EmitStep {
    /// The event.
    pub event: EventName,
    /// What is told; texts may be templates.
    pub payload: Option<DynamicValue>,
}

/// A wait for exactly one of these.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["for"]}, {"required": ["until"]}, {"required": ["event"]}]))]
pub struct WaitStep {
    /// A time.
    #[serde(rename = "for")]
    pub time: Option<DurationText>,
    /// A CEL expression that gives a point in time, as RFC 3339.
    pub until: Option<ExprText>,
    /// An event; its payload is the output.
    pub event: Option<EventName>,
}

by_json_type! {
    /// An error: its code, or its code with a message.
    pub enum RaiseStep {
        /// Just the code.
        is_string => Code(ErrorName),
        /// With a message.
        is_object => Full(RaiseBody),
    }
}

/// An error with a message.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RaiseBody {
    /// Its code: one of the taxonomy, or of `interface.errors`.
    pub code: ErrorName,
    /// What is said; it may be a template.
    pub message: Option<TemplateText>,
}

/// One request over HTTP.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct HttpStep {
    /// The method.
    #[schemars(extend("default" = "GET"))]
    pub method: Option<HttpMethod>,
    /// The address; it may be a template.
    pub url: TemplateText,
    /// Headers; they may be templates.
    #[serde(default)]
    pub headers: BTreeMap<String, TemplateText>,
    /// What is sent; texts may be templates.
    pub body: Option<DynamicValue>,
    /// The credential, by its name under `governance.security.secrets`; sent as a bearer token.
    pub secret: Option<SecretRef>,
}
