//! What an observer sees of a run while it happens. The journal is the truth; this is for eyes.

use std::{sync::Arc, time::Duration};

use aikit_core::{RunError, RunId, record::RunStatus};

use crate::{
    journal::{EffectKind, StepStatus},
    people::Question,
};

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEvent {
    /// It began.
    Started {
        /// The run.
        run: RunId,
        /// The agent's id.
        agent: String,
        /// Its version.
        version: String,
    },
    /// A step began.
    StepStarted {
        /// Its address.
        address: String,
        /// Its kind key.
        kind: &'static str,
    },
    /// A model wrote more text.
    Token {
        /// The step that asked.
        address: String,
        /// The text.
        text: String,
    },
    /// An effect left the process.
    EffectStarted {
        /// The step that asked.
        address: String,
        /// What it touches.
        kind: EffectKind,
        /// The model or the tool.
        label: String,
    },
    /// An effect came back.
    EffectEnded {
        /// The step that asked.
        address: String,
        /// What it touched.
        kind: EffectKind,
        /// The model or the tool.
        label: String,
        /// Why it failed, if it did.
        error: Option<RunError>,
    },
    /// A step failed and is tried again.
    StepRetried {
        /// Its address.
        address: String,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// How long it waits before the next.
        pause: Duration,
    },
    /// A step ended.
    StepEnded {
        /// Its address.
        address: String,
        /// How.
        status: StepStatus,
    },
    /// The run waits for people who are not here; it goes on when it is resumed with their answers.
    PutAside {
        /// What they are asked.
        waiting: Vec<Question>,
    },
    /// The run ended.
    Ended {
        /// How.
        status: RunStatus,
    },
}

/// Receives the events of a run, in order, on the thread that runs it. Must not block.
pub type Observer = Arc<dyn Fn(&RunEvent) + Send + Sync>;
