//! The small words of the language: names, versions, durations, texts with a meaning. Each is a Rust type, a JSON Schema
//! and a rule in plain words; the schema's pattern and the rule's function are held together by a test.

use std::{borrow::Cow, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A rule for a text: what foreign editors check by its pattern, aikit checks by its function.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// Its name in `x-aikit-format`.
    pub name: &'static str,
    /// Its regular expression, in the subset that every engine reads alike.
    pub pattern: &'static str,
    /// The rule in words, completing "must be …".
    pub rule: &'static str,
    /// Whether a text follows it.
    pub accepts: fn(&str) -> bool,
}

macro_rules! formats {
    ($($(#[$doc:meta])* $type:ident = $name:literal, $pattern:literal, $accepts:expr, $rule:literal;)*) => {
        /// Every format of the language.
        pub const FORMATS: &[Format] = &[$(
            Format { name: $name, pattern: $pattern, rule: $rule, accepts: $accepts },
        )*];

        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
            #[serde(transparent)]
            pub struct $type(pub String);

            impl JsonSchema for $type {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($type).into()
                }

                fn inline_schema() -> bool {
                    true
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({"type": "string", "pattern": $pattern, "x-aikit-format": $name})
                }
            }
        )*
    };
}

formats! {
    /// A name inside the document: a model, a tool, a step, a prompt, a secret.
    Name = "name", "^[a-z][a-z0-9_-]{0,62}$", is_name,
        "a name: a lower-case letter, then lower-case letters, digits, `_` and `-`, at most 63 in all";
    /// A name that is known outside the document: an agent, a tenant.
    Slug = "slug", "^[a-z0-9][a-z0-9-]{0,62}$", is_slug,
        "a slug: lower-case letters, digits and hyphens, beginning with a letter or digit, at most 63 in all";
    /// A semantic version.
    VersionText = "semver",
        "^(0|[1-9][0-9]{0,17})\\.(0|[1-9][0-9]{0,17})\\.(0|[1-9][0-9]{0,17})(-((0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(\\.(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*))?(\\+([0-9a-zA-Z-]+(\\.[0-9a-zA-Z-]+)*))?$",
        is_version, "a semantic version such as `1.0.0`";
    /// A length of time: `250ms`, `30s`, `5m`, `2h`, `30d`.
    DurationText = "duration", "^[0-9]{1,9}(ms|s|m|h|d)$", is_duration, "a duration such as `250ms`, `30s`, `5m`, `2h` or `30d`";
    /// A name of the document, or `alias.name` for one of an import.
    Reference = "reference", "^([a-z][a-z0-9_-]{0,62}[.])?[a-z][a-z0-9_-]{0,62}$", is_reference,
        "a name, or `alias.name` for one that is imported";
    /// A declared model, or `provider/model`.
    ModelRef = "model", "^([a-z][a-z0-9_-]{0,62}[.])?[a-z][a-z0-9_-]{0,62}(/[!-~]{1,200})?$", is_model_ref,
        "the name of a declared model, or `provider/model`";
    /// A place in the state: `state.topic` or just `topic`.
    StatePath = "state-path", "^[A-Za-z_][A-Za-z0-9_]{0,62}(\\.[A-Za-z_][A-Za-z0-9_]{0,62}){0,7}$", is_state_path,
        "a place in the state such as `state.topic`";
    /// A tool name in which `*` stands for anything.
    ToolGlob = "tool-glob", "^[a-z*][a-z0-9_*-]{0,62}(/[A-Za-z0-9_.*-]{1,128})?$", is_tool_glob,
        "a tool name such as `search` or `github/create_issue`, in which `*` stands for anything";
    /// A tool of an MCP server, in which `*` stands for anything.
    McpGlob = "mcp-tool", "^[a-z*][a-z0-9_*-]{0,62}/[A-Za-z0-9_.*-]{1,128}$", is_mcp_glob,
        "a tool of an MCP server, as `server/tool`";
    /// A size: `512B`, `64KB`, `512MB`, `2GB`.
    SizeText = "size", "^[0-9]{1,9}(B|KB|MB|GB|TB)$", is_size, "a size such as `64KB`, `512MB` or `2GB`";
    /// A host, in which `*` stands for anything.
    HostGlob = "host", "^[a-z0-9*.-]{1,253}(:[0-9]{1,5})?$", is_host,
        "a host in lower case such as `api.example.org`, `*.example.org` or `localhost:8080`";
    /// An environment variable.
    EnvName = "env-name", "^[A-Za-z_][A-Za-z0-9_]{0,127}$", is_env_name, "the name of an environment variable";
    /// An event of an application.
    EventName = "event-name", "^[A-Za-z][A-Za-z0-9_.-]{0,127}$", is_event_name,
        "the name of an event such as `ticket.created`";
    /// A time of the clock: minute, hour, day of the month, month, day of the week.
    CronText = "cron", "^[0-9A-Za-z*,/-]{1,64}( [0-9A-Za-z*,/-]{1,64}){4}$", is_cron,
        "minute, hour, day, month and weekday, as in `0 9 * * 1-5`";
    /// A SHA-256 in hex.
    Sha256Text = "sha256", "^[0-9a-f]{64}$", is_sha256, "a SHA-256 of 64 lower-case hex digits";
    /// The code of an error that a document raises.
    ErrorName = "error-code", "^[a-z][a-z_]{0,62}([.][a-z_]{1,63})?$", is_error_name,
        "the code of an error such as `validation.input` or one of `interface.errors`";
    /// The code of an error, in which `*` stands for anything.
    ErrorGlob = "error-glob", "^[a-z_*]+([.][a-z_*]+)?$", is_error_glob,
        "the code of an error such as `provider.timeout` or `provider.*`";
    /// An agent of the tenant: `name`, or `name@version`.
    AgentRef = "agent-ref", "^[a-z0-9][a-z0-9-]{0,62}(@[0-9A-Za-z.+-]{1,64})?$", is_agent_ref,
        "the name of an agent such as `support`, or `support@1.2.0`";
    /// An address of an HTTP endpoint.
    HttpUrl = "http-url", "^(https?://[!-~]+|[$][{][A-Za-z_][A-Za-z0-9_]{0,127}(:-[!-|~]*)?[}])$", is_http_url,
        "an address that begins with `http://` or `https://`, or `${NAME:-default}` for one in the environment";
}

/// The format of that name.
pub fn format(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

/// One character of `first`, then up to 62 of `rest`.
fn is_word(text: &str, first: impl Fn(u8) -> bool, rest: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= 63 && bytes.first().is_some_and(|b| first(*b)) && bytes[1..].iter().all(|b| rest(*b))
}

fn is_name(text: &str) -> bool {
    is_word(
        text,
        |b| b.is_ascii_lowercase(),
        |b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'),
    )
}

fn is_reference(text: &str) -> bool {
    match text.split_once('.') {
        Some((alias, name)) => is_name(alias) && is_name(name),
        None => is_name(text),
    }
}

fn is_slug(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    is_word(text, alphanumeric, |b| alphanumeric(b) || b == b'-')
}

fn is_version(text: &str) -> bool {
    // 18 digits always fit the numbers of a version; longer ones may or may not.
    let core = text.split(['-', '+']).next().unwrap_or("");
    core.split('.').all(|number| number.len() <= 18) && semver::Version::parse(text).is_ok()
}

fn is_duration(text: &str) -> bool {
    parse_duration(text).is_some()
}

fn is_model_ref(text: &str) -> bool {
    match text.split_once('/') {
        None => is_reference(text),
        Some((provider, model)) => {
            is_reference(provider) && (1..=200).contains(&model.len()) && model.bytes().all(|b| b.is_ascii_graphic())
        }
    }
}

fn is_state_path(text: &str) -> bool {
    let part = |part: &str| {
        is_word(part, |b| b.is_ascii_alphabetic() || b == b'_', |b| b.is_ascii_alphanumeric() || b == b'_')
    };
    text.split('.').count() <= 8 && text.split('.').all(part)
}

fn is_tool_glob(text: &str) -> bool {
    let (name, tool) = text.split_once('/').map_or((text, None), |(name, tool)| (name, Some(tool)));
    let tool_fits = |tool: &str| {
        (1..=128).contains(&tool.len())
            && tool.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'*' | b'-'))
    };
    tool.is_none_or(tool_fits)
        && is_word(
            name,
            |b| b.is_ascii_lowercase() || b == b'*',
            |b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'*'),
        )
}

fn is_mcp_glob(text: &str) -> bool {
    text.contains('/') && is_tool_glob(text)
}

fn is_size(text: &str) -> bool {
    parse_size(text).is_some()
}

fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let host_fits = (1..=253).contains(&host.len())
        && host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'*' | b'.' | b'-'));
    host_fits && port.is_none_or(|port| (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit()))
}

fn is_env_name(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !text.starts_with(|c: char| c.is_ascii_digit())
}

fn is_event_name(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn is_cron(text: &str) -> bool {
    let field = |field: &str| {
        (1..=64).contains(&field.len())
            && field.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'*' | b',' | b'/' | b'-'))
    };
    text.split(' ').count() == 5 && text.split(' ').all(field)
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_error_name(text: &str) -> bool {
    let word = |part: &str| part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let (first, second) = text.split_once('.').map_or((text, None), |(first, second)| (first, Some(second)));
    (1..=63).contains(&first.len())
        && first.starts_with(|c: char| c.is_ascii_lowercase())
        && word(first)
        && second.is_none_or(|second| (1..=63).contains(&second.len()) && word(second))
}

fn is_error_glob(text: &str) -> bool {
    let part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'*'));
    text.split('.').count() <= 2 && text.split('.').all(part)
}

fn is_agent_ref(text: &str) -> bool {
    let version = |text: &str| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-'))
    };
    match text.split_once('@') {
        None => is_slug(text),
        Some((name, rest)) => is_slug(name) && version(rest),
    }
}

/// The name and the default of `${NAME:-default}`.
pub fn environment(text: &str) -> Option<(&str, Option<&str>)> {
    let inner = text.strip_prefix("${")?.strip_suffix('}')?;
    let (name, default) = inner.split_once(":-").map_or((inner, None), |(name, default)| (name, Some(default)));
    let sound = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && b != b'}');
    (is_env_name(name) && default.is_none_or(sound)).then_some((name, default))
}

fn is_http_url(text: &str) -> bool {
    if environment(text).is_some() {
        return true;
    }
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic()))
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if !(1..=9).contains(&digits) {
        return None;
    }
    let number: u64 = text[..digits].parse().ok()?;
    Some(match &text[digits..] {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number * 60),
        "h" => Duration::from_secs(number * 3600),
        "d" => Duration::from_secs(number * 86400),
        _ => return None,
    })
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if !(1..=9).contains(&digits) {
        return None;
    }
    let number: u64 = text[..digits].parse().ok()?;
    let unit = match &text[digits..] {
        "B" => 0,
        "KB" => 10,
        "MB" => 20,
        "GB" => 30,
        "TB" => 40,
        _ => return None,
    };
    number.checked_mul(1 << unit)
}

impl SizeText {
    /// The bytes that it says, a KB being 1024 of them; `None` for a text that is no size.
    pub fn bytes(&self) -> Option<u64> {
        parse_size(&self.0)
    }
}

impl DurationText {
    /// The time it says; `None` for a text that is no duration.
    pub fn duration(&self) -> Option<Duration> {
        parse_duration(&self.0)
    }
}

impl ToolGlob {
    /// Whether a tool's name fits.
    pub fn matches(&self, name: &str) -> bool {
        glob_fits(&self.0, name)
    }
}

impl ErrorGlob {
    /// Whether an error's code fits.
    pub fn matches(&self, code: &str) -> bool {
        glob_fits(&self.0, code)
    }
}

/// Whether a text fits a pattern in which `*` stands for anything.
pub fn glob_fits(glob: &str, name: &str) -> bool {
    let mut parts = glob.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or("")) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(part) = last.replace(part) {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
    }
    last.map_or(rest.is_empty(), |part| rest.ends_with(part))
}

macro_rules! texts {
    ($($(#[$doc:meta])* $type:ident = $language:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub String);

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "x-aikit-language": $language})
            }
        }
    )*};
}

texts! {
    /// A text with `{{ … }}`.
    TemplateText = "template";
    /// A CEL expression.
    ExprText = "cel";
    /// Lua code.
    LuaCode = "lua";
    /// JavaScript code.
    JsCode = "js";
    /// A file, relative to the document.
    FilePath = "path";
    /// A word of the language, or a CEL expression.
    ConditionText = "condition";
    /// A preset, as `name` or `name@version`, or a file, relative to the document.
    ExtendsText = "extends";
}

/// A JSON Schema, draft 2020-12, of an object or of any other value.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JsonSchemaObject(pub Map<String, Value>);

impl JsonSchema for JsonSchemaObject {
    fn schema_name() -> Cow<'static, str> {
        "JsonSchema".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "x-aikit-language": "json-schema"})
    }
}

/// Any JSON value; its texts may be templates.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DynamicValue(pub Value);

impl JsonSchema for DynamicValue {
    fn schema_name() -> Cow<'static, str> {
        "Dynamic".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"x-aikit-language": "dynamic"})
    }
}

/// A part of an agent document, or changes to one: RFC 7386 with lists of named things merged by name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AgentPatch(pub Map<String, Value>);

impl JsonSchema for AgentPatch {
    fn schema_name() -> Cow<'static, str> {
        "AgentPatch".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "x-aikit-language": "patch"})
    }
}

/// An object whose texts may be templates.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DynamicObject(pub Map<String, Value>);

impl JsonSchema for DynamicObject {
    fn schema_name() -> Cow<'static, str> {
        "DynamicObject".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "x-aikit-language": "dynamic"})
    }
}

macro_rules! references {
    ($($(#[$doc:meta])* $type:ident = $namespace:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub Name);

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let mut schema = Reference::json_schema(generator);
                schema.insert("x-aikit-ref".into(), $namespace.into());
                schema
            }
        }
    )*};
}

references! {
    /// The name of a tool that comes with aikit.
    BuiltinRef = "builtin";
    /// The name of a declared tool.
    ToolRef = "tool";
    /// The name of a step.
    StepRef = "step";
    /// The name of a prompt template.
    PromptName = "prompt";
    /// The name of a credential.
    SecretRef = "secret";
    /// The name of a model provider.
    ProviderRef = "provider";
    /// The name of a knowledge base.
    KnowledgeRef = "knowledge_base";
    /// The name of a server of the Model Context Protocol.
    McpServerRef = "mcp_server";
    /// The name of steps that are run by name.
    SubflowRef = "subflow";
    /// The name of a state of a state machine.
    StateName = "state";
}

impl ToolRef {
    /// The name by which models and steps call the tool.
    pub fn call_name(&self) -> String {
        call_name(&self.0.0)
    }
}

/// The name by which models and steps call a tool: providers allow no dot, which an imported one has.
pub fn call_name(tool: &str) -> String {
    tool.replace('.', "__")
}

/// Declares an enum whose variants are told apart by the JSON type of the value, with the schema that says so.
macro_rules! by_json_type {
    ($(#[doc = $doc:literal])* pub enum $name:ident { $($(#[$variant_doc:meta])* $test:ident => $variant:ident($type:ty),)* }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum $name { $($(#[$variant_doc])* $variant($type),)* }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = serde_json::Value::deserialize(deserializer)?;
                $(if value.$test() {
                    return serde_json::from_value(value).map(Self::$variant).map_err(serde::de::Error::custom);
                })*
                Err(serde::de::Error::custom(concat!("the value has no type of ", stringify!($name))))
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "description": concat!($($doc),*).trim(),
                    "anyOf": [$(generator.subschema_for::<$type>()),*],
                })
            }
        }
    };
}
pub(crate) use by_json_type;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        let read = |text: &str| DurationText(text.into()).duration();
        assert_eq!(read("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(read("30d"), Some(Duration::from_secs(30 * 86400)));
        for bad in ["", "s", "10", "1.5s", "10 s", "-1s", "1234567890s", "1S", "٣s"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn globs_match_names() {
        for (glob, name, fits) in [
            ("search", "search", true),
            ("search", "search2", false),
            ("*", "anything", true),
            ("web_*", "web_get", true),
            ("web_*", "get_web", false),
            ("*_get", "web_get", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(ToolGlob(glob.into()).matches(name), fits, "{glob} {name}");
        }
    }

    #[test]
    fn pattern_and_function_of_a_format_agree() {
        let parts = [
            "a",
            "A",
            "0",
            "01",
            "-",
            "_",
            ".",
            "/",
            "*",
            "+",
            " ",
            "é",
            "\n",
            "http://",
            "https://",
            "1.2.3",
            "-rc.1",
            "ms",
            "s",
            "d",
            "state",
            &"a".repeat(62),
            "99999999999999999999",
        ];
        for format in FORMATS {
            let schema = serde_json::json!({"type": "string", "pattern": format.pattern});
            let validator = jsonschema::validator_for(&schema).unwrap();
            let check = |text: &str| {
                let by_pattern = validator.is_valid(&Value::String(text.into()));
                assert_eq!(by_pattern, (format.accepts)(text), "{}: {text:?}", format.name);
            };
            check("");
            for a in parts {
                check(a);
                for b in parts {
                    check(&format!("{a}{b}"));
                    parts.iter().for_each(|c| check(&format!("{a}{b}{c}")));
                }
            }
        }
    }
}
