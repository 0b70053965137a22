//! Documents from files and from standard input. What cannot be read is a diagnostic like any other.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use aikit_core::{Diagnostic, LineIndex, TextRange, codes};
use aikit_spec::schema::Kind;
use aikit_yaml::MAX_BYTES;

use crate::{exit::Exit, failure::Failure};

/// A document, or what hinders reading it.
#[derive(Debug, Clone)]
pub struct Source {
    /// The name that diagnostics show.
    pub name: String,
    /// The text; what could be decoded of it, where not all could.
    pub text: String,
    /// Why the text cannot be used.
    pub unreadable: Option<Diagnostic>,
    /// Whether there is no such file.
    pub missing: bool,
}

impl Source {
    /// Reads a file, or standard input for `-`.
    pub fn read(name: &str) -> Self {
        if name == "-" {
            return Self::from_reader("<stdin>", io::stdin().lock());
        }
        let path = Path::new(name);
        if path.is_dir() {
            let help = format!("name the documents in it, for example {}", path.join("*.yaml").display());
            return Self::failed(name, "it is a folder", Some(help), false);
        }
        match File::open(path) {
            Ok(file) => Self::from_reader(name, file),
            Err(error) => {
                let missing = error.kind() == io::ErrorKind::NotFound;
                Self::failed(
                    name,
                    &if missing { "there is no such file".to_owned() } else { error.to_string() },
                    None,
                    missing,
                )
            }
        }
    }

    fn failed(name: &str, why: &str, help: Option<String>, missing: bool) -> Self {
        let mut diagnostic =
            Diagnostic::new(codes::FILE_UNREADABLE, TextRange::empty(0), format!("the file cannot be read: {why}"));
        diagnostic.help = help;
        Self { name: name.to_owned(), text: String::new(), unreadable: Some(diagnostic), missing }
    }

    fn from_reader(name: &str, reader: impl Read) -> Self {
        let mut bytes = Vec::new();
        // One byte more than allowed, so that a larger file is known as such without being read whole.
        if let Err(error) = reader.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes) {
            return Self::failed(name, &error.to_string(), None, false);
        }
        let refuse = |text: String, diagnostic| Self {
            name: name.to_owned(),
            text,
            unreadable: Some(diagnostic),
            missing: false,
        };
        if bytes.len() > MAX_BYTES {
            let message = format!("the file is larger than the {} MiB that a document may have", MAX_BYTES >> 20);
            return refuse(String::new(), Diagnostic::new(codes::YAML_LIMIT, TextRange::empty(0), message));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Self { name: name.to_owned(), text, unreadable: None, missing: false },
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let byte = error.as_bytes().get(at).copied().unwrap_or_default();
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let message = format!("the file is not UTF-8 text: the byte 0x{byte:02X} is not valid here");
                let diagnostic = Diagnostic::new(codes::YAML_ENCODING, TextRange::new(at, at + 3), message)
                    .with_help("save the file as UTF-8");
                refuse(text, diagnostic)
            }
        }
    }
}

/// The documents that a command line names: files as they are, folders with everything in them that is a document, patterns
/// with everything that fits.
pub fn documents(names: &[String]) -> Result<Vec<String>, Failure> {
    let mut files = Vec::new();
    for name in names {
        let path = Path::new(name);
        if name == "-" || path.is_file() || !path.is_dir() && !name.contains(['*', '?', '[']) {
            files.push(name.clone());
            continue;
        }
        let before = files.len();
        if path.is_dir() {
            below(path, &mut files);
        } else {
            let found = glob::glob(name)
                .map_err(|error| Failure::usage(format!("`{name}` is not a valid pattern: {}", error.msg)))?;
            files.extend(found.flatten().filter(|path| path.is_file()).map(|path| path.display().to_string()));
        }
        if files.len() == before {
            return Err(Failure::new(Exit::NotFound, format!("`{name}` has no documents")));
        }
    }
    Ok(files)
}

/// Every document below a folder; hidden folders, those of packages and those of builds are left out.
fn below(folder: &Path, into: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !path.is_symlink() {
            if !name.starts_with('.') && name != "node_modules" && name != "target" {
                below(&path, into);
            }
        } else if [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end)) && is_document(&path) {
            into.push(path.display().to_string());
        }
    }
}

/// Whether a file is one of ours: it says which kind of document it is, or who the agent is.
fn is_document(path: &Path) -> bool {
    let mut start = String::new();
    let Ok(file) = File::open(path) else { return false };
    // What is not text is not ours either.
    if file.take(64 << 10).read_to_string(&mut start).is_err() {
        return false;
    }
    if start.contains("\"aikit_cassette\"") {
        return false;
    }
    start.contains("agent_id")
        || start.lines().any(|line| line.starts_with("agent:"))
        || Kind::ALL.iter().any(|kind| {
            start.contains(&format!("kind: {}\n", kind.word()))
                || start.contains(&format!("\"kind\": \"{}\"", kind.word()))
        })
}

/// Replaces a file in one step, so that whoever reads it sees the old one or the new one. What a link leads to is replaced,
/// not the link; the file keeps its permissions.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    let permissions = fs::metadata(&path).ok().map(|known| known.permissions());
    let written = fs::write(&fresh, content)
        .and_then(|()| permissions.map_or(Ok(()), |permissions| fs::set_permissions(&fresh, permissions)))
        .and_then(|()| fs::rename(&fresh, &path));
    if written.is_err() {
        // What hindered the writing is the news; a left-over file is not.
        let _ = fs::remove_file(&fresh);
    }
    written
}

/// A document with its findings, ready to be rendered.
#[derive(Debug, Clone)]
pub struct Report {
    /// The document.
    pub source: Source,
    /// Where its lines begin.
    pub index: LineIndex,
    /// What was found, in the order of the places.
    pub diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// Whether the document is refused.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}
