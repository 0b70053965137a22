use aikit_core::RunError;
use aikit_spec::plan::SecretSource;

use super::Secret;

/// Resolves credentials that a document names. What it gives reaches the wire only, never a record.
pub trait Secrets: Send + Sync {
    /// The credential, or a `provider.auth` error that names the source and not the value.
    fn resolve(&self, source: &SecretSource) -> Result<Secret, RunError>;
}
