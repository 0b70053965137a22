use schemars::JsonSchema;
use serde::Deserialize;

use crate::words::{BuiltinRef, DurationText, JsCode, JsonSchemaObject, LuaCode, Name, by_json_type};

/// The tools that the agent can use.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-aikit-planned" = ["capabilities", "mcp_servers", "tool_execution"]))]
pub struct Integration {
    /// Tools by name. A plain name is a built-in tool.
    #[serde(default)]
    pub tools: Vec<ToolEntry>,
}

by_json_type! {
    /// A tool: the name of a built-in one, or a declaration.
    pub enum ToolEntry {
        /// A built-in tool.
        is_string => Builtin(BuiltinRef),
        /// A declared tool.
        is_object => Declared(Box<ToolSpec>),
    }
}

/// A declared tool.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[schemars(extend("x-aikit-planned" = ["agent", "command", "http", "mcp", "openapi", "wasm", "workflow"]))]
pub enum ToolSpec {
    /// A tool that comes with aikit, under its own name.
    Builtin(BuiltinToolSpec),
    /// A tool written in Lua.
    Lua(ScriptTool<LuaCode>),
    /// A tool written in JavaScript.
    Js(ScriptTool<JsCode>),
}

/// A tool that comes with aikit.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-aikit-planned" = ["cache", "confirm", "cost", "effect", "idempotent", "input", "mock", "output", "retry"]))]
pub struct BuiltinToolSpec {
    /// The name of the built-in tool.
    pub name: BuiltinRef,
    /// What it is good for here; models read it. Taken from the built-in tool unless said otherwise.
    pub description: Option<String>,
    /// How long a call may take; 30 seconds unless said otherwise.
    pub timeout: Option<DurationText>,
}

/// A tool written in Lua or JavaScript.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "{Code}Tool")]
#[schemars(extend("x-aikit-planned" = ["cache", "confirm", "cost", "effect", "file", "idempotent", "mock", "retry"]))]
pub struct ScriptTool<Code> {
    /// The name by which models and steps call it.
    pub name: Name,
    /// What it is good for; models read it.
    #[serde(default)]
    pub description: String,
    /// JSON Schema (2020-12) of the arguments; a call whose arguments do not fit is refused.
    #[serde(default)]
    pub input: JsonSchemaObject,
    /// JSON Schema (2020-12) of the result.
    pub output: Option<JsonSchemaObject>,
    /// How long a call may take; 30 seconds unless said otherwise.
    pub timeout: Option<DurationText>,
    /// The code. `ctx.inputs` holds the arguments; what it returns is the result.
    pub code: Code,
    /// Interpreter instructions at most.
    #[schemars(range(min = 1, max = 1_000_000_000_000_000u64))]
    pub instructions: Option<u64>,
    /// Memory at most, in MiB.
    #[schemars(range(min = 1, max = 65536))]
    pub memory_mb: Option<u32>,
}
