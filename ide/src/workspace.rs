//! Several documents at one moment, and what leads from one to another: agents.

use std::{collections::BTreeMap, sync::Arc};

use aikit_core::{Edit, TextRange};

use crate::{
    index::{Role, SymbolKind},
    navigate::{self, RenameError},
    snapshot::Snapshot,
};

/// Documents by a key that the caller chooses, a path or an address. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Workspace {
    documents: Arc<BTreeMap<String, Snapshot>>,
}

/// A place in one of the documents.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The key of the document.
    pub document: String,
    /// Where in it.
    pub range: TextRange,
}

/// A named thing of one of the documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceSymbol {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: SymbolKind,
    /// The agent whose document declares it.
    pub container: String,
    /// Where it is declared.
    pub location: Location,
}

impl Workspace {
    /// Adds or replaces a document.
    pub fn insert(&mut self, document: impl Into<String>, snapshot: Snapshot) {
        Arc::make_mut(&mut self.documents).insert(document.into(), snapshot);
    }

    /// Takes a document out.
    pub fn remove(&mut self, document: &str) {
        Arc::make_mut(&mut self.documents).remove(document);
    }

    /// A document.
    pub fn get(&self, document: &str) -> Option<&Snapshot> {
        self.documents.get(document)
    }

    /// All documents, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Snapshot)> {
        self.documents.iter().map(|(key, snapshot)| (key.as_str(), snapshot))
    }

    /// The ids of the agents that the documents declare, sorted.
    pub fn agents(&self) -> Vec<String> {
        let mut ids: Vec<String> = self
            .iter()
            .filter_map(|(_, snapshot)| Some(snapshot.root()?.get("identity")?.get("agent_id")?.as_str()?.to_owned()))
            .collect();
        ids.sort();
        ids.dedup();
        ids
    }

    /// Where the name at an offset is declared; an agent in whichever document.
    pub fn definition(&self, document: &str, offset: usize) -> Vec<Location> {
        let Some(snapshot) = self.get(document) else { return Vec::new() };
        match navigate::symbol_at(snapshot, offset) {
            Some(found) if found.symbol.kind == SymbolKind::Agent => {
                let all = self.places(|snapshot| snapshot.index().declarations(&found.symbol));
                all.into_iter().collect()
            }
            _ => here(document, navigate::definition(snapshot, offset)),
        }
    }

    /// Every place of the name at an offset, with or without its declarations.
    pub fn references(&self, document: &str, offset: usize, declarations: bool) -> Vec<Location> {
        let Some(snapshot) = self.get(document) else { return Vec::new() };
        let Some(found) = navigate::symbol_at(snapshot, offset) else { return Vec::new() };
        let places = |snapshot: &Snapshot| {
            let all = snapshot.index().of(&found.symbol);
            all.filter(|other| declarations || other.role != Role::Declaration).map(|other| other.range).collect()
        };
        if found.symbol.kind == SymbolKind::Agent { self.places(places) } else { here(document, places(snapshot)) }
    }

    /// The edits that give the name at an offset another one, by document.
    pub fn rename(
        &self,
        document: &str,
        offset: usize,
        name: &str,
    ) -> Result<BTreeMap<String, Vec<Edit>>, RenameError> {
        let missing = || RenameError("the document is not open".into());
        let snapshot = self.get(document).ok_or_else(missing)?;
        let found = navigate::prepare_rename(snapshot, offset)?;
        if found.symbol.kind != SymbolKind::Agent {
            let edits = navigate::rename(snapshot, offset, name)?;
            return Ok(BTreeMap::from([(document.to_owned(), edits)]));
        }
        navigate::check_name(&found.symbol, name)?;
        if name != found.symbol.name && self.agents().iter().any(|agent| agent == name) {
            return Err(RenameError(format!("there is an agent `{name}` already")));
        }
        let mut all = BTreeMap::new();
        for (key, snapshot) in self.iter() {
            let edits = navigate::rename_symbol(snapshot, &found.symbol, name)?;
            if !edits.is_empty() {
                all.insert(key.to_owned(), edits);
            }
        }
        Ok(all)
    }

    /// What the documents declare under names that contain `query`, whatever its case; everything for an empty one.
    pub fn symbols(&self, query: &str) -> Vec<WorkspaceSymbol> {
        let query = query.to_lowercase();
        let mut found = Vec::new();
        for (key, snapshot) in self.iter() {
            let declared = || snapshot.index().occurrences.iter().filter(|one| one.role == Role::Declaration);
            let agent = declared().find(|one| one.symbol.kind == SymbolKind::Agent);
            let container = agent.map(|one| one.symbol.name.clone()).unwrap_or_default();
            for one in declared().filter(|one| one.symbol.name.to_lowercase().contains(&query)) {
                found.push(WorkspaceSymbol {
                    name: one.symbol.name.clone(),
                    kind: one.symbol.kind,
                    container: container.clone(),
                    location: Location { document: key.to_owned(), range: one.range },
                });
            }
        }
        found
    }

    fn places(&self, of: impl Fn(&Snapshot) -> Vec<TextRange>) -> Vec<Location> {
        self.iter().flat_map(|(key, snapshot)| here(key, of(snapshot))).collect()
    }
}

fn here(document: &str, ranges: Vec<TextRange>) -> Vec<Location> {
    ranges.into_iter().map(|range| Location { document: document.to_owned(), range }).collect()
}
