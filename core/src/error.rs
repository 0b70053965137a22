use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

macro_rules! error_kinds {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $retry:literal;)*) => {
        /// The closed taxonomy of run errors (specification, "Errors"). Its codes are what `on_error` and `retry.on` match.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum ErrorKind {
            $($(#[$doc])* #[serde(rename = $code)] $variant,)*
        }

        impl ErrorKind {
            /// Every kind, in the order of the specification.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$variant,)*];

            /// The stable code, for example `provider.timeout`.
            pub fn code(self) -> &'static str {
                match self { $(ErrorKind::$variant => $code,)* }
            }

            /// Whether the same request may succeed when it is sent again.
            pub fn is_retryable(self) -> bool {
                match self { $(ErrorKind::$variant => $retry,)* }
            }

            /// The kind with this code.
            pub fn from_code(code: &str) -> Option<ErrorKind> {
                match code { $($code => Some(ErrorKind::$variant),)* _ => None }
            }
        }
    };
}

error_kinds! {
    /// The inputs do not fit the agent's `interface.inputs`.
    ValidationInput = "validation.input", false;
    /// The result does not fit `interface.outputs` or a step's `output`.
    ValidationOutput = "validation.output", false;
    /// A write does not fit the state schema.
    ValidationState = "validation.state", false;
    /// The provider refused the credentials, or none were given.
    ProviderAuth = "provider.auth", false;
    /// The provider asks to slow down.
    ProviderRateLimit = "provider.rate_limit", true;
    /// The provider did not answer in time.
    ProviderTimeout = "provider.timeout", true;
    /// The provider cannot be reached, broke off, or failed inside.
    ProviderUnavailable = "provider.unavailable", true;
    /// The model declined to answer.
    ProviderRefusal = "provider.refusal", false;
    /// The request is longer than the model's context.
    ProviderContextOverflow = "provider.context_overflow", false;
    /// The provider rejected the request or answered outside its own protocol.
    ProviderInvalid = "provider.invalid", false;
    /// The model's answer does not fit the output schema, repairs included.
    OutputInvalid = "output.invalid", false;
    /// The tool is not granted.
    ToolDenied = "tool.denied", false;
    /// The tool reported a failure.
    ToolFailed = "tool.failed", false;
    /// The tool did not answer in time.
    ToolTimeout = "tool.timeout", true;
    /// There is no tool of that name.
    ToolNotFound = "tool.not_found", false;
    /// An MCP server cannot be started or reached, or broke off.
    McpUnavailable = "mcp.unavailable", true;
    /// An MCP server answered outside of the protocol.
    McpInvalid = "mcp.invalid", false;
    /// The tools of an MCP server are not those that were there when it was first used.
    McpPinChanged = "mcp.pin_changed", false;
    /// A person said no.
    HumanRejected = "human.rejected", false;
    /// Nobody answered in time.
    HumanTimeout = "human.timeout", false;
    /// A guardrail does not let it pass.
    GuardrailBlocked = "guardrail.blocked", false;
    /// A script threw.
    ScriptError = "script.error", false;
    /// A script went over its budget of instructions, memory or time.
    ScriptLimit = "script.limit", false;
    /// An `assert` does not hold.
    AssertionFailed = "assertion.failed", false;
    /// A template or an expression could not be evaluated.
    ExpressionFailed = "expression.failed", false;
    /// A budget of the run is spent.
    BudgetExceeded = "budget.exceeded", false;
    /// A quota of the tenant is spent.
    TenantQuota = "tenant.quota", false;
    /// The access would cross a tenant's wall. A foreign thing and a missing thing give the same answer.
    TenantIsolation = "tenant.isolation", false;
    /// There is no agent of that name (and version) for this tenant.
    AgentNotFound = "agent.not_found", false;
    /// The document has errors and cannot run.
    SpecInvalid = "spec.invalid", false;
    /// The document raised an error of its own; its code is in [`RunError::own_code`].
    Raised = "raised", false;
    /// The document declares something that this version does not execute.
    Unsupported = "unsupported", false;
    /// The run was cancelled.
    Cancelled = "cancelled", false;
    /// The store refused or failed: full disk, locked database, damaged file.
    StoreFailed = "store.failed", false;
    /// A mistake of aikit itself.
    Internal = "internal", false;
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A place in a named source: a line of a cell, a document or a script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// File, cell or script name as the person knows it.
    pub source: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

/// What ended a step, a tool call or a run: a kind, a sentence for a person, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunError {
    /// Which of the closed taxonomy.
    pub kind: ErrorKind,
    /// The code that the document gave it, for [`ErrorKind::Raised`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_code: Option<Box<str>>,
    /// What happened, in one or two sentences; never holds a secret.
    pub message: String,
    /// What would help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Where, the innermost place first, as a traceback.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<Place>,
    /// Machine-readable detail, for instance schema violations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
}

impl RunError {
    /// An error without place, help and detail.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, own_code: None, message: message.into(), help: None, trace: Vec::new(), detail: None }
    }

    /// An error that a document raises: one of the taxonomy, or one of its own.
    pub fn raised(code: &str, message: impl Into<String>) -> Self {
        match ErrorKind::from_code(code) {
            Some(kind) => Self::new(kind, message),
            None => Self { own_code: Some(code.into()), ..Self::new(ErrorKind::Raised, message) },
        }
    }

    /// The document declares something that this version does not execute.
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Unsupported, format!("{what} is declared and not executed by this version"))
    }

    /// The code that `on_error` and people see.
    pub fn code(&self) -> &str {
        self.own_code.as_deref().unwrap_or(self.kind.code())
    }

    /// The run was cancelled.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "the run was cancelled")
    }

    /// Says what would help.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds an outer place to the traceback.
    pub fn at(mut self, place: Place) -> Self {
        self.trace.push(place);
        self
    }

    /// Adds machine-readable detail.
    pub fn with_detail(mut self, detail: Value) -> Self {
        self.detail = Some(detail);
        self
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.kind)
    }
}

impl std::error::Error for RunError {}
