use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::builtin::{Builtin, Failure};

/// `url_parts`: what an address consists of.
pub(crate) struct UrlParts;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The address.
    url: String,
    /// The address to which it is relative.
    #[serde(default)]
    base: Option<String>,
}

impl Builtin for UrlParts {
    const NAME: &'static str = "url_parts";
    const DESCRIPTION: &'static str =
        "Takes an address apart into scheme, host, port, path, query and fragment; one that is relative is completed.";
    type Args = Args;

    fn call(args: Args) -> Result<Value, Failure> {
        let wrong = |text: &str| {
            let text = text.to_owned();
            move |error| Failure::from(format!("`{text}` is no address: {error}"))
        };
        let url = match &args.base {
            Some(base) => Url::parse(base).map_err(wrong(base))?.join(&args.url).map_err(wrong(&args.url))?,
            None => Url::parse(&args.url).map_err(wrong(&args.url))?,
        };
        let mut query = Map::new();
        for (name, value) in url.query_pairs() {
            match query.get_mut(name.as_ref()) {
                None => drop(query.insert(name.into_owned(), json!(value))),
                Some(Value::Array(values)) => values.push(json!(value)),
                Some(first) => *first = json!([first, value]),
            }
        }
        Ok(json!({
            "url": url.as_str(),
            "scheme": url.scheme(),
            "host": url.host_str(),
            "port": url.port_or_known_default(),
            "path": url.path(),
            "query": query,
            "fragment": url.fragment(),
        }))
    }
}
