//! What a description in OpenAPI 3.0 or 3.1 says of a service, reduced to what a call needs.

use aikit_spec::{agent::HttpMethod, plan::ParameterPlan};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::Url;

use super::method_of;

/// How many operations a description may have.
const MAX_OPERATIONS: usize = 500;
/// How deep references are followed; what lies deeper may be anything.
const MAX_DEPTH: usize = 12;
/// Media types of bodies, the best first.
const BODIES: &[&str] = &["application/json", "application/x-www-form-urlencoded", "text/plain"];
/// Words of schemas that JSON Schema does not know, or that say nothing to a model.
const DROPPED: &[&str] = &["discriminator", "xml", "externalDocs", "example", "examples", "nullable", "deprecated"];

/// One operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Operation {
    /// `operationId`, or a name made of method and path.
    pub id: String,
    /// The method, in lower case.
    method: String,
    /// The path.
    pub path: String,
    /// What it is good for.
    pub description: String,
    /// Its parameters.
    pub parameters: Vec<ParameterPlan>,
    /// The media type of its body.
    pub body: Option<String>,
    /// JSON Schema of its arguments.
    pub input: Value,
}

impl Operation {
    /// The method; only known ones are read.
    pub fn method(&self) -> HttpMethod {
        method_of(&self.method).unwrap_or(HttpMethod::Get)
    }
}

/// The operations of a service, in the order of the description.
pub(super) fn operations(document: &Value) -> Result<Vec<Operation>, String> {
    let version = document.get("openapi").and_then(Value::as_str).ok_or("it is no description in OpenAPI 3")?;
    if !version.starts_with("3.") {
        return Err(format!("it is written in OpenAPI {version}; 3.0 and 3.1 can be read"));
    }
    let Some(paths) = document.get("paths").and_then(Value::as_object) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (path, item) in paths {
        let item = target(document, item);
        for (method, body) in item.as_object().into_iter().flatten() {
            if method_of(method).is_none() {
                continue;
            }
            found.push(operation(document, path, method, item, body));
            if found.len() > MAX_OPERATIONS {
                return Err(format!("it has more than {MAX_OPERATIONS} operations"));
            }
        }
    }
    Ok(found)
}

/// Where the service is, by its description; `at` is where the description was read.
pub(super) fn server(document: &Value, at: Option<&str>) -> Option<String> {
    let server = document.get("servers").and_then(|servers| servers.get(0));
    let mut address = match server.and_then(|server| server.get("url")).and_then(Value::as_str) {
        Some(address) => address.to_owned(),
        None => "/".to_owned(),
    };
    let variables = server.and_then(|server| server.get("variables")).and_then(Value::as_object);
    for (name, variable) in variables.into_iter().flatten() {
        let default = variable.get("default").and_then(Value::as_str).unwrap_or_default();
        address = address.replace(&format!("{{{name}}}"), default);
    }
    if address.starts_with("http://") || address.starts_with("https://") {
        return Some(address);
    }
    Url::parse(at?).ok()?.join(&address).ok().map(String::from)
}

fn operation(document: &Value, path: &str, method: &str, item: &Value, body: &Value) -> Operation {
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    let id = match text("operationId") {
        "" => format!("{method}_{}", path.trim_matches('/').replace(['/', '{', '}'], "_")),
        id => id.to_owned(),
    };
    let description = match (text("summary"), text("description")) {
        ("", description) => description.to_owned(),
        (summary, "") => summary.to_owned(),
        (summary, description) if description.starts_with(summary) => description.to_owned(),
        (summary, description) => format!("{summary}\n\n{description}"),
    };
    let mut parameters: Vec<ParameterPlan> = Vec::new();
    let (mut properties, mut required) = (Map::new(), Vec::new());
    // An operation's own parameters count before those of its path.
    let lists = [body.get("parameters"), item.get("parameters")];
    for parameter in lists.into_iter().flatten().filter_map(Value::as_array).flatten() {
        let parameter = target(document, parameter);
        let get = |key: &str| parameter.get(key).and_then(Value::as_str).unwrap_or_default();
        let (name, place) = (get("name"), get("in"));
        let known = parameters.iter().any(|other| other.name == name && other.place == place);
        if !matches!(place, "path" | "query" | "header") || name.is_empty() || known {
            continue;
        }
        let argument =
            if properties.contains_key(name) || name == "body" { format!("{name}_{place}") } else { name.to_owned() };
        let content = parameter.get("content").and_then(Value::as_object).and_then(|content| content.values().next());
        let schema = parameter.get("schema").or_else(|| content?.get("schema"));
        let mut schema = schema.map_or_else(|| json!({}), |schema| inlined(document, schema, 0));
        if let (Value::Object(schema), description) = (&mut schema, get("description"))
            && !description.is_empty()
        {
            schema.insert("description".into(), json!(description));
        }
        if place == "path" || parameter.get("required") == Some(&Value::Bool(true)) {
            required.push(argument.clone());
        }
        properties.insert(argument.clone(), schema);
        let style = get("style");
        let explode = parameter.get("explode").and_then(Value::as_bool).unwrap_or(place == "query");
        parameters.push(ParameterPlan {
            argument,
            name: name.to_owned(),
            place: place.to_owned(),
            explode,
            deep: style == "deepObject",
        });
    }
    let request = body.get("requestBody").map(|body| target(document, body));
    let content = request.and_then(|request| request.get("content")).and_then(Value::as_object);
    let best = content.and_then(|content| {
        let known = BODIES.iter().find(|kind| content.contains_key(**kind)).map(|kind| (*kind).to_owned());
        known.or_else(|| content.keys().find(|kind| kind.ends_with("+json")).cloned())
    });
    if let (Some(kind), Some(content)) = (&best, content) {
        let schema = content.get(kind).and_then(|media| media.get("schema"));
        properties.insert("body".into(), schema.map_or_else(|| json!({}), |schema| inlined(document, schema, 0)));
        if request.and_then(|request| request.get("required")) == Some(&Value::Bool(true)) {
            required.push("body".to_owned());
        }
    }
    let input = json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": false,
    });
    let (method, path) = (method.to_owned(), path.to_owned());
    Operation { id, method, path, description, parameters, body: best, input }
}

/// What a reference inside of the document refers to.
fn target<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    let mut value = value;
    for _ in 0..MAX_DEPTH {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return value };
        let Some(found) = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer)) else {
            return &Value::Null;
        };
        value = found;
    }
    &Value::Null
}

/// A schema without references, as JSON Schema 2020-12 has it.
fn inlined(document: &Value, schema: &Value, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return json!({});
    }
    match schema {
        Value::Object(_) => {
            let Value::Object(map) = target(document, schema) else { return json!({}) };
            let mut out = Map::new();
            for (key, value) in map {
                let value = match key.as_str() {
                    key if DROPPED.contains(&key) => continue,
                    // Names of properties are no words of the language.
                    "properties" | "patternProperties" | "$defs" => {
                        let entries = value.as_object().into_iter().flatten();
                        entries.map(|(name, value)| (name.clone(), inlined(document, value, depth + 1))).collect()
                    }
                    "enum" | "const" | "default" | "required" => value.clone(),
                    _ => inlined(document, value, depth + 1),
                };
                out.insert(key.clone(), value);
            }
            of_30(map, &mut out);
            Value::Object(out)
        }
        Value::Array(items) => items.iter().map(|item| inlined(document, item, depth + 1)).collect(),
        other => other.clone(),
    }
}

/// What OpenAPI 3.0 says in another way.
fn of_30(map: &Map<String, Value>, out: &mut Map<String, Value>) {
    if map.get("nullable") == Some(&Value::Bool(true))
        && let Some(Value::String(kind)) = map.get("type")
    {
        out.insert("type".into(), json!([kind, "null"]));
        if let Some(Value::Array(values)) = out.get_mut("enum") {
            values.push(Value::Null);
        }
    }
    for (exclusive, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        if let Some(Value::Bool(is)) = map.get(exclusive) {
            out.remove(exclusive);
            if let (true, Some(value)) = (*is, out.remove(bound)) {
                out.insert(exclusive.to_owned(), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        json!({
            "openapi": "3.0.3",
            "servers": [{ "url": "https://{region}.example.org/v2", "variables": { "region": { "default": "eu" } } }],
            "paths": {
                "/pets/{id}": {
                    "parameters": [{ "$ref": "#/components/parameters/Id" }],
                    "get": { "operationId": "getPet", "summary": "One pet" },
                    "put": {
                        "requestBody": {
                            "required": true,
                            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Pet" } } },
                        },
                    },
                },
            },
            "components": {
                "parameters": { "Id": { "name": "id", "in": "path", "required": true, "schema": { "type": "integer" } } },
                "schemas": {
                    "Pet": {
                        "type": "object",
                        "properties": {
                            "name": { "type": "string", "nullable": true, "example": "Rex" },
                            "age": { "type": "integer", "minimum": 0, "exclusiveMinimum": true },
                            "friend": { "$ref": "#/components/schemas/Pet" },
                        },
                    },
                },
            },
        })
    }

    #[test]
    fn a_description_becomes_operations() {
        let found = operations(&document()).unwrap();
        assert_eq!(found.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(), ["getPet", "put_pets__id_"]);
        assert_eq!(found[0].input["required"], json!(["id"]));
        let pet = &found[1].input["properties"]["body"];
        assert_eq!(pet["properties"]["name"], json!({"type": ["string", "null"]}));
        assert_eq!(pet["properties"]["age"], json!({"type": "integer", "exclusiveMinimum": 0}));
        assert_eq!(pet["properties"]["friend"]["properties"]["name"]["type"], json!(["string", "null"]));
        assert_eq!(server(&document(), None).as_deref(), Some("https://eu.example.org/v2"));
        assert_eq!(
            server(&json!({"servers": [{"url": "/api"}]}), Some("http://localhost:1/openapi.json")).as_deref(),
            Some("http://localhost:1/api")
        );
        assert!(operations(&json!({"swagger": "2.0"})).is_err());
    }
}
