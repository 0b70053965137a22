//! The `.ipynb` format, version 4. What is not understood is kept.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

use aikit_core::{DiagnosticCode, Language, codes};
use serde::Serialize;
use serde_json::{Map, Value, json, ser::PrettyFormatter};

use crate::info::{kernel_name, language_info};

/// Why something is not a notebook, or cannot be read or written as one.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct NotebookError {
    /// The diagnostic code.
    pub code: DiagnosticCode,
    /// What is wrong.
    pub message: String,
    /// What would help.
    pub help: Option<String>,
}

impl NotebookError {
    fn not_one(message: impl Into<String>, help: Option<&str>) -> Self {
        Self { code: codes::NOT_A_NOTEBOOK, message: message.into(), help: help.map(str::to_owned) }
    }
}

/// A notebook of format 4.
#[derive(Debug, Clone, PartialEq)]
pub struct Notebook {
    root: Map<String, Value>,
    language: Language,
}

impl Notebook {
    /// Reads a notebook's text.
    pub fn parse(text: &str) -> Result<Self, NotebookError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let value: Value = serde_json::from_str(text).map_err(|error| {
            let help = "a notebook is a JSON file with the ending .ipynb";
            NotebookError::not_one(format!("not a notebook: the text is not JSON: {error}"), Some(help))
        })?;
        let Value::Object(mut root) = value else {
            return Err(NotebookError::not_one("not a notebook: the JSON text is not an object", None));
        };
        match root.get("nbformat").and_then(Value::as_i64) {
            Some(4) => {}
            Some(version) => {
                let help = "`jupyter nbconvert --to notebook --nbformat 4` converts older notebooks";
                return Err(NotebookError::not_one(
                    format!("the notebook has format {version}; format 4 is supported"),
                    Some(help),
                ));
            }
            None => {
                return Err(NotebookError::not_one("not a notebook: `nbformat` is missing", None));
            }
        }
        let Some(Value::Array(cells)) = root.get_mut("cells") else {
            return Err(NotebookError::not_one("not a notebook: `cells` is missing or not a list", None));
        };
        for (index, cell) in cells.iter_mut().enumerate() {
            let at =
                |problem: &str| NotebookError::not_one(format!("not a notebook: cell {}: {problem}", index + 1), None);
            let Value::Object(cell) = cell else { return Err(at("not an object")) };
            if !cell.get("cell_type").is_some_and(Value::is_string) {
                return Err(at("`cell_type` is missing or not a string"));
            }
            if !is_text(cell.get("source").unwrap_or(&json!(""))) {
                return Err(at("`source` is not a text"));
            }
            if cell.get("outputs").is_some_and(|outputs| !outputs.is_array()) {
                return Err(at("`outputs` is not a list"));
            }
            join_cell(cell);
        }
        Ok(Self { language: language(&root)?, root })
    }

    /// The cells.
    pub fn cells(&self) -> &[Value] {
        self.root.get("cells").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The cells, to be changed.
    pub fn cells_mut(&mut self) -> &mut [Value] {
        self.root.get_mut("cells").and_then(Value::as_array_mut).map_or(&mut [], Vec::as_mut_slice)
    }

    /// The metadata.
    pub fn metadata(&self) -> Option<&Map<String, Value>> {
        self.root.get("metadata").and_then(Value::as_object)
    }

    /// What a cell without a magic is written in.
    pub fn language(&self) -> Language {
        self.language
    }

    /// The title: the first heading of a Markdown cell.
    pub fn title(&self) -> Option<String> {
        self.cells()
            .iter()
            .filter(|cell| cell_type(cell) == "markdown")
            .flat_map(|cell| source(cell).lines())
            .find_map(|line| line.strip_prefix("# "))
            .map(|title| title.trim().to_owned())
    }

    /// Sets an entry of the metadata.
    pub fn set_metadata(&mut self, name: &str, value: Value) {
        let metadata = self.root.entry("metadata").or_insert_with(|| json!({}));
        if !metadata.is_object() {
            *metadata = json!({});
        }
        metadata[name] = value;
    }

    /// The text of the file, as Jupyter writes it: sorted keys, an indent of one, long texts as lists of lines.
    pub fn to_text(&self) -> String {
        let mut root = self.root.clone();
        if let Some(Value::Array(cells)) = root.get_mut("cells") {
            cells.iter_mut().filter_map(Value::as_object_mut).for_each(split_cell);
        }
        let mut value = Value::Object(root);
        value.sort_all_objects();
        let mut text = Vec::new();
        let mut serializer = serde_json::Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b" "));
        // Writing values into memory cannot fail.
        value.serialize(&mut serializer).ok();
        text.push(b'\n');
        String::from_utf8(text).unwrap_or_default()
    }

    /// Writes the file in one step: a reader sees the old content or the new, and an error leaves the old.
    pub fn write(&self, path: &Path) -> Result<(), NotebookError> {
        write_atomically(path, self.to_text().as_bytes()).map_err(|error| NotebookError {
            code: codes::FILE_UNREADABLE,
            message: format!("{} cannot be written: {error}", path.display()),
            help: None,
        })
    }
}

/// What cells are written in, by the metadata; the kernels may have been installed under other names. Our own documents
/// where nothing is said. A notebook for yet another kernel is refused: its cells would make no sense here.
fn language(root: &Map<String, Value>) -> Result<Language, NotebookError> {
    const LANGUAGES: [Language; 3] = [Language::Yaml, Language::Lua, Language::Js];
    let metadata = |section: &str, field: &str| {
        let found = root.get("metadata").and_then(|metadata| metadata.get(section)?.get(field)?.as_str());
        found.filter(|text| !text.is_empty())
    };
    let kernel = metadata("kernelspec", "name");
    let named = metadata("kernelspec", "language").or_else(|| metadata("language_info", "name"));
    let fits = |language: &Language| {
        kernel == Some(kernel_name(*language))
            || named.is_some_and(|named| language_info(*language)["name"].as_str() == Some(named))
    };
    match (LANGUAGES.into_iter().find(fits), kernel.or(named)) {
        (Some(language), _) => Ok(language),
        (None, None) => Ok(Language::Yaml),
        (None, Some(other)) => {
            let help = format!("cells can be those of the kernels {}", LANGUAGES.map(kernel_name).join(", "));
            Err(NotebookError::not_one(format!("the notebook is written for the kernel `{other}`"), Some(&help)))
        }
    }
}

fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // A pipe or a device is written to, not replaced.
    if fs::metadata(&target).is_ok_and(|target| !target.is_file() && !target.is_dir()) {
        return fs::write(&target, content);
    }
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let beside = target.with_file_name(format!(".{name}.{}.tmp", uuid::Uuid::new_v4().simple()));
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&beside)?;
        if let Ok(before) = fs::metadata(&target) {
            file.set_permissions(before.permissions())?;
        }
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, &target)
    };
    write().inspect_err(|_| drop(fs::remove_file(&beside)))
}

/// `code`, `markdown`, `raw`.
pub fn cell_type(cell: &Value) -> &str {
    cell.get("cell_type").and_then(Value::as_str).unwrap_or_default()
}

/// The text of a cell.
pub fn source(cell: &Value) -> &str {
    cell.get("source").and_then(Value::as_str).unwrap_or_default()
}

/// The tags of a cell.
pub fn has_tag(cell: &Value, tag: &str) -> bool {
    let tags = cell.get("metadata").and_then(|metadata| metadata.get("tags")).and_then(Value::as_array);
    tags.is_some_and(|tags| tags.iter().any(|one| one == tag))
}

fn is_text(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Array(lines) => lines.iter().all(Value::is_string),
        _ => false,
    }
}

/// Makes one text of a list of lines.
fn join(value: &mut Value) {
    if let Value::Array(lines) = value
        && lines.iter().all(Value::is_string)
    {
        *value = lines.iter().filter_map(Value::as_str).collect::<String>().into();
    }
}

/// Makes a list of lines of a text.
fn split(value: &mut Value) {
    if let Value::String(text) = value {
        *value = text.split_inclusive('\n').collect();
    }
}

fn is_json_type(mime: &str) -> bool {
    mime == "application/json" || mime.ends_with("+json")
}

/// Applies `change` to every text of a cell that is kept as lines in files.
fn texts(cell: &mut Map<String, Value>, change: fn(&mut Value)) {
    fn bundle(data: Option<&mut Value>, change: fn(&mut Value)) {
        for (mime, value) in data.and_then(Value::as_object_mut).into_iter().flatten() {
            if !is_json_type(mime) {
                change(value);
            }
        }
    }
    if let Some(source) = cell.get_mut("source") {
        change(source);
    }
    for (_, attachment) in cell.get_mut("attachments").and_then(Value::as_object_mut).into_iter().flatten() {
        bundle(Some(attachment), change);
    }
    for output in cell.get_mut("outputs").and_then(Value::as_array_mut).into_iter().flatten() {
        bundle(output.get_mut("data"), change);
        if let Some(text) = output.get_mut("text") {
            change(text);
        }
    }
}

fn join_cell(cell: &mut Map<String, Value>) {
    texts(cell, join);
}

fn split_cell(cell: &mut Map<String, Value>) {
    texts(cell, split);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r##"{
 "cells": [
  {
   "attachments": {
    "a.txt": {
     "text/plain": [
      "one\n",
      "two"
     ]
    }
   },
   "cell_type": "markdown",
   "id": "m",
   "metadata": {},
   "source": [
    "# Ünïcode 𝒳\n",
    "text"
   ]
  },
  {
   "cell_type": "code",
   "execution_count": 3,
   "id": "c",
   "metadata": {
    "tags": [
     "raises-exception"
    ],
    "x": {}
   },
   "more": [],
   "outputs": [
    {
     "data": {
      "application/json": [
       "kept"
      ],
      "text/plain": [
       "1\n"
      ]
     },
     "metadata": {},
     "output_type": "display_data"
    },
    {
     "name": "stdout",
     "output_type": "stream",
     "text": [
      "a\n",
      "b"
     ]
    }
   ],
   "source": []
  }
 ],
 "metadata": {
  "kernelspec": {
   "name": "aikit-lua"
  }
 },
 "nbformat": 4,
 "nbformat_minor": 5,
 "unknown": 1.5
}
"##;

    #[test]
    fn what_is_read_is_written_back_byte_for_byte() {
        let notebook = Notebook::parse(SMALL).unwrap();
        assert_eq!(source(&notebook.cells()[0]), "# Ünïcode 𝒳\ntext");
        assert_eq!(notebook.title().as_deref(), Some("Ünïcode 𝒳"));
        assert_eq!(notebook.language(), Language::Lua);
        assert!(has_tag(&notebook.cells()[1], "raises-exception"));
        // An empty text is an empty list of lines, as Jupyter has it.
        assert_eq!(notebook.to_text(), SMALL);
    }

    #[test]
    fn what_is_no_notebook_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "not JSON"),
            ("kind: Agent", "not JSON"),
            ("[]", "not an object"),
            ("{}", "`nbformat` is missing"),
            (r#"{"nbformat": 3, "worksheets": []}"#, "format 3"),
            (r#"{"nbformat": 4}"#, "`cells`"),
            (r#"{"nbformat": 4, "cells": [1]}"#, "cell 1: not an object"),
            (r#"{"nbformat": 4, "cells": [{"cell_type": "code", "source": 7}]}"#, "cell 1: `source` is not a text"),
            (r#"{"nbformat": 4, "cells": [{"source": ""}]}"#, "cell 1: `cell_type`"),
        ] {
            let error = Notebook::parse(text).unwrap_err();
            assert_eq!(error.code, codes::NOT_A_NOTEBOOK);
            assert!(error.message.contains(reason), "{}", error.message);
        }
    }

    #[test]
    fn the_language_is_that_of_the_metadata() {
        for (metadata, language) in [
            ("{}", Ok(Language::Yaml)),
            (r#"{"kernelspec": {"name": "aikit"}}"#, Ok(Language::Yaml)),
            (r#"{"kernelspec": {"name": "aikit-js", "language": "javascript"}}"#, Ok(Language::Js)),
            (r#"{"kernelspec": {"name": "mine-lua", "language": "lua"}}"#, Ok(Language::Lua)),
            (r#"{"language_info": {"name": "javascript"}}"#, Ok(Language::Js)),
            (r#"{"kernelspec": {"name": "python3", "language": "python"}}"#, Err("`python3`")),
            (r#"{"language_info": {"name": "R"}}"#, Err("`R`")),
        ] {
            let text = format!(r#"{{"cells": [], "metadata": {metadata}, "nbformat": 4, "nbformat_minor": 5}}"#);
            match (Notebook::parse(&text), language) {
                (Ok(notebook), Ok(language)) => assert_eq!(notebook.language(), language, "{metadata}"),
                (Err(error), Err(named)) => assert!(error.message.contains(named), "{}", error.message),
                (found, _) => panic!("{metadata}: {found:?}"),
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_written_to_and_not_replaced() {
        use std::os::unix::fs::FileTypeExt;
        // A socket that nobody listens at stands for all that is no file.
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        Notebook::parse(SMALL).unwrap().write(&path).unwrap_err();
        assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("n.ipynb");
        let notebook = Notebook::parse(SMALL).unwrap();
        notebook.write(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), SMALL);
        notebook.write(&path).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let error = notebook.write(&dir.path().join("missing/n.ipynb")).unwrap_err();
        assert!(error.message.contains("cannot be written"));
    }
}
