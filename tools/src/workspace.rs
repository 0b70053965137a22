//! The workspace: one folder, opened once, below which everything is opened. No path and no link leads out of it.

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use aikit_core::{ErrorKind, RunError};
use aikit_runtime::ports::{FileInfo, Files};
use aikit_spec::plan::path_fits;
use async_trait::async_trait;
use cap_std::{ambient_authority, fs::Dir};

/// How many entries a listing looks at.
const MAX_ENTRIES: usize = 100_000;
/// How much is written at once.
const MAX_WRITE: usize = 16 << 20;
/// Folders that no listing looks into.
const HIDDEN: &[&str] = &[".git"];

/// A folder whose files documents can read and write.
#[derive(Clone)]
pub struct Workspace {
    dir: Arc<Dir>,
    counter: Arc<AtomicU64>,
}

impl Workspace {
    /// Opens a folder.
    pub fn open(root: &Path) -> io::Result<Self> {
        let dir = Dir::open_ambient_dir(root, ambient_authority())?;
        Ok(Self { dir: Arc::new(dir), counter: Arc::default() })
    }

    async fn work<T: Send + 'static>(
        &self,
        path: &str,
        what: &'static str,
        work: impl FnOnce(&Self, &str) -> io::Result<T> + Send + 'static,
    ) -> Result<T, RunError> {
        let (own, owned) = (self.clone(), path.to_owned());
        let done = tokio::task::spawn_blocking(move || work(&own, &owned)).await;
        let done = done.unwrap_or_else(|error| Err(io::Error::other(error)));
        done.map_err(|error| failure(path, what, &error))
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let path = Path::new(path);
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(parent) = parent {
            self.dir.create_dir_all(parent)?;
        }
        let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
        if self.dir.symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file"));
        }
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let draft = format!(".{}.{}-{number}.tmp", name.to_string_lossy(), std::process::id());
        let draft = parent.map_or_else(|| PathBuf::from(&draft), |parent| parent.join(&draft));
        let written = self.dir.create(&draft).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        let done = written.and_then(|()| self.dir.rename(&draft, &self.dir, path));
        if done.is_err() {
            // What is left of a write that failed is of no use to anybody.
            let _ = self.dir.remove_file(&draft);
        }
        done
    }

    fn walk(&self, pattern: &str) -> io::Result<Vec<FileInfo>> {
        let mut found = Vec::new();
        let mut folders = vec![(self.dir.try_clone()?, String::new())];
        let mut seen = 0;
        while let Some((folder, prefix)) = folders.pop() {
            for entry in folder.entries()? {
                seen += 1;
                if seen > MAX_ENTRIES {
                    let message = format!("the workspace holds more than {MAX_ENTRIES} files and folders");
                    return Err(io::Error::other(message));
                }
                let entry = entry?;
                // A name that is no text cannot be asked for either.
                let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
                let (kind, path) = (entry.file_type()?, format!("{prefix}{name}"));
                if kind.is_dir() && !HIDDEN.contains(&name.as_str()) {
                    // A folder that cannot be read holds nothing that could be.
                    if let Ok(inner) = entry.open_dir() {
                        folders.push((inner, format!("{path}/")));
                    }
                } else if kind.is_file() && path_fits(pattern, &path) {
                    found.push(FileInfo { bytes: entry.metadata()?.len(), path });
                }
            }
        }
        found.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(found)
    }
}

fn failure(path: &str, what: &str, error: &io::Error) -> RunError {
    let outside =
        error.kind() == io::ErrorKind::PermissionDenied && error.to_string().contains("outside of the filesystem");
    if outside {
        return RunError::new(ErrorKind::ToolDenied, format!("`{path}` leads out of the workspace"));
    }
    let why = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "the system does not permit it".to_owned(),
        _ => error.to_string(),
    };
    RunError::new(ErrorKind::ToolFailed, format!("`{path}` cannot be {what}: {why}"))
}

#[async_trait]
impl Files for Workspace {
    async fn list(&self, pattern: &str) -> Result<Vec<FileInfo>, RunError> {
        self.work(pattern, "listed", |own, pattern| own.walk(pattern)).await
    }

    async fn read(&self, path: &str, most: u64) -> Result<Vec<u8>, RunError> {
        let work = move |own: &Self, path: &str| {
            let file = own.dir.open(path)?;
            if !file.metadata()?.is_file() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file"));
            }
            let mut bytes = Vec::new();
            file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > most {
                return Err(io::Error::other(format!("it is longer than {most} bytes")));
            }
            Ok(bytes)
        };
        self.work(path, "read", work).await
    }

    async fn write(&self, path: &str, bytes: &[u8]) -> Result<(), RunError> {
        if bytes.len() > MAX_WRITE {
            let message = format!("`{path}` cannot be written: more than {MAX_WRITE} bytes at once");
            return Err(RunError::new(ErrorKind::ToolFailed, message));
        }
        let bytes = bytes.to_vec();
        self.work(path, "written", move |own, path| own.replace(path, &bytes)).await
    }
}
