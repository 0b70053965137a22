//! The steps of a run as a picture: one column, branches side by side, each box in the colour of what became of it.

use std::fmt::Write;

use super::{RunView, colours, duration, escape, shorten};
use crate::journal::OutlineStep;

const BOX_W: f64 = 168.0;
const BOX_H: f64 = 40.0;
const GAP_X: f64 = 24.0;
const GAP_Y: f64 = 26.0;
const LABEL_H: f64 = 18.0;
const MARGIN: f64 = 10.0;
/// Beyond this many steps a picture helps nobody; the timeline does.
const MAX_STEPS: usize = 200;

struct Size {
    w: f64,
    h: f64,
}

fn measure_list(steps: &[OutlineStep]) -> Size {
    let mut size = Size { w: BOX_W, h: 0.0 };
    for (i, step) in steps.iter().enumerate() {
        let inner = measure(step);
        size.w = size.w.max(inner.w);
        size.h += inner.h + if i > 0 { GAP_Y } else { 0.0 };
    }
    size
}

fn measure(step: &OutlineStep) -> Size {
    if step.branches.is_empty() {
        return Size { w: BOX_W, h: BOX_H };
    }
    let (mut w, mut h) = (0.0, 0.0_f64);
    for (i, branch) in step.branches.iter().enumerate() {
        let inner = measure_list(&branch.steps);
        w += inner.w + if i > 0 { GAP_X } else { 0.0 };
        h = h.max(inner.h);
    }
    Size { w: f64::max(w, BOX_W), h: BOX_H + GAP_Y + LABEL_H + h }
}

/// The picture, or nothing when there are no steps to show or far too many.
pub(super) fn svg(view: &RunView) -> Option<String> {
    fn count(steps: &[OutlineStep]) -> usize {
        steps.iter().map(|s| 1 + s.branches.iter().map(|b| count(&b.steps)).sum::<usize>()).sum()
    }
    if view.outline.is_empty() || count(&view.outline) > MAX_STEPS {
        return None;
    }
    let size = measure_list(&view.outline);
    let (w, h) = (size.w + 2.0 * MARGIN, size.h + 2.0 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w:.0}\" height=\"{h:.0}\" viewBox=\"0 0 {w:.0} {h:.0}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" role=\"img\" aria-label=\"steps of the run\">"
    );
    list(view, &view.outline, MARGIN, MARGIN, size.w, &mut out);
    out.push_str("</svg>");
    Some(out)
}

/// Draws a list centred in a column of width `w`; returns the bottom.
fn list(view: &RunView, steps: &[OutlineStep], x: f64, y: f64, w: f64, out: &mut String) -> f64 {
    let centre = x + w / 2.0;
    let mut top = y;
    for (i, step) in steps.iter().enumerate() {
        if i > 0 {
            line(centre, top, centre, top + GAP_Y, out);
            top += GAP_Y;
        }
        let size = measure(step);
        draw(view, step, centre - size.w / 2.0, top, size.w, out);
        top += size.h;
    }
    top
}

fn line(x1: f64, y1: f64, x2: f64, y2: f64, out: &mut String) {
    let middle = (y1 + y2) / 2.0;
    let _ = write!(
        out,
        "<path d=\"M{x1:.1} {y1:.1} C{x1:.1} {middle:.1} {x2:.1} {middle:.1} {x2:.1} {y2:.1}\" fill=\"none\" stroke=\"#9aa3b0\" stroke-width=\"1.4\"/>"
    );
}

fn draw(view: &RunView, step: &OutlineStep, x: f64, y: f64, w: f64, out: &mut String) {
    let seen = view.steps.get(&step.address);
    let (fill, stroke) = colours(seen.and_then(|s| s.status), seen.is_some_and(|s| s.started.is_some()));
    let left = x + (w - BOX_W) / 2.0;
    let centre = x + w / 2.0;
    let time = seen
        .and_then(|s| Some((s.started?, s.ended?)))
        .map(|(from, to)| duration(to.signed_duration_since(from).num_microseconds().unwrap_or(0).max(0) as f64 / 1e3));
    let mut title = format!("{} ({}), line {}", step.address, step.kind, step.line);
    if let Some(error) = seen.and_then(|s| s.error.as_ref()) {
        let _ = write!(title, ": {error}");
    }
    let dash = if seen.is_some() { "" } else { " stroke-dasharray=\"4 3\"" };
    let _ = write!(
        out,
        "<g><title>{}</title><rect x=\"{left:.1}\" y=\"{y:.1}\" width=\"{BOX_W}\" height=\"{BOX_H}\" rx=\"7\" fill=\"{fill}\" stroke=\"{stroke}\"{dash}/>\
         <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#1f2937\" font-weight=\"600\">{}</text>\
         <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#4b5563\" font-size=\"10.5\">{}</text></g>",
        escape(&title),
        left + 10.0,
        y + 17.0,
        escape(&shorten(&step.name, 22)),
        left + 10.0,
        y + 31.5,
        escape(&match time {
            Some(time) => format!("{} · {time}", step.kind),
            None => step.kind.clone(),
        }),
    );
    let mut bx = x + (w - branches_width(step)) / 2.0;
    for branch in &step.branches {
        let inner = measure_list(&branch.steps);
        let bc = bx + inner.w / 2.0;
        let top = y + BOX_H + GAP_Y + LABEL_H;
        line(centre, y + BOX_H, bc, y + BOX_H + GAP_Y, out);
        let _ = write!(
            out,
            "<text x=\"{bc:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#6b7280\" font-size=\"10.5\">{}</text>",
            top - 5.0,
            escape(&shorten(&branch.label, 28)),
        );
        list(view, &branch.steps, bx, top, inner.w, out);
        bx += inner.w + GAP_X;
    }
}

fn branches_width(step: &OutlineStep) -> f64 {
    let n = step.branches.len();
    step.branches.iter().map(|b| measure_list(&b.steps).w).sum::<f64>() + GAP_X * n.saturating_sub(1) as f64
}
