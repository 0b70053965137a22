//! The kinds `Library`, `Overlay` and `Preset`: parts of which agents are made.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    agent::{FormatVersion, KnowledgeBase, McpServer, Model, Prompt, SpecVersion, ToolSpec},
    words::{AgentPatch, FilePath, JsonSchemaObject, Name, VersionText},
};

/// Parts that documents import.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct LibraryDocument {
    /// The version of the specification language.
    #[serde(default)]
    pub spec_version: SpecVersion,
    /// The version of the file format.
    pub format_version: Option<FormatVersion>,
    /// What the document describes.
    pub kind: LibraryKind,
    /// The name that people read.
    pub name: Name,
    /// The version of the library.
    pub version: Option<VersionText>,
    /// What it is good for.
    pub description: Option<String>,
    /// Models by name.
    #[serde(default)]
    pub models: BTreeMap<Name, Model>,
    /// Prompts by name.
    #[serde(default)]
    pub prompts: BTreeMap<Name, Prompt>,
    /// Tools.
    #[serde(default)]
    pub tools: Vec<ToolSpec>,
    /// Servers of the Model Context Protocol.
    #[serde(default)]
    pub mcp_servers: Vec<McpServer>,
    /// Knowledge bases.
    #[serde(default)]
    pub knowledge_bases: Vec<KnowledgeBase>,
    /// JSON Schemas by name.
    #[serde(default)]
    pub schemas: BTreeMap<Name, JsonSchemaObject>,
    /// Anything; aikit keeps it and does not read it.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// What a document describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum LibraryKind {
    /// Parts that documents import.
    Library,
}

/// What is different in an environment.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct OverlayDocument {
    /// The version of the specification language.
    #[serde(default)]
    pub spec_version: SpecVersion,
    /// The version of the file format.
    pub format_version: Option<FormatVersion>,
    /// What the document describes.
    pub kind: OverlayKind,
    /// The name of the environment: `dev`, `stage`, `prod`, ….
    pub name: Name,
    /// What it is for.
    pub description: Option<String>,
    /// The document that it belongs to: a file, relative to this one.
    pub target: FilePath,
    /// What is merged over the document.
    pub patch: AgentPatch,
    /// Anything; aikit keeps it and does not read it.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// What a document describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum OverlayKind {
    /// What is different in an environment.
    Overlay,
}

/// What agents begin with.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PresetDocument {
    /// The version of the specification language.
    #[serde(default)]
    pub spec_version: SpecVersion,
    /// The version of the file format.
    pub format_version: Option<FormatVersion>,
    /// What the document describes.
    pub kind: PresetKind,
    /// The name by which documents extend it.
    pub name: Name,
    /// The version of the preset.
    pub version: Option<VersionText>,
    /// What it is good for.
    pub description: Option<String>,
    /// The document that agents begin with.
    pub document: AgentPatch,
    /// Anything; aikit keeps it and does not read it.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// What a document describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum PresetKind {
    /// What agents begin with.
    Preset,
}
