//! Programs of the machine: started without a shell, with an environment of their own, ended with all that they started.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use aikit_core::{ErrorKind, RunError};
use aikit_runtime::ports::{ProgramEnd, ProgramRequest, Programs, Secret};
use async_trait::async_trait;
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};
use tokio_util::sync::CancellationToken;

/// How long outputs are read that somebody else holds open when the program itself has ended.
const LEFT_OPEN: Duration = Duration::from_millis(500);

/// Where programs start, and what finds them.
#[derive(Debug, Clone)]
pub struct ProcessConfig {
    /// The workspace.
    pub root: PathBuf,
    /// Environment variables that every program gets: what finds programs, and little else.
    pub base: Vec<(OsString, OsString)>,
}

/// Starts programs.
#[derive(Debug, Clone)]
pub struct Processes {
    config: ProcessConfig,
}

impl Processes {
    /// Starts programs below a folder.
    pub fn new(config: ProcessConfig) -> Self {
        Self { config }
    }

    /// Starts a program in a group of its own; the group ends with what this gives.
    pub(crate) fn spawn(
        &self,
        argv: &[String],
        cwd: &str,
        env: &[(String, Secret)],
    ) -> Result<(Child, Group), io::Error> {
        let (program, args) = argv.split_first().ok_or_else(|| io::Error::other("no program is named"))?;
        let folder = inside(&self.config.root, cwd)?;
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(folder)
            .env_clear()
            .envs(self.config.base.iter().map(|(name, value)| (name, value)))
            .envs(env.iter().map(|(name, value)| (name, value.reveal())))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let child = command.spawn()?;
        let group = Group(child.id());
        Ok((child, group))
    }
}

/// A folder below another, whatever links lie between them.
fn inside(root: &Path, cwd: &str) -> io::Result<PathBuf> {
    let root = root.canonicalize()?;
    let folder = root.join(cwd).canonicalize()?;
    if folder.starts_with(&root) {
        Ok(folder)
    } else {
        Err(io::Error::other("the folder lies outside of the workspace"))
    }
}

/// A group of processes, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(id) = self.0.and_then(|id| libc::pid_t::try_from(id).ok()) {
            // SAFETY: a signal is sent to the group that the child was made the leader of; nothing of ours is touched.
            unsafe {
                libc::kill(-id, libc::SIGKILL);
            }
        }
    }
}

/// A program that could not be started.
pub(crate) fn not_started(kind: ErrorKind, name: &str, error: &io::Error) -> RunError {
    let message = match error.kind() {
        io::ErrorKind::NotFound => format!("there is no program `{name}` here, or not the folder in which it starts"),
        _ => format!("`{name}` cannot be started: {error}"),
    };
    RunError::new(kind, message).with_detail(json!({ "sent": false }))
}

/// Reads to the end and keeps the beginning; gives whether there was more.
async fn gather(mut from: impl AsyncRead + Unpin, into: &mut Vec<u8>, most: usize) -> bool {
    let mut buffer = vec![0; 16 << 10];
    let mut more = false;
    // An output that breaks off has ended.
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let room = most.saturating_sub(into.len()).min(read);
        into.extend_from_slice(&buffer[..room]);
        more |= room < read;
    }
    more
}

#[async_trait]
impl Programs for Processes {
    async fn run(&self, request: ProgramRequest, cancel: &CancellationToken) -> Result<ProgramEnd, RunError> {
        let name = request.argv.first().cloned().unwrap_or_default();
        let (mut child, group) = self
            .spawn(&request.argv, &request.cwd, &request.env)
            .map_err(|error| not_started(ErrorKind::ToolFailed, &name, &error))?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let (mut more_out, mut more_err) = (false, false);
        let outputs = async {
            let feed = async {
                if let Some(mut stdin) = stdin {
                    // A program that does not read has its reasons.
                    let _ = stdin.write_all(&request.stdin).await;
                }
            };
            let out = async {
                if let Some(stdout) = stdout {
                    more_out = gather(stdout, &mut out, request.max_bytes).await;
                }
            };
            let err = async {
                if let Some(stderr) = stderr {
                    more_err = gather(stderr, &mut err, request.max_bytes).await;
                }
            };
            tokio::join!(feed, out, err)
        };
        let ended = async {
            tokio::pin!(outputs);
            tokio::select! {
                _ = &mut outputs => child.wait().await,
                status = child.wait() => {
                    // Something that it left behind may hold its outputs open.
                    let _ = tokio::time::timeout(LEFT_OPEN, &mut outputs).await;
                    status
                }
            }
        };
        let status = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(RunError::cancelled()),
            ended = tokio::time::timeout(request.timeout, ended) => match ended {
                Ok(ended) => ended,
                Err(_) => {
                    let seconds = request.timeout.as_secs_f64();
                    let message = format!("`{name}` did not end within {seconds} seconds, and was ended");
                    return Err(RunError::new(ErrorKind::ToolTimeout, message));
                }
            },
        };
        drop(group);
        let status = status.map_err(|error| {
            RunError::new(ErrorKind::ToolFailed, format!("nobody knows how `{name}` ended: {error}"))
        })?;
        let truncated = more_out || more_err;
        Ok(ProgramEnd { exit_code: status.code(), stdout: out, stderr: err, truncated })
    }
}
