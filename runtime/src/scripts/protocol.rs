//! What host and worker say to each other: frames of a length (four bytes, little endian) and a JSON text.

use std::io::{self, Read};

use aikit_core::{Language, RunError};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    cell::CellEvent,
    debug::script::ScriptWatch,
    ports::{Completeness, Inspection, ScriptCompletion, ScriptJob, ScriptOutcome, StopCause, VarChange},
};

/// Raised with every change of the messages; both sides are the same binary, a mismatch means a replaced file.
pub const VERSION: u32 = 3;

/// The largest frame. A value beyond it cannot cross.
pub const MAX_FRAME: usize = 256 << 20;

/// From the host to the worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "to", rename_all = "snake_case")]
pub enum ToWorker {
    /// Run a script, after these changes of the shared values.
    Run {
        /// Number of the job.
        id: u64,
        /// The script.
        job: Box<ScriptJob>,
        /// What changed on the host's side.
        vars: Vec<VarChange>,
        /// What a debugger wants of it, if there is one.
        watch: Option<ScriptWatch>,
    },
    /// A debugger wants something else of a script.
    Watch {
        /// The job.
        id: u64,
        /// What.
        watch: ScriptWatch,
    },
    /// Stop a script softly.
    Stop {
        /// The job.
        id: u64,
        /// Why.
        cause: StopCause,
    },
    /// The answer to a host call.
    Answer {
        /// The job.
        id: u64,
        /// The call.
        call: u64,
        /// The answer.
        result: Result<Value, RunError>,
    },
    /// Ask the live globals.
    Ask {
        /// Number of the question.
        id: u64,
        /// The language.
        language: Language,
        /// The code around the cursor.
        code: String,
        /// What is asked.
        question: Question,
    },
}

/// A question to the live globals.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Question {
    /// Candidates at a byte offset.
    Complete {
        /// The offset.
        cursor: usize,
    },
    /// What stands at a byte offset.
    Inspect {
        /// The offset.
        cursor: usize,
    },
    /// Whether the code is complete.
    IsComplete,
}

/// From the worker to the host.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum FromWorker {
    /// First of all: the version and what hardening holds.
    Hello {
        /// [`VERSION`].
        version: u32,
        /// What the operating system encloses the worker with, for `doctor`.
        walls: Vec<String>,
    },
    /// A script calls the host.
    Call {
        /// The job.
        id: u64,
        /// The call.
        call: u64,
        /// The member of the surface.
        method: String,
        /// Its arguments.
        args: Vec<Value>,
    },
    /// Outputs of a script, in order.
    Emit {
        /// The job.
        id: u64,
        /// The outputs.
        events: Vec<CellEvent>,
    },
    /// Shared values changed.
    Vars {
        /// The changes.
        changes: Vec<VarChange>,
    },
    /// A script ended.
    Outcome {
        /// The job.
        id: u64,
        /// How.
        outcome: ScriptOutcome,
    },
    /// The answer to a question.
    Told {
        /// The question.
        id: u64,
        /// The answer.
        answer: Told,
    },
}

/// The answer to a [`Question`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "snake_case")]
pub enum Told {
    /// Candidates.
    Completions {
        /// The list.
        list: Vec<ScriptCompletion>,
    },
    /// What stands there.
    Inspection {
        /// What, if anything.
        found: Option<Inspection>,
    },
    /// Whether the code is complete.
    Completeness {
        /// How complete.
        state: Completeness,
    },
}

/// A frame, ready to be written.
pub fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message).map_err(io::Error::other)?;
    let length = frame.len() - 4;
    if length > MAX_FRAME {
        return Err(io::Error::other(format!("a message of {length} bytes is too large")));
    }
    frame[..4].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(frame)
}

/// Reads a frame; `None` at the end of the stream.
pub fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    if let Err(e) = from.read_exact(&mut length) {
        return if e.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(e) };
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_FRAME {
        return Err(io::Error::other("a frame is too large"));
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    serde_json::from_slice(&body).map(Some).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_read_back_and_end_cleanly() {
        let pipe = encode(&FromWorker::Hello { version: VERSION, walls: vec!["landlock".into()] }).unwrap();
        let mut from = pipe.as_slice();
        assert!(matches!(read::<FromWorker>(&mut from).unwrap(), Some(FromWorker::Hello { version: VERSION, .. })));
        assert!(read::<FromWorker>(&mut from).unwrap().is_none());
        assert!(read::<FromWorker>(&mut &[255, 255, 255, 255, 0][..]).is_err());
        assert!(read::<FromWorker>(&mut &[2, 0, 0, 0, b'{'][..]).is_err());
    }
}
