use schemars::JsonSchema;
use serde::Deserialize;

use crate::words::{Slug, VersionText};

/// Who the agent is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-aikit-aliases" = {"id": "agent_id"}))]
pub struct Identity {
    /// The name by which the agent is found and run, unique within the tenant.
    pub agent_id: Slug,
    /// The tenant that the document is meant for. It never chooses a tenant: it must be the one in whose scope the document
    /// is used.
    pub tenant_id: Option<Slug>,
    /// The name that people read.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// The version of the agent.
    #[serde(default = "first_version")]
    pub version: VersionText,
    /// What the agent is good for.
    pub description: Option<String>,
    /// Who wrote it.
    pub author: Option<String>,
    /// Its licence, as an SPDX expression.
    pub license: Option<String>,
    /// The organisation that it belongs to.
    pub organization: Option<String>,
    /// The kind of work that it does.
    pub category: Option<String>,
    /// Words to find it by.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub tags: Vec<String>,
    /// Filled by the store; what the document says is not used.
    pub created_at: Option<String>,
    /// Filled by the store; what the document says is not used.
    pub updated_at: Option<String>,
}

/// The version of a document that names none.
pub(crate) const FIRST_VERSION: &str = "0.1.0";

fn first_version() -> VersionText {
    VersionText(FIRST_VERSION.into())
}
