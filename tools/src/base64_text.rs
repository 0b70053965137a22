use base64::{Engine as _, prelude::BASE64_STANDARD};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::builtin::{Builtin, Failure};

/// `base64_text`: a text to Base64 and back.
pub(crate) struct Base64Text;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The text, or what is to be decoded.
    text: String,
    /// Whether it is decoded.
    #[serde(default)]
    decode: bool,
}

impl Builtin for Base64Text {
    const NAME: &'static str = "base64_text";
    const DESCRIPTION: &'static str = "Encodes a text as Base64, or decodes one.";
    type Args = Args;

    fn call(args: Args) -> Result<Value, Failure> {
        if !args.decode {
            return Ok(json!(BASE64_STANDARD.encode(args.text)));
        }
        let squeezed: String = args.text.chars().filter(|c| !c.is_whitespace()).collect();
        let bytes = BASE64_STANDARD.decode(squeezed).map_err(|_| Failure::from("the text is not Base64"))?;
        String::from_utf8(bytes).map(Value::String).map_err(|_| Failure::from("what is decoded is not UTF-8 text"))
    }
}
