//! Templates and expressions: their syntax and the names they read.

use aikit_core::{Diagnostic, TextRange, codes};
use aikit_yaml::{Node, NodeKind};

use super::{Checker, is_template};
use crate::{
    expr,
    roots::{Analysis, ResultType, Roots},
    template,
};

impl Checker<'_> {
    /// A text with `{{ … }}`.
    pub(super) fn template(&mut self, node: &Node, roots: &Roots) {
        let Some(text) = node.as_str().filter(|text| is_template(text)) else { return };
        match template::check(text) {
            Ok(analysis) => self.names(node, &analysis, roots, codes::TEMPLATE_UNDEFINED),
            Err(error) => {
                let range = self.place(node, error.range);
                self.push(Diagnostic::new(
                    codes::TEMPLATE_SYNTAX,
                    range,
                    format!("the template cannot be read: {}", error.message),
                ));
            }
        }
    }

    /// Every text inside a value.
    pub(super) fn dynamic(&mut self, node: &Node, roots: &Roots) {
        match &node.kind {
            NodeKind::Scalar(_) => self.template(node, roots),
            NodeKind::Sequence(items) => items.iter().for_each(|item| self.dynamic(item, roots)),
            NodeKind::Mapping(entries) => entries.iter().for_each(|entry| self.dynamic(&entry.value, roots)),
            NodeKind::Null => {}
        }
    }

    /// A CEL expression.
    pub(super) fn expression(&mut self, node: &Node, roots: &Roots) -> Option<ResultType> {
        let text = node.as_str()?;
        if text.trim_start().starts_with("{{") {
            let inner = text.trim().trim_start_matches('{').trim_end_matches('}').trim();
            let message = "an expression stands without `{{ … }}`";
            let mut diagnostic = Diagnostic::new(codes::EXPRESSION_SYNTAX, node.range, message);
            if expr::check(inner).is_ok() {
                diagnostic = diagnostic.with_fix("Remove the braces", node.range, quoted(inner));
            }
            self.push(diagnostic);
            return None;
        }
        match expr::check(text) {
            Ok(analysis) => {
                self.names(node, &analysis, roots, codes::EXPRESSION_UNDEFINED);
                Some(analysis.result_in(roots))
            }
            Err(error) => {
                let range = self.place(node, error.range);
                let message = format!("the expression cannot be read: {}", error.message);
                self.push(Diagnostic::new(codes::EXPRESSION_SYNTAX, range, message));
                None
            }
        }
    }

    /// A CEL expression that must give true or false.
    pub(super) fn condition(&mut self, node: &Node, roots: &Roots) {
        self.comparison(node);
        if let Some(ResultType::NotBool(what)) = self.expression(node, roots) {
            let message = format!("a condition must give true or false, this gives {what}");
            self.push(Diagnostic::new(codes::EXPRESSION_TYPE, node.range, message));
        }
    }

    fn names(&mut self, node: &Node, analysis: &Analysis, roots: &Roots, code: aikit_core::DiagnosticCode) {
        for undefined in analysis.undefined(roots) {
            let range = self.place(node, undefined.range);
            if undefined.parent.is_empty() && undefined.name == "secrets" {
                let message = "a secret cannot be used in a text; only fields that take a credential can name one";
                self.push(Diagnostic::new(codes::SECRET_EXPOSED, range, message));
                continue;
            }
            let code = if undefined.is_step() { codes::UNKNOWN_STEP } else { code };
            let diagnostic = Diagnostic::new(code, range, undefined.to_string());
            self.push(match &undefined.suggestion {
                // Without the exact place an edit would hit the whole text.
                Some(meant) if range != node.range => diagnostic
                    .with_help(format!("did you mean `{meant}`?"))
                    .with_fix(format!("Replace with `{meant}`"), range, meant.as_str()),
                Some(meant) => diagnostic.with_help(format!("did you mean `{meant}`?")),
                None if undefined.is_step() && self.runs_later(&undefined.name) => {
                    let name = &undefined.name;
                    diagnostic.with_help(format!("`{name}` has not run here; add `needs: [{name}]` or move it up"))
                }
                None => diagnostic,
            });
        }
        for function in &analysis.unknown_functions {
            let range = self.place(node, function.range);
            let diagnostic = Diagnostic::new(code, range, function.to_string());
            self.push(match &function.suggestion {
                Some(meant) if range != node.range => diagnostic
                    .with_help(format!("did you mean `{meant}`?"))
                    .with_fix(format!("Replace with `{meant}`"), range, meant.as_str()),
                Some(meant) => diagnostic.with_help(format!("did you mean `{meant}`?")),
                None => diagnostic,
            });
        }
    }

    /// Whether it is the name of a step that could be made to run first.
    fn runs_later(&self, name: &str) -> bool {
        let steps = super::steps::list(self.root).map(Node::items).unwrap_or_default();
        steps.iter().any(|step| step.get("name").and_then(Node::as_str) == Some(name))
    }

    pub(super) fn place(&self, node: &Node, decoded: TextRange) -> TextRange {
        node.place_in(self.source, decoded.start as usize..decoded.end as usize)
    }
}

/// A text as a YAML scalar.
fn quoted(text: &str) -> String {
    if text.contains('\'') { format!("{text:?}") } else { format!("'{text}'") }
}
