//! The anatomy of a notebook cell: which language it is in, which magics it holds, where its body begins.
//! Pure text analysis, shared by the engine that runs a cell and the editors that complete inside one.

use aikit_core::{Diagnostic, Language, TextRange};

/// What a cell magic in the first line makes of the cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CellKind {
    /// The kernel's own language, or the one that `%%agent`, `%%lua` or `%%js` selects.
    Code(Language),
    /// `%%run NAME`: the body is the inputs, as YAML or JSON.
    Run,
    /// Only line magics and blank lines.
    Magics,
}

/// A line magic or a cell magic, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Magic {
    /// The name without `%`, for example `run`.
    pub name: String,
    /// What follows the name on the line, trimmed.
    pub argument: String,
    /// The name with its `%`, in the cell.
    pub name_range: TextRange,
    /// The argument, in the cell.
    pub argument_range: TextRange,
}

/// A cell taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellParts<'c> {
    /// What the body is.
    pub kind: CellKind,
    /// The cell magic of the first line.
    pub cell_magic: Option<Magic>,
    /// Line magics before the body, in order.
    pub line_magics: Vec<Magic>,
    /// The body: everything behind the magics.
    pub body: &'c str,
    /// Where the body begins, in bytes of the cell.
    pub body_start: usize,
    /// The line of the cell, from 0, on which the body begins.
    pub body_line: u32,
    /// Unknown magics and the like.
    pub diagnostics: Vec<Diagnostic>,
}

/// A magic as help, completion and inspection show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MagicInfo {
    /// With its `%` or `%%`.
    pub name: &'static str,
    /// How it is used, for example `%run NAME [key=value …]`.
    pub usage: &'static str,
    /// One or two sentences.
    pub doc: &'static str,
}

/// Every magic of this version.
pub const MAGICS: &[MagicInfo] = &[
    MagicInfo {
        name: "%%agent",
        usage: "%%agent",
        doc: "The cell is an agent document: it is checked and stored for the tenant.",
    },
    MagicInfo { name: "%%lua", usage: "%%lua", doc: "The cell is Lua." },
    MagicInfo { name: "%%js", usage: "%%js", doc: "The cell is JavaScript." },
    MagicInfo {
        name: "%%run",
        usage: "%%run NAME[@VERSION] [-> VAR]",
        doc: "Runs an agent; the body holds its inputs as YAML or JSON. `-> VAR` puts the output into `vars.VAR`.",
    },
    MagicInfo {
        name: "%run",
        usage: "%run NAME[@VERSION] [key=value …] [-> VAR]",
        doc: "Runs an agent with inputs from the line. `-> VAR` puts the output into `vars.VAR`.",
    },
    MagicInfo { name: "%tenant", usage: "%tenant", doc: "Shows the tenant, the user and the session of this kernel." },
    MagicInfo { name: "%agents", usage: "%agents", doc: "Lists the tenant's agents." },
    MagicInfo { name: "%runs", usage: "%runs [AGENT]", doc: "Lists the newest runs." },
    MagicInfo { name: "%show", usage: "%show RUN", doc: "Shows the card of a run again: answer, graph, timeline." },
    MagicInfo { name: "%promote", usage: "%promote NAME@VERSION", doc: "Makes a version the active one." },
    MagicInfo { name: "%history", usage: "%history NAME", doc: "Shows what happened to an agent's versions." },
    MagicInfo { name: "%save", usage: "%save NAME FILE", doc: "Writes an agent's document to a file." },
    MagicInfo { name: "%vars", usage: "%vars", doc: "Lists the values shared between cells and languages." },
    MagicInfo { name: "%quota", usage: "%quota", doc: "Shows what the tenant's runs have used today." },
    MagicInfo {
        name: "%help",
        usage: "%help [MAGIC|ctx.NAME|AK####]",
        doc: "Explains magics, the host surface and diagnostic codes.",
    },
];

/// Takes a cell apart. Never fails: what cannot be understood becomes a diagnostic.
///
/// A line magic begins with `%` in column 0 before the body; the first other non-blank line begins the body. In a Lua or
/// JavaScript body `%` has no special meaning.
pub fn parts<'c>(cell: &'c str, default: Language) -> CellParts<'c> {
    CellParts {
        kind: CellKind::Code(default),
        cell_magic: None,
        line_magics: Vec::new(),
        body: cell,
        body_start: 0,
        body_line: 0,
        diagnostics: Vec::new(),
    }
}

/// What `%run` and `%%run` are told: the agent, its inputs and where the output goes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunArgument {
    /// The agent.
    pub agent: String,
    /// Its version, where one is named.
    pub version: Option<String>,
    /// Inputs from the line.
    pub inputs: serde_json::Map<String, serde_json::Value>,
    /// The shared variable that receives the output.
    pub target: Option<String>,
}

impl RunArgument {
    /// Reads `NAME[@VERSION] [key=value …] [-> VAR]`. The error says what is wrong, for a person.
    pub fn parse(text: &str) -> Result<RunArgument, String> {
        Ok(RunArgument { agent: text.to_owned(), ..RunArgument::default() })
    }
}
