//! A cell that holds an agent document: checked, stored for the tenant, summarised.

use std::fmt::Write;

use aikit_core::{Diagnostic, ErrorKind, LineIndex, RunError, TextRange, record::NewSpec, record::StoreError, render};
use aikit_spec::{
    cell::CellParts,
    plan::{BehaviorPlan, Plan, SuitePlan},
};
use serde_json::Value;

use super::{CellRun, errors};
use crate::{
    cell::{CellError, MimeBundle},
    gate::store_error,
    journal::digest_text,
    testing,
    view::escape,
};

/// The largest cassette that is read, in bytes.
const CASSETTE: u64 = 64 << 20;

impl CellRun<'_> {
    pub(super) async fn document(&self, parts: &CellParts<'_>) -> Result<MimeBundle, Box<CellError>> {
        let engine = &self.session.engine;
        let checked = engine.check(parts.body).await;
        // Places in the body become places in the cell.
        let findings: Vec<Diagnostic> = checked.diagnostics.iter().map(|d| shifted(d, parts.body_start)).collect();
        let refuse = || errors::diagnostics("SpecificationError", &self.request.name, &self.request.code, &findings);
        if checked.has_errors() {
            return Err(refuse());
        }
        if let Some(suite) = &checked.suite {
            return self.suite(suite).await;
        }
        let Some(plan) = checked.plan else {
            let text = format!("kind {}: no errors\n{}", checked.kind.word(), self.notes(&findings).trim_end());
            return Ok(MimeBundle::from([("text/plain".to_owned(), Value::String(text.trim_end().to_owned()))]));
        };
        let spec = NewSpec {
            agent: plan.agent.id.clone(),
            version: plan.agent.version.clone(),
            name: plan.agent.name.clone(),
            description: plan.agent.description.clone(),
            source: parts.body.to_owned(),
            digest: digest_text(parts.body),
        };
        let stored = engine.ports().store.put_spec(spec).await.map_err(|error| match error {
            StoreError::Immutable { .. } => {
                let mut next = plan.agent.version.clone();
                next.patch += 1;
                errors::run(store_error(error).with_help(format!("set identity.version to {next}")))
            }
            other => errors::run(store_error(other)),
        })?;
        if let Some(cells) = &self.session.debugger {
            cells.stored(format!("{}@{}", stored.agent, stored.version), &self.request.code, parts.body_line);
        }
        let notes = self.notes(&findings);
        let line = format!("{}@{} ({})", stored.agent, stored.version, stored.status.as_str());
        Ok(summary(&plan, &line, &notes))
    }

    /// Runs the cases of a suite and shows what became of each.
    async fn suite(&self, suite: &SuitePlan) -> Result<MimeBundle, Box<CellError>> {
        let engine = &self.session.engine;
        let plan = engine.load(&suite.agent).await.map_err(errors::run)?;
        let mut text = String::new();
        let mut html = String::from("<table><tr><th>case</th><th>result</th><th>what is not as expected</th></tr>");
        let mut passed = 0;
        for case in &suite.cases {
            let cassette = match &case.case.cassette {
                Some(file) => Some(self.cassette(&file.0).await),
                None => None,
            };
            let setting = testing::Setting { source_name: &self.request.name, cassette, live_judges: false };
            let tested = testing::case(engine, &plan, case, setting, self.cancel.clone()).await;
            let (word, reasons) = (tested.verdict.word(), tested.verdict.reasons());
            passed += usize::from(tested.is_ok());
            // A String takes whatever is written to it.
            let _ = writeln!(text, "{word:<8}{}", tested.name);
            for reason in &reasons {
                let _ = writeln!(text, "        {reason}");
            }
            let _ = write!(
                html,
                "<tr><td style=\"text-align:left\">{}</td><td>{word}</td><td style=\"text-align:left\">{}</td></tr>",
                escape(&tested.name),
                reasons.iter().map(|reason| escape(reason)).collect::<Vec<_>>().join("<br>"),
            );
            if self.cancel.is_cancelled() {
                break;
            }
        }
        html.push_str("</table>");
        let _ = write!(text, "{passed} of {} passed", suite.cases.len());
        Ok(MimeBundle::from([
            ("text/plain".to_owned(), Value::String(text)),
            ("text/html".to_owned(), Value::String(html)),
        ]))
    }

    /// The text of a cassette in the workspace.
    async fn cassette(&self, file: &str) -> Result<String, RunError> {
        let bytes = self.session.engine.ports().files.read(file, CASSETTE).await?;
        String::from_utf8(bytes)
            .map_err(|_| RunError::new(ErrorKind::ValidationInput, format!("the cassette {file} is not text")))
    }

    fn notes(&self, findings: &[Diagnostic]) -> String {
        let index = LineIndex::new(&self.request.code);
        findings.iter().map(|d| render::plain(d, &self.request.name, &self.request.code, &index)).collect()
    }
}

pub(super) fn shifted(diagnostic: &Diagnostic, by: usize) -> Diagnostic {
    let shift = |range: TextRange| TextRange::new(range.start as usize + by, range.end as usize + by);
    let mut shifted = diagnostic.clone();
    shifted.range = shift(shifted.range);
    for related in &mut shifted.related {
        related.range = shift(related.range);
    }
    for edit in shifted.fixes.iter_mut().flat_map(|fix| &mut fix.edits) {
        edit.range = shift(edit.range);
    }
    shifted
}

/// What was stored, in a few lines.
fn summary(plan: &Plan, line: &str, notes: &str) -> MimeBundle {
    let mut facts: Vec<(&str, String)> = Vec::new();
    if let Some(model) = plan.models.get(&plan.default_model) {
        facts.push(("model", format!("{}/{}", model.provider, model.model)));
    }
    let names = |list: Vec<&str>| list.join(", ");
    if let Some(inputs) = plan.inputs.get("properties").and_then(Value::as_object).filter(|map| !map.is_empty()) {
        facts.push(("inputs", names(inputs.keys().map(String::as_str).collect())));
    }
    if !plan.tools.is_empty() {
        facts.push(("tools", names(plan.tools.iter().map(|tool| tool.name.as_str()).collect())));
    }
    match &plan.behavior {
        BehaviorPlan::Chat { .. } => facts.push(("behavior", "chat".into())),
        BehaviorPlan::Machine(machine) => {
            facts.push(("states", names(machine.states.iter().map(|state| state.name.as_str()).collect())));
        }
        BehaviorPlan::Graph(graph) => {
            facts.push(("nodes", names(graph.nodes.iter().map(|node| node.name.as_str()).collect())));
        }
        BehaviorPlan::Steps(steps) => {
            facts.push(("steps", names(steps.iter().map(|step| step.name.as_str()).collect())));
        }
    }
    let mut text = format!("stored {line}: {}", plan.agent.name);
    let mut html =
        format!("<div>stored <strong>{}</strong> <code>{}</code></div>", escape(&plan.agent.name), escape(line));
    html.push_str("<table>");
    for (label, value) in &facts {
        let _ = write!(text, "\n  {label}: {value}");
        let _ = write!(
            html,
            "<tr><td style=\"text-align:left;opacity:.65\">{label}</td><td style=\"text-align:left\">{}</td></tr>",
            escape(value)
        );
    }
    html.push_str("</table>");
    if !notes.is_empty() {
        let _ = write!(text, "\n{}", notes.trim_end());
        let _ = write!(html, "<pre style=\"margin-top:6px\">{}</pre>", escape(notes.trim_end()));
    }
    MimeBundle::from([("text/plain".to_owned(), Value::String(text)), ("text/html".to_owned(), Value::String(html))])
}
