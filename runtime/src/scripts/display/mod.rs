//! What the `Emit` members of the host surface put out: rich outputs with a text form, and log lines. Both languages use
//! this, so that `display.table` shows the same thing wherever it is called.

mod picture;
mod table;

use aikit_core::{ErrorKind, RunError, surface::Member};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    cell::{CellEvent, MimeBundle},
    view::escape,
};

/// The longest text form that is made of a value.
const TEXT_LIMIT: usize = 20_000;

/// Builds the events of one script. It remembers the progress bars, so that a bar that is shown again moves.
#[derive(Debug, Default)]
pub struct Emitter {
    bars: Vec<(String, String)>,
}

impl Emitter {
    /// The event of a call of an `Emit` member, given its positional arguments.
    pub fn event(&mut self, member: &Member, args: &[Value]) -> Result<CellEvent, RunError> {
        let call = Call { path: member.path, args };
        call.check(member)?;
        if let Some(level) = member.path.strip_prefix("ctx.log.") {
            let fields = call.get(1).cloned().unwrap_or_else(|| json!({}));
            return Ok(CellEvent::Log { level: level.to_owned(), message: call.words(0), fields });
        }
        match member.path {
            "display.html" => {
                let html = call.text(0, "html")?;
                let plain = call.plain().unwrap_or_else(|| picture::strip_tags(html));
                call.display([("text/html", html.into())], plain)
            }
            "display.markdown" => {
                let markdown = call.text(0, "markdown")?;
                call.display([("text/markdown", markdown.into())], markdown.to_owned())
            }
            "display.svg" => {
                let svg = call.text(0, "svg")?;
                if !picture::is_svg(svg) {
                    return Err(call.error("the text is not an SVG picture: no `<svg` element is in it"));
                }
                call.display([("image/svg+xml", svg.into())], call.plain().unwrap_or_else(|| picture::svg_text(svg)))
            }
            "display.png" => {
                let base64: String = call.text(0, "base64")?.split_whitespace().collect();
                let (width, height) =
                    picture::png_size(&base64).ok_or_else(|| call.error("the text is not a PNG picture as base64"))?;
                let plain = call.plain().unwrap_or_else(|| format!("[PNG picture, {width} × {height}]"));
                call.display([("image/png", base64.into())], plain)
            }
            "display.json" => {
                let value = call.get(0).cloned().unwrap_or(Value::Null);
                let plain = pretty(&value);
                call.display([("application/json", value)], plain)
            }
            "display.table" => {
                let shown = table::Table::new(call.get(0), call.option("columns")).map_err(|why| call.error(&why))?;
                call.display([("text/html", shown.html().into())], shown.text())
            }
            "display.vega" => {
                let spec =
                    picture::vega(call.get(0)).ok_or_else(|| call.error("the chart must be a table of fields"))?;
                let plain = call.plain().unwrap_or_else(|| picture::vega_text(&spec));
                call.display([("application/vnd.vegalite.v5+json", spec)], plain)
            }
            "display.progress" => self.progress(&call),
            "display.clear" => Ok(CellEvent::Clear { wait: call.get(0).and_then(Value::as_bool).unwrap_or(false) }),
            path => Err(RunError::new(ErrorKind::Internal, format!("`{path}` has no output"))),
        }
    }

    fn progress(&mut self, call: &Call<'_>) -> Result<CellEvent, RunError> {
        let (done, total) = (call.number(0, "done")?, call.number(1, "total")?);
        if total <= 0.0 {
            return Err(call.error("`total` must be greater than 0"));
        }
        let label = call.words(2);
        let known = self.bars.iter().find(|(name, _)| *name == label).map(|(_, id)| id.clone());
        let update = known.is_some();
        let id = known.unwrap_or_else(|| {
            let id = Uuid::now_v7().to_string();
            self.bars.push((label.clone(), id.clone()));
            id
        });
        let percent = (done / total * 100.0).clamp(0.0, 100.0).floor();
        let head = if label.is_empty() { String::new() } else { format!("{label}: ") };
        let plain = format!("{head}{done} of {total} ({percent} %)");
        let html = format!(
            "<div><progress value=\"{done}\" max=\"{total}\" style=\"width:18em;vertical-align:middle\"></progress> {}</div>",
            escape(&plain)
        );
        Ok(CellEvent::Display {
            data: bundle([("text/html", html.into())], plain),
            metadata: Map::new(),
            id: Some(id),
            update,
        })
    }
}

fn bundle<const N: usize>(forms: [(&str, Value); N], plain: String) -> MimeBundle {
    let mut data = MimeBundle::from([("text/plain".to_owned(), Value::String(plain))]);
    data.extend(forms.into_iter().map(|(mime, value)| (mime.to_owned(), value)));
    data
}

/// A value as indented JSON, cut where it gets long.
fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    if text.len() > TEXT_LIMIT {
        let end = (0..=TEXT_LIMIT).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// One call with its arguments. A `null` argument counts as left out.
struct Call<'a> {
    path: &'static str,
    args: &'a [Value],
}

impl<'a> Call<'a> {
    fn error(&self, why: &str) -> RunError {
        RunError::new(ErrorKind::ScriptError, format!("{}: {why}", self.path))
    }

    fn check(&self, member: &Member) -> Result<(), RunError> {
        let missing = member.params.iter().enumerate().find(|(i, p)| !p.optional && self.args.get(*i).is_none());
        if let Some((_, param)) = missing {
            return Err(self.error(&format!("`{}` is missing: {}", param.name, member.signature())));
        }
        match self.args.len() > member.params.len() {
            true => Err(self.error(&format!("too many arguments: {}", member.signature()))),
            false => Ok(()),
        }
    }

    fn get(&self, index: usize) -> Option<&'a Value> {
        self.args.get(index).filter(|value| !value.is_null())
    }

    fn text(&self, index: usize, name: &str) -> Result<&'a str, RunError> {
        let value = self.args.get(index).unwrap_or(&Value::Null);
        value.as_str().ok_or_else(|| self.error(&format!("`{name}` must be a string, not {}", kind(value))))
    }

    fn number(&self, index: usize, name: &str) -> Result<f64, RunError> {
        let value = self.args.get(index).unwrap_or(&Value::Null);
        value.as_f64().ok_or_else(|| self.error(&format!("`{name}` must be a number, not {}", kind(value))))
    }

    /// An argument as text, whatever it is.
    fn words(&self, index: usize) -> String {
        match self.get(index) {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        }
    }

    fn option(&self, name: &str) -> Option<&'a Value> {
        self.get(1)?.get(name).filter(|value| !value.is_null())
    }

    /// The text form that the caller gives.
    fn plain(&self) -> Option<String> {
        self.option("text").and_then(Value::as_str).map(str::to_owned)
    }

    fn display<const N: usize>(&self, forms: [(&str, Value); N], plain: String) -> Result<CellEvent, RunError> {
        let id = match self.option("id") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(other) => return Err(self.error(&format!("the option `id` must be a string, not {}", kind(other)))),
        };
        let update = self.option("update").and_then(Value::as_bool).unwrap_or(false);
        if update && id.is_none() {
            return Err(self.error("the option `update` needs an `id` that says which output to replace"));
        }
        Ok(CellEvent::Display { data: bundle(forms, plain), metadata: Map::new(), id, update })
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table of fields",
    }
}

#[cfg(test)]
mod tests {
    use aikit_core::surface::{MEMBERS, MemberKind, member};

    use super::*;

    fn emit(path: &str, args: Value) -> Result<CellEvent, RunError> {
        Emitter::default().event(member(path).unwrap(), args.as_array().unwrap())
    }

    fn data(path: &str, args: Value) -> MimeBundle {
        match emit(path, args).unwrap() {
            CellEvent::Display { data, .. } => data,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_emit_member_has_an_event_and_every_display_a_text_form() {
        let png = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAYAAAC56t6BAAAAC0lEQVR42mNkQAIAAAoAAv/lxKUAAAAASUVORK5CYII=";
        for member in MEMBERS.iter().filter(|member| member.kind == MemberKind::Emit) {
            let args = match member.path {
                "display.png" => json!([png]),
                "display.svg" => json!(["<svg width=\"4\" height=\"5\"/>"]),
                "display.table" => json!([[{ "a": 1 }]]),
                "display.vega" => json!([{ "mark": "bar" }]),
                "display.progress" => json!([1, 4]),
                "display.clear" => json!([]),
                _ => json!(["<b>x</b>"]),
            };
            let event = Emitter::default().event(member, args.as_array().unwrap()).unwrap();
            if let CellEvent::Display { data, .. } = event {
                assert!(!data["text/plain"].as_str().unwrap().is_empty(), "{}", member.path);
                assert!(data.len() > 1, "{}", member.path);
            }
        }
        assert_eq!(data("display.png", json!([png]))["text/plain"], "[PNG picture, 2 × 3]");
    }

    #[test]
    fn a_bar_that_is_shown_again_moves() {
        let mut emitter = Emitter::default();
        let mut show = |args: Value| match emitter.event(member("display.progress").unwrap(), args.as_array().unwrap())
        {
            Ok(CellEvent::Display { data, id, update, .. }) => (data["text/plain"].clone(), id.unwrap(), update),
            other => panic!("{other:?}"),
        };
        let (text, first, update) = show(json!([1, 4, "load"]));
        assert_eq!((text, update), (json!("load: 1 of 4 (25 %)"), false));
        let (_, other, update) = show(json!([1, 2]));
        assert!(!update && other != first);
        let (text, again, update) = show(json!([4, 4, "load"]));
        assert_eq!((text, again, update), (json!("load: 4 of 4 (100 %)"), first, true));
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (path, args, message) in [
            ("display.html", json!([5]), "display.html: `html` must be a string, not a number"),
            (
                "display.progress",
                json!([1]),
                "display.progress: `total` is missing: display.progress(done: number, total: number, label?: string): nothing",
            ),
            ("display.progress", json!([1, 0]), "display.progress: `total` must be greater than 0"),
            ("display.svg", json!(["no"]), "display.svg: the text is not an SVG picture: no `<svg` element is in it"),
            ("display.png", json!(["AAAA"]), "display.png: the text is not a PNG picture as base64"),
            (
                "display.json",
                json!([1, { "update": true }]),
                "display.json: the option `update` needs an `id` that says which output to replace",
            ),
            ("display.table", json!([5]), "display.table: the rows must be a list of tables"),
        ] {
            assert_eq!(emit(path, args).unwrap_err().message, message);
        }
    }

    #[test]
    fn ids_and_updates_are_passed_on() {
        let event = emit("display.markdown", json!(["*x*", { "id": "a", "update": true }])).unwrap();
        assert!(matches!(event, CellEvent::Display { id: Some(id), update: true, .. } if id == "a"));
    }

    #[test]
    fn a_chart_gets_the_schema_that_front_ends_look_for() {
        let chart = data("display.vega", json!([{ "mark": { "type": "bar" }, "title": "Costs" }]));
        assert_eq!(chart["text/plain"], "[Vega-Lite chart: Costs (bar)]");
        let schema = &chart["application/vnd.vegalite.v5+json"]["$schema"];
        assert_eq!(schema, "https://vega.github.io/schema/vega-lite/v5.json");
    }
}
