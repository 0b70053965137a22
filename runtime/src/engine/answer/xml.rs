//! Answers in XML as models write it: elements somewhere in a text, a few levels deep, without attributes that matter.

use serde_json::{Map, Value};

use super::typed;

/// How many levels deep elements are read.
const DEPTH: u32 = 16;

/// The value that the elements of a text say. An object has a property for each element below the outermost one, or for
/// each outermost one where there are several; elements of one name are a list where the schema wants one.
pub(super) fn parse(text: &str, schema: &Value) -> Result<Value, String> {
    let elements = elements(text);
    let properties = schema.get("properties").and_then(Value::as_object);
    let known = |name: &str| properties.is_some_and(|properties| properties.contains_key(name));
    match elements.as_slice() {
        [] => Err("there is no XML element in it".to_owned()),
        [(name, inner)] if !known(name) => Ok(value(inner, schema, DEPTH)),
        _ => Ok(object(&elements, schema, DEPTH)),
    }
}

fn value(inner: &str, schema: &Value, depth: u32) -> Value {
    let below = elements(inner);
    if below.is_empty() || depth == 0 {
        return typed(&unescape(inner.trim()), Some(schema));
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => Value::String(unescape(inner.trim())),
        Some("array") => list(below.iter().map(|(_, inner)| *inner), schema, depth),
        _ => object(&below, schema, depth),
    }
}

fn list<'t>(items: impl Iterator<Item = &'t str>, schema: &Value, depth: u32) -> Value {
    let each = schema.get("items").unwrap_or(&Value::Null);
    items.map(|inner| value(inner, each, depth - 1)).collect()
}

fn object(elements: &[(&str, &str)], schema: &Value, depth: u32) -> Value {
    let mut map = Map::new();
    for (name, inner) in elements {
        if map.contains_key(*name) {
            continue;
        }
        let property = schema.get("properties").and_then(|properties| properties.get(*name)).unwrap_or(&Value::Null);
        let same = || elements.iter().filter(|(other, _)| other == name).map(|(_, inner)| *inner);
        let several = same().nth(1).is_some();
        let is_list = property.get("type").and_then(Value::as_str) == Some("array");
        let value = match is_list {
            // `<tags><tag>a</tag></tags>` is a list as well as `<tags>a</tags><tags>b</tags>`.
            true if !several && !self::elements(inner).is_empty() => value(inner, property, depth - 1),
            true => list(same(), property, depth),
            false => value(inner, property, depth - 1),
        };
        map.insert((*name).to_owned(), value);
    }
    Value::Object(map)
}

/// The outermost elements of a text: name and what stands inside. What is never closed is no element.
fn elements(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        let after = &rest[open + 1..];
        let name_end = after.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))).unwrap_or(0);
        let (name, tail) = after.split_at(name_end);
        let head_end = tail.find('>').filter(|_| name.starts_with(|c: char| c.is_alphabetic() || c == '_'));
        let Some(head_end) = head_end else {
            rest = after;
            continue;
        };
        let body = &tail[head_end + 1..];
        if tail[..head_end].ends_with('/') {
            found.push((name, ""));
            rest = body;
            continue;
        }
        match closing(body, name) {
            Some((end, next)) => {
                found.push((name, &body[..end]));
                rest = &body[next..];
            }
            None => rest = after,
        }
    }
    found
}

/// Where the element of this name ends, and where the text goes on.
fn closing(body: &str, name: &str) -> Option<(usize, usize)> {
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    let (mut depth, mut at) = (0, 0);
    loop {
        let end = at + body[at..].find(&close)?;
        let inside = &body[at..end];
        let opened = inside.match_indices(&open).filter(|(i, _)| {
            let head = &inside[i + open.len()..];
            head.starts_with(['>', ' ', '\n', '\t']) && !head.split('>').next().unwrap_or_default().ends_with('/')
        });
        depth += opened.count();
        at = end + close.len();
        if depth == 0 {
            return Some((end, at));
        }
        depth -= 1;
    }
}

fn unescape(text: &str) -> String {
    let text = match text.strip_prefix("<![CDATA[").and_then(|text| text.strip_suffix("]]>")) {
        Some(raw) => return raw.to_owned(),
        None => text,
    };
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn elements_are_properties() {
        let schema = json!({"type": "object", "properties": {
            "mark": {"type": "integer"}, "good": {"type": "boolean"}, "tags": {"type": "array", "items": {"type": "string"}},
            "who": {"type": "object", "properties": {"name": {"type": "string"}}},
        }});
        let expected = json!({"mark": 7, "good": true, "tags": ["a", "b & c"], "who": {"name": "Ada"}});
        for text in [
            "<answer><mark>7</mark><good>true</good><tags>a</tags><tags>b &amp; c</tags><who><name>Ada</name></who></answer>",
            "Here it is:\n<mark> 7 </mark> <good>True</good>\n<tags><tag>a</tag><tag>b &amp; c</tag></tags><who x=\"1\"><name>Ada</name></who>!",
        ] {
            assert_eq!(parse(text, &schema), Ok(expected.clone()), "{text}");
        }
        assert_eq!(parse("<a><a>x</a></a>", &json!({})), Ok(json!({"a": "x"})));
        assert_eq!(parse("<n>7</n>", &json!({"type": "integer"})), Ok(json!(7)));
        assert_eq!(parse("<s><![CDATA[<b>]]></s>", &json!({"type": "string"})), Ok(json!("<b>")));
        for text in ["no", "a < b > c", "<open>", "<é"] {
            assert_eq!(parse(text, &json!({})), Err("there is no XML element in it".into()), "{text}");
        }
    }
}
