//! Knowledge bases: documents of the workspace, read when they changed, and searched.
//!
//! What a base names in `source` is what may be read: it stands in the document, a model cannot change it, and the workspace
//! ends where its folder does. Where the document has `permits.fs_read`, those must allow a file as well.

use std::collections::BTreeSet;

use aikit_core::{
    ErrorKind, RunError,
    memory::{Document, Space},
    record::Usage,
};
use aikit_spec::{
    agent::{ChunkUnit, KnowledgeRefresh},
    plan::KnowledgePlan,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Desk;
use crate::ports::memory::{Cut, FuseBy, GraphSettings, Hit, Search, SearchBy, Unit};

/// The largest document, in bytes.
const LARGEST: u64 = 8 << 20;

/// Changes when passages are made in another way, so that documents are read again.
const RECIPE: &str = "1";

impl Desk {
    /// Brings bases up to date and searches them.
    #[expect(clippy::too_many_arguments, reason = "the fields of one operation")]
    pub(super) async fn retrieve(
        &self,
        bases: Vec<(String, Space)>,
        query: &str,
        top_k: u32,
        min_score: f64,
        by: SearchBy,
        fuse: FuseBy,
        usage: &mut Usage,
    ) -> Result<Value, RunError> {
        let mut found: Vec<(f64, Value)> = Vec::new();
        for (name, space) in bases {
            let Some(base) = self.memory.knowledge.iter().find(|base| base.name == name) else {
                return Err(RunError::new(ErrorKind::Internal, format!("the plan lost the knowledge base `{name}`")));
            };
            self.refresh(base, &space, usage).await?;
            let vector = match by {
                SearchBy::Bm25 => None,
                _ => self.embed_one(&base.embedding, query, usage).await?,
            };
            let search = Search {
                text: query.to_owned(),
                vector,
                by,
                fuse,
                top_k: top_k as usize,
                min_score,
                graph: Some(GraphSettings::default()),
            };
            for Hit { item, score } in self.port().search(&space, &search).await? {
                let citation = item.cut.headings.iter().fold(item.source.clone(), |path, next| path + " > " + next);
                let value = json!({
                    "id": item.id, "text": item.cut.text, "score": score, "source": item.source,
                    "headings": item.cut.headings, "citation": citation, "start": item.cut.start, "end": item.cut.end,
                    "base": name,
                });
                found.push((score, value));
            }
        }
        // The sort is stable: of equal ones those of the first base come first.
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        Ok(found.into_iter().take(top_k as usize).map(|(_, value)| value).collect())
    }

    /// Reads the documents of a base that are new or changed, and lets go of those that are no more.
    async fn refresh(&self, base: &KnowledgePlan, space: &Space, usage: &mut Usage) -> Result<(), RunError> {
        if let Some(kind) = base.unsupported {
            return Err(RunError::unsupported(format!("the knowledge base `{}`: `{kind}`", base.name)));
        }
        let known = self.port().documents(space).await?;
        if base.refresh == KnowledgeRefresh::Manual && !known.is_empty() {
            return Ok(());
        }
        let mut sources = BTreeSet::new();
        for pattern in &base.sources {
            for file in self.engine.ports().files.list(pattern).await? {
                if self.may_read(&file.path) {
                    sources.insert(file.path);
                }
            }
        }
        for gone in known.iter().filter(|document| !sources.contains(&document.source)) {
            self.port().remove_document(space, &gone.source).await?;
        }
        for source in sources {
            let bytes = self.engine.ports().files.read(&source, LARGEST).await?;
            let digest = digest(base, &bytes);
            if known.iter().any(|document| document.source == source && document.digest == digest) {
                continue;
            }
            // What is no text (a picture among the pages) has no passages, and is not looked at again until it changes.
            let text = String::from_utf8(bytes).unwrap_or_default();
            let mut passages = self.port().cut(&text, cut(base));
            let texts: Vec<String> = passages
                .iter()
                .map(|passage| {
                    passage.headings.iter().rev().fold(passage.text.clone(), |text, above| format!("{above}\n{text}"))
                })
                .collect();
            let vectors = self.embed(&base.embedding, &texts, usage).await?;
            passages.iter_mut().zip(vectors).for_each(|(passage, vector)| passage.vector = vector);
            self.port().put_document(space, Document { source, digest }, passages).await?;
        }
        Ok(())
    }

    /// A file that the document names.
    pub(super) async fn readable_file(&self, path: &str) -> Result<Vec<u8>, RunError> {
        if !self.may_read(path) {
            let message = format!("the document may not read `{path}`");
            return Err(RunError::new(ErrorKind::ToolDenied, message)
                .with_help("allow it in governance.security.permits.fs_read"));
        }
        self.engine.ports().files.read(path, LARGEST).await
    }

    fn may_read(&self, path: &str) -> bool {
        self.memory.readable.is_empty() || self.memory.readable.iter().any(|glob| matches(glob, path))
    }
}

/// What a document is in a base: its content and how its passages are made.
fn digest(base: &KnowledgePlan, bytes: &[u8]) -> String {
    let (unit, size, overlap) = base.cut;
    let model = &base.embedding.model;
    let recipe = json!([RECIPE, format!("{unit:?}"), size, overlap, model.provider, model.model]).to_string();
    let hash = Sha256::new().chain_update(recipe).chain_update([0]).chain_update(bytes).finalize();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn cut(base: &KnowledgePlan) -> Cut {
    let (unit, size, overlap) = base.cut;
    let unit = match unit {
        ChunkUnit::Tokens => Unit::Tokens,
        ChunkUnit::Chars => Unit::Chars,
        ChunkUnit::Sentences => Unit::Sentences,
        ChunkUnit::Headings => Unit::Headings,
    };
    Cut { unit, size: size as usize, overlap: overlap as usize }
}

/// Whether a path fits a glob: `*` stands for anything within a part of it, `**` for any parts.
fn matches(glob: &str, path: &str) -> bool {
    fn parts(globs: &[&str], path: &[&str]) -> bool {
        match (globs, path) {
            ([], []) => true,
            (["**", rest @ ..], path) => (0..=path.len()).any(|skip| parts(rest, &path[skip..])),
            ([glob, globs @ ..], [part, path @ ..]) => name(glob.as_bytes(), part.as_bytes()) && parts(globs, path),
            _ => false,
        }
    }
    fn name(glob: &[u8], text: &[u8]) -> bool {
        match (glob, text) {
            ([], []) => true,
            ([b'*', rest @ ..], text) => (0..=text.len()).any(|skip| name(rest, &text[skip..])),
            ([b'?', glob @ ..], [_, text @ ..]) => name(glob, text),
            ([one, glob @ ..], [other, text @ ..]) => one == other && name(glob, text),
            _ => false,
        }
    }
    let globs: Vec<&str> = glob.trim_start_matches("./").split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    parts(&globs, &path)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn globs_stay_within_their_parts() {
        for (glob, path, fits) in [
            ("docs/**", "docs/a/b.md", true),
            ("docs/*", "docs/a/b.md", false),
            ("**/*.md", "a.md", true),
            ("./docs/*.md", "docs/a.md", true),
            ("docs/**/x?.md", "docs/x1.md", true),
            ("docs", "docs/a.md", false),
            ("*", "a.md", true),
        ] {
            assert_eq!(matches(glob, path), fits, "{glob} {path}");
        }
    }
}
