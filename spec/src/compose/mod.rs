//! Documents that are made of others: `extends`, `overlays` and `imports`.
//!
//! A document is composed before it is checked. What comes from elsewhere takes the place of the key that brought it in, so
//! that every finding stands in the document that a person has before them.

mod inline;
mod merge;
mod presets;

pub(crate) use merge::merge;

use std::{collections::BTreeMap, fmt, sync::Arc};

use aikit_core::{Diagnostic, LineIndex, TextRange, codes};
use aikit_yaml::{Entry, Node, NodeKind, Scalar, ScalarStyle, Segment};
use sha2::{Digest, Sha256};

use crate::{
    aliases,
    roots::nearest,
    schema::{self, Kind},
    short, structure,
};

pub use presets::{PRESETS, Preset};

/// The blocks in which prompts and scripts stand.
const BLOCKS: [&str; 3] = ["integration", "intelligence", "behavior"];

/// How many documents may stand behind each other.
const MAX_DEPTH: usize = 16;

/// The files around a document. Paths are relative to the workspace, with `/`, and never leave it.
pub trait Files: fmt::Debug + Send + Sync {
    /// The content of a file, or why it cannot be read.
    fn read(&self, path: &str) -> Result<String, String>;
}

/// Where a document stands and what is chosen.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// The files around it; without them it can import nothing.
    pub files: Option<Arc<dyn Files>>,
    /// Its path in the workspace.
    pub path: String,
    /// The name of the overlay that is laid over it, or the path of a document of kind `Overlay`.
    pub env: Option<String>,
}

/// One of the texts of which a document is made.
#[derive(Debug, Clone)]
pub struct Layer {
    /// What it is, for people: `this document`, `preset chat@1.0.0`, `overlay prod`, a path.
    pub label: String,
    /// Its text.
    pub text: Arc<str>,
    /// What it says, in canonical form.
    pub root: Node,
}

/// A composed document.
#[derive(Debug, Clone)]
pub struct Composed {
    /// The result.
    pub root: Node,
    /// What it is made of; an earlier one wins.
    pub layers: Vec<Layer>,
    /// What is wrong with the composition.
    pub diagnostics: Vec<Diagnostic>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The layer.
    pub layer: String,
    /// The line, from 1.
    pub line: u32,
}

impl Composed {
    /// Where the value at a path comes from: the first layer that says something there.
    pub fn origin(&self, path: &[Segment]) -> Option<Origin> {
        self.origin_in(&self.layers, path)
    }

    /// What the document's own value at a path lies over: the first layer below the first that says something there.
    pub fn origin_below(&self, path: &[Segment]) -> Option<Origin> {
        self.origin_in(self.layers.get(1..)?, path)
    }

    fn origin_in(&self, layers: &[Layer], path: &[Segment]) -> Option<Origin> {
        let names = self.by_name(path);
        layers.iter().find_map(|layer| {
            let node = find(&layer.root, &names)?;
            let line = LineIndex::new(&layer.text).line_of(node.range.start as usize) + 1;
            Some(Origin { layer: layer.label.clone(), line })
        })
    }

    /// A path in which the items of lists have their names: their positions differ from layer to layer.
    fn by_name(&self, path: &[Segment]) -> Vec<(Segment, Option<String>)> {
        let mut node = Some(&self.root);
        let mut names = Vec::new();
        for segment in path {
            node = node.and_then(|node| match segment {
                Segment::Key(key) => node.get(key),
                Segment::Index(index) => node.items().get(*index),
            });
            let name = matches!(segment, Segment::Index(_)).then(|| node.and_then(merge::name)).flatten();
            names.push((segment.clone(), name.map(str::to_owned)));
        }
        names
    }
}

fn find<'n>(root: &'n Node, path: &[(Segment, Option<String>)]) -> Option<&'n Node> {
    path.iter().try_fold(root, |node, (segment, name)| match (segment, name) {
        (Segment::Key(key), _) => node.get(key),
        (Segment::Index(_), Some(name)) => node.items().iter().find(|item| merge::name(item) == Some(name)),
        (Segment::Index(index), None) => node.items().get(*index),
    })
}

/// The canonical, composed form of a document, for people who want to see it; `None` for a text that is no document.
pub fn document(source: &str, around: &Setting) -> Option<Composed> {
    let parsed = aikit_yaml::parse(source);
    let root = &parsed.documents.first().filter(|document| parsed.is_valid() && !document.root.is_null())?.root;
    let short = short::expand(source, root);
    let mut diagnostics = short.as_ref().map(|short| short.diagnostics.clone()).unwrap_or_default();
    let root = match &short {
        Some(short) => aliases::canonical_patch(&short.root).0,
        None => aliases::canonical(source, root).0.into_owned(),
    };
    let mut composed = compose(source, &root, around);
    diagnostics.append(&mut composed.diagnostics);
    if let NodeKind::Mapping(entries) = &mut composed.root.kind {
        // What was laid over each other says no more where it came from.
        entries.retain(|entry| entry.name() != "extends" && (entry.name() != "overlays" || around.env.is_none()));
        let known = schema::root(Kind::of(&root)).get("properties").and_then(|properties| properties.as_object());
        let place = |entry: &Entry| known.and_then(|known| known.keys().position(|key| key == entry.name()));
        entries.sort_by_key(|entry| place(entry).unwrap_or(usize::MAX));
    }
    Some(Composed { diagnostics, ..composed })
}

/// A document that stands for itself: what it is made of and what it imports is part of it. `None` if it is so already.
pub fn bundle(source: &str, around: &Setting) -> Option<String> {
    let parsed = aikit_yaml::parse(source);
    let root = &parsed.documents.first()?.root;
    let imports = root.get("imports").is_some_and(|imports| !imports.items().is_empty());
    let extends = root.get("extends").and_then(Node::as_str).is_some_and(is_path);
    let files = BLOCKS.iter().filter_map(|block| root.get(block)).any(|block| inline::is_wanted("", block));
    // Schemas by name are looked up whenever the document is read: they stand in it.
    if !imports && !extends && !files && around.env.is_none() {
        return None;
    }
    let mut composed = document(source, around)?.root;
    if let Some((with, _)) = with_files(&composed, around) {
        composed = with;
        let imports = composed.get("imports").map(Node::items).unwrap_or_default();
        let aliases: Vec<String> =
            imports.iter().filter_map(|import| Some(format!("{}.", import.get("as")?.as_str()?))).collect();
        own_names(&mut composed, &aliases);
        if let NodeKind::Mapping(entries) = &mut composed.kind {
            entries.retain(|entry| entry.name() != "imports");
        }
    }
    Some(aikit_yaml::emit(&composed))
}

/// `lib.search` → `lib__search`, where a text is nothing else.
fn own_names(node: &mut Node, aliases: &[String]) {
    match &mut node.kind {
        NodeKind::Scalar(scalar) => {
            if scalar.value.is_string()
                && aliases.iter().any(|alias| scalar.text.starts_with(alias.as_str()))
                && (crate::words::format("reference").is_some_and(|format| (format.accepts)(&scalar.text)))
            {
                let own = scalar.text.replacen('.', "__", 1);
                *scalar = Scalar::implied(own);
            }
        }
        NodeKind::Mapping(entries) => {
            for entry in entries {
                own_names(&mut entry.key, aliases);
                own_names(&mut entry.value, aliases);
            }
        }
        NodeKind::Sequence(items) => items.iter_mut().for_each(|item| own_names(item, aliases)),
        NodeKind::Null => {}
    }
}

/// Whether a document is made of others, or of itself and an overlay.
pub(crate) fn is_composed(root: &Node, around: &Setting) -> bool {
    around.env.is_some() || root.entry("extends").is_some()
}

/// Lays a document over what it extends, and the chosen overlay over the document.
pub(crate) fn compose(text: &str, root: &Node, around: &Setting) -> Composed {
    let mut composer = Composer {
        around,
        diagnostics: Vec::new(),
        layers: Vec::new(),
        trail: vec![around.path.clone()],
        anchor: None,
        expanded: 0,
    };
    composer.layers.push(Layer { label: "this document".into(), text: text.into(), root: root.clone() });
    let mut composed = composer.extended(root.clone(), &around.path.clone());
    if let Some(env) = &around.env {
        composed = composer.overlaid(composed, root, env);
    }
    Composed { root: composed, layers: composer.layers, diagnostics: composer.diagnostics }
}

/// The overlays that a document holds: name, and the document with it laid over.
pub(crate) fn overlaid(root: &Node) -> impl Iterator<Item = (&Entry, Node)> {
    let overlays = root.get("overlays").map(Node::entries).unwrap_or_default();
    overlays.iter().filter(|entry| matches!(entry.value.kind, NodeKind::Mapping(_))).map(|entry| {
        let (patch, _) = aliases::canonical_patch(&entry.value);
        (entry, merge(root.clone(), patch))
    })
}

struct Composer<'a> {
    around: &'a Setting,
    diagnostics: Vec<Diagnostic>,
    layers: Vec<Layer>,
    /// The documents on the way to this one.
    trail: Vec<String>,
    /// The place in the document that a person has before them, while others are looked at.
    anchor: Option<TextRange>,
    /// How many names of schemas have been replaced.
    expanded: usize,
}

impl Composer<'_> {
    fn fail(&mut self, range: TextRange, message: String) {
        self.diagnostics.push(Diagnostic::new(codes::IMPORT_FAILED, range, message));
    }

    /// The document over what it extends.
    fn extended(&mut self, root: Node, path: &str) -> Node {
        let Some((node, name)) = root.get("extends").and_then(|node| Some((node, node.as_str()?.to_owned()))) else {
            return root;
        };
        let at = self.anchor.unwrap_or(node.range);
        let Some(mut base) = self.base(&name, at, path) else { return root };
        relocate(&mut base, at);
        merge(base, root)
    }

    /// What stands behind `extends`, itself composed.
    fn base(&mut self, name: &str, at: TextRange, path: &str) -> Option<Node> {
        if self.trail.len() > MAX_DEPTH {
            self.fail(at, format!("more than {MAX_DEPTH} documents extend each other"));
            return None;
        }
        let (text, label, base_path) = if is_path(name) {
            let (text, base_path) = self.file(name, at, path)?;
            (text, base_path.clone(), base_path)
        } else {
            let preset = match presets::find(name) {
                Ok(preset) => preset,
                Err(message) => {
                    let mut finding = Diagnostic::new(codes::IMPORT_FAILED, at, message);
                    let wanted = name.split('@').next().unwrap_or(name);
                    if let Some(meant) = nearest(wanted, PRESETS.iter().map(|preset| preset.name)) {
                        finding = finding.with_help(format!("did you mean `{meant}`?"));
                        finding = finding.with_fix(format!("Replace with `{meant}`"), at, meant);
                    } else {
                        let names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
                        finding = finding.with_help(format!("there is: {}", names.join(", ")));
                    }
                    self.diagnostics.push(finding);
                    return None;
                }
            };
            (preset.text.to_owned(), format!("preset {}@{}", preset.name, preset.version), String::new())
        };
        let root = self.document(&text, &label, at, &[Kind::Agent, Kind::Preset])?;
        let root = match Kind::of(&root) {
            Kind::Preset => {
                let document = root.get("document")?.clone();
                aliases::canonical_patch(&document).0
            }
            _ => root,
        };
        self.layers.push(Layer { label: label.clone(), text: text.as_str().into(), root: root.clone() });
        self.trail.push(base_path.clone());
        let outer = self.anchor.replace(at);
        let composed = self.extended(root, &base_path);
        self.trail.pop();
        self.anchor = outer;
        Some(composed)
    }

    /// A document that can be used: it can be read, is of one of the kinds, and its structure is sound.
    fn document(&mut self, text: &str, label: &str, at: TextRange, kinds: &[Kind]) -> Option<Node> {
        let parsed = aikit_yaml::parse(text);
        let lines = LineIndex::new(text);
        let place = |finding: &Diagnostic| lines.line_of(finding.range.start as usize) + 1;
        if let Some(first) = parsed.diagnostics.iter().find(|finding| finding.is_error()) {
            self.fail(at, format!("`{label}` is broken in line {}: {}", place(first), first.message));
            return None;
        }
        let Some(document) = parsed.documents.first().filter(|document| !document.root.is_null()) else {
            self.fail(at, format!("`{label}` is empty"));
            return None;
        };
        let short = short::expand(text, &document.root);
        let root = short.as_ref().map_or(&document.root, |short| &short.root);
        let (root, _) = aliases::canonical(text, root);
        let kind = Kind::of(&root);
        if !kinds.contains(&kind) {
            let wanted: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
            self.fail(at, format!("`{label}` is a document of kind `{}`, not {}", kind.word(), wanted.join(" or ")));
            return None;
        }
        // An agent that is only extended may leave out what its heir says.
        let errors: Vec<Diagnostic> = structure::check(text, &root)
            .into_iter()
            .filter(|finding| finding.is_error() && !(kind == Kind::Agent && finding.code == codes::MISSING_KEY))
            .collect();
        if let Some(first) = errors.first() {
            let more = if errors.len() > 1 { format!(" (and {} more)", errors.len() - 1) } else { String::new() };
            self.fail(at, format!("`{label}` has an error in line {}: {}{more}", place(first), first.message));
            return None;
        }
        Some(root.into_owned())
    }

    /// A file, relative to the one at `path`: its text and its path in the workspace.
    fn file(&mut self, name: &str, at: TextRange, path: &str) -> Option<(String, String)> {
        let Some(files) = &self.around.files else {
            self.fail(at, format!("`{name}` cannot be read: this document does not stand in a file"));
            return None;
        };
        let Some(target) = beside(path, name) else {
            self.fail(at, format!("`{name}` leaves the workspace"));
            return None;
        };
        if self.trail.contains(&target) {
            let mut names: Vec<String> = self.trail.iter().map(|name| format!("`{name}`")).collect();
            names.push(format!("`{target}`"));
            self.fail(at, format!("documents lead to each other in a circle: {}", names.join(" → ")));
            return None;
        }
        match files.read(&target) {
            Ok(text) => Some((text, target)),
            Err(why) => {
                self.fail(at, format!("`{name}` cannot be read: {why}"));
                None
            }
        }
    }

    /// The document with the chosen overlay.
    fn overlaid(&mut self, composed: Node, own: &Node, env: &str) -> Node {
        if is_path(env) {
            let start = own.entries().first().map_or(own.range, |entry| entry.key.range);
            let Some((text, path)) = self.file(env, start, "") else { return composed };
            let Some(root) = self.document(&text, &path, start, &[Kind::Overlay]) else { return composed };
            let Some(patch) = root.get("patch") else { return composed };
            let (mut patch, _) = aliases::canonical_patch(patch);
            self.layers.insert(0, Layer { label: path, text: text.as_str().into(), root: patch.clone() });
            relocate(&mut patch, start);
            return merge(composed, patch);
        }
        let overlays = composed.get("overlays");
        let Some(patch) = overlays.and_then(|overlays| overlays.get(env)) else {
            let at = own.entry("overlays").map(|entry| entry.key.range);
            let at = at.or_else(|| own.entries().first().map(|entry| entry.key.range)).unwrap_or_default();
            let known: Vec<&str> = overlays.map(Node::entries).unwrap_or_default().iter().map(Entry::name).collect();
            let finding = Diagnostic::new(codes::UNKNOWN_NAME, at, format!("the document has no overlay `{env}`"));
            self.diagnostics.push(match nearest(env, known.iter().copied()) {
                Some(meant) => finding.with_help(format!("did you mean `{meant}`?")),
                None if known.is_empty() => finding.with_help("it has none; add `overlays:`"),
                None => finding.with_help(format!("there is: {}", known.join(", "))),
            });
            return composed;
        };
        let (patch, _) = aliases::canonical_patch(patch);
        // Where it is written: in the document, or in one that it extends.
        let written = self.layers.iter().find_map(|layer| {
            let patch = layer.root.get("overlays")?.get(env)?;
            Some((layer.text.clone(), aliases::canonical_patch(patch).0))
        });
        if let Some((text, root)) = written {
            self.layers.insert(0, Layer { label: format!("overlay {env}"), text, root });
        }
        merge(composed, patch)
    }
}

/// What other files bring in: parts of libraries, ready to be used under `<alias>.<name>`, and prompts and scripts that stand
/// in files of their own. `None` for a document that names no files.
pub(crate) fn with_files(root: &Node, around: &Setting) -> Option<(Node, Vec<Diagnostic>)> {
    let imports = root.get("imports").map(Node::items).unwrap_or_default();
    let inline = BLOCKS.iter().filter_map(|block| root.get(block)).any(|block| inline::is_wanted("", block));
    let schemas = inline::names_schemas(root);
    if imports.is_empty() && !inline && !schemas {
        return None;
    }
    let mut composer = Composer {
        around,
        diagnostics: Vec::new(),
        layers: Vec::new(),
        trail: vec![around.path.clone()],
        anchor: None,
        expanded: 0,
    };
    let mut root = root.clone();
    let mut names: BTreeMap<&str, TextRange> = BTreeMap::new();
    for import in imports {
        let Some((from, path)) = import.get("from").and_then(|node| Some((node, node.as_str()?))) else { continue };
        let Some((alias, name)) = import.get("as").and_then(|node| Some((node, node.as_str()?))) else { continue };
        if let Some(first) = names.insert(name, alias.range) {
            let message = format!("two imports have the name `{name}`");
            let finding = Diagnostic::new(codes::DUPLICATE_NAME, alias.range, message);
            composer.diagnostics.push(finding.with_related(first, "the first one stands here"));
            continue;
        }
        let Some((text, target)) = composer.file(path, from.range, &around.path.clone()) else { continue };
        if let Some(wanted) = import.get("sha256").and_then(Node::as_str) {
            let found: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
            if found != wanted {
                let at = import.get("sha256").map_or(from.range, |node| node.range);
                let finding = Diagnostic::new(
                    codes::IMPORT_FAILED,
                    at,
                    format!("`{path}` has another content than the one named"),
                );
                composer.diagnostics.push(finding.with_help(format!("its SHA-256 is {found}")).with_fix(
                    "Take the new content",
                    at,
                    found.as_str(),
                ));
                continue;
            }
        }
        let Some(library) = composer.document(&text, &target, from.range, &[Kind::Library, Kind::Agent]) else {
            continue;
        };
        let only: Vec<&Node> = import.get("only").map(|only| only.items().iter().collect()).unwrap_or_default();
        let brought = bring_in(&mut root, &library, name, &only, from.range);
        for wanted in only {
            let Some(text) = wanted.as_str().filter(|text| !brought.contains(&(*text).to_owned())) else { continue };
            let finding = Diagnostic::new(
                codes::UNKNOWN_NAME,
                wanted.range,
                format!("`{path}` has nothing of the name `{text}`"),
            );
            composer.diagnostics.push(match nearest(text, brought.iter().map(String::as_str)) {
                Some(meant) => finding.with_help(format!("did you mean `{meant}`?")),
                None => finding,
            });
        }
    }
    if let (true, NodeKind::Mapping(entries)) = (schemas, &mut root.kind) {
        let named = entries.iter().find(|entry| entry.name() == "schemas").map(|entry| entry.value.clone());
        entries.iter_mut().for_each(|entry| composer.schemas(&mut entry.value, named.as_ref(), 0));
    }
    if let (true, NodeKind::Mapping(entries)) = (inline, &mut root.kind) {
        let blocks = entries.iter_mut().filter(|entry| BLOCKS.contains(&entry.name()));
        blocks.for_each(|entry| composer.inline("", &mut entry.value));
    }
    Some((root, composer.diagnostics))
}

/// The parts of a library in the places where a document has its own; gives the names that there are.
fn bring_in(root: &mut Node, library: &Node, alias: &str, only: &[&Node], at: TextRange) -> Vec<String> {
    const MAPPINGS: [(&[&str], &[&str]); 4] = [
        (&["models"], &["intelligence", "models"]),
        (&["prompts"], &["intelligence", "prompts", "templates"]),
        (&["schemas"], &["schemas"]),
        (&["secrets"], &["governance", "security", "secrets"]),
    ];
    const LISTS: [(&[&str], &[&str]); 3] = [
        (&["tools"], &["integration", "tools"]),
        (&["mcp_servers"], &["integration", "mcp_servers"]),
        (&["knowledge_bases"], &["memory", "knowledge_bases"]),
    ];
    let is_library = Kind::of(library) == Kind::Library;
    let source = |own: &[&str], of_agent: &[&str]| {
        let keys = if is_library { own } else { of_agent };
        keys.iter().try_fold(library, |node, key| node.get(key))
    };
    let wanted = |name: &str| only.is_empty() || only.iter().any(|node| node.as_str() == Some(name));
    let mut names = Vec::new();
    for (own, target) in MAPPINGS {
        for entry in source(own, target).map(Node::entries).unwrap_or_default() {
            names.push(entry.name().to_owned());
            if wanted(entry.name()) {
                let mut value = entry.value.clone();
                relocate(&mut value, at);
                let key = implied(&format!("{alias}.{}", entry.name()), at);
                if let Some(NodeKind::Mapping(entries)) = place(root, target, at, || NodeKind::Mapping(Vec::new())) {
                    entries.push(Entry { key, value, merged: true });
                }
            }
        }
    }
    for (own, target) in LISTS {
        for item in source(own, target).map(Node::items).unwrap_or_default() {
            let Some(name) = merge::name(item) else { continue };
            names.push(name.to_owned());
            if wanted(name) && item.as_str().is_none() {
                let mut item = item.clone();
                relocate(&mut item, at);
                let full = implied(&format!("{alias}.{name}"), at);
                if let NodeKind::Mapping(entries) = &mut item.kind
                    && let Some(entry) = entries.iter_mut().find(|entry| entry.name() == "name")
                {
                    entry.value = full;
                }
                if let Some(NodeKind::Sequence(items)) = place(root, target, at, || NodeKind::Sequence(Vec::new())) {
                    items.push(item);
                }
            }
        }
    }
    names
}

/// What stands at a path; what is missing on the way is made.
fn place<'n>(
    root: &'n mut Node,
    path: &[&str],
    at: TextRange,
    empty: impl Fn() -> NodeKind,
) -> Option<&'n mut NodeKind> {
    let mut node = root;
    for (depth, key) in path.iter().enumerate() {
        let NodeKind::Mapping(entries) = &mut node.kind else { return None };
        let position = match entries.iter().position(|entry| entry.name() == *key) {
            Some(position) => position,
            None => {
                let last = depth + 1 == path.len();
                let kind = if last { empty() } else { NodeKind::Mapping(Vec::new()) };
                entries.push(Entry { key: implied(key, at), value: Node { range: at, tag: None, kind }, merged: true });
                entries.len() - 1
            }
        };
        node = &mut entries[position].value;
        if node.is_null() && depth + 1 == path.len() {
            node.kind = empty();
        }
    }
    Some(&mut node.kind)
}

/// A text that stands for something in the document.
pub(crate) fn implied(text: &str, at: TextRange) -> Node {
    Node { range: at, tag: None, kind: NodeKind::Scalar(Scalar::implied(text)) }
}

/// Lets everything below a node stand at one place of this document.
fn relocate(node: &mut Node, at: TextRange) {
    node.range = at;
    match &mut node.kind {
        NodeKind::Mapping(entries) => {
            for entry in entries {
                relocate(&mut entry.key, at);
                relocate(&mut entry.value, at);
                entry.merged = true;
            }
        }
        NodeKind::Sequence(items) => items.iter_mut().for_each(|item| relocate(item, at)),
        NodeKind::Scalar(scalar) => scalar.style = ScalarStyle::Implied,
        NodeKind::Null => {}
    }
}

fn is_path(name: &str) -> bool {
    name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json")
}

/// A path relative to the folder of another one; `None` if it leaves the workspace.
pub fn beside(path: &str, name: &str) -> Option<String> {
    if name.starts_with('/') || name.contains('\\') || name.contains(':') || name.contains('\0') {
        return None;
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_workspace() {
        for (path, name, expected) in [
            ("a/b.yaml", "./c.yaml", Some("a/c.yaml")),
            ("a/b.yaml", "../c.yaml", Some("c.yaml")),
            ("a/b.yaml", "../../c.yaml", None),
            ("b.yaml", "x/../c.yaml", Some("c.yaml")),
            ("b.yaml", "/etc/passwd", None),
            ("b.yaml", "C:/x.yaml", None),
            ("b.yaml", "..\\x.yaml", None),
        ] {
            assert_eq!(beside(path, name).as_deref(), expected, "{path} {name}");
        }
    }
}
