use aikit_core::{ErrorKind, RunError};
use async_trait::async_trait;

/// A file of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// Its path below the workspace, with `/` between the parts.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
}

/// The workspace: one folder, outside of which nothing can be reached, neither by `..` nor through a link. What a document may
/// touch inside it (`governance.security.permits`) is decided before this is asked.
#[async_trait]
pub trait Files: Send + Sync {
    /// The files whose paths match a pattern (`*` within a part, `**` over parts), sorted by path.
    async fn list(&self, pattern: &str) -> Result<Vec<FileInfo>, RunError>;

    /// What a file holds; `tool.failed` when it is not there or longer than `most` bytes.
    async fn read(&self, path: &str, most: u64) -> Result<Vec<u8>, RunError>;

    /// Replaces a file as a whole, or makes it, with the folders above it: never half of it.
    async fn write(&self, path: &str, bytes: &[u8]) -> Result<(), RunError>;
}

/// A workspace that is not there: nothing can be read or written.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFiles;

fn none() -> RunError {
    RunError::new(ErrorKind::ToolDenied, "there is no workspace here, so no file can be read or written")
        .with_help("run the document from a folder: `aikit run FILE`")
}

#[async_trait]
impl Files for NoFiles {
    async fn list(&self, _: &str) -> Result<Vec<FileInfo>, RunError> {
        Err(none())
    }

    async fn read(&self, _: &str, _: u64) -> Result<Vec<u8>, RunError> {
        Err(none())
    }

    async fn write(&self, _: &str, _: &[u8]) -> Result<(), RunError> {
        Err(none())
    }
}
