//! The syntax of the Lua and JavaScript inside a document, by the languages' own parsers.

use aikit_core::{Diagnostic, Language, codes};
use aikit_spec::plan::{BehaviorPlan, Plan, ScriptPlan, StepKind, StepPlan, ToolKind};

use crate::ports::{Completeness, Scripts};

/// A finding for every script of the document that does not parse.
pub(super) async fn script_syntax(plan: &Plan, scripts: &dyn Scripts) -> Vec<Diagnostic> {
    let mut all: Vec<(&ScriptPlan, String)> = Vec::new();
    for tool in &plan.tools {
        if let ToolKind::Script(script) = &tool.kind {
            all.push((script, format!("tool `{}`", tool.name)));
        }
    }
    if let BehaviorPlan::Steps(steps) = &plan.behavior {
        collect(steps, &mut all);
    }
    let mut findings = Vec::new();
    for (script, what) in all {
        let problem = match scripts.is_complete(script.language, &script.code).await {
            Completeness::Invalid { message, line: Some(line) } => {
                format!("is not valid: line {}: {message}", script.first_line + line)
            }
            Completeness::Invalid { message, line: None } => format!("is not valid: {message}"),
            Completeness::Incomplete { .. } => "ends too early".to_owned(),
            Completeness::Complete | Completeness::Unknown => continue,
        };
        let code = if script.language == Language::Lua { codes::LUA_SYNTAX } else { codes::JS_SYNTAX };
        let message = format!("the {} of {what} {problem}", script.language.title());
        findings.push(Diagnostic::new(code, script.range, message));
    }
    findings
}

fn collect<'p>(steps: &'p [StepPlan], all: &mut Vec<(&'p ScriptPlan, String)>) {
    for step in steps {
        match &step.kind {
            StepKind::Script(script) => all.push((script, format!("step `{}`", step.name))),
            StepKind::Switch { cases, default } => {
                cases.iter().for_each(|(_, body)| collect(body, all));
                collect(default, all);
            }
            _ => {}
        }
    }
}
