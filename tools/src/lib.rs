//! The built-in tools: pure functions that agents and scripts call by name. None reads a file, a clock or the network;
//! what a tool needs, it is given. Each stands in a file of its own, with its arguments as a type from which its JSON
//! Schema follows. Beside them, the ways out that the engine grants: files of the workspace, requests, programs, servers.

mod base64_text;
mod builtin;
mod calculate;
mod dates;
mod format_csv;
mod format_table;
mod hash_text;
pub mod http;
mod json_query;
pub mod mcp;
mod parse_csv;
pub mod process;
mod regex_find;
mod text_similarity;
mod text_split;
mod text_stats;
mod url_parts;
pub mod workspace;

use aikit_core::{ErrorKind, RunError};
use aikit_runtime::{engine::outside_tools, ports::Tools};
use aikit_spec::BuiltinTool;
use async_trait::async_trait;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use builtin::{Entry, entry};

/// All of them, in the order in which they are listed.
const TOOLS: &[Entry] = &[
    entry::<base64_text::Base64Text>(),
    entry::<calculate::Calculate>(),
    entry::<dates::DateDiff>(),
    entry::<dates::DateFormat>(),
    entry::<format_csv::FormatCsv>(),
    entry::<format_table::FormatTable>(),
    entry::<hash_text::HashText>(),
    entry::<json_query::JsonQuery>(),
    entry::<parse_csv::ParseCsv>(),
    entry::<regex_find::RegexFind>(),
    entry::<text_similarity::TextSimilarity>(),
    entry::<text_split::TextSplit>(),
    entry::<text_stats::TextStats>(),
    entry::<url_parts::UrlParts>(),
];

/// The tools that come with aikit.
pub struct BuiltinTools {
    list: Vec<BuiltinTool>,
}

impl BuiltinTools {
    /// All of them.
    pub fn new() -> Self {
        let tool = |entry: &Entry| BuiltinTool {
            name: entry.name.to_string(),
            description: entry.description.to_string(),
            input: (entry.schema)(),
        };
        let mut list: Vec<BuiltinTool> = TOOLS.iter().map(tool).chain(outside_tools()).collect();
        list.sort_by(|one, other| one.name.cmp(&other.name));
        Self { list }
    }
}

impl Default for BuiltinTools {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Tools for BuiltinTools {
    fn list(&self) -> Vec<BuiltinTool> {
        self.list.clone()
    }

    async fn call(&self, name: &str, args: Value, cancel: &CancellationToken) -> Result<Value, RunError> {
        let Some(tool) = TOOLS.iter().find(|tool| tool.name == name) else {
            let known: Vec<&str> = TOOLS.iter().map(|tool| tool.name).collect();
            return Err(RunError::new(ErrorKind::ToolNotFound, format!("there is no built-in tool `{name}`"))
                .with_help(format!("the built-in tools are: {}", known.join(", "))));
        };
        let call = tool.call;
        // The work is bounded, and yet too much for the thread that serves everyone.
        let work = tokio::task::spawn_blocking(move || call(args));
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(RunError::cancelled()),
            done = work => done.unwrap_or_else(|error| {
                Err(RunError::new(ErrorKind::Internal, format!("the tool `{name}` broke down: {error}")))
            }),
        }
    }
}
