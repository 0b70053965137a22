//! `aikit fixture`: a run that has been becomes a test, with its answers in a cassette beside it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use aikit_core::record::{RunRecord, RunStatus};
use aikit_runtime::{engine::Engine, journal::Record};
use serde_json::{Value, json};

use super::{Outcome, run, runs, tape};
use crate::{argv::Format, context::Context, exit::Exit, failure::Failure, render, source};

/// Arguments of `aikit fixture`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run, or `last`
    pub run: String,
    /// The file of the suite; its cassette is written beside it
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The document that ran, where it is not stored
    #[arg(long, value_name = "FILE")]
    pub agent: Option<PathBuf>,
}

/// Writes both files.
pub async fn run(context: &Context, args: Args) -> Result<Outcome, Failure> {
    let engine = runs::open(context, None).await?;
    let id = runs::find(&engine, &args.run).await?;
    let (record, rows) = engine.recorded(id).await?;
    if matches!(record.status, RunStatus::Running | RunStatus::Cancelled) {
        let message = format!("run {id} did not come to an end of its own: it is {}", record.status.as_str());
        return Err(
            Failure::new(Exit::Refused, message).with_help("a fixture is made of a run that succeeded or failed")
        );
    }
    let text = id.to_string();
    let short = &text[text.len().saturating_sub(8)..];
    let suite = args.out.unwrap_or_else(|| PathBuf::from(format!("{}-{short}.suite.yaml", record.agent)));
    let name = suite.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml")).unwrap_or(&name);
    let cassette = suite.with_file_name(format!("{}.cassette.json", stem.strip_suffix(".suite").unwrap_or(stem)));
    let folder = suite.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .map_err(|error| Failure::new(Exit::Refused, format!("{} cannot be made: {error}", folder.display())))?;
    if let Some(path) = [&suite, &cassette].into_iter().find(|path| path.exists()) {
        return Err(Failure::new(Exit::Refused, format!("{} exists already", path.display()))
            .with_help("choose another name with --out, or remove the file"));
    }
    let agent = agent(context, &engine, &record, args.agent.as_deref(), folder).await?;
    let records: Vec<Record> = rows.iter().filter_map(Record::read).collect();
    let file = cassette.file_name().unwrap_or_default().to_string_lossy();
    let document = json!({
        "spec_version": "aikit-v1.0.0",
        "kind": "TestSuite",
        "agent": agent,
        "cases": [{
            "name": format!("run {short}"),
            "input": record.inputs,
            "provider": "replay",
            "cassette": format!("./{file}"),
            "expect": expectation(&record, &records),
        }],
    });
    tape::write(&cassette, &engine.cassette(id).await?)?;
    let document = aikit_yaml::emit(&aikit_yaml::Node::from_json(&document));
    source::replace(&suite, document.as_bytes())
        .map_err(|error| Failure::new(Exit::Refused, format!("{} cannot be written: {error}", suite.display())))?;
    let files = [&suite, &cassette].map(|path| path.display().to_string());
    Ok(Outcome::ok(match context.format {
        Format::Json => render::pretty(&json!({ "files": files })),
        _ => format!("wrote {}\nwrote {}\ntry: aikit test {}\n", files[0], files[1], files[0]),
    }))
}

/// What came of the run, as a case expects it.
fn expectation(record: &RunRecord, records: &[Record]) -> Value {
    let mut expect = match &record.error {
        Some(error) => json!({ "error": error.code() }),
        None => json!({ "output": record.output }),
    };
    let steps: Vec<&str> = records
        .iter()
        .filter_map(|record| match record {
            Record::StepStarted { address } if !address.contains(['/', '[']) => Some(address.as_str()),
            _ => None,
        })
        .collect();
    if !steps.is_empty() && steps != ["chat"] {
        expect["steps"] = json!(steps);
    }
    expect
}

/// The agent as the suite names it: the file that ran, or the stored document.
async fn agent(
    context: &Context,
    engine: &Engine,
    record: &RunRecord,
    file: Option<&Path>,
    folder: &Path,
) -> Result<String, Failure> {
    let another = |what: String, help: String| Failure::new(Exit::Refused, what).with_help(help);
    if let Some(file) = file {
        let plan = run::file_plan(context, engine, &file.to_string_lossy(), None).await?;
        if plan.digest != record.spec_digest {
            let what = format!("{} is not the document that ran", file.display());
            return Err(another(what, format!("run it again: `aikit run {}`", file.display())));
        }
        return Ok(relative(folder, file));
    }
    let stored = engine.ports().store.spec(&record.agent, None).await?;
    if stored.is_some_and(|spec| spec.digest == record.spec_digest) {
        return Ok(record.agent.to_string());
    }
    let what = format!("the document of this run is not what `{}` is stored as", record.agent);
    Err(another(what, "name the file that ran with --agent FILE".to_owned()))
}

/// A file as seen from a folder.
fn relative(folder: &Path, file: &Path) -> String {
    let (Ok(folder), Ok(file)) = (fs::canonicalize(folder), fs::canonicalize(file)) else {
        return file.display().to_string();
    };
    let same = folder.components().zip(file.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().count() - same;
    let down: PathBuf = file.components().skip(same).collect();
    let down = down.to_string_lossy().replace('\\', "/");
    if up == 0 { format!("./{down}") } else { format!("{}{down}", "../".repeat(up)) }
}
