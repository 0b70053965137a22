//! A Vega-Lite chart on a page without Vega: the usual single charts are drawn, the data stand below as a table, and the
//! specification is kept in the page for tools that can do more.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{escape, scale::Scale};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 60.0;
const COLORS: [&str; 8] = ["#3b6fb6", "#d9772b", "#4a9d5b", "#c2454a", "#7f63b8", "#8a6d3b", "#3aa0a8", "#9aa0a6"];

/// The rows that a table shows at most.
const ROWS: usize = 200;

/// A chart with its data; `picture` is a drawing that came with it.
pub fn to_html(spec: &Value, picture: Option<String>) -> String {
    let rows: Vec<&Map<String, Value>> = spec
        .get("data")
        .and_then(|data| data.get("values"))
        .and_then(Value::as_array)
        .map(|rows| rows.iter().filter_map(Value::as_object).collect())
        .unwrap_or_default();
    let title = match spec.get("title") {
        Some(Value::String(title)) => title.as_str(),
        Some(Value::Object(title)) => title.get("text").and_then(Value::as_str).unwrap_or_default(),
        _ => "",
    };
    let drawing = picture.or_else(|| draw(spec, &rows, title)).unwrap_or_else(|| {
        "<p class=\"note\">This chart needs a Vega-Lite viewer, for example JupyterLab.</p>\n".to_owned()
    });
    // Inside a script element only `</` could end it; JSON lets `<` be written as an escape.
    let source = spec.to_string().replace('<', "\\u003c");
    format!(
        "<figure>\n{drawing}{}<script type=\"application/json\" class=\"vega-lite\">{source}</script>\n</figure>\n",
        table(&rows)
    )
}

fn table(rows: &[&Map<String, Value>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut columns: Vec<&str> = Vec::new();
    for row in rows.iter().take(ROWS) {
        columns.extend(row.keys().map(String::as_str).filter(|name| !columns.contains(name)).collect::<Vec<_>>());
    }
    let head: String = columns.iter().map(|name| format!("<th>{}</th>", escape(name))).collect();
    let body: String = rows
        .iter()
        .take(ROWS)
        .map(|row| {
            let cells: String = columns
                .iter()
                .map(|name| format!("<td>{}</td>", escape(&row.get(*name).map(label).unwrap_or_default())))
                .collect();
            format!("<tr>{cells}</tr>\n")
        })
        .collect();
    let more = rows.len().saturating_sub(ROWS);
    let note = if more > 0 { format!("<p class=\"note\">{more} more rows</p>\n") } else { String::new() };
    format!(
        "<details><summary>Data, {} rows</summary>\n<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>\n{note}</details>\n",
        rows.len()
    )
}

fn label(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// One encoding channel.
struct Channel<'a> {
    field: Option<&'a str>,
    aggregate: Option<&'a str>,
    quantitative: bool,
    title: String,
}

impl<'a> Channel<'a> {
    fn read(encoding: &'a Value, name: &str, rows: &[&Map<String, Value>]) -> Option<Self> {
        let channel = encoding.get(name)?.as_object()?;
        let text = |key: &str| channel.get(key).and_then(Value::as_str);
        // Bins, time units and the like change the data: that is Vega's business.
        if ["bin", "timeUnit"]
            .iter()
            .any(|key| channel.get(*key).is_some_and(|value| !value.is_null() && *value != false))
        {
            return None;
        }
        let field = text("field");
        let aggregate = text("aggregate");
        let numbers = |field: &str| {
            rows.iter().all(|row| row.get(field).is_none_or(|value| value.is_number() || value.is_null()))
        };
        let quantitative = match text("type") {
            Some(kind) => kind == "quantitative",
            None => aggregate.is_some() || field.is_some_and(numbers),
        };
        if field.is_none() && aggregate != Some("count") {
            return None;
        }
        let title = text("title").map(str::to_owned).unwrap_or_else(|| match (aggregate, field) {
            (Some(aggregate), Some(field)) => format!("{aggregate} of {field}"),
            (Some(aggregate), None) => aggregate.to_owned(),
            (None, field) => field.unwrap_or_default().to_owned(),
        });
        Some(Self { field, aggregate, quantitative, title })
    }

    fn key(&self, row: &Map<String, Value>) -> String {
        self.field.and_then(|field| row.get(field)).map(label).unwrap_or_default()
    }

    fn number(&self, row: &Map<String, Value>) -> Option<f64> {
        row.get(self.field?)?.as_f64()
    }
}

fn combine(aggregate: Option<&str>, values: &mut [f64], rows: usize) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let sum: f64 = values.iter().sum();
    match aggregate {
        Some("count") => Some(rows as f64),
        _ if values.is_empty() => None,
        None | Some("sum") => Some(sum),
        Some("mean" | "average") => Some(sum / values.len() as f64),
        Some("min") => values.first().copied(),
        Some("max") => values.last().copied(),
        Some("median") => {
            let middle = values.len() / 2;
            Some(if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 })
        }
        Some(_) => None,
    }
}

/// Draws bars, lines, areas and points over one discrete and one quantitative channel, or over two quantitative ones.
fn draw(spec: &Value, rows: &[&Map<String, Value>], title: &str) -> Option<String> {
    let mark = match spec.get("mark")? {
        Value::String(mark) => mark.as_str(),
        mark => mark.get("type")?.as_str()?,
    };
    if !["bar", "line", "area", "point", "circle", "square", "tick"].contains(&mark)
        || rows.is_empty()
        || spec.get("transform").is_some()
    {
        return None;
    }
    let encoding = spec.get("encoding")?;
    let (x, y) = (Channel::read(encoding, "x", rows)?, Channel::read(encoding, "y", rows)?);
    let color = Channel::read(encoding, "color", rows).filter(|color| !color.quantitative);
    let lying = !x.quantitative || !y.quantitative;
    let body = match (x.quantitative, y.quantitative) {
        (false, true) => by_category(mark, rows, &x, &y, color.as_ref(), false)?,
        (true, false) => by_category(mark, rows, &y, &x, color.as_ref(), true)?,
        (true, true) if mark != "bar" && x.aggregate.is_none() && y.aggregate.is_none() => {
            scatter(mark, rows, &x, &y, color.as_ref())?
        }
        _ => return None,
    };
    let middle = LEFT + (WIDTH - LEFT - RIGHT) / 2.0;
    let name = if title.is_empty() { format!("{} by {}", y.title, x.title) } else { title.to_owned() };
    let role = if lying { "chart" } else { "plot" };
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"{role}: {0}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         width=\"{WIDTH}\" style=\"max-width:100%;height:auto\" font-family=\"system-ui,sans-serif\" font-size=\"12\" fill=\"#444\">\n\
         <text x=\"{middle}\" y=\"18\" text-anchor=\"middle\" font-size=\"14\" font-weight=\"600\">{1}</text>\n{body}\
         <text x=\"{middle}\" y=\"{2}\" text-anchor=\"middle\">{3}</text>\n\
         <text transform=\"translate(14 {4}) rotate(-90)\" text-anchor=\"middle\">{5}</text>\n</svg>\n",
        escape(&name),
        escape(title),
        HEIGHT - 8.0,
        escape(&x.title),
        TOP + (HEIGHT - TOP - BOTTOM) / 2.0,
        escape(&y.title),
    ))
}

fn plot_size() -> (f64, f64) {
    (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM)
}

fn order<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut unique = Vec::new();
    for item in items {
        if !unique.contains(&item) {
            unique.push(item);
        }
    }
    unique
}

fn legend(groups: &[String]) -> String {
    if groups.len() < 2 {
        return String::new();
    }
    let entry = |(index, name): (usize, &String)| {
        let (left, top) = (WIDTH - RIGHT + 14.0, TOP + 18.0 * index as f64);
        format!(
            "<rect x=\"{left}\" y=\"{top}\" width=\"11\" height=\"11\" fill=\"{}\"/><text x=\"{}\" y=\"{}\">{}</text>\n",
            COLORS[index % COLORS.len()],
            left + 17.0,
            top + 10.0,
            escape(&short(name, 14)),
        )
    };
    groups.iter().enumerate().take(14).map(entry).collect()
}

fn short(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// The lines and labels of a quantitative axis.
fn axis(scale: &Scale, across: bool) -> String {
    let (width, height) = plot_size();
    let tick = |(value, text): (f64, String)| match across {
        true => {
            let at = LEFT + scale.place(value) * width;
            format!(
                "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{:.1}\" stroke=\"#e3e6ea\"/>\
                 <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>\n",
                TOP + height,
                TOP + height + 16.0
            )
        }
        false => {
            let at = TOP + height - scale.place(value) * height;
            format!(
                "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#e3e6ea\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>\n",
                LEFT + width,
                LEFT - 6.0,
                at + 4.0
            )
        }
    };
    scale.ticks().map(tick).collect()
}

fn by_category(
    mark: &str,
    rows: &[&Map<String, Value>],
    category: &Channel<'_>,
    value: &Channel<'_>,
    color: Option<&Channel<'_>>,
    across: bool,
) -> Option<String> {
    let categories = order(rows.iter().map(|row| category.key(row)));
    let groups = order(rows.iter().map(|row| color.map(|color| color.key(row)).unwrap_or_default()));
    if categories.len() > 60 || groups.len() > 30 {
        return None;
    }
    let mut cells: BTreeMap<(usize, usize), (Vec<f64>, usize)> = BTreeMap::new();
    for row in rows {
        let at = categories.iter().position(|name| *name == category.key(row))?;
        let group = color.map(|color| color.key(row)).unwrap_or_default();
        let group = groups.iter().position(|name| *name == group)?;
        let cell = cells.entry((group, at)).or_default();
        cell.0.extend(value.number(row));
        cell.1 += 1;
    }
    let points_apart = value.aggregate.is_none() && !matches!(mark, "bar" | "line" | "area");
    let mut marks: Vec<(usize, usize, f64)> = Vec::new();
    for ((group, at), (mut values, count)) in cells {
        match points_apart {
            true => marks.extend(values.iter().map(|value| (group, at, *value))),
            false => marks.extend(combine(value.aggregate, &mut values, count).map(|value| (group, at, value))),
        }
    }
    let scale = Scale::over(marks.iter().map(|(_, _, value)| *value), mark != "line")?;
    let (width, height) = plot_size();
    let band = if across { height } else { width } / categories.len() as f64;
    let center = |at: usize| if across { TOP } else { LEFT } + band * (at as f64 + 0.5);
    let along = |value: f64| {
        if across { LEFT + scale.place(value) * width } else { TOP + height - scale.place(value) * height }
    };
    let mut svg = axis(&scale, across);
    for (at, name) in categories.iter().enumerate() {
        let name = escape(&short(name, if across { 9 } else { ((band / 6.5) as usize).clamp(3, 20) }));
        svg.push_str(&match across {
            true => format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>\n",
                LEFT - 6.0,
                center(at) + 4.0
            ),
            false => format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{name}</text>\n",
                center(at),
                TOP + height + 16.0
            ),
        });
    }
    if matches!(mark, "line" | "area") {
        for group in 0..groups.len() {
            let points: Vec<(f64, f64)> = marks
                .iter()
                .filter(|(of, ..)| *of == group)
                .map(|(_, at, value)| if across { (along(*value), center(*at)) } else { (center(*at), along(*value)) })
                .collect();
            svg.push_str(&line(&points, COLORS[group % COLORS.len()]));
        }
    }
    // Bars of several groups stand beside each other.
    let share = band * 0.76 / groups.len() as f64;
    for (group, at, value) in marks {
        let fill = COLORS[group % COLORS.len()];
        let (start, end) = (along(0.0f64.clamp(scale.from, scale.to)), along(value));
        let side = center(at) - band * 0.38 + share * group as f64;
        let (low, length) = (start.min(end), (start - end).abs());
        svg.push_str(&match (mark, across) {
            ("bar", false) => format!(
                "<rect x=\"{side:.1}\" y=\"{low:.1}\" width=\"{share:.1}\" height=\"{length:.1}\" fill=\"{fill}\"/>\n"
            ),
            ("bar", true) => format!(
                "<rect x=\"{low:.1}\" y=\"{side:.1}\" width=\"{length:.1}\" height=\"{share:.1}\" fill=\"{fill}\"/>\n"
            ),
            (_, false) => dot(center(at), end, fill),
            (_, true) => dot(end, center(at), fill),
        });
    }
    svg.push_str(&legend(&groups));
    Some(svg)
}

fn scatter(
    mark: &str,
    rows: &[&Map<String, Value>],
    x: &Channel<'_>,
    y: &Channel<'_>,
    color: Option<&Channel<'_>>,
) -> Option<String> {
    let groups = order(rows.iter().map(|row| color.map(|color| color.key(row)).unwrap_or_default()));
    let across = Scale::over(rows.iter().filter_map(|row| x.number(row)), false)?;
    let up = Scale::over(rows.iter().filter_map(|row| y.number(row)), mark == "area")?;
    let (width, height) = plot_size();
    let mut svg = axis(&across, true) + &axis(&up, false);
    for (index, group) in groups.iter().enumerate() {
        let fill = COLORS[index % COLORS.len()];
        let mut points: Vec<(f64, f64)> = rows
            .iter()
            .filter(|row| color.is_none_or(|color| color.key(row) == *group))
            .filter_map(|row| Some((x.number(row)?, y.number(row)?)))
            .map(|(a, b)| (LEFT + across.place(a) * width, TOP + height - up.place(b) * height))
            .take(5000)
            .collect();
        if matches!(mark, "line" | "area") {
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            svg.push_str(&line(&points, fill));
        } else {
            svg.extend(points.iter().map(|(a, b)| dot(*a, *b, fill)));
        }
    }
    svg.push_str(&legend(&groups));
    Some(svg)
}

fn line(points: &[(f64, f64)], stroke: &str) -> String {
    let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    format!("<polyline points=\"{}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"2\"/>\n", points.join(" "))
}

fn dot(x: f64, y: f64, fill: &str) -> String {
    format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{fill}\"/>\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(mark: &str, x: Value, y: Value) -> Value {
        json!({
            "title": "A <b>",
            "mark": mark,
            "data": {"values": [{"p": "a", "n": 1, "m": 2.5}, {"p": "b", "n": 3, "m": -1}, {"p": "a", "n": 5, "m": 0}]},
            "encoding": {"x": x, "y": y},
        })
    }

    fn name(field: &str) -> Value {
        json!({"field": field, "type": "nominal"})
    }

    fn number(field: &str) -> Value {
        json!({"field": field, "type": "quantitative"})
    }

    #[test]
    fn usual_charts_are_drawn_with_their_data_below() {
        for (mark, x, y, shape, shapes) in [
            ("bar", name("p"), number("n"), "<rect", 2),
            ("bar", number("n"), name("p"), "<rect", 2),
            ("bar", name("p"), json!({"aggregate": "count"}), "<rect", 2),
            ("line", name("p"), number("n"), "<polyline", 1),
            ("point", number("n"), number("m"), "<circle", 3),
            ("point", name("p"), number("n"), "<circle", 3),
        ] {
            let html = to_html(&spec(mark, x, y), None);
            assert_eq!(html.matches(shape).count(), shapes, "{mark}: {html}");
            assert!(html.contains("A &lt;b&gt;"));
            assert!(html.contains("<th>p</th>"));
            assert!(!html.contains("NaN"));
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_said_and_kept() {
        for spec in [
            spec("geoshape", name("p"), number("n")),
            spec("bar", json!({"field": "n", "bin": true}), number("n")),
            json!({"mark": "bar", "data": {"values": []}, "title": "</script>"}),
            json!({}),
        ] {
            let html = to_html(&spec, None);
            assert!(html.contains("needs a Vega-Lite viewer"), "{html}");
            assert_eq!(html.matches("</script>").count(), 1);
        }
        assert!(to_html(&json!({}), Some("<img>".to_owned())).contains("<img>"));
    }
}
