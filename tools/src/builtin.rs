use aikit_core::{ErrorKind, RunError};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The longest text that a tool takes, in bytes.
pub(crate) const MAX_TEXT: usize = 4 << 20;

/// One built-in tool.
pub(crate) trait Builtin {
    /// How it is called: `^[a-z][a-z0-9_-]*$`.
    const NAME: &'static str;
    /// What it is good for, for models and people.
    const DESCRIPTION: &'static str;
    /// Its arguments. Their doc comments become the descriptions in the schema.
    type Args: DeserializeOwned + JsonSchema;

    /// Does the work. Bounded in time by the size of its arguments.
    fn call(args: Self::Args) -> Result<Value, Failure>;
}

/// Why a tool failed: what is wrong, and what would help.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    help: Option<String>,
}

impl Failure {
    /// Says what would help.
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl<T: Into<String>> From<T> for Failure {
    fn from(message: T) -> Self {
        Self { message: message.into(), help: None }
    }
}

/// A built-in tool in the table.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) schema: fn() -> Value,
    pub(crate) call: fn(Value) -> Result<Value, RunError>,
}

/// The entry of a tool.
pub(crate) const fn entry<B: Builtin>() -> Entry {
    Entry { name: B::NAME, description: B::DESCRIPTION, schema: schema::<B>, call: call::<B> }
}

fn schema<B: Builtin>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<B::Args>();
    schema.remove("title");
    schema.to_value()
}

fn call<B: Builtin>(args: Value) -> Result<Value, RunError> {
    let failed = |failure: Failure| {
        let error = RunError::new(ErrorKind::ToolFailed, format!("{}: {}", B::NAME, failure.message));
        match failure.help {
            Some(help) => error.with_help(help),
            None => error,
        }
    };
    if args.as_object().into_iter().flatten().any(|(_, value)| value.as_str().is_some_and(|text| text.len() > MAX_TEXT))
    {
        return Err(failed(format!("a text of more than {MAX_TEXT} bytes is not accepted").into()));
    }
    let args =
        serde_json::from_value(args).map_err(|error| failed(format!("the arguments do not fit: {error}").into()))?;
    B::call(args).map_err(failed)
}

/// A number as JSON, without a fraction where there is none.
pub(crate) fn number(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 9e15 { Value::from(number as i64) } else { Value::from(number) }
}
