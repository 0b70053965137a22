//! Kind `Application`: agents that work together.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    agent::{FormatVersion, SpecVersion, Step},
    words::{
        AgentRef, CronText, DurationText, DynamicObject, DynamicValue, EventName, ExprText, FilePath, HttpUrl,
        JsonSchemaObject, ModelRef, Name, SizeText, VersionText, by_json_type,
    },
};

/// Agents that work together: their workflows, events, stores and rights.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ApplicationDocument {
    /// The version of the specification language.
    #[serde(default)]
    pub spec_version: SpecVersion,
    /// The version of the file format.
    pub format_version: Option<FormatVersion>,
    /// What the document describes.
    pub kind: ApplicationKind,
    /// What the application is.
    pub metadata: ApplicationMetadata,
    /// The agents.
    #[schemars(length(min = 1))]
    pub agents: Vec<ApplicationAgent>,
    /// What the agents do together.
    #[serde(default)]
    pub workflows: Vec<ApplicationWorkflow>,
    /// What agents tell each other.
    #[serde(default)]
    pub events: Vec<ApplicationEvent>,
    /// What the agents share.
    #[serde(default)]
    pub state: ApplicationState,
    /// Services outside.
    #[serde(default)]
    pub integrations: Vec<ApplicationIntegration>,
    /// What the application may use up.
    pub resources: Option<ApplicationResources>,
    /// Who may do what.
    pub security: Option<ApplicationSecurity>,
    /// Values that agents read as `config`.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// What happens when the application starts and stops.
    pub lifecycle: Option<Lifecycle>,
    /// What the application needs of aikit.
    pub compatibility: Option<Compatibility>,
}

/// What a document describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(extend("x-aikit-not-executed" = ["Application"]))]
pub enum ApplicationKind {
    /// Agents that work together.
    Application,
}

/// What the application is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ApplicationMetadata {
    /// Its name, unique within the tenant.
    pub name: Name,
    /// Its version.
    pub version: Option<VersionText>,
    /// What it is good for.
    pub description: Option<String>,
    /// Who wrote it.
    pub author: Option<String>,
    /// Its licence, as an SPDX expression.
    pub license: Option<String>,
    /// Words to find it by: name to value.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// An agent of an application.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ApplicationAgent {
    /// The name by which workflows call it.
    pub name: Name,
    /// What it is for.
    pub description: Option<String>,
    /// Its document: a file, relative to this one.
    pub spec: Option<FilePath>,
    /// A stored agent, as `name` or `name@version`.
    #[serde(rename = "ref")]
    pub stored: Option<AgentRef>,
    /// A preset or document that it begins with; kept for old documents.
    pub composition: Option<String>,
    /// How many of it there are.
    #[schemars(range(min = 1, max = 10_000), extend("default" = 1))]
    pub instances: Option<u32>,
    /// What it can do.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// What it may use up.
    pub resources: Option<AgentResources>,
    /// Its model.
    pub model: Option<ModelRef>,
    /// What is different from its document.
    #[serde(default)]
    pub overrides: Map<String, Value>,
    /// Where it lives.
    #[serde(rename = "type")]
    #[schemars(extend("default" = "local"))]
    pub kind: Option<AgentPlace>,
    /// Its address, for `external`.
    pub endpoint: Option<HttpUrl>,
}

/// Where an agent lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AgentPlace {
    /// Here.
    Local,
    /// Elsewhere; it is called by the Agent2Agent protocol.
    External,
}

/// What an agent may use up.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AgentResources {
    /// Memory.
    pub memory: Option<SizeText>,
    /// Processors.
    #[schemars(range(min = 0, max = 1024))]
    pub cpu: Option<f64>,
}

/// What agents do together.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ApplicationWorkflow {
    /// Its name.
    pub name: Name,
    /// What it is for.
    pub description: Option<String>,
    /// What starts it.
    pub trigger: Option<WorkflowTrigger>,
    /// The steps.
    #[schemars(length(min = 1))]
    pub steps: Vec<ApplicationStep>,
    /// How many of it at the same time.
    #[schemars(range(min = 1, max = 100_000))]
    pub concurrency: Option<u32>,
    /// A CEL expression; two starts with the same value are one.
    pub dedupe_key: Option<ExprText>,
    /// What comes out; texts may be templates.
    pub output: Option<DynamicValue>,
}

/// What starts a workflow: exactly one of `event`, `cron`, `http` and `manual`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    {"required": ["event"]}, {"required": ["cron"]}, {"required": ["http"]}, {"required": ["manual"]},
]))]
pub struct WorkflowTrigger {
    /// An event of `events`.
    pub event: Option<EventName>,
    /// The clock.
    pub cron: Option<CronText>,
    /// A request to this path.
    pub http: Option<String>,
    /// Somebody says so.
    pub manual: Option<bool>,
    /// A CEL condition about `event`; the workflow starts only if it holds.
    pub filter: Option<ExprText>,
}

by_json_type! {
    /// A step of an application: a step of an agent's language.
    pub enum ApplicationStep {
        /// A step. In the short form `name`, `agent`, `input` and `output`, the output is a name in the state.
        is_object => Step(Box<Step>),
    }
}

/// What agents tell each other.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ApplicationEvent {
    /// Its name.
    pub name: EventName,
    /// When it happens.
    pub description: Option<String>,
    /// JSON Schema (2020-12) of its payload.
    pub schema: Option<JsonSchemaObject>,
    /// How long it is kept.
    pub retain: Option<DurationText>,
    /// Who sees it.
    #[schemars(extend("default" = "app"))]
    pub visibility: Option<EventVisibility>,
}

/// Who sees an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EventVisibility {
    /// The agents of the application.
    App,
    /// Every agent of the tenant.
    Tenant,
}

/// What the agents share.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ApplicationState {
    /// The stores.
    #[serde(default)]
    pub stores: Vec<Store>,
}

/// A store that agents share.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Store {
    /// Its name.
    pub name: Name,
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: StoreType,
    /// Where it lives.
    #[schemars(extend("default" = "sqlite"))]
    pub backend: Option<StoreBackend>,
    /// JSON Schema (2020-12) of what it holds.
    pub schema: Option<JsonSchemaObject>,
    /// How long it is kept.
    pub retention: Option<DurationText>,
    /// Who shares it.
    #[schemars(extend("default" = "app"))]
    pub scope: Option<StoreScope>,
}

/// What a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StoreType {
    /// Objects.
    Document,
    /// Values by key.
    KeyValue,
    /// Vectors.
    Vector,
    /// Things and how they are related.
    Graph,
    /// Values in the order in which they came.
    Queue,
}

/// Where a store lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StoreBackend {
    /// In files.
    File,
    /// In the file of the store.
    Sqlite,
    /// In PostgreSQL.
    Postgresql,
    /// In the process.
    Memory,
}

/// Who shares a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StoreScope {
    /// The agents of the application.
    App,
    /// Every agent of the tenant.
    Tenant,
    /// One person.
    User,
}

/// A service outside.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ApplicationIntegration {
    /// Its name.
    pub name: Name,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: IntegrationType,
    /// What it needs to know.
    #[serde(default)]
    pub config: DynamicObject,
    /// The credentials that it needs, by name.
    #[serde(default)]
    pub secrets: Vec<Name>,
}

/// What a service outside is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IntegrationType {
    /// It calls us, or we call it, when something happens.
    Webhook,
    /// A server of the Model Context Protocol.
    Mcp,
    /// An agent elsewhere.
    A2a,
    /// An HTTP interface.
    Http,
    /// Mail.
    Smtp,
}

/// What an application may use up.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ApplicationResources {
    /// Memory of all agents together.
    pub memory: Option<SizeText>,
    /// Storage of all stores together.
    pub storage: Option<SizeText>,
    /// Agents at the same time.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub agents: Option<u32>,
    /// Runs at the same time.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub executions: Option<u32>,
    /// What all runs of one day may use up.
    pub budget: Option<crate::agent::ExecutionBudget>,
}

/// Who may do what.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ApplicationSecurity {
    /// Kept for old documents; tenants are always separated.
    pub isolation: Option<crate::agent::TenantIsolation>,
    /// Rights; what is not named here may not be done.
    #[serde(default)]
    pub permissions: Vec<Permission>,
}

/// A right.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Permission {
    /// What may be done.
    #[serde(rename = "type")]
    pub kind: PermissionType,
    /// With what, as in `tool:search`, `store:tickets`, `event:ticket.*` or `agent:*`; `*` stands for anything.
    #[schemars(length(min = 1, max = 400))]
    pub resource: String,
    /// The agents that may do it, by name; all of them unless said otherwise.
    #[serde(default)]
    pub who: Vec<Name>,
}

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PermissionType {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Running.
    Execute,
    /// Calling.
    Invoke,
    /// Telling.
    Publish,
    /// Being told.
    Subscribe,
}

/// What happens when the application starts and stops.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[serde(rename_all = "camelCase")]
pub struct Lifecycle {
    /// Before it starts.
    #[serde(default)]
    pub pre_start: Vec<Step>,
    /// When it has started.
    #[serde(default)]
    pub post_start: Vec<Step>,
    /// Before it stops.
    #[serde(default)]
    pub pre_stop: Vec<Step>,
    /// When it has stopped.
    #[serde(default)]
    pub post_stop: Vec<Step>,
}

/// What the application needs of aikit.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Compatibility {
    /// The versions of aikit that it works with, as in `>=0.1, <2`.
    pub aikit: Option<String>,
    /// What aikit must be able to do.
    #[serde(default)]
    pub features: Vec<String>,
}
