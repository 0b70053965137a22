use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::words::JsonSchemaObject;

/// What goes in and what comes out.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-aikit-planned" = [
    "context_schema", "conversation", "errors", "expose", "input_modalities", "output_modalities", "streaming",
]))]
pub struct Interface {
    /// JSON Schema (2020-12) of the inputs; a run whose inputs do not fit does not begin.
    #[serde(default = "any_object")]
    pub inputs: JsonSchemaObject,
    /// JSON Schema (2020-12) of the result; a run whose result does not fit fails.
    pub outputs: Option<JsonSchemaObject>,
    /// Inputs with the outputs that are to be expected, for readers and tests. They must fit the schemas.
    #[serde(default)]
    pub examples: Vec<Example>,
}

impl Default for Interface {
    fn default() -> Self {
        Self { inputs: any_object(), outputs: None, examples: Vec::new() }
    }
}

/// One example of a call.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Example {
    /// The inputs.
    pub inputs: serde_json::Value,
    /// The result that is to be expected.
    pub outputs: Option<serde_json::Value>,
}

fn any_object() -> JsonSchemaObject {
    JsonSchemaObject(json!({"type": "object"}).as_object().cloned().unwrap_or_default())
}
