//! The task that owns the documents. Changes are applied in the order in which they come; findings are computed when
//! nothing else waits, so that fast typing costs one check and not one for every key.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use aikit_core::{Diagnostic, Edit, TextRange};
use aikit_ide::{Snapshot, Surroundings, Workspace};
use tokio::sync::{mpsc, oneshot};
use tower_lsp::ls_types::{self as lsp, Uri};

use crate::{Analysis, capabilities::Offered, convert, folders};

/// A document as the client has it.
pub struct Document {
    /// Its text, with what is known of it.
    pub snapshot: Snapshot,
    /// The client's number.
    pub version: i32,
    /// Whether findings are to be computed.
    dirty: bool,
    /// The findings, as far as they were computed.
    pub findings: Vec<Diagnostic>,
}

/// Everything that is known.
#[derive(Default)]
pub struct State {
    /// The documents that are open.
    pub documents: HashMap<Uri, Document>,
    /// These and those in the folders of the workspace, by [`key`].
    pub workspace: Workspace,
    /// How the client names the documents of the workspace.
    uris: HashMap<String, Uri>,
    /// What surrounds them.
    pub around: Arc<Surroundings>,
    /// What the client can.
    pub offered: Offered,
    /// The folders of the workspace.
    folders: Vec<PathBuf>,
}

/// Clients write the same path in different ways; the path itself is the key.
pub fn key(uri: &Uri) -> String {
    match uri.to_file_path() {
        Some(path) if uri.as_str().starts_with("file:") => path.to_string_lossy().into_owned(),
        _ => uri.as_str().to_owned(),
    }
}

impl State {
    /// A place of the workspace as the client knows it.
    pub fn location(&self, place: &aikit_ide::Location) -> Option<lsp::Location> {
        let snapshot = self.workspace.get(&place.document)?;
        let range = convert::range(snapshot, place.range, self.offered.encoding);
        Some(lsp::Location { uri: self.uri(&place.document)?.clone(), range })
    }

    /// How the client names a document of the workspace.
    pub fn uri(&self, key: &str) -> Option<&Uri> {
        self.uris.get(key)
    }

    /// The text of a document that is not open.
    fn keep(&mut self, uri: Uri, text: String) {
        let key = key(&uri);
        self.workspace.insert(key.clone(), Snapshot::new(text, Arc::clone(&self.around)));
        self.uris.insert(key, uri);
    }

    fn forget(&mut self, uri: &Uri) {
        let key = key(uri);
        self.workspace.remove(&key);
        self.uris.remove(&key);
    }

    fn is_open(&self, uri: &Uri) -> bool {
        let key = key(uri);
        self.documents.keys().any(|open| self::key(open) == key)
    }

    /// The file behind a document that is not open, as it is now.
    fn look(&mut self, uri: &Uri) {
        let path = uri.to_file_path().filter(|_| uri.as_str().starts_with("file:"));
        match path.and_then(|path| folders::document(&path)) {
            Some((_, text)) => self.keep(uri.clone(), text),
            None => self.forget(uri),
        }
    }

    /// Takes what surrounds the documents anew: agents come and go.
    async fn surround(&mut self, analysis: &dyn Analysis) {
        let mut around = analysis.surroundings().await;
        around.agents.extend(self.workspace.agents());
        around.agents.sort();
        around.agents.dedup();
        if around.agents == self.around.agents {
            return;
        }
        self.around = Arc::new(around);
        let open: Vec<Uri> = self.documents.keys().cloned().collect();
        open.iter().for_each(|uri| self.look_around(uri, analysis));
    }

    /// What surrounds one document: what surrounds all of them, and where it stands.
    fn around(&self, uri: &Uri, analysis: &dyn Analysis) -> Arc<Surroundings> {
        let path = uri.to_file_path().filter(|_| uri.as_str().starts_with("file:"));
        let Some(path) = path else { return Arc::clone(&self.around) };
        let mut around = Surroundings::clone(&self.around);
        around.context.around = analysis.setting(&path, &self.folders);
        Arc::new(around)
    }

    /// Takes what surrounds an open document anew.
    fn look_around(&mut self, uri: &Uri, analysis: &dyn Analysis) {
        let around = self.around(uri, analysis);
        let Some(document) = self.documents.get_mut(uri) else { return };
        document.snapshot = document.snapshot.within(around);
        self.workspace.insert(key(uri), document.snapshot.clone());
    }
}

type Question = Box<dyn FnOnce(&State) + Send>;

/// What the owner is told.
enum Message {
    Setup(Offered),
    Open {
        uri: Uri,
        text: String,
        version: i32,
    },
    Change {
        uri: Uri,
        changes: Vec<lsp::TextDocumentContentChangeEvent>,
        version: i32,
    },
    Close {
        uri: Uri,
    },
    /// Folders that are part of the workspace now.
    Folders(Vec<PathBuf>),
    /// Documents that are in the folders of the workspace.
    Found(Vec<(Uri, String)>),
    /// Folders that are not part of the workspace any more.
    Left(Vec<Uri>),
    /// Files that changed on the disk, came or went.
    Changed(Vec<Uri>),
    /// Answered over the state as it is.
    Ask(Question),
    /// Answered when the findings of the document are those of its text.
    AskChecked {
        uri: Uri,
        question: Question,
    },
}

/// The way to the owner.
#[derive(Clone)]
pub struct Owner(mpsc::UnboundedSender<Message>);

/// Findings for the client.
pub struct Publication {
    /// The document.
    pub uri: Uri,
    /// Its findings.
    pub diagnostics: Vec<lsp::Diagnostic>,
    /// The version that they belong to.
    pub version: Option<i32>,
}

impl Owner {
    /// Starts the task; what it finds goes to `publish`.
    pub fn start(analysis: Arc<dyn Analysis>, publish: mpsc::UnboundedSender<Publication>) -> Self {
        let (messages, inbox) = mpsc::unbounded_channel();
        tokio::spawn(run(analysis, inbox, publish));
        Self(messages)
    }

    fn tell(&self, message: Message) {
        // The task ends with the server.
        let _ = self.0.send(message);
    }

    /// What the client can.
    pub fn setup(&self, offered: Offered) {
        self.tell(Message::Setup(offered));
    }

    /// Folders came to the workspace.
    pub fn folders(&self, folders: Vec<PathBuf>) {
        self.tell(Message::Folders(folders));
    }

    /// Documents were found in the folders of the workspace.
    pub fn found(&self, documents: Vec<(Uri, String)>) {
        self.tell(Message::Found(documents));
    }

    /// Folders left the workspace.
    pub fn left(&self, folders: Vec<Uri>) {
        self.tell(Message::Left(folders));
    }

    /// Files changed on the disk.
    pub fn changed(&self, files: Vec<Uri>) {
        self.tell(Message::Changed(files));
    }

    /// A document was opened.
    pub fn open(&self, uri: Uri, text: String, version: i32) {
        self.tell(Message::Open { uri, text, version });
    }

    /// A document was changed.
    pub fn change(&self, uri: Uri, changes: Vec<lsp::TextDocumentContentChangeEvent>, version: i32) {
        self.tell(Message::Change { uri, changes, version });
    }

    /// A document was closed.
    pub fn close(&self, uri: Uri) {
        self.tell(Message::Close { uri });
    }

    /// Asks a question; `None` when the server is ending.
    pub async fn ask<T: Send + 'static>(&self, question: impl FnOnce(&State) -> T + Send + 'static) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.tell(Message::Ask(answering(reply, question)));
        answer.await.ok()
    }

    /// Asks a question about findings.
    pub async fn ask_checked<T: Send + 'static>(
        &self,
        uri: Uri,
        question: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.tell(Message::AskChecked { uri, question: answering(reply, question) });
        answer.await.ok()
    }
}

fn answering<T: Send + 'static>(
    reply: oneshot::Sender<T>,
    question: impl FnOnce(&State) -> T + Send + 'static,
) -> Question {
    Box::new(move |state| {
        // Nobody waits any more for the answer to a request that was cancelled.
        if !reply.is_closed() {
            let _ = reply.send(question(state));
        }
    })
}

async fn run(
    analysis: Arc<dyn Analysis>,
    mut inbox: mpsc::UnboundedReceiver<Message>,
    publish: mpsc::UnboundedSender<Publication>,
) {
    let mut state = State { around: Arc::new(analysis.surroundings().await), ..State::default() };
    loop {
        let message = match inbox.try_recv() {
            Ok(message) => message,
            Err(mpsc::error::TryRecvError::Disconnected) => return,
            Err(mpsc::error::TryRecvError::Empty) => {
                let dirty = state.documents.iter().find(|(_, document)| document.dirty).map(|(uri, _)| uri.clone());
                if let Some(uri) = dirty {
                    check(&mut state, &uri, analysis.as_ref(), &publish).await;
                    continue;
                }
                match inbox.recv().await {
                    Some(message) => message,
                    None => return,
                }
            }
        };
        match message {
            Message::Setup(offered) => state.offered = offered,
            Message::Open { uri, text, version } => {
                let snapshot = Snapshot::new(text, state.around(&uri, analysis.as_ref()));
                state.workspace.insert(key(&uri), snapshot.clone());
                state.uris.insert(key(&uri), uri.clone());
                state.documents.insert(uri, Document { snapshot, version, dirty: true, findings: Vec::new() });
                state.surround(analysis.as_ref()).await;
            }
            Message::Change { uri, changes, version } => {
                if let Some(document) = state.documents.get_mut(&uri) {
                    apply(document, changes, version, state.offered);
                    state.workspace.insert(key(&uri), document.snapshot.clone());
                }
            }
            Message::Close { uri } => {
                if state.documents.remove(&uri).is_some() {
                    // What is on the disk counts again.
                    state.look(&uri);
                    let _ = publish.send(Publication { uri, diagnostics: Vec::new(), version: None });
                }
            }
            Message::Folders(folders) => {
                state.folders.extend(folders);
                let open: Vec<Uri> = state.documents.keys().cloned().collect();
                open.iter().for_each(|uri| state.look_around(uri, analysis.as_ref()));
            }
            Message::Found(documents) => {
                for (uri, text) in documents {
                    if !state.is_open(&uri) {
                        state.keep(uri, text);
                    }
                }
                state.surround(analysis.as_ref()).await;
            }
            Message::Left(folders) => {
                let left: Vec<_> = folders.iter().filter_map(|folder| folder.to_file_path()).collect();
                state.folders.retain(|folder| !left.iter().any(|left| left.as_ref() == folder.as_path()));
                let folders: Vec<String> = folders.iter().map(|folder| key(folder) + "/").collect();
                let gone = |uri: &&Uri| folders.iter().any(|folder| key(uri).starts_with(folder.as_str()));
                let gone: Vec<Uri> = state.uris.values().filter(gone).cloned().collect();
                gone.iter().filter(|uri| !state.is_open(uri)).cloned().collect::<Vec<_>>().iter().for_each(|uri| {
                    state.forget(uri);
                });
                state.surround(analysis.as_ref()).await;
            }
            Message::Changed(files) => {
                for uri in files {
                    if !state.is_open(&uri) {
                        state.look(&uri);
                    }
                }
                // A document that is made of others is another one when they change.
                let made_of_others = |document: &Document| {
                    let text = document.snapshot.text();
                    text.contains("extends") || text.contains("imports")
                };
                let heirs: Vec<Uri> =
                    state.documents.iter().filter(|(_, one)| made_of_others(one)).map(|(uri, _)| uri.clone()).collect();
                for uri in heirs {
                    state.look_around(&uri, analysis.as_ref());
                    if let Some(document) = state.documents.get_mut(&uri) {
                        document.dirty = true;
                    }
                }
                state.surround(analysis.as_ref()).await;
            }
            Message::Ask(question) => question(&state),
            Message::AskChecked { uri, question } => {
                if state.documents.get(&uri).is_some_and(|document| document.dirty) {
                    check(&mut state, &uri, analysis.as_ref(), &publish).await;
                }
                question(&state);
            }
        }
    }
}

async fn check(state: &mut State, uri: &Uri, analysis: &dyn Analysis, publish: &mpsc::UnboundedSender<Publication>) {
    let offered = state.offered;
    let Some(document) = state.documents.get_mut(uri) else { return };
    document.dirty = false;
    document.findings = analysis.findings(&document.snapshot).await;
    if !offered.pulls {
        let diagnostics = convert::diagnostics(&document.snapshot, &document.findings, uri, offered.encoding);
        let _ = publish.send(Publication { uri: uri.clone(), diagnostics, version: Some(document.version) });
    }
}

fn apply(document: &mut Document, changes: Vec<lsp::TextDocumentContentChangeEvent>, version: i32, offered: Offered) {
    for change in changes {
        let snapshot = &document.snapshot;
        let whole = TextRange::new(0, snapshot.text().len());
        let replaced = change.range.map_or(whole, |range| convert::bytes(snapshot, range, offered.encoding));
        document.snapshot = snapshot.edited(&Edit { range: replaced, text: change.text });
    }
    document.version = version;
    document.dirty = true;
}
