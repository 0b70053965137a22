use schemars::JsonSchema;
use serde::Deserialize;

use crate::words::{AgentRef, DurationText, ExprText, HttpUrl, SecretRef, TemplateText, by_json_type};

/// How the agent meets other agents.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Network {
    /// Whether it can be called by the Agent2Agent protocol.
    #[schemars(extend("default" = false))]
    pub a2a_enabled: Option<bool>,
    /// What it is among others.
    pub role: Option<NetworkRole>,
    /// The protocols that it speaks.
    #[serde(default)]
    pub protocols: Vec<NetworkProtocol>,
    /// How it is called by the Agent2Agent protocol.
    pub a2a: Option<A2a>,
    /// How it is found.
    pub discovery: Option<Discovery>,
    /// To whom it hands work on.
    pub delegation: Option<Delegation>,
}

/// What an agent is among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NetworkRole {
    /// It does one thing well.
    Specialist,
    /// It divides work.
    Orchestrator,
    /// It does what it is given.
    Worker,
    /// It looks after others.
    Supervisor,
}

/// A protocol between agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NetworkProtocol {
    /// Agent2Agent.
    A2a,
    /// The Model Context Protocol.
    Mcp,
}

/// How an agent is called by the Agent2Agent protocol.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct A2a {
    /// The path of its address.
    pub path: Option<String>,
    /// The forms of the protocol that it understands.
    #[serde(default)]
    pub bindings: Vec<A2aBinding>,
    /// How it introduces itself.
    pub card: Option<AgentCard>,
    /// Who may call it.
    #[serde(default)]
    pub auth: Vec<Auth>,
    /// Whether it tells others when a task goes on.
    #[schemars(extend("default" = false))]
    pub push_notifications: Option<bool>,
    /// What it does when an agent that it called asks back.
    #[schemars(extend("default" = "ask"))]
    pub on_input_required: Option<OnInputRequired>,
}

/// A form of the Agent2Agent protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum A2aBinding {
    /// JSON-RPC over HTTP.
    Jsonrpc,
    /// HTTP and JSON.
    Rest,
}

/// How an agent introduces itself.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AgentCard {
    /// What it can do: `auto` takes `integration.capabilities`.
    pub skills: Option<CardSkills>,
    /// Who offers it.
    pub provider: Option<String>,
    /// The address of a picture.
    pub icon: Option<HttpUrl>,
    /// The address of its documentation.
    pub docs: Option<HttpUrl>,
    /// Whether the card is signed.
    #[schemars(extend("default" = false))]
    pub sign: Option<bool>,
}

by_json_type! {
    /// What a card says that the agent can do: `auto`, or names.
    pub enum CardSkills {
        /// What the document says.
        is_string => Auto(AutoWord),
        /// These.
        is_array => These(Vec<String>),
    }
}

/// The word `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AutoWord {
    /// What the document says.
    Auto,
}

/// How one proves who one is.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Auth {
    /// The way.
    pub kind: AuthKind,
    /// The credential, by its name under `governance.security.secrets`.
    pub secret: Option<SecretRef>,
}

/// A way to prove who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("x-aikit-not-supported" = ["oauth"]))]
pub enum AuthKind {
    /// None.
    None,
    /// A token.
    Bearer,
    /// OAuth 2.1.
    Oauth,
}

/// What happens when an agent that was called asks back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnInputRequired {
    /// A person is asked.
    Ask,
    /// The model answers.
    Delegate,
    /// The step fails.
    Fail,
}

/// How an agent is found.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Discovery {
    /// Where it is looked for; always inside the tenant.
    #[schemars(extend("default" = "{{tenant_id}}/agents"))]
    pub namespace: Option<TemplateText>,
    /// The directory: `local`, or an address.
    #[schemars(extend("default" = "local"))]
    pub registry: Option<String>,
    /// Whether it says that it is there.
    #[schemars(extend("default" = false))]
    pub advertise: Option<bool>,
    /// How often it says so.
    #[schemars(extend("default" = "30s"))]
    pub heartbeat: Option<DurationText>,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// To whom work is handed on.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Delegation {
    /// To whom.
    #[serde(default)]
    pub to: Vec<Delegate>,
    /// Whether the answer comes back.
    #[schemars(extend("default" = "call"))]
    pub mode: Option<DelegationMode>,
    /// How often work is handed on at most.
    #[schemars(range(min = 1, max = 32), extend("default" = 3))]
    pub max_depth: Option<u32>,
    /// The share of what is left of the budget that goes along, from 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub budget_share: Option<f64>,
    /// What goes along.
    #[serde(default)]
    pub pass: Vec<PassedOn>,
}

/// Somebody to whom work is handed on.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [{"required": ["agent"]}, {"required": ["card_url"]}]))]
pub struct Delegate {
    /// An agent of the tenant.
    pub agent: Option<AgentRef>,
    /// The address of the card of an agent elsewhere.
    pub card_url: Option<HttpUrl>,
    /// For what.
    #[serde(default)]
    pub skills: Vec<String>,
    /// A CEL condition; only then.
    pub when: Option<ExprText>,
}

/// Whether the answer comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DelegationMode {
    /// The answer comes back.
    Call,
    /// The other one goes on with the person.
    Handoff,
}

/// What goes along with work that is handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum PassedOn {
    /// The inputs.
    #[serde(rename = "inputs")]
    Inputs,
    /// The conversation.
    #[serde(rename = "history")]
    History,
    /// Nothing of the memory.
    #[serde(rename = "memory:none")]
    NoMemory,
    /// A summary of the memory.
    #[serde(rename = "memory:summary")]
    MemorySummary,
}
