//! The built-in tools: pure functions that agents and scripts call by name. None reads a file, a clock or the network;
//! what a tool needs, it is given. Each stands in a file of its own, with its arguments as a type from which its JSON
//! Schema follows.

mod builtin;
mod calculate;
mod dates;
mod format_table;
mod hash_text;
mod json_query;
mod parse_csv;
mod regex_find;
mod text_similarity;
mod text_stats;

use aikit_core::{ErrorKind, RunError};
use aikit_runtime::ports::Tools;
use aikit_spec::BuiltinTool;
use async_trait::async_trait;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use builtin::{Entry, entry};

/// All of them, in the order in which they are listed.
const TOOLS: &[Entry] = &[
    entry::<calculate::Calculate>(),
    entry::<dates::DateDiff>(),
    entry::<dates::DateFormat>(),
    entry::<format_table::FormatTable>(),
    entry::<hash_text::HashText>(),
    entry::<json_query::JsonQuery>(),
    entry::<parse_csv::ParseCsv>(),
    entry::<regex_find::RegexFind>(),
    entry::<text_similarity::TextSimilarity>(),
    entry::<text_stats::TextStats>(),
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
        Self { list: TOOLS.iter().map(tool).collect() }
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
