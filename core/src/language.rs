use serde::{Deserialize, Serialize};

/// What a cell, a script step or a tool is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// An agent document.
    Yaml,
    /// Lua 5.4.
    Lua,
    /// ECMAScript.
    Js,
}

impl Language {
    /// The name that people read.
    pub fn title(self) -> &'static str {
        match self {
            Language::Yaml => "aikit specification",
            Language::Lua => "Lua",
            Language::Js => "JavaScript",
        }
    }

    /// The word that selects the language in documents, magics and on the wire.
    pub fn keyword(self) -> &'static str {
        match self {
            Language::Yaml => "yaml",
            Language::Lua => "lua",
            Language::Js => "js",
        }
    }
}
