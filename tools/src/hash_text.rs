use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256, Sha512};

use crate::builtin::{Builtin, Failure};

/// `hash_text`: a fingerprint.
pub(crate) struct HashText;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The text; its UTF-8 bytes are hashed.
    text: String,
    /// Which hash.
    #[serde(default)]
    algorithm: Algorithm,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Algorithm {
    #[default]
    Sha256,
    Sha512,
}

impl Builtin for HashText {
    const NAME: &'static str = "hash_text";
    const DESCRIPTION: &'static str = "The SHA-256 or SHA-512 hash of a text, as lower-case hexadecimal digits.";
    type Args = Args;

    fn call(args: Args) -> Result<Value, Failure> {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Ok(Value::from(match args.algorithm {
            Algorithm::Sha256 => hex(&Sha256::digest(&args.text)),
            Algorithm::Sha512 => hex(&Sha512::digest(&args.text)),
        }))
    }
}
