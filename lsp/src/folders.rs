//! The documents in the folders of a workspace that are not open.

use std::{fs, path::Path};

use tower_lsp::ls_types::Uri;

/// How many files and folders are looked at.
const ENTRIES: usize = 50_000;
/// How many documents are kept.
const DOCUMENTS: usize = 2_000;
/// Larger files are no documents that a person wrote.
const BYTES: u64 = 1 << 20;

/// Every agent's document below the folders, hidden and generated folders left out.
pub fn documents(folders: &[impl AsRef<Path>]) -> Vec<(Uri, String)> {
    let mut waiting: Vec<_> = folders.iter().map(|folder| folder.as_ref().to_owned()).collect();
    let mut found = Vec::new();
    let mut looked = 0;
    while let Some(folder) = waiting.pop() {
        // What may not be read is not part of the workspace.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            looked += 1;
            if looked > ENTRIES || found.len() >= DOCUMENTS {
                return found;
            }
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            match entry.file_type() {
                // Links are not followed: they may lead in circles.
                Ok(kind) if kind.is_dir() && is_for_people(&name) => waiting.push(path),
                Ok(kind) if kind.is_file() && is_yaml(&name) => found.extend(document(&path)),
                _ => {}
            }
        }
    }
    found
}

/// An agent's document, if the file is one.
pub fn document(path: &Path) -> Option<(Uri, String)> {
    if fs::metadata(path).ok()?.len() > BYTES {
        return None;
    }
    let text = fs::read_to_string(path).ok()?;
    // A word that every agent has; files for other programs are left alone.
    let uri = if text.contains("agent_id") { Uri::from_file_path(path) } else { None };
    Some((uri?, text))
}

fn is_for_people(folder: &str) -> bool {
    !folder.starts_with('.') && !matches!(folder, "node_modules" | "target")
}

fn is_yaml(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_found_and_the_rest_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("a.yaml", "identity: {agent_id: a}");
        write("below/deep/b.agent.yml", "identity: {agent_id: b}");
        write("compose.yaml", "services: {}");
        write(".git/c.yaml", "identity: {agent_id: c}");
        write("node_modules/d.yaml", "identity: {agent_id: d}");
        write("e.txt", "identity: {agent_id: e}");
        fs::write(home.path().join("f.yaml"), [0xff, 0xfe]).unwrap();
        let mut names: Vec<String> = documents(&[home.path()]).into_iter().map(|(_, text)| text).collect();
        names.sort();
        assert_eq!(names, ["identity: {agent_id: a}", "identity: {agent_id: b}"]);
    }
}
