//! `aikit new`: an agent to begin with, and its tests.

use std::path::{Path, PathBuf};

use aikit_core::AgentId;
use aikit_spec::{
    compose::{self, PRESETS},
    roots::nearest,
    short,
};
use serde_json::json;

use super::Outcome;
use crate::{argv::Format, context::Context, exit::Exit, failure::Failure, render, source};

/// Arguments of `aikit new`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent's id; without one, list the presets
    #[arg(value_name = "AGENT")]
    pub agent: Option<String>,
    /// What to begin with
    #[arg(long, value_name = "PRESET", default_value = "chat")]
    pub preset: String,
    /// Where to put the files
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub folder: PathBuf,
    /// Refer to the preset by `extends` instead of copying it
    #[arg(long)]
    pub extends: bool,
}

/// Writes `AGENT.agent.yaml` and `AGENT.suite.yaml`; nothing that exists is touched.
pub fn run(context: &Context, args: &Args) -> Result<Outcome, Failure> {
    context.without_reports("new")?;
    let Some(agent) = &args.agent else { return Ok(presets(context)) };
    let id = AgentId::new(agent.clone()).map_err(|error| Failure::usage(error.to_string()))?;
    if PRESETS.iter().all(|preset| preset.name != args.preset) {
        let failure = Failure::new(Exit::NotFound, format!("there is no preset `{}`", args.preset));
        return Err(match nearest(&args.preset, PRESETS.iter().map(|preset| preset.name)) {
            Some(meant) => failure.with_help(format!("did you mean `{meant}`?")),
            None => failure.with_help("`aikit new` lists them"),
        });
    }
    let name = short::title(id.as_str());
    let head = format!("identity:\n  agent_id: {id}\n  name: {name}\n  version: 0.1.0\n");
    let short = format!("spec_version: aikit-v1.0.0\nkind: Agent\nextends: {}\n{head}", args.preset);
    let composed = compose::document(&short, &compose::Setting::default())
        .ok_or_else(|| Failure::new(Exit::Internal, format!("the preset `{}` cannot be read", args.preset)))?;
    let document = if args.extends { short } else { aikit_yaml::emit(&composed.root) };
    let file = format!("{id}.agent.yaml");
    let inputs =
        composed.root.get("interface").and_then(|interface| interface.get("inputs")).map(|node| node.to_json());
    let suite = format!(
        "spec_version: aikit-v1.0.0\nkind: TestSuite\nagent: ./{file}\ncases:\n  - name: answers\n    input: {}\n",
        example(inputs.as_ref()),
    );
    let files = [(args.folder.join(&file), document), (args.folder.join(format!("{id}.suite.yaml")), suite)];
    if let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
        return Err(Failure::new(Exit::Refused, format!("{} exists already", path.display()))
            .with_help("choose another name, or remove the file"));
    }
    std::fs::create_dir_all(&args.folder)
        .map_err(|error| Failure::new(Exit::Refused, format!("{} cannot be made: {error}", args.folder.display())))?;
    for (path, text) in &files {
        source::replace(path, text.as_bytes())
            .map_err(|error| Failure::new(Exit::Refused, format!("{} cannot be written: {error}", path.display())))?;
    }
    let shown = |path: &Path| path.display().to_string();
    Ok(Outcome::ok(match context.format {
        Format::Json => {
            render::pretty(&json!({ "files": files.iter().map(|(path, _)| shown(path)).collect::<Vec<_>>() }))
        }
        _ => {
            let lines: String = files.iter().map(|(path, _)| format!("wrote {}\n", shown(path))).collect();
            format!("{lines}try: aikit test {}\n", shown(&files[1].0))
        }
    }))
}

fn presets(context: &Context) -> Outcome {
    if context.format == Format::Json {
        let all = PRESETS
            .iter()
            .map(|preset| json!({ "name": preset.name, "version": preset.version, "description": preset.description }));
        return Outcome::ok(render::pretty(&all.collect::<Vec<_>>()));
    }
    let lines: String = PRESETS.iter().map(|preset| format!("{:<14} {}\n", preset.name, preset.description)).collect();
    Outcome::ok(format!("{lines}\naikit new AGENT --preset PRESET begins with one\n"))
}

/// Inputs that fit a schema, for a first try.
fn example(schema: Option<&serde_json::Value>) -> serde_json::Value {
    let properties = schema.and_then(|schema| schema.get("properties")).and_then(|properties| properties.as_object());
    let value = |schema: &serde_json::Value| match schema.get("type").and_then(|ty| ty.as_str()) {
        Some("array") => json!(["one", "two"]),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        Some("object") => json!({}),
        _ => json!("Hello"),
    };
    properties.into_iter().flatten().map(|(name, schema)| (name.clone(), value(schema))).collect()
}
