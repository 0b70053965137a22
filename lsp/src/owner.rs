//! The task that owns the documents. Changes are applied in the order in which they come; findings are computed when
//! nothing else waits, so that fast typing costs one check and not one for every key.

use std::{collections::HashMap, sync::Arc};

use aikit_core::{Diagnostic, Edit, TextRange};
use aikit_ide::{Checked, Snapshot, Surroundings};
use tokio::sync::{mpsc, oneshot};
use tower_lsp::ls_types::{self as lsp, Uri};

use crate::{
    Analysis,
    convert::{Encoding, diagnostics, offset},
};

/// A document as the client has it.
pub struct Document {
    /// Its text, with what is known of it.
    pub snapshot: Snapshot,
    /// The client's number.
    pub version: i32,
    /// Whether findings are to be computed.
    dirty: bool,
    /// The last check.
    checked: Option<Checked>,
}

impl Document {
    fn new(text: String, version: i32, around: &Arc<Surroundings>) -> Self {
        let snapshot = Snapshot::new(text, Arc::clone(around));
        Self { snapshot, version, dirty: true, checked: None }
    }

    /// The findings, as far as they were computed.
    pub fn findings(&self) -> &[Diagnostic] {
        self.checked.as_ref().map(|checked| checked.diagnostics.as_slice()).unwrap_or_default()
    }

    /// The last check.
    pub fn checked(&self) -> Option<&Checked> {
        self.checked.as_ref()
    }
}

/// Everything that is open.
#[derive(Default)]
pub struct State {
    /// The documents.
    pub documents: HashMap<Uri, Document>,
    /// What surrounds them.
    pub around: Arc<Surroundings>,
    /// How the client counts columns.
    pub encoding: Encoding,
    /// Whether the client asks for findings itself.
    pub pulls: bool,
}

type Question = Box<dyn FnOnce(&State) + Send>;

/// What the owner is told.
enum Message {
    Setup {
        encoding: Encoding,
        pulls: bool,
    },
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
    pub fn setup(&self, encoding: Encoding, pulls: bool) {
        self.tell(Message::Setup { encoding, pulls });
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
            Message::Setup { encoding, pulls } => {
                state.encoding = encoding;
                state.pulls = pulls;
            }
            Message::Open { uri, text, version } => {
                state.around = Arc::new(analysis.surroundings().await);
                state.documents.insert(uri, Document::new(text, version, &state.around));
            }
            Message::Change { uri, changes, version } => {
                if let Some(document) = state.documents.get_mut(&uri) {
                    apply(document, changes, version, state.encoding);
                }
            }
            Message::Close { uri } => {
                if state.documents.remove(&uri).is_some() {
                    let _ = publish.send(Publication { uri, diagnostics: Vec::new(), version: None });
                }
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
    let (encoding, pulls) = (state.encoding, state.pulls);
    let Some(document) = state.documents.get_mut(uri) else { return };
    document.dirty = false;
    document.checked = Some(analysis.check(document.snapshot.text()).await);
    if !pulls {
        let diagnostics = diagnostics(document, uri, encoding);
        let _ = publish.send(Publication { uri: uri.clone(), diagnostics, version: Some(document.version) });
    }
}

fn apply(document: &mut Document, changes: Vec<lsp::TextDocumentContentChangeEvent>, version: i32, encoding: Encoding) {
    for change in changes {
        let snapshot = &document.snapshot;
        let whole = TextRange::new(0, snapshot.text().len());
        let replaced = change.range.map_or(whole, |range| {
            TextRange::new(offset(document, range.start, encoding), offset(document, range.end, encoding))
        });
        document.snapshot = snapshot.edited(&Edit { range: replaced, text: change.text });
    }
    document.version = version;
    document.dirty = true;
}
