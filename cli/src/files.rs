//! The files around a document: what it imports and extends.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use aikit_spec::compose::{Files, Setting};
use aikit_yaml::MAX_BYTES;

/// A folder whose files documents can name. Nothing outside of it can be read, by no path and by no link.
#[derive(Debug)]
struct Folder(PathBuf);

impl Files for Folder {
    fn read(&self, path: &str) -> Result<String, String> {
        let file = fs::canonicalize(self.0.join(path)).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            _ => error.to_string(),
        })?;
        if !file.starts_with(&self.0) {
            return Err("a link leads out of the workspace".to_owned());
        }
        if fs::metadata(&file).map_err(|error| error.to_string())?.len() > MAX_BYTES as u64 {
            return Err(format!("it is larger than {} MiB", MAX_BYTES >> 20));
        }
        String::from_utf8(fs::read(&file).map_err(|error| error.to_string())?)
            .map_err(|_| "it is not UTF-8 text".to_owned())
    }
}

/// Where a document stands: in one of the folders, or else in its own. A text that is no file has nothing beside it but the
/// files of the first folder.
pub fn setting(document: Option<&Path>, folders: &[PathBuf], env: Option<String>) -> Setting {
    let folders: Vec<PathBuf> = folders.iter().filter_map(|folder| fs::canonicalize(folder).ok()).collect();
    let file = document.and_then(|document| fs::canonicalize(document).ok());
    let root = match &file {
        Some(file) => folders
            .iter()
            .find(|folder| file.starts_with(folder))
            .cloned()
            .or_else(|| file.parent().map(Path::to_owned)),
        None => folders.first().cloned(),
    };
    let Some(root) = root else { return Setting { env, ..Setting::default() } };
    let relative = file.as_ref().and_then(|file| file.strip_prefix(&root).ok());
    let path = relative.map(|path| path.to_string_lossy().replace('\\', "/")).unwrap_or_else(|| "document.yaml".into());
    Setting { files: Some(Arc::new(Folder(root))), path, env }
}

/// Where a document that the command line names stands.
pub fn beside(name: &str, env: Option<String>) -> Setting {
    let folders: Vec<PathBuf> = std::env::current_dir().into_iter().collect();
    setting((name != "-").then(|| Path::new(name)), &folders, env)
}
