//! What the runtime needs from the outside. Each port is bound to one scope before the runtime sees it.

mod clock;
mod embed;
mod files;
mod http;
mod mcp;
pub mod memory;
mod memory_store;
mod model;
mod programs;
mod reach;
mod script;
mod secret;
mod store;
mod tool;

pub use clock::{Clock, SystemClock};
pub use embed::{EmbedRequest, EmbedResponse, Embedder};
pub use files::{FileInfo, Files, NoFiles};
pub use http::{Http, HttpAnswer, HttpRequest, NoHttp};
pub use mcp::{Mcp, McpEndpoint, McpToolInfo, McpWay, NoMcp};
pub use memory::Memory;
pub use memory_store::MemoryStore;
pub use model::{
    Effort, Message, ModelDelta, ModelError, ModelParameters, ModelProvider, ModelRequest, ModelResponse, ModelSink,
    Models, OutputForm, Role, Secret, StopReason, ToolCall, ToolChoice, ToolSpec, as_arguments,
};
pub use programs::{NoPrograms, ProgramEnd, ProgramRequest, Programs};
pub use reach::Reach;
pub use script::{
    Completeness, HostCalls, Inspection, ScriptCompletion, ScriptError, ScriptJob, ScriptLimits, ScriptMode,
    ScriptOutcome, ScriptValue, Scripts, StopCause, VarChange, Vars,
};
pub use secret::Secrets;
pub use store::Store;
pub use tool::Tools;
