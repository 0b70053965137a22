//! The handlers: each hands its question to the owner and puts the answer into the protocol's words.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use aikit_core::Diagnostic;
use aikit_ide::{ActionKind, GraphStep, LensAction, Occurrence, RenameError, Role, Snapshot};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower_lsp::{
    Client, LanguageServer,
    jsonrpc::{Error, ErrorCode, Result},
    ls_types::{self as lsp, *},
};

use crate::{
    Analysis,
    capabilities::{self, FIX_ALL, Offered},
    convert, folders,
    owner::{Document, Owner, Publication, State, key},
};

/// One client's server.
pub struct Backend {
    client: Client,
    owner: Owner,
    /// What came with the first request and is needed behind it.
    begun: std::sync::OnceLock<(Offered, Vec<Uri>)>,
}

/// The document that a request of our own is about.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentParams {
    text_document: TextDocumentIdentifier,
}

/// A step of the picture.
#[derive(Debug, Serialize)]
pub struct GraphNode {
    name: String,
    kind: &'static str,
    range: Range,
    branches: Vec<GraphWay>,
}

/// A way through a step.
#[derive(Debug, Serialize)]
pub struct GraphWay {
    label: String,
    steps: Vec<GraphNode>,
}

impl Backend {
    /// Starts the owner, and the task that publishes what it finds.
    pub fn new(client: Client, analysis: Arc<dyn Analysis>) -> Self {
        let (publish, mut publications) = mpsc::unbounded_channel::<Publication>();
        let publisher = client.clone();
        tokio::spawn(async move {
            while let Some(Publication { uri, diagnostics, version }) = publications.recv().await {
                publisher.publish_diagnostics(uri, diagnostics, version).await;
            }
        });
        Self { client, owner: Owner::start(analysis, publish), begun: std::sync::OnceLock::new() }
    }

    /// Asks about the place in a document.
    async fn at<T: Send + 'static>(
        &self,
        place: TextDocumentPositionParams,
        question: impl FnOnce(&State, &Snapshot, &Uri, usize) -> T + Send + 'static,
    ) -> Option<T> {
        self.of(place.text_document.uri, move |state, document, uri| {
            let offset = convert::offset(&document.snapshot, place.position, state.offered.encoding);
            question(state, &document.snapshot, uri, offset)
        })
        .await
    }

    /// Asks about a document.
    async fn of<T: Send + 'static>(
        &self,
        uri: Uri,
        question: impl FnOnce(&State, &Document, &Uri) -> T + Send + 'static,
    ) -> Option<T> {
        self.owner.ask(move |state| Some(question(state, state.documents.get(&uri)?, &uri))).await.flatten()
    }

    /// Asks about a document whose findings are those of its text.
    async fn checked<T: Send + 'static>(
        &self,
        uri: Uri,
        question: impl FnOnce(&State, &Document, &Uri) -> T + Send + 'static,
    ) -> Option<T> {
        let asked = uri.clone();
        let question = move |state: &State| Some(question(state, state.documents.get(&asked)?, &asked));
        self.owner.ask_checked(uri, question).await.flatten()
    }

    /// Reads the documents in folders, beside everything else.
    fn look_into(&self, folders: Vec<Uri>, offered: Offered) {
        let paths: Vec<PathBuf> =
            folders.iter().filter_map(|folder| folder.to_file_path().map(|path| path.into_owned())).collect();
        self.owner.folders(paths.clone());
        if paths.is_empty() {
            return;
        }
        let (client, owner) = (self.client.clone(), self.owner.clone());
        tokio::spawn(async move {
            let token = ProgressToken::String("aikit/folders".into());
            // A client that does not answer must not hold the work up: it goes on beside the question.
            let shown = offered.progress.then(|| {
                let (client, token) = (client.clone(), token.clone());
                tokio::spawn(async move {
                    client.create_work_done_progress(token.clone()).await.ok()?;
                    Some(client.progress(token, "Reading agents").begin().await)
                })
            });
            // The task only panics with the runtime.
            let found = tokio::task::spawn_blocking(move || folders::documents(&paths)).await.unwrap_or_default();
            let count = found.len();
            owner.found(found);
            if let Some(shown) = shown
                && let Ok(Some(progress)) = shown.await
            {
                progress.finish_with_message(format!("{count} found")).await;
            }
        });
    }

    /// `aikit/graph`: the steps of a document for a picture, or `null` while it has errors.
    pub async fn graph(&self, params: DocumentParams) -> Result<Option<Vec<GraphNode>>> {
        fn node(state: &State, snapshot: &Snapshot, step: GraphStep) -> GraphNode {
            let ways = step.branches.into_iter().map(|branch| GraphWay {
                label: branch.label,
                steps: branch.steps.into_iter().map(|step| node(state, snapshot, step)).collect(),
            });
            GraphNode {
                name: step.name,
                kind: step.kind,
                range: convert::range(snapshot, step.range, state.offered.encoding),
                branches: ways.collect(),
            }
        }
        let found = self.of(params.text_document.uri, |state, document, _| {
            let steps = aikit_ide::graph(&document.snapshot)?;
            Some(steps.into_iter().map(|step| node(state, &document.snapshot, step)).collect())
        });
        Ok(found.await.flatten())
    }
}

impl Backend {
    /// `aikit/interface`: the inputs of a document's agent and its examples, or `null` where it names no agent.
    pub async fn interface(&self, params: DocumentParams) -> Result<Option<Value>> {
        let found = self.of(params.text_document.uri, |state, document, _| {
            let found = aikit_ide::interface(&document.snapshot)?;
            let example = |example: aikit_ide::Example| {
                json!({
                    "range": convert::range(&document.snapshot, example.range, state.offered.encoding),
                    "inputs": example.inputs,
                    "outputs": example.outputs,
                })
            };
            let examples: Vec<Value> = found.examples.into_iter().map(example).collect();
            let case = |case: aikit_ide::Case| {
                json!({
                    "name": case.name,
                    "range": convert::range(&document.snapshot, case.range, state.offered.encoding),
                    "inputs": case.inputs,
                })
            };
            let cases: Vec<Value> = found.cases.into_iter().map(case).collect();
            Some(json!({ "agent": found.agent, "inputs": found.inputs, "examples": examples, "cases": cases }))
        });
        Ok(found.await.flatten())
    }
}

/// Why a request cannot be met, in the protocol's form.
fn refused(error: RenameError) -> Error {
    Error { code: ErrorCode::InvalidParams, message: error.to_string().into(), data: None }
}

/// The command behind a lens. Its arguments are the document and what is special.
fn command(title: String, action: &LensAction, uri: &Uri, at: Position) -> Command {
    let (command, more) = match action {
        LensAction::Run { example: None } => ("aikit.run", Value::Null),
        LensAction::Run { example } => ("aikit.run", json!({ "example": example })),
        LensAction::Debug => ("aikit.debug", Value::Null),
        LensAction::Test => ("aikit.test", Value::Null),
        LensAction::DebugTo { step } => ("aikit.debug", json!({ "step": step, "line": at.line })),
        LensAction::References { .. } => ("aikit.references", json!({ "position": at })),
    };
    Command { title, command: command.to_owned(), arguments: Some(vec![uri.as_str().into(), more]) }
}

impl LanguageServer for Backend {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        let offered = Offered::new(&params.capabilities);
        self.owner.setup(offered);
        #[expect(deprecated, reason = "clients without folders still say their root")]
        let root = params.root_uri.into_iter().collect();
        let folders =
            params.workspace_folders.map_or(root, |folders| folders.into_iter().map(|folder| folder.uri).collect());
        // A second request of this kind is refused before it comes here.
        let _ = self.begun.set((offered, folders));
        let capabilities = capabilities::capabilities(offered.encoding);
        let server_info = ServerInfo { name: "aikit".into(), version: Some(env!("CARGO_PKG_VERSION").into()) };
        Ok(InitializeResult { capabilities, server_info: Some(server_info), ..InitializeResult::default() })
    }

    async fn initialized(&self, _: InitializedParams) {
        let Some((offered, folders)) = self.begun.get().cloned() else { return };
        self.look_into(folders, offered);
        if offered.watches {
            let client = self.client.clone();
            // A client that refuses or does not answer tells of no files.
            tokio::spawn(async move { client.register_capability(vec![capabilities::watchers()]).await });
        }
    }

    async fn shutdown(&self) -> Result<()> {
        Ok(())
    }

    async fn did_open(&self, params: DidOpenTextDocumentParams) {
        let document = params.text_document;
        self.owner.open(document.uri, document.text, document.version);
    }

    async fn did_change(&self, params: DidChangeTextDocumentParams) {
        self.owner.change(params.text_document.uri, params.content_changes, params.text_document.version);
    }

    async fn did_close(&self, params: DidCloseTextDocumentParams) {
        self.owner.close(params.text_document.uri);
    }

    async fn did_change_watched_files(&self, params: DidChangeWatchedFilesParams) {
        self.owner.changed(params.changes.into_iter().map(|change| change.uri).collect());
    }

    async fn did_change_workspace_folders(&self, params: DidChangeWorkspaceFoldersParams) {
        self.owner.left(params.event.removed.into_iter().map(|folder| folder.uri).collect());
        let offered = self.begun.get().map(|(offered, _)| *offered).unwrap_or_default();
        self.look_into(params.event.added.into_iter().map(|folder| folder.uri).collect(), offered);
    }

    async fn diagnostic(&self, params: DocumentDiagnosticParams) -> Result<DocumentDiagnosticReportResult> {
        let items = self
            .checked(params.text_document.uri, |state, document, uri| {
                convert::diagnostics(&document.snapshot, &document.findings, uri, state.offered.encoding)
            })
            .await
            .unwrap_or_default();
        Ok(DocumentDiagnosticReportResult::Report(DocumentDiagnosticReport::Full(
            RelatedFullDocumentDiagnosticReport {
                related_documents: None,
                full_document_diagnostic_report: FullDocumentDiagnosticReport { result_id: None, items },
            },
        )))
    }

    async fn completion(&self, params: CompletionParams) -> Result<Option<CompletionResponse>> {
        let found = self.at(params.text_document_position, |state, snapshot, _, offset| {
            let found = aikit_ide::complete(snapshot, offset);
            let item = |(order, found)| convert::completion(snapshot, found, order, state.offered);
            found.into_iter().enumerate().map(item).collect::<Vec<_>>()
        });
        Ok(found.await.map(CompletionResponse::Array))
    }

    async fn signature_help(&self, params: SignatureHelpParams) -> Result<Option<SignatureHelp>> {
        let found = self.at(params.text_document_position_params, |_, snapshot, _, offset| {
            let found = aikit_ide::signature(snapshot, offset)?;
            let parameter =
                |label: String| ParameterInformation { label: ParameterLabel::Simple(label), documentation: None };
            let active = u32::try_from(found.active).ok();
            Some(SignatureHelp {
                signatures: vec![SignatureInformation {
                    label: found.label,
                    documentation: Some(Documentation::String(found.doc.to_owned())),
                    parameters: Some(found.parameters.into_iter().map(parameter).collect()),
                    active_parameter: active,
                }],
                active_signature: Some(0),
                active_parameter: active,
            })
        });
        Ok(found.await.flatten())
    }

    async fn hover(&self, params: HoverParams) -> Result<Option<lsp::Hover>> {
        let found = self.at(params.text_document_position_params, |state, snapshot, _, offset| {
            let hover = aikit_ide::hover(snapshot, offset)?;
            Some(lsp::Hover {
                contents: HoverContents::Markup(MarkupContent { kind: MarkupKind::Markdown, value: hover.markdown }),
                range: Some(convert::range(snapshot, hover.range, state.offered.encoding)),
            })
        });
        Ok(found.await.flatten())
    }

    async fn goto_definition(&self, params: GotoDefinitionParams) -> Result<Option<GotoDefinitionResponse>> {
        let found = self.at(params.text_document_position_params, |state, _, uri, offset| {
            let places = state.workspace.definition(&key(uri), offset);
            places.iter().filter_map(|place| state.location(place)).collect()
        });
        Ok(found.await.map(GotoDefinitionResponse::Array))
    }

    async fn references(&self, params: ReferenceParams) -> Result<Option<Vec<Location>>> {
        let declarations = params.context.include_declaration;
        let found = self.at(params.text_document_position, move |state, _, uri, offset| {
            let places = state.workspace.references(&key(uri), offset, declarations);
            places.iter().filter_map(|place| state.location(place)).collect()
        });
        Ok(found.await)
    }

    async fn document_highlight(&self, params: DocumentHighlightParams) -> Result<Option<Vec<DocumentHighlight>>> {
        let found = self.at(params.text_document_position_params, |state, snapshot, _, offset| {
            let highlight = |one: Occurrence| DocumentHighlight {
                range: convert::range(snapshot, one.range, state.offered.encoding),
                kind: Some(match one.role {
                    Role::Declaration => DocumentHighlightKind::TEXT,
                    Role::Write => DocumentHighlightKind::WRITE,
                    Role::Read => DocumentHighlightKind::READ,
                }),
            };
            aikit_ide::references(snapshot, offset).into_iter().map(highlight).collect()
        });
        Ok(found.await)
    }

    async fn prepare_rename(&self, params: TextDocumentPositionParams) -> Result<Option<PrepareRenameResponse>> {
        let found = self.at(params, |state, snapshot, _, offset| {
            let found = aikit_ide::prepare_rename(snapshot, offset)?;
            Ok(PrepareRenameResponse::Range(convert::range(snapshot, found.range, state.offered.encoding)))
        });
        found.await.transpose().map_err(refused)
    }

    async fn rename(&self, params: RenameParams) -> Result<Option<WorkspaceEdit>> {
        let found = self.at(params.text_document_position, move |state, _, uri, offset| {
            let all = state.workspace.rename(&key(uri), offset, &params.new_name)?;
            let edits = all.iter().filter_map(|(document, edits)| {
                let snapshot = state.workspace.get(document)?;
                let edits = convert::edits(snapshot, edits, state.offered.encoding);
                Some((state.uri(document)?.clone(), edits))
            });
            Ok(convert::change(edits.collect()))
        });
        found.await.transpose().map_err(refused)
    }

    async fn document_symbol(&self, params: DocumentSymbolParams) -> Result<Option<DocumentSymbolResponse>> {
        let found = self.of(params.text_document.uri, |state, document, _| {
            let symbols = aikit_ide::document_symbols(&document.snapshot);
            convert::symbols(&document.snapshot, symbols, state.offered.encoding)
        });
        Ok(found.await.map(DocumentSymbolResponse::Nested))
    }

    async fn symbol(&self, params: WorkspaceSymbolParams) -> Result<Option<WorkspaceSymbolResponse>> {
        let found = self.owner.ask(move |state| {
            let found = state.workspace.symbols(&params.query);
            let symbol = |found: aikit_ide::WorkspaceSymbol| {
                Some(WorkspaceSymbol {
                    location: OneOf::Left(state.location(&found.location)?),
                    name: found.name,
                    kind: capabilities::symbol(found.kind),
                    tags: None,
                    container_name: Some(found.container).filter(|container| !container.is_empty()),
                    data: None,
                })
            };
            found.into_iter().filter_map(symbol).collect()
        });
        Ok(found.await.map(WorkspaceSymbolResponse::Nested))
    }

    async fn code_action(&self, params: CodeActionParams) -> Result<Option<CodeActionResponse>> {
        let (wanted, only) = (params.range, params.context.only);
        let found = self.checked(params.text_document.uri, move |state, document, uri| {
            let (snapshot, encoding) = (&document.snapshot, state.offered.encoding);
            let touched = convert::bytes(snapshot, wanted, encoding);
            let asked = |kind: &CodeActionKind| {
                let below = |only: &CodeActionKind| {
                    let rest = kind.as_str().strip_prefix(only.as_str());
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                };
                only.as_ref().is_none_or(|only| only.iter().any(below))
            };
            let mended = |action: &aikit_ide::Action| {
                let (code, range) = action.mends?;
                let is_it = |finding: &&Diagnostic| finding.code == code && finding.range == range;
                let finding = document.findings.iter().find(is_it)?;
                Some(convert::diagnostics(snapshot, std::slice::from_ref(finding), uri, encoding))
            };
            let action = |action: aikit_ide::Action| {
                let kind = match action.kind {
                    ActionKind::QuickFix => CodeActionKind::QUICKFIX,
                    ActionKind::FixAll => FIX_ALL,
                    ActionKind::Rewrite => CodeActionKind::REFACTOR_REWRITE,
                };
                let edits = convert::edits(snapshot, &action.edits, encoding);
                asked(&kind).then(|| {
                    CodeActionOrCommand::CodeAction(CodeAction {
                        diagnostics: mended(&action),
                        title: action.title,
                        kind: Some(kind),
                        edit: Some(convert::change(HashMap::from([(uri.clone(), edits)]))),
                        is_preferred: Some(action.preferred),
                        ..CodeAction::default()
                    })
                })
            };
            aikit_ide::actions(snapshot, touched).into_iter().filter_map(action).collect()
        });
        Ok(found.await)
    }

    async fn code_lens(&self, params: CodeLensParams) -> Result<Option<Vec<CodeLens>>> {
        let found = self.of(params.text_document.uri, |state, document, uri| {
            let lens = |lens: aikit_ide::Lens| {
                let range = convert::range(&document.snapshot, lens.range, state.offered.encoding);
                let command = Some(command(lens.title, &lens.action, uri, range.start));
                CodeLens { range, command, data: None }
            };
            aikit_ide::lenses(&document.snapshot).into_iter().map(lens).collect()
        });
        Ok(found.await)
    }

    async fn inlay_hint(&self, params: InlayHintParams) -> Result<Option<Vec<InlayHint>>> {
        let wanted = params.range;
        let found = self.of(params.text_document.uri, move |state, document, _| {
            let (snapshot, encoding) = (&document.snapshot, state.offered.encoding);
            let within = convert::bytes(snapshot, wanted, encoding);
            let hint = |inlay: aikit_ide::Inlay| InlayHint {
                position: convert::position(snapshot, inlay.offset, encoding),
                label: InlayHintLabel::String(inlay.label),
                kind: Some(InlayHintKind::TYPE),
                text_edits: None,
                tooltip: Some(InlayHintTooltip::String(inlay.tooltip)),
                padding_left: Some(true),
                padding_right: None,
                data: None,
            };
            aikit_ide::inlays(snapshot, within).into_iter().map(hint).collect()
        });
        Ok(found.await)
    }

    async fn document_link(&self, params: DocumentLinkParams) -> Result<Option<Vec<DocumentLink>>> {
        let found = self.of(params.text_document.uri, |state, document, _| {
            let link = |link: aikit_ide::Link| {
                let range = convert::range(&document.snapshot, link.range, state.offered.encoding);
                Some(DocumentLink { range, target: Some(link.target.parse().ok()?), tooltip: None, data: None })
            };
            aikit_ide::links(&document.snapshot).into_iter().filter_map(link).collect()
        });
        Ok(found.await)
    }

    async fn formatting(&self, params: DocumentFormattingParams) -> Result<Option<Vec<TextEdit>>> {
        let found = self.of(params.text_document.uri, |state, document, _| {
            let edit = document.snapshot.formatted();
            convert::edits(&document.snapshot, edit.as_slice(), state.offered.encoding)
        });
        Ok(found.await)
    }

    async fn semantic_tokens_full(&self, params: SemanticTokensParams) -> Result<Option<SemanticTokensResult>> {
        let found = self.of(params.text_document.uri, |state, document, _| {
            convert::tokens(&document.snapshot, None, state.offered.encoding)
        });
        Ok(found.await.map(SemanticTokensResult::Tokens))
    }

    async fn semantic_tokens_range(
        &self,
        params: SemanticTokensRangeParams,
    ) -> Result<Option<SemanticTokensRangeResult>> {
        let wanted = params.range;
        let found = self.of(params.text_document.uri, move |state, document, _| {
            let (snapshot, encoding) = (&document.snapshot, state.offered.encoding);
            let within = convert::bytes(snapshot, wanted, encoding);
            convert::tokens(snapshot, Some(within), encoding)
        });
        Ok(found.await.map(SemanticTokensRangeResult::Tokens))
    }

    async fn folding_range(&self, params: FoldingRangeParams) -> Result<Option<Vec<FoldingRange>>> {
        let found = self.of(params.text_document.uri, |_, document, _| {
            let lines = document.snapshot.lines();
            let fold = |fold: aikit_ide::Fold| FoldingRange {
                start_line: lines.line_of(fold.range.start as usize),
                end_line: lines.line_of(fold.range.end as usize),
                kind: (fold.kind == aikit_ide::FoldKind::Comment).then_some(FoldingRangeKind::Comment),
                ..FoldingRange::default()
            };
            aikit_ide::folds(&document.snapshot).into_iter().map(fold).collect()
        });
        Ok(found.await)
    }

    async fn selection_range(&self, params: SelectionRangeParams) -> Result<Option<Vec<SelectionRange>>> {
        let positions = params.positions;
        let found = self.of(params.text_document.uri, move |state, document, _| {
            let (snapshot, encoding) = (&document.snapshot, state.offered.encoding);
            let grown = |at: Position| {
                let ranges = aikit_ide::selections(snapshot, convert::offset(snapshot, at, encoding));
                let mut grown: Option<SelectionRange> = None;
                for range in ranges.into_iter().rev() {
                    let range = convert::range(snapshot, range, encoding);
                    grown = Some(SelectionRange { range, parent: grown.map(Box::new) });
                }
                grown.unwrap_or(SelectionRange { range: Range { start: at, end: at }, parent: None })
            };
            positions.into_iter().map(grown).collect()
        });
        Ok(found.await)
    }
}
