//! The run card: answer, status, tokens, cost, duration, graph and timeline, as HTML and as plain text.

use std::fmt::Write;

use serde_json::Value;

use super::{RunView, duration, escape, graph, status_word, timeline};
use crate::{cell::MimeBundle, journal::StepStatus};

/// The card in every form a front end may want.
pub fn bundle(view: &RunView) -> MimeBundle {
    MimeBundle::from([
        ("text/plain".to_owned(), Value::String(text(view))),
        ("text/html".to_owned(), Value::String(html(view))),
    ])
}

fn answer(view: &RunView) -> String {
    match &view.record.output {
        Some(Value::String(text)) => text.clone(),
        Some(value) => serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string()),
        None => String::new(),
    }
}

/// Tokens, cost, calls and time as short phrases; what is zero is left out.
fn figures(view: &RunView) -> Vec<String> {
    let usage = &view.record.usage;
    let mut list = Vec::new();
    if let Some(millis) = view.millis() {
        list.push(duration(millis));
    }
    let plural = |n: u64, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    if usage.model_calls > 0 {
        list.push(plural(usage.model_calls, "model call"));
    }
    if usage.tool_calls > 0 {
        list.push(plural(usage.tool_calls, "tool call"));
    }
    if usage.input_tokens + usage.output_tokens > 0 {
        list.push(format!("{} tokens in, {} out", usage.input_tokens, usage.output_tokens));
    }
    if usage.cost_usd > 0.0 {
        list.push(format!("${:.4}", usage.cost_usd));
    }
    list
}

/// The card as plain text.
pub fn text(view: &RunView) -> String {
    let record = &view.record;
    let mut out = String::new();
    let (word, _) = status_word(record.status);
    let _ = write!(out, "{}@{} {word}", record.agent, record.version);
    if view.simulated {
        out.push_str(" (simulated model)");
    }
    let figures = figures(view);
    if !figures.is_empty() {
        let _ = write!(out, " · {}", figures.join(" · "));
    }
    out.push('\n');
    match &record.error {
        Some(error) => {
            let _ = writeln!(out, "{error}");
            if let Some(help) = &error.help {
                let _ = writeln!(out, "help: {help}");
            }
            for place in &error.trace {
                let _ = writeln!(out, "  at {}, line {}", place.source, place.line);
            }
        }
        None => {
            let answer = answer(view);
            if !answer.is_empty() {
                out.push_str(&answer);
                out.push('\n');
            }
        }
    }
    for step in &view.outline {
        outline_line(view, step, 0, &mut out);
    }
    let _ = write!(out, "run {}", record.id);
    out
}

fn outline_line(view: &RunView, step: &crate::journal::OutlineStep, depth: usize, out: &mut String) {
    let mark = match view.steps.get(&step.address).map(|s| s.status) {
        Some(Some(StepStatus::Done)) => "✓",
        Some(Some(StepStatus::Failed)) => "✗",
        Some(Some(StepStatus::Skipped)) => "–",
        Some(None) => "…",
        None => "·",
    };
    let _ = writeln!(out, "{:indent$}{mark} {} ({})", "", step.name, step.kind, indent = 2 + 2 * depth);
    for inner in step.branches.iter().flat_map(|branch| &branch.steps) {
        if view.steps.contains_key(&inner.address) {
            outline_line(view, inner, depth + 1, out);
        }
    }
}

fn html(view: &RunView) -> String {
    let record = &view.record;
    let (word, colour) = status_word(record.status);
    let mut out = String::from(
        "<div class=\"aikit-run\" style=\"border:1px solid var(--jp-border-color1,#d0d5dd);border-radius:8px;\
         padding:12px 14px;max-width:820px;font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:13px\">",
    );
    let _ = write!(
        out,
        "<div style=\"display:flex;gap:8px;align-items:baseline;flex-wrap:wrap\"><strong style=\"font-size:14px\">{}</strong>\
         <span style=\"opacity:.65\">{}@{}</span>\
         <span style=\"color:#fff;background:{colour};border-radius:9px;padding:1px 8px;font-size:11px\">{word}</span>",
        escape(&view.name),
        escape(record.agent.as_str()),
        record.version,
    );
    if view.simulated {
        out.push_str(
            "<span title=\"No real model was asked.\" style=\"color:#7a4b00;background:#fde8c4;border-radius:9px;padding:1px 8px;font-size:11px\">simulated model</span>",
        );
    }
    let _ =
        write!(out, "<span style=\"opacity:.65;margin-left:auto\">{}</span></div>", escape(&figures(view).join(" · ")));
    match &record.error {
        Some(error) => {
            let _ = write!(
                out,
                "<div style=\"margin:10px 0;padding:8px 10px;border-left:3px solid #c93a3a\"><code>{}</code> {}",
                error.kind,
                escape(&error.message)
            );
            if let Some(help) = &error.help {
                let _ = write!(out, "<div style=\"opacity:.75\">{}</div>", escape(help));
            }
            for place in &error.trace {
                let _ =
                    write!(out, "<div style=\"opacity:.75\">at {}, line {}</div>", escape(&place.source), place.line);
            }
            out.push_str("</div>");
        }
        None => {
            let _ = write!(
                out,
                "<div style=\"white-space:pre-wrap;margin:10px 0;overflow-wrap:anywhere\">{}</div>",
                escape(&answer(view))
            );
        }
    }
    for (title, picture) in [("Steps", graph::svg(view)), ("Timeline", timeline::svg(view))] {
        if let Some(picture) = picture {
            let _ = write!(
                out,
                "<details open style=\"margin-top:6px\"><summary style=\"cursor:pointer;opacity:.75\">{title}</summary>\
                 <div style=\"overflow-x:auto\">{picture}</div></details>"
            );
        }
    }
    let _ = write!(out, "<div style=\"opacity:.5;font-size:11px;margin-top:8px\">run {}</div></div>", record.id);
    out
}
