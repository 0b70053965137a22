//! The reference of a document kind, for readers: every key with its type, what holds without it, and what it means.

use std::{collections::BTreeSet, fmt::Write};

use serde_json::Value;

use super::{Kind, description, discriminator, enum_words, is_not_executed, is_not_supported, resolve, root};

/// The reference of a kind as Markdown.
pub fn reference(kind: Kind) -> String {
    let mut page = format!("# Kind `{}`\n\n{}\n\n", kind.word(), description(root(kind)).unwrap_or_default());
    page.push_str(
        "Written by `cargo xtask codegen` from the types in `spec/src`. A key in **bold** must be there. ◌ is read and \
         not executed by\nthis version; ✗ lets a run fail when it comes to it.\n",
    );
    let mut seen = BTreeSet::new();
    let mut waiting: Vec<(String, &'static Value)> = vec![("The document".to_owned(), root(kind))];
    while !waiting.is_empty() {
        let mut below = Vec::new();
        for (title, schema) in std::mem::take(&mut waiting) {
            section(&mut page, &title, schema, &mut seen, &mut below);
        }
        waiting = below;
    }
    page
}

type Section = (String, &'static Value);

fn section(
    page: &mut String,
    title: &str,
    schema: &'static Value,
    seen: &mut BTreeSet<*const Value>,
    below: &mut Vec<Section>,
) {
    let schema = resolve(schema);
    if !seen.insert(std::ptr::from_ref(schema)) {
        return;
    }
    if let Some(tag) = discriminator(schema) {
        for form in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
            let word = form.pointer(&format!("/properties/{tag}/const")).and_then(Value::as_str).unwrap_or_default();
            section(page, &format!("{title} with `{tag}: {word}`"), form, seen, below);
        }
        return;
    }
    let Some(object) = schema.as_object() else { return };
    let Some(properties) = object.get("properties").and_then(Value::as_object) else { return };
    let required: Vec<&str> =
        object.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    // A String takes whatever is written to it.
    let _ = write!(page, "\n## {}\n\n{}\n\n", title.trim(), description(schema).unwrap_or_default());
    page.push_str("| key | type | without it | meaning |\n|---|---|---|---|\n");
    for (name, property) in properties {
        let shown = if required.contains(&name.as_str()) { format!("**`{name}`**") } else { format!("`{name}`") };
        let mark = match () {
            () if is_not_executed(object, name) => " ◌",
            () if is_not_supported(object, name) => " ✗",
            () => "",
        };
        let default = property.get("default").or_else(|| resolve(property).get("default"));
        let default = default.filter(|default| !is_empty(default)).map_or(String::new(), |value| format!("`{value}`"));
        let meaning = description(property).unwrap_or_default().replace('|', "\\|");
        let _ = writeln!(page, "| {shown}{mark} | {} | {default} | {meaning} |", type_of(property));
        forms(property, &format!("{} `{name}`", title_of(title)), below);
    }
}

/// The sections to which a value leads.
fn forms(schema: &'static Value, title: &str, below: &mut Vec<Section>) {
    let schema = resolve(schema);
    if schema.get("properties").is_some() || discriminator(schema).is_some() {
        return below.push((title.to_owned(), schema));
    }
    for form in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        forms(form, title, below);
    }
    if let Some(items) = schema.get("items") {
        forms(items, &format!("{title}, each"), below);
    }
    let named = schema.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
    let others = schema.get("additionalProperties").filter(|schema| schema.is_object());
    for schema in named.map(|(_, schema)| schema).chain(others) {
        forms(schema, &format!("{title}, each"), below);
    }
}

fn title_of(title: &str) -> &str {
    if title == "The document" { "" } else { title }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

fn type_of(schema: &'static Value) -> String {
    let schema = resolve(schema);
    let Some(object) = schema.as_object() else { return "anything".into() };
    if let Some(words) = enum_words(object) {
        let words = words.iter().map(|word| {
            let mark = if is_not_supported(object, word) { " ✗" } else { "" };
            format!("`{word}`{mark}")
        });
        return words.collect::<Vec<_>>().join(", ");
    }
    if let Some(forms) = schema.get("anyOf").and_then(Value::as_array) {
        let mut names: Vec<String> = forms.iter().map(type_of).collect();
        names.dedup();
        return names.join(" or ");
    }
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    match (text("type"), text("x-aikit-ref"), text("x-aikit-language"), text("x-aikit-format")) {
        (_, Some(reference), ..) => format!("the name of a {}", reference.replace('_', " ")),
        (.., Some("cel"), _) => "CEL".into(),
        (.., Some("template"), _) => "template".into(),
        (.., Some("json-schema"), _) => "JSON Schema".into(),
        (.., Some("dynamic"), _) => "anything with templates".into(),
        (.., Some("patch"), _) => "a part of an agent".into(),
        (.., Some("lua"), _) => "Lua".into(),
        (.., Some("js"), _) => "JavaScript".into(),
        (.., Some("path"), _) => "a file".into(),
        (.., Some(format)) => format.replace('-', " "),
        (Some("array"), ..) => match schema.get("items") {
            Some(items) => format!("list of {}", type_of(items)),
            None => "list".into(),
        },
        (Some("object"), ..) if schema.get("properties").is_none() && schema.get("patternProperties").is_some() => {
            "mapping by name".into()
        }
        (Some("object"), ..) => "mapping".into(),
        (Some("integer"), ..) => format!("whole number{}", range(schema)),
        (Some("number"), ..) => format!("number{}", range(schema)),
        (Some("boolean"), ..) => "`true` or `false`".into(),
        (Some("string"), ..) => "text".into(),
        _ if discriminator(schema).is_some() => "mapping".into(),
        _ => "anything".into(),
    }
}

fn range(schema: &Value) -> String {
    match (schema.get("minimum"), schema.get("maximum")) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (Some(least), None) => format!(", at least {least}"),
        (None, Some(most)) => format!(", at most {most}"),
        (None, None) => String::new(),
    }
}
