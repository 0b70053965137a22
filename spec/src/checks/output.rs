//! The form of answers and the choice of tools: what one key needs of another.

use aikit_core::{Diagnostic, codes};
use aikit_yaml::Node;
use serde_json::Value;

use super::Checker;

impl<'a> Checker<'a> {
    /// The form of an answer; gives its schema.
    pub(super) fn answer(&mut self, output: Option<&'a Node>) -> Option<Value> {
        let output = output?;
        let schema = self.schema(output.get("schema"));
        if let Some(parser) = output.entry("parser") {
            let word = parser.value.as_str().unwrap_or_default();
            let needs: &[&str] = match word {
                "regex" => &["pattern"],
                "script" => &["lua", "js"],
                _ => &[],
            };
            if !needs.is_empty() && needs.iter().all(|key| output.get(key).is_none()) {
                let wanted: Vec<String> = needs.iter().map(|key| format!("`{key}`")).collect();
                let message = format!("`parser: {word}` needs {}", wanted.join(" or "));
                self.push(Diagnostic::new(codes::MISSING_KEY, parser.value.range, message));
            }
        }
        if let (Some(_), Some(js)) = (output.get("lua"), output.get("js")) {
            let message = "one script reads the answer, `lua` or `js`";
            self.push(Diagnostic::new(codes::INVALID_VALUE, js.range, message));
        }
        if let Some(pattern) = output.get("pattern") {
            self.regex(pattern);
        }
        schema
    }

    /// `tool_choice` is a word, or a declared tool.
    pub(super) fn tool_choice(&mut self) {
        let Some(node) = self.at(&["intelligence", "cognition", "tool_choice"]) else { return };
        if !matches!(node.as_str(), None | Some("auto" | "none" | "required")) {
            self.tool(node);
        }
    }
}
