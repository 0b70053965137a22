//! What the kernel says about itself.

use aikit_core::Language;
use serde_json::{Value, json};

use crate::message::PROTOCOL_VERSION;

/// The version of the kernel.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The content of a `kernel_info_reply`; `debugger` says whether cells can be debugged.
pub fn kernel_info(language: Language, debugger: bool) -> Value {
    let features: &[&str] = if debugger { &["debugger"] } else { &[] };
    json!({
        "status": "ok",
        "protocol_version": PROTOCOL_VERSION,
        "implementation": "aikit",
        "implementation_version": VERSION,
        "language_info": language_info(language),
        "banner": banner(language),
        "help_links": [
            { "text": "YAML 1.2", "url": "https://yaml.org/spec/1.2.2/" },
            { "text": "Lua 5.4", "url": "https://www.lua.org/manual/5.4/" },
            { "text": "JavaScript", "url": "https://developer.mozilla.org/docs/Web/JavaScript" },
            { "text": "Vega-Lite", "url": "https://vega.github.io/vega-lite/docs/" },
        ],
        "supported_features": features,
        "debugger": debugger,
    })
}

/// What a notebook's metadata say about the language.
pub fn language_info(language: Language) -> Value {
    let (name, version, mimetype, extension) = match language {
        Language::Yaml => ("yaml", "1.2", "text/x-yaml", ".yaml"),
        Language::Lua => ("lua", "5.4", "text/x-lua", ".lua"),
        Language::Js => ("javascript", "2025", "text/javascript", ".js"),
    };
    json!({
        "name": name,
        "version": version,
        "mimetype": mimetype,
        "file_extension": extension,
        "pygments_lexer": name,
        "codemirror_mode": name,
        "nbconvert_exporter": "script",
    })
}

/// The name of the kernelspec of a language.
pub fn kernel_name(language: Language) -> &'static str {
    match language {
        Language::Yaml => "aikit",
        Language::Lua => "aikit-lua",
        Language::Js => "aikit-js",
    }
}

fn banner(language: Language) -> String {
    let cell = match language {
        Language::Yaml => {
            "A cell is an agent document; %%lua, %%js and %%run NAME in its first line make it something else."
        }
        Language::Lua => "A cell is Lua; %%js, %%agent and %%run NAME in its first line make it something else.",
        Language::Js => "A cell is JavaScript; %%lua, %%agent and %%run NAME in its first line make it something else.",
    };
    format!("aikit {VERSION}\n{cell}\n%help lists what can be typed.")
}
