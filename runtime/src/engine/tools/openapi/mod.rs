//! Services that are described by OpenAPI: each operation is a tool, a call of it is a request.

mod description;

use std::time::Duration;

use aikit_core::{ErrorKind, RunError};
use aikit_spec::{
    agent::HttpMethod,
    plan::{OpenapiPlan, OperationPlan, ParameterPlan, ToolKind, ToolPlan},
};
use serde_json::{Value, json};

use self::description::Operation;
use super::{
    super::Execution,
    encode::{component, plain},
    grants,
    http::{Outgoing, content, settable},
    sources::{Found, model_name},
};

/// How long a description may be.
const MAX_DESCRIPTION: u64 = 4 << 20;

impl Execution {
    /// The operations of a service as tools.
    pub(super) async fn service_tools(&self, tool: &ToolPlan) -> Result<Found, RunError> {
        self.once(&tool.name, self.list_operations(tool)).await
    }

    async fn list_operations(&self, tool: &ToolPlan) -> Result<Vec<ToolPlan>, RunError> {
        let ToolKind::Openapi(plan) = &tool.kind else { return Ok(Vec::new()) };
        let remote = plan.spec.starts_with("http://") || plan.spec.starts_with("https://");
        // Permitted before the request is recorded.
        let outgoing = if remote { Some(self.fetch(&plan.spec, None, tool.timeout)?) } else { None };
        let work = async {
            let document = match outgoing {
                Some(outgoing) => parsed(&plan.spec, self.send(outgoing).await?["body"].take())?,
                None => {
                    let path = grants::normal(&plan.spec)?;
                    let bytes = self.engine.ports.files.read(&path, MAX_DESCRIPTION).await?;
                    parsed(&plan.spec, Value::String(String::from_utf8_lossy(&bytes).into_owned()))?
                }
            };
            let operations = description::operations(&document).map_err(|why| unusable(&plan.spec, &why))?;
            let base = match &plan.base_url {
                Some(base) => base.clone(),
                None => description::server(&document, remote.then_some(plan.spec.as_str())).ok_or_else(|| {
                    unusable(&plan.spec, "it does not say where the service is").with_help("set `base_url` of the tool")
                })?,
            };
            Ok(json!({ "base_url": base.trim_end_matches('/'), "operations": operations }))
        };
        let said = self.describe(&tool.name, json!({ "description": plan.spec }), work).await?;
        let base = said["base_url"].as_str().unwrap_or_default().to_owned();
        let operations: Vec<Operation> = serde_json::from_value(said["operations"].clone()).map_err(|error| {
            RunError::new(ErrorKind::Internal, format!("the recorded operations cannot be read: {error}"))
        })?;
        if let Some(missing) = plan.operations.iter().find(|id| operations.iter().all(|o| o.id != **id)) {
            let known: Vec<&str> = operations.iter().take(40).map(|operation| operation.id.as_str()).collect();
            return Err(unusable(&plan.spec, &format!("it has no operation `{missing}`"))
                .with_help(format!("its operations are: {}", known.join(", "))));
        }
        let wanted = |operation: &Operation| plan.operations.is_empty() || plan.operations.contains(&operation.id);
        Ok(operations.into_iter().filter(wanted).map(|o| as_tool(tool, plan, &base, o)).collect())
    }

    /// The request that calls an operation.
    pub(super) fn operation(
        &self,
        operation: &OperationPlan,
        args: &Value,
        timeout: Duration,
    ) -> Result<Outgoing, RunError> {
        let mut path = operation.path.clone();
        let (mut query, mut headers) = (Vec::new(), Vec::new());
        for parameter in &operation.parameters {
            let Some(value) = args.get(&parameter.argument).filter(|value| !value.is_null()) else { continue };
            match parameter.place.as_str() {
                "path" => {
                    let text = component(&joined(value));
                    if matches!(text.as_str(), "" | "." | "..") {
                        let message = format!("`{}` cannot be `{text}` in the path", parameter.argument);
                        return Err(RunError::new(ErrorKind::ValidationInput, message));
                    }
                    path = path.replace(&format!("{{{}}}", parameter.name), &text);
                }
                "query" => query.extend(pairs(parameter, value)),
                _ => {
                    settable(&parameter.name)?;
                    headers.push((parameter.name.clone(), joined(value)));
                }
            }
        }
        let mut address = format!("{}{path}", operation.base_url);
        if !query.is_empty() {
            address.push(if address.contains('?') { '&' } else { '?' });
            address.push_str(&query.join("&"));
        }
        let (url, _) = grants::address(&self.plan.permits, &address)?;
        let body = match (&operation.body, args.get("body").filter(|body| !body.is_null())) {
            (Some(kind), Some(body)) => {
                headers.push(("content-type".into(), kind.clone()));
                Some(encoded(kind, body, &mut headers))
            }
            _ => None,
        };
        headers.push(("accept".into(), "application/json, */*;q=0.5".into()));
        Ok(Outgoing {
            method: operation.method.as_str(),
            url,
            headers,
            body,
            secret: operation.secret.clone(),
            allow: Vec::new(),
            fixed: None,
            timeout,
        })
    }
}

fn as_tool(tool: &ToolPlan, plan: &OpenapiPlan, base: &str, operation: Operation) -> ToolPlan {
    let method = operation.method();
    ToolPlan {
        name: model_name(&format!("{}__{}", tool.name, operation.id)),
        rule_name: tool.rule_name.clone(),
        description: operation.description,
        input: operation.input,
        output: None,
        repeatable: tool.repeatable || method.is_safe(),
        kind: ToolKind::Operation(Box::new(OperationPlan {
            method,
            base_url: base.to_owned(),
            path: operation.path,
            parameters: operation.parameters,
            body: operation.body,
            secret: plan.secret.clone(),
        })),
        ..tool.clone()
    }
}

/// A description that was read: JSON or YAML.
fn parsed(name: &str, said: Value) -> Result<Value, RunError> {
    match said {
        Value::String(text) => aikit_spec::parse_value(&text).map_err(|findings| {
            let why = findings.first().map(|finding| finding.message.clone()).unwrap_or_default();
            unusable(name, &format!("it is neither JSON nor YAML: {why}"))
        }),
        value => Ok(value),
    }
}

fn unusable(name: &str, why: &str) -> RunError {
    RunError::new(ErrorKind::ToolFailed, format!("the description `{}` cannot be used: {why}", grants::brief(name)))
}

/// A value in style `simple`: items with commas between.
fn joined(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        Value::Object(entries) => {
            entries.iter().map(|(key, value)| format!("{key},{}", plain(value))).collect::<Vec<_>>().join(",")
        }
        value => plain(value),
    }
}

/// A value in style `form` or `deepObject`.
fn pairs(parameter: &ParameterPlan, value: &Value) -> Vec<String> {
    let pair = |key: &str, text: &str| format!("{}={}", component(key), component(text));
    let name = parameter.name.as_str();
    match value {
        Value::Array(items) if parameter.explode => items.iter().map(|item| pair(name, &plain(item))).collect(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| component(&plain(item))).collect();
            vec![format!("{}={}", component(name), items.join(","))]
        }
        Value::Object(entries) if parameter.deep => {
            entries.iter().map(|(key, value)| pair(&format!("{name}[{key}]"), &plain(value))).collect()
        }
        Value::Object(entries) if parameter.explode => {
            entries.iter().map(|(key, value)| pair(key, &plain(value))).collect()
        }
        value => vec![pair(name, &joined(value))],
    }
}

/// A body in its media type.
fn encoded(kind: &str, body: &Value, headers: &mut Vec<(String, String)>) -> Vec<u8> {
    match (kind, body) {
        ("application/x-www-form-urlencoded", Value::Object(fields)) => {
            let pairs = fields.iter().map(|(name, value)| format!("{}={}", component(name), component(&plain(value))));
            pairs.collect::<Vec<_>>().join("&").into_bytes()
        }
        (kind, Value::String(text)) if kind.ends_with("json") => json!(text).to_string().into_bytes(),
        (_, body) => content(body.clone(), headers),
    }
}

/// The method of that name.
fn method_of(name: &str) -> Option<HttpMethod> {
    Some(match name {
        "get" => HttpMethod::Get,
        "head" => HttpMethod::Head,
        "post" => HttpMethod::Post,
        "put" => HttpMethod::Put,
        "patch" => HttpMethod::Patch,
        "delete" => HttpMethod::Delete,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_written_as_the_standard_says() {
        let parameter = |explode, deep| ParameterPlan {
            argument: "p".into(),
            name: "p".into(),
            place: "query".into(),
            explode,
            deep,
        };
        let (list, object) = (json!(["a b", 2]), json!({"x": 1, "y": "é"}));
        for (explode, deep, value, expected) in [
            (true, false, &list, vec!["p=a%20b", "p=2"]),
            (false, false, &list, vec!["p=a%20b,2"]),
            (true, false, &object, vec!["x=1", "y=%C3%A9"]),
            (false, false, &object, vec!["p=x%2C1%2Cy%2C%C3%A9"]),
            (true, true, &object, vec!["p%5Bx%5D=1", "p%5By%5D=%C3%A9"]),
            (true, false, &json!(true), vec!["p=true"]),
        ] {
            assert_eq!(pairs(&parameter(explode, deep), value), expected);
        }
        assert_eq!(joined(&list), "a b,2");
    }
}
