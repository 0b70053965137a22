//! The effects of a run over time: one bar each, with tokens and cost.

use std::fmt::Write;

use super::{RunView, duration, escape, shorten};
use crate::journal::EffectKind;

const ROW: f64 = 20.0;
const NAMES: f64 = 210.0;
const BARS: f64 = 330.0;
const NOTES: f64 = 190.0;
/// Beyond this many rows only the first are drawn, with a count of the rest.
const MAX_ROWS: usize = 60;

fn colour(kind: EffectKind) -> &'static str {
    match kind {
        EffectKind::Model => "#5b7fd9",
        EffectKind::Tool => "#c7833a",
        EffectKind::Script => "#4ba38a",
        EffectKind::Agent => "#8a63c9",
        _ => "#8b95a5",
    }
}

/// The picture, or nothing when the run had no effects.
pub(super) fn svg(view: &RunView) -> Option<String> {
    let total = view.millis().filter(|ms| *ms > 0.0)?;
    if view.effects.is_empty() {
        return None;
    }
    let shown = &view.effects[..view.effects.len().min(MAX_ROWS)];
    let rest = view.effects.len() - shown.len();
    let w = NAMES + BARS + NOTES;
    let h = ROW * (shown.len() + usize::from(rest > 0)) as f64 + 24.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w:.0}\" height=\"{h:.0}\" viewBox=\"0 0 {w:.0} {h:.0}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"11\" role=\"img\" aria-label=\"timeline of the run\">\
         <rect width=\"{w:.0}\" height=\"{h:.0}\" fill=\"#ffffff\"/>"
    );
    for (i, effect) in shown.iter().enumerate() {
        let y = ROW * i as f64 + 4.0;
        let start = effect.started.signed_duration_since(view.record.started_at).num_microseconds().unwrap_or(0).max(0)
            as f64
            / 1e3;
        let millis = effect.millis.unwrap_or(total - start).max(0.0);
        let x = NAMES + (start / total).min(1.0) * BARS;
        let width = ((millis / total) * BARS).clamp(2.0, (NAMES + BARS - x).max(2.0));
        let mut note = duration(millis);
        if effect.usage.input_tokens + effect.usage.output_tokens > 0 {
            let _ = write!(note, " · {}→{} tok", effect.usage.input_tokens, effect.usage.output_tokens);
        }
        if effect.usage.cost_usd > 0.0 {
            let _ = write!(note, " · ${:.4}", effect.usage.cost_usd);
        }
        let fill = if effect.failed { "#c93a3a" } else { colour(effect.kind) };
        let _ = write!(
            out,
            "<text x=\"4\" y=\"{:.1}\" fill=\"#1f2937\">{}</text>\
             <rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"11\" rx=\"2.5\" fill=\"{fill}\"><title>{}</title></rect>\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#4b5563\">{}</text>",
            y + 11.0,
            escape(&shorten(&format!("{} · {}", effect.address, effect.label), 34)),
            y + 2.0,
            escape(&format!("{} {} ({})", effect.kind.as_str(), effect.label, effect.address)),
            NAMES + BARS + 8.0,
            y + 11.0,
            escape(&note),
        );
    }
    if rest > 0 {
        let _ = write!(
            out,
            "<text x=\"4\" y=\"{:.1}\" fill=\"#6b7280\">and {rest} more</text>",
            ROW * shown.len() as f64 + 15.0
        );
    }
    let base = h - 16.0;
    let _ = write!(
        out,
        "<line x1=\"{NAMES}\" y1=\"{base:.1}\" x2=\"{:.1}\" y2=\"{base:.1}\" stroke=\"#c7ccd4\"/>\
         <text x=\"{NAMES}\" y=\"{:.1}\" fill=\"#6b7280\">0</text>\
         <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#6b7280\" text-anchor=\"end\">{}</text></svg>",
        NAMES + BARS,
        h - 4.0,
        NAMES + BARS,
        h - 4.0,
        escape(&duration(total)),
    );
    Some(out)
}
