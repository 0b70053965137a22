use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    agent::{Auth, Retry, Step},
    words::{
        AgentRef, BuiltinRef, ConditionText, DurationText, DynamicValue, EnvName, FilePath, HttpUrl, JsCode,
        JsonSchemaObject, LuaCode, McpServerRef, Name, SecretRef, SizeText, TemplateText, by_json_type,
    },
};

/// The tools that the agent can use.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend(
    "x-aikit-not-executed" = ["capabilities"],
))]
pub struct Integration {
    /// What the agent needs and offers; others find it by this.
    #[serde(default)]
    pub capabilities: Vec<Capability>,
    /// Tools by name. A plain name is a built-in tool.
    #[serde(default)]
    pub tools: Vec<ToolEntry>,
    /// Servers of the Model Context Protocol whose tools the agent can use.
    #[serde(default)]
    pub mcp_servers: Vec<McpServer>,
    /// How tools are called.
    pub tool_execution: Option<ToolExecution>,
}

by_json_type! {
    /// What an agent needs or offers: a name, or a description.
    pub enum Capability {
        /// Just its name.
        is_string => Named(String),
        /// With a description.
        is_object => Described(CapabilityBody),
    }
}

/// What an agent needs or offers.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CapabilityBody {
    /// Its name.
    pub name: Name,
    /// What it is.
    #[serde(default)]
    pub description: String,
    /// JSON Schema (2020-12) of what it takes.
    pub schema: Option<JsonSchemaObject>,
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
#[schemars(extend("x-aikit-not-supported" = ["wasm"]))]
pub enum ToolSpec {
    /// A tool that comes with aikit, under its own name.
    Builtin(BuiltinToolSpec),
    /// A tool written in Lua.
    Lua(ScriptTool<LuaCode>),
    /// A tool written in JavaScript.
    Js(ScriptTool<JsCode>),
    /// One request over HTTP.
    Http(HttpTool),
    /// The operations of a service that is described by OpenAPI.
    Openapi(OpenapiTool),
    /// A tool of an MCP server, under a name of its own.
    Mcp(McpTool),
    /// Another agent of the tenant.
    Agent(AgentTool),
    /// Steps of this document.
    Workflow(WorkflowTool),
    /// A program.
    Command(CommandTool),
    /// A module of WebAssembly.
    Wasm(WasmTool),
}

/// Declares a tool: what every tool has, and behind it what is special about this one.
macro_rules! tool {
    ($(#[$meta:meta])* pub struct $name:ident $(<$code:ident>)? { $($fields:tt)* }) => {
        #[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
        $(#[$meta])*
        pub struct $name $(<$code>)? {
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
            /// What a call does to the world.
            #[schemars(extend("default" = "write"))]
            pub effect: Option<ToolEffect>,
            /// Whether two calls do the same as one.
            #[schemars(extend("default" = false))]
            pub idempotent: Option<bool>,
            /// Whether a person has to say yes: `never`, `always`, or a CEL condition in which `args` holds the arguments.
            #[schemars(extend("default" = "never"))]
            pub confirm: Option<ConditionText>,
            /// How long a call may take; 30 seconds unless said otherwise.
            pub timeout: Option<DurationText>,
            /// Tries again when a call fails in a way that may pass.
            pub retry: Option<Retry>,
            /// Keeps results for a time.
            pub cache: Option<Cache>,
            /// What a call costs, in US dollars.
            #[schemars(range(min = 0))]
            pub cost: Option<f64>,
            /// What a call gives where nothing may be called, as in tests.
            pub mock: Option<serde_json::Value>,
            $($fields)*
        }
    };
}

/// A tool that comes with aikit.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct BuiltinToolSpec {
    /// The name of the built-in tool.
    pub name: BuiltinRef,
    /// What it is good for here; models read it. Taken from the built-in tool unless said otherwise.
    pub description: Option<String>,
    /// What a call does to the world.
    #[schemars(extend("default" = "write"))]
    pub effect: Option<ToolEffect>,
    /// Whether two calls do the same as one.
    #[schemars(extend("default" = false))]
    pub idempotent: Option<bool>,
    /// Whether a person has to say yes: `never`, `always`, or a CEL condition in which `args` holds the arguments.
    #[schemars(extend("default" = "never"))]
    pub confirm: Option<ConditionText>,
    /// How long a call may take; 30 seconds unless said otherwise.
    pub timeout: Option<DurationText>,
    /// Tries again when a call fails in a way that may pass.
    pub retry: Option<Retry>,
    /// Keeps results for a time.
    pub cache: Option<Cache>,
    /// What a call costs, in US dollars.
    #[schemars(range(min = 0))]
    pub cost: Option<f64>,
    /// What a call gives where nothing may be called, as in tests.
    pub mock: Option<serde_json::Value>,
}

tool! {
    /// A tool written in Lua or JavaScript.
    #[schemars(deny_unknown_fields, rename = "{Code}Tool", extend("oneOf" = [{"required": ["code"]}, {"required": ["file"]}]))]
        pub struct ScriptTool<Code> {
        /// The code. `ctx.inputs` holds the arguments; what it returns is the result.
        pub code: Option<Code>,
        /// A file of the workspace that holds the code.
        pub file: Option<FilePath>,
        /// Interpreter instructions at most.
        #[schemars(range(min = 1, max = 1_000_000_000_000_000u64))]
        pub instructions: Option<u64>,
        /// Memory at most, in MiB.
        #[schemars(range(min = 1, max = 65536))]
        pub memory_mb: Option<u32>,
    }
}

tool! {
    /// One request over HTTP. Its host must be one of `governance.security.permits.net`.
    #[schemars(deny_unknown_fields)]
        pub struct HttpTool {
        /// The method.
        #[schemars(extend("default" = "GET"))]
        pub method: Option<HttpMethod>,
        /// The address; it may be a template in which `args` holds the arguments.
        pub url: TemplateText,
        /// Headers; they may be templates.
        #[serde(default)]
        pub headers: BTreeMap<String, TemplateText>,
        /// What is sent; texts may be templates.
        pub body: Option<DynamicValue>,
        /// Addresses to which the request and its redirects may go besides the host of `url`; `*` stands for anything. Empty
        /// means every permitted host.
        #[serde(default)]
        pub url_allow: Vec<String>,
        /// The credential, by its name under `governance.security.secrets`; sent as a bearer token.
        pub secret: Option<SecretRef>,
    }
}

tool! {
    /// The operations of a service that is described by OpenAPI.
    #[schemars(deny_unknown_fields)]
        pub struct OpenapiTool {
        /// A file of the workspace, or the address of the description.
        pub spec: FilePath,
        /// The operations that can be called, by `operationId`; all of them unless said otherwise.
        #[serde(default)]
        pub operations: Vec<String>,
        /// Where the service is, when the description does not say it.
        pub base_url: Option<HttpUrl>,
        /// The credential, by its name under `governance.security.secrets`; sent as a bearer token.
        pub secret: Option<SecretRef>,
    }
}

tool! {
    /// A tool of an MCP server, under a name of its own.
    #[schemars(deny_unknown_fields)]
        pub struct McpTool {
        /// The server, by its name under `integration.mcp_servers`.
        pub server: McpServerRef,
        /// The name that the tool has there; the same unless said otherwise.
        pub tool: Option<String>,
    }
}

tool! {
    /// Another agent of the tenant.
    #[schemars(deny_unknown_fields)]
        pub struct AgentTool {
        /// The agent, as `name` or `name@version`.
        pub agent: AgentRef,
    }
}

tool! {
    /// Steps of this document.
    #[schemars(deny_unknown_fields)]
        pub struct WorkflowTool {
        /// The steps; `inputs` holds the arguments, the last output is the result.
        pub steps: Vec<Step>,
    }
}

tool! {
    /// A program. It must be one of `governance.security.permits.exec`.
    #[schemars(deny_unknown_fields)]
        pub struct CommandTool {
        /// The program and its arguments, which may be templates in which `args` holds the arguments of the call. No shell
        /// reads them.
        #[schemars(length(min = 1))]
        pub argv: Vec<TemplateText>,
        /// The folder in which it starts, below the workspace.
        pub cwd: Option<FilePath>,
        /// Environment variables.
        #[serde(default)]
        pub env: BTreeMap<EnvName, TemplateText>,
    }
}

tool! {
    /// A module of WebAssembly.
    #[schemars(deny_unknown_fields)]
        pub struct WasmTool {
        /// A file of the workspace that holds the module.
        pub file: FilePath,
        /// The function that is called.
        #[schemars(extend("default" = "call"))]
        pub function: Option<String>,
    }
}

/// What a call of a tool does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ToolEffect {
    /// Nothing.
    Read,
    /// Something that can be undone, or does no harm.
    Write,
    /// Something that cannot be undone.
    Destructive,
}

/// Keeps results for a time.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Cache {
    /// For how long.
    pub ttl: DurationText,
    /// What tells results apart; the arguments unless said otherwise.
    pub key: Option<TemplateText>,
}

/// A method of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// Reads.
    Get,
    /// Reads the headers only.
    Head,
    /// Sends.
    Post,
    /// Replaces.
    Put,
    /// Changes.
    Patch,
    /// Deletes.
    Delete,
}

impl HttpMethod {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            HttpMethod::Get => "GET",
            HttpMethod::Head => "HEAD",
            HttpMethod::Post => "POST",
            HttpMethod::Put => "PUT",
            HttpMethod::Patch => "PATCH",
            HttpMethod::Delete => "DELETE",
        }
    }

    /// Whether it only reads.
    pub fn is_safe(self) -> bool {
        matches!(self, HttpMethod::Get | HttpMethod::Head)
    }
}

/// A server of the Model Context Protocol.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct McpServer {
    /// Its name.
    pub name: Name,
    /// How it is reached.
    #[schemars(extend("default" = "stdio"))]
    pub transport: Option<McpTransport>,
    /// The program and its arguments, for `stdio`. It must be one of `governance.security.permits.exec`.
    #[serde(default)]
    pub command: Vec<String>,
    /// Its address, for `http` and `unix`.
    pub url: Option<String>,
    /// Environment variables of the program.
    #[serde(default)]
    pub env: BTreeMap<EnvName, TemplateText>,
    /// Headers of every request.
    #[serde(default)]
    pub headers: BTreeMap<String, TemplateText>,
    /// How aikit proves who it is.
    pub auth: Option<Auth>,
    /// The tools that can be used; `*` stands for anything.
    #[serde(default)]
    pub tools: Vec<String>,
    /// Stands before the names of the tools.
    pub prefix: Option<String>,
    /// Whether a change of the server's tools is noticed.
    #[schemars(extend("default" = "names"))]
    pub pin: Option<McpPin>,
    /// When it is started.
    #[schemars(extend("default" = "lazy"))]
    pub start: Option<McpStart>,
    /// How long it may take to answer.
    pub timeout: Option<DurationText>,
}

/// How an MCP server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("x-aikit-not-supported" = ["unix"]))]
pub enum McpTransport {
    /// It is a program.
    Stdio,
    /// Over HTTP.
    Http,
    /// By a socket of the machine.
    Unix,
}

/// Whether a change of the server's tools is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum McpPin {
    /// No.
    None,
    /// If one comes or goes.
    Names,
    /// If anything about them changes.
    Exact,
}

/// When an MCP server is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum McpStart {
    /// When it is needed.
    Lazy,
    /// When the run begins.
    Eager,
}

/// How tools are called.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ToolExecution {
    /// How many at the same time.
    #[schemars(range(min = 1, max = 64), extend("default" = 4))]
    pub parallel: Option<u32>,
    /// What happens to arguments that do not fit.
    #[schemars(extend("default" = "repair"))]
    pub on_invalid_args: Option<OnInvalidArgs>,
    /// How long a result may be.
    #[schemars(extend("default" = "64KB"))]
    pub max_result_bytes: Option<SizeText>,
    /// What happens to a longer one.
    #[schemars(extend("default" = "truncate"))]
    pub overflow: Option<Overflow>,
}

/// What happens to arguments that do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnInvalidArgs {
    /// The model is told what is wrong.
    Repair,
    /// The step fails.
    Fail,
}

/// What happens to a result that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Overflow {
    /// It is cut.
    Truncate,
    /// A model makes it shorter.
    Summarise,
    /// It is kept as a file; the model gets its beginning and its name.
    Artifact,
}
