//! Cassettes on the command line: files that hold the answers of models and tools.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use aikit_runtime::{
    cassette::{Cassette, Tape, TapeMode},
    engine::{Engine, RunReport},
};

use crate::{exit::Exit, failure::Failure, source};

/// Where the answers of models and tools come from, and whether they are kept.
#[derive(Debug, clap::Args)]
pub struct TapeArgs {
    /// Write the answers of models and tools into this file, for tests and replays
    #[arg(long, value_name = "FILE", conflicts_with = "cassette")]
    pub record: Option<PathBuf>,
    /// Take the answers of models and tools from this file
    #[arg(long, value_name = "FILE")]
    pub cassette: Option<PathBuf>,
    /// What is done with a request that the cassette does not hold
    #[arg(long, value_name = "MODE", value_enum, default_value_t, requires = "cassette")]
    pub cassette_mode: CassetteMode,
}

/// What is done with a request that a cassette does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum CassetteMode {
    /// The run fails, and says what differs from the nearest request
    #[default]
    Replay,
    /// It is performed, and added to the file
    Auto,
    /// Every request is performed, and the file written anew
    Record,
}

impl TapeArgs {
    /// The tape that a run is to be given.
    pub fn tape(&self) -> Result<Option<Arc<Tape>>, Failure> {
        let (Some(path), mode) = (&self.cassette, self.cassette_mode) else { return Ok(None) };
        let (mode, cassette) = match mode {
            CassetteMode::Record => return Ok(None),
            CassetteMode::Auto if !path.exists() => (TapeMode::Auto, Cassette::default()),
            CassetteMode::Auto => (TapeMode::Auto, read(path)?),
            CassetteMode::Replay => (TapeMode::Replay, read(path)?),
        };
        Ok(Some(Arc::new(Tape::new(path.display().to_string(), mode, cassette))))
    }

    /// Keeps what a run has brought. In a replay a request that was never recorded fails the command, whatever the run made
    /// of it.
    pub async fn keep(&self, engine: &Engine, report: &RunReport, tape: Option<&Tape>) -> Result<(), Failure> {
        if let Some(missed) = tape.and_then(Tape::missed) {
            return Err(missed.into());
        }
        let record = (self.cassette_mode == CassetteMode::Record).then_some(self.cassette.as_ref()).flatten();
        let (path, mut cassette) = match (record.or(self.record.as_ref()), tape) {
            (Some(path), _) => (path, Cassette::default()),
            (None, Some(tape)) if !tape.is_replay() => match &self.cassette {
                Some(path) => (path, tape.cassette().clone()),
                None => return Ok(()),
            },
            _ => return Ok(()),
        };
        cassette.add(engine.cassette(report.record.id).await?);
        write(path, &cassette)
    }
}

/// Reads a cassette.
fn read(path: &Path) -> Result<Cassette, Failure> {
    Ok(Cassette::parse(&path.display().to_string(), &text(path)?)?)
}

/// The text of a cassette.
pub fn text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| {
        let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Refused };
        Failure::new(exit, format!("the cassette {} cannot be read: {error}", path.display()))
            .with_help("`aikit run --record FILE` and `aikit fixture RUN` write one")
    })
}

/// Writes a cassette.
pub fn write(path: &Path, cassette: &Cassette) -> Result<(), Failure> {
    source::replace(path, cassette.text().as_bytes())
        .map_err(|error| Failure::new(Exit::Refused, format!("{} cannot be written: {error}", path.display())))
}
