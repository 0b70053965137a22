//! The presets that come with aikit.

/// What agents can begin with.
#[derive(Debug, Clone, Copy)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What it is good for.
    pub description: &'static str,
    /// Its document.
    pub text: &'static str,
}

macro_rules! presets {
    ($($name:literal: $description:literal;)*) => {
        /// Every preset, all of them in the version of the language.
        pub const PRESETS: &[Preset] = &[$(Preset {
            name: $name,
            version: "1.0.0",
            description: $description,
            text: include_str!(concat!("../../presets/", $name, ".yaml")),
        },)*];
    };
}

presets! {
    "chat": "A conversation: the person's message, the model's answer.";
    "rag_qa": "Answers from knowledge bases and names its sources.";
    "react_tools": "A model that thinks, calls tools and looks at what they give, in turns.";
    "router": "Finds out what a message is about and answers each kind in its own way.";
    "map_reduce": "Works on every item of a list and puts the results together.";
    "reflect_loop": "Writes, judges its own work and makes it better until it is good enough.";
    "plan_execute": "Makes a plan first, then works on it step by step.";
    "approval_gate": "Prepares something and lets a person decide before it is done.";
    "extract": "Reads a text and gives what is in it in a fixed form.";
    "supervisor": "Divides work among other agents and puts their answers together.";
}

/// The preset that a text names: `name` or `name@version`.
pub(super) fn find(text: &str) -> Result<&'static Preset, String> {
    let (name, version) = text.split_once('@').map_or((text, None), |(name, version)| (name, Some(version)));
    let preset = PRESETS.iter().find(|preset| preset.name == name);
    let preset = preset.ok_or_else(|| format!("there is no preset `{name}`"))?;
    match version {
        // `1` and `1.0` mean the newest of them.
        Some(version) if version != preset.version && !preset.version.starts_with(&format!("{version}.")) => {
            Err(format!("the preset `{name}` has the version {}, not {version}", preset.version))
        }
        _ => Ok(preset),
    }
}
