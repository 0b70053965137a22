//! The life of a kernel: start, work, end.

use std::{path::PathBuf, sync::Arc, time::Duration};

use aikit_core::Language;
use aikit_runtime::cell::CellEngine;
use tokio::{task::JoinHandle, time::timeout};

use crate::{
    connection::{ConnectionError, ConnectionInfo},
    control,
    core::{Core, ExitReason, status},
    debug::{self, SharedDebugger},
    message::Parent,
    orphan, shell,
    sockets::Sockets,
    transport::{SharedTransport, Weight},
};

/// How a kernel is set up.
#[derive(Debug, Clone)]
pub struct KernelOptions {
    /// What a cell without a magic is written in; one kernelspec for each.
    pub language: Language,
    /// The user in the headers of messages.
    pub username: String,
    /// A folder for the kernel's private sockets. Its path must be short (under some 80 bytes), as the system's temporary
    /// folder is.
    pub run_dir: PathBuf,
    /// The process that launched the kernel (`JPY_PARENT_PID`): the kernel ends when it is orphaned. `None` watches nothing.
    pub parent: Option<u32>,
    /// The bounds of what is kept in memory.
    pub limits: Limits,
    /// What debugs cells, if anything does.
    pub debugger: Option<SharedDebugger>,
}

impl KernelOptions {
    /// The usual setting.
    pub fn new(language: Language, run_dir: impl Into<PathBuf>) -> Self {
        Self {
            language,
            username: "aikit".into(),
            run_dir: run_dir.into(),
            parent: None,
            limits: Limits::default(),
            debugger: None,
        }
    }
}

/// The bounds of what a kernel keeps in memory for its clients.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The bytes of one incoming message.
    pub message: usize,
    /// The bytes of output that wait for one client; what lies beyond is skipped with a note.
    pub output: usize,
    /// How long a client may take nothing of what waits for it before its connection is dropped.
    pub stall: Duration,
}

impl Default for Limits {
    /// 256 MiB a message, 64 MiB of waiting output, 60 seconds.
    fn default() -> Self {
        Self { message: 256 << 20, output: 64 << 20, stall: Duration::from_secs(60) }
    }
}

/// Why a kernel did not start.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The connection file cannot be used.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// A socket cannot be opened.
    #[error("the {channel} socket cannot listen on {endpoint}: {reason}")]
    Bind {
        /// `shell`, `iopub`, …
        channel: &'static str,
        /// Where it should have listened.
        endpoint: String,
        /// What the system says.
        reason: String,
    },
    /// The folder for private sockets cannot be used.
    #[error("the folder {path} cannot be used for the kernel's sockets: {reason}")]
    RunDir {
        /// The folder.
        path: String,
        /// Why.
        reason: String,
    },
}

/// A running kernel.
pub struct KernelHandle {
    core: Arc<Core>,
    connection: ConnectionInfo,
    ended: JoinHandle<()>,
}

/// Starts a kernel on the sockets of a connection file.
pub async fn start(
    connection: &ConnectionInfo,
    engine: Arc<dyn CellEngine>,
    options: KernelOptions,
) -> Result<KernelHandle, KernelError> {
    let (sockets, connection) = Sockets::bind(connection, &options).await?;
    let sockets = Arc::new(sockets);
    let (core, ended) = run(engine, options.language, &options.limits, options.debugger, sockets.clone());
    sockets.serve(core.clone());
    if let Some(parent) = options.parent {
        tokio::spawn(orphan::watch(core.clone(), parent));
    }
    Ok(KernelHandle { core, connection, ended })
}

/// Starts the tasks of a kernel over a transport; the second part is done when the kernel has ended.
pub(crate) fn run(
    engine: Arc<dyn CellEngine>,
    language: Language,
    limits: &Limits,
    debugger: Option<SharedDebugger>,
    transport: SharedTransport,
) -> (Arc<Core>, JoinHandle<()>) {
    let (core, control_requests, debug_requests) = Core::new(engine, language, transport, limits.output, debugger);
    core.iopub.publish(status(&Parent::none(), "starting"), Weight::Vital);
    let shell = tokio::spawn(shell::serve(core.clone()));
    let control = tokio::spawn(control::serve(core.clone(), control_requests));
    let debug = tokio::spawn(debug::serve(core.clone(), debug_requests));
    let ended = tokio::spawn(end(core.clone(), shell, [control, debug]));
    (core, ended)
}

/// Waits for the end and brings it about: the running cell is stopped, everything said reaches the clients, nothing hangs.
async fn end(core: Arc<Core>, mut shell: JoinHandle<()>, others: [JoinHandle<()>; 2]) {
    const CELL: Duration = Duration::from_secs(3);
    const HISTORY: Duration = Duration::from_secs(2);
    const ENGINE: Duration = Duration::from_secs(5);
    const OUTPUT: Duration = Duration::from_secs(1);
    core.closing.cancelled().await;
    if timeout(CELL, &mut shell).await.is_err() {
        tracing::warn!("a cell did not stop within {CELL:?} and was abandoned");
        shell.abort();
    }
    others.iter().for_each(JoinHandle::abort);
    if timeout(HISTORY, core.recorder.settled()).await.is_err() {
        tracing::warn!("not every input could be recorded within {HISTORY:?}");
    }
    let shutdown = core.guarded(async {
        core.engine.shutdown().await;
        Ok(())
    });
    if timeout(ENGINE, shutdown).await.is_err() {
        tracing::warn!("the engine did not shut down within {ENGINE:?}");
    }
    timeout(OUTPUT, core.iopub.flush()).await.ok();
    core.transport.flush(OUTPUT).await;
    core.iopub.close();
    core.transport.close().await;
}

impl KernelHandle {
    /// Where the kernel listens, with the ports that the system chose.
    pub fn connection(&self) -> &ConnectionInfo {
        &self.connection
    }

    /// Stops the running cell, as an interrupt request does. For signal handlers.
    pub fn interrupt(&self) {
        self.core.interrupt();
    }

    /// Something that interrupts and stops the kernel from elsewhere.
    pub fn remote(&self) -> Remote {
        Remote::of(&self.core)
    }

    /// Begins the end of the kernel.
    pub fn stop(&self) {
        self.core.close(ExitReason::Stopped);
    }

    /// Waits until the kernel has ended and its last words are sent.
    pub async fn wait(self) -> ExitReason {
        // A task that was aborted or that panicked has ended as well.
        self.ended.await.ok();
        self.core.reason()
    }
}

/// Interrupts and stops a kernel whose handle is being waited on.
#[derive(Clone)]
pub struct Remote(Arc<Core>);

impl Remote {
    pub(crate) fn of(core: &Arc<Core>) -> Self {
        Self(core.clone())
    }

    /// Stops the running cell.
    pub fn interrupt(&self) {
        self.0.interrupt();
    }

    /// Begins the end of the kernel.
    pub fn stop(&self) {
        self.0.close(ExitReason::Stopped);
    }
}
