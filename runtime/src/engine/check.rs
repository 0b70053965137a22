//! The check of a document as every face does it: the language's own checks, then the syntax of the Lua and JavaScript
//! inside, by the languages' own parsers.

use aikit_core::{Diagnostic, Language, LineIndex, TextRange, codes};
use aikit_spec::{
    CheckContext, Checked,
    plan::{GuardrailRule, OutputPlan, ParserPlan, Plan, ReducerPlan, ScriptPlan, StepKind, StepPlan, ToolKind},
};

use crate::ports::{Completeness, Scripts};

/// Checks a document. `scripts` only parses; nothing is run.
pub async fn check(source: &str, context: &CheckContext, scripts: &dyn Scripts) -> Checked {
    let mut checked = aikit_spec::check(source, context);
    let all = findings(&checked, source, scripts).await;
    if all.len() > checked.diagnostics.len() {
        checked.plan = None;
    }
    checked.diagnostics = all;
    checked
}

/// What [`check`] finds in a document that was checked without its scripts.
pub async fn findings(checked: &Checked, source: &str, scripts: &dyn Scripts) -> Vec<Diagnostic> {
    let mut all = checked.diagnostics.clone();
    if let Some(plan) = &checked.plan {
        all.extend(script_syntax(plan, source, scripts).await);
        all.sort_by_key(|d| d.range);
    }
    all
}

/// A finding for every script of the document that does not parse.
async fn script_syntax(plan: &Plan, source: &str, scripts: &dyn Scripts) -> Vec<Diagnostic> {
    let mut all: Vec<(&ScriptPlan, String)> = Vec::new();
    for tool in &plan.tools {
        if let ToolKind::Script(script) = &tool.kind {
            all.push((script, format!("tool `{}`", tool.name)));
        }
        if let ToolKind::Workflow(steps) = &tool.kind {
            collect(steps, &mut all);
        }
    }
    if let Some(ParserPlan::Script(script)) = plan.output.as_ref().map(|output| &output.parser) {
        all.push((script, "`intelligence.output`".to_owned()));
    }
    plan.behavior.lists().iter().for_each(|(_, steps)| collect(steps, &mut all));
    plan.flow.hooks.all().iter().for_each(|(_, steps)| collect(steps, &mut all));
    for (path, reducer) in &plan.flow.reducers {
        if let ReducerPlan::Script(script) = reducer {
            all.push((script, format!("the reducer of `state.{path}`")));
        }
    }
    for guardrail in &plan.flow.guardrails {
        if let GuardrailRule::Script(script) = &guardrail.rule {
            all.push((script, format!("guardrail `{}`", guardrail.name)));
        }
    }
    let mut findings = Vec::new();
    for (script, what) in all {
        let (problem, line) = match scripts.is_complete(script.language, &script.code).await {
            Completeness::Invalid { message, line } => (format!("is not valid: {message}"), line),
            Completeness::Incomplete { .. } => ("ends too early".to_owned(), None),
            Completeness::Complete | Completeness::Unknown => continue,
        };
        let code = if script.language == Language::Lua { codes::LUA_SYNTAX } else { codes::JS_SYNTAX };
        let message = format!("the {} of {what} {problem}", script.language.title());
        let range = line.and_then(|line| place(source, script, line)).unwrap_or(script.range);
        findings.push(Diagnostic::new(code, range, message));
    }
    findings
}

/// The text of a line of a script, in the document.
fn place(source: &str, script: &ScriptPlan, line: u32) -> Option<TextRange> {
    let number = (script.first_line + line).checked_sub(1)?;
    let whole = LineIndex::new(source).line_range(number)?;
    let start = whole.start as usize;
    let text = source.get(start..whole.end as usize)?;
    let indent = text.len() - text.trim_start().len();
    let range = TextRange::new(start + indent, start + text.trim_end().len());
    // A script in quotes has escapes, so its lines are not those of the document.
    (!range.is_empty() && script.range.contains_range(range)).then_some(range)
}

fn collect<'p>(steps: &'p [StepPlan], all: &mut Vec<(&'p ScriptPlan, String)>) {
    for step in steps {
        let script = match &step.kind {
            StepKind::Script(script) => Some(script),
            StepKind::Llm { output: Some(OutputPlan { parser: ParserPlan::Script(script), .. }), .. } => Some(script),
            _ => None,
        };
        all.extend(script.map(|script| (script, format!("step `{}`", step.name))));
        step.bodies().iter().for_each(|body| collect(body.steps, all));
    }
}
