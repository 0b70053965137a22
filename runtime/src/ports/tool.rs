use aikit_core::RunError;
use aikit_spec::BuiltinTool;
use async_trait::async_trait;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// The built-in tools. Those that need time, randomness or the network get them as arguments of the call, recorded by
/// the gate; none reaches outside on its own.
#[async_trait]
pub trait Tools: Send + Sync {
    /// Every built-in with its description and the JSON Schema of its arguments.
    fn list(&self) -> Vec<BuiltinTool>;

    /// Calls one. The arguments have been validated against its schema. Errors are of the `tool.*` kinds.
    async fn call(&self, name: &str, args: Value, cancel: &CancellationToken) -> Result<Value, RunError>;
}
