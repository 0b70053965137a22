//! Kind `TestSuite`: what is to be expected of an agent.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    agent::{FormatVersion, SpecVersion},
    words::{ErrorGlob, ExprText, FilePath, ModelRef, Name, Slug, TemplateText, ToolRef, by_json_type},
};

/// Cases that an agent is tried with.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TestSuiteDocument {
    /// The version of the specification language.
    #[serde(default)]
    pub spec_version: SpecVersion,
    /// The version of the file format.
    pub format_version: Option<FormatVersion>,
    /// What the document describes.
    pub kind: TestSuiteKind,
    /// The name that people read.
    pub name: Option<String>,
    /// What is tried.
    pub description: Option<String>,
    /// The agent: a file, relative to this one, or the name of a stored one.
    pub agent: FilePath,
    /// What holds for every case that does not say otherwise.
    #[serde(default)]
    pub defaults: TestDefaults,
    /// The cases.
    #[schemars(length(min = 1))]
    pub cases: Vec<TestCase>,
    /// Anything; aikit keeps it and does not read it.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// What a document describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum TestSuiteKind {
    /// Cases that an agent is tried with.
    TestSuite,
}

/// What holds for every case that does not say otherwise.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TestDefaults {
    /// Who answers in place of the models.
    pub provider: Option<TestProvider>,
    /// What the models say, in order.
    pub script: Option<Vec<ScriptedReply>>,
    /// What tools give back: name to result.
    #[serde(default)]
    pub stubs: BTreeMap<ToolRef, Value>,
}

/// One case.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-aikit-not-executed" = ["tenant"]))]
pub struct TestCase {
    /// Its name, unique in the document.
    pub name: String,
    /// What it shows.
    pub description: Option<String>,
    /// The inputs.
    pub input: Option<Value>,
    /// The tenant as the agent sees it.
    pub tenant: Option<Slug>,
    /// Who answers in place of the models; `scripted` unless said otherwise.
    #[schemars(extend("default" = "scripted"))]
    pub provider: Option<TestProvider>,
    /// What the models say, in order; without it they answer by rule.
    pub script: Option<Vec<ScriptedReply>>,
    /// A file of recorded answers, for `replay`.
    pub cassette: Option<FilePath>,
    /// What tools give back in place of being called: name to result.
    #[serde(default)]
    pub stubs: BTreeMap<ToolRef, Value>,
    /// What people answer: the name of the step, or of the tool that asks to be called, to the answer.
    #[serde(default)]
    pub answers: BTreeMap<Name, Value>,
    /// What has to come out.
    #[serde(default)]
    pub expect: Expectation,
    /// A model that judges the result.
    pub judge: Option<Judge>,
}

/// Who answers in place of the models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TestProvider {
    /// The script.
    Scripted,
    /// The cassette.
    Replay,
}

by_json_type! {
    /// What a model says: a text, or an answer with calls of tools.
    pub enum ScriptedReply {
        /// A text.
        is_string => Text(String),
        /// An answer.
        is_object => Full(ScriptedAnswer),
    }
}

/// An answer of a model.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ScriptedAnswer {
    /// What it says.
    pub text: Option<String>,
    /// What it says as JSON.
    pub json: Option<Value>,
    /// The tools that it calls.
    #[serde(default)]
    pub tool_calls: Vec<ScriptedCall>,
    /// How it fails instead: the code of an error.
    pub error: Option<ErrorGlob>,
}

/// A call of a tool by a model.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ScriptedCall {
    /// The tool.
    pub tool: ToolRef,
    /// The arguments.
    #[serde(default)]
    pub args: Map<String, Value>,
}

/// What has to come out. Of objects the keys that are named have to be there; a text of the form `~/…/` is a regular
/// expression that has to be found, `~/…/i` in any case of letters.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Expectation {
    /// The result.
    pub output: Option<Value>,
    /// The tools that were called.
    pub calls: Option<Vec<ExpectedCall>>,
    /// Whether exactly these calls were made in this order, or these among others.
    #[schemars(extend("default" = "subset"))]
    pub call_order: Option<CallOrder>,
    /// The state at the end.
    pub state: Option<Value>,
    /// The steps that ran, in order, others between them.
    pub steps: Option<Vec<Name>>,
    /// US dollars at most.
    #[schemars(range(min = 0))]
    pub cost_max: Option<f64>,
    /// The code of the error with which the run fails.
    pub error: Option<ErrorGlob>,
    /// CEL conditions about `output`, `state` and `inputs` that have to hold.
    #[serde(default)]
    pub that: Vec<ExprText>,
}

/// A call that was made.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ExpectedCall {
    /// The tool.
    pub tool: ToolRef,
    /// The arguments.
    pub args: Option<Value>,
}

/// How calls are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CallOrder {
    /// Exactly these, in this order.
    Ordered,
    /// These, among others.
    Subset,
}

/// A model that judges a result.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Judge {
    /// The model; `intelligence.judge_model` of the agent unless said otherwise.
    pub model: Option<ModelRef>,
    /// What a good result is.
    pub rubric: TemplateText,
    /// The least mark, from 0 to 1.
    #[schemars(range(min = 0, max = 1), extend("default" = 0.7))]
    pub min: Option<f64>,
}

/// The regular expression of a text of the form `~/…/` or `~/…/i`; `None` for any other text.
pub fn pattern(text: &str) -> Option<Result<regex::Regex, String>> {
    let rest = text.strip_prefix("~/")?;
    let (body, any_case) = match rest.strip_suffix("/i") {
        Some(body) => (body, true),
        None => (rest.strip_suffix('/')?, false),
    };
    let built = regex::RegexBuilder::new(body).case_insensitive(any_case).size_limit(1 << 20).build();
    Some(
        built
            .map_err(|error| error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").into()),
    )
}
