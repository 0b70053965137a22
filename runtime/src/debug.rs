//! Where a debugger can stop a run. The engine calls; what stopping means is the debugger's business.

use aikit_core::RunError;
use async_trait::async_trait;
use serde_json::Value;

/// A step that is about to run, or has failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// Its address, unique in the run.
    pub address: String,
    /// Its name.
    pub name: String,
    /// Its kind key.
    pub kind: &'static str,
    /// Line of the document, from 1.
    pub line: u32,
    /// How many steps it stands in.
    pub depth: usize,
    /// Everything that templates and expressions can read there.
    pub scope: Value,
}

/// Watches a run step by step. The run waits while a method does not return; an error ends it.
#[async_trait]
pub trait Debugger: Send + Sync {
    /// Before a step whose condition holds.
    async fn before(&self, site: Site) -> Result<(), RunError>;

    /// After the last attempt of a step has failed, before `on_error` is looked at.
    async fn failed(&self, site: Site, error: &RunError) -> Result<(), RunError>;
}
