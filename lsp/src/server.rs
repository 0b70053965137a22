//! The handlers: each hands its question to the owner and puts the answer into the protocol's words.

use std::sync::Arc;

use aikit_core::TextRange;
use aikit_ide::{Occurrence, RenameError, Role};
use tokio::sync::mpsc;
use tower_lsp::{
    Client, LanguageServer,
    jsonrpc::{Error, ErrorCode, Result},
    ls_types::{self as lsp, *},
};

use crate::{
    Analysis,
    convert::{self, Encoding},
    owner::{Document, Owner, Publication, State},
};

/// One client's server.
pub struct Backend {
    owner: Owner,
}

impl Backend {
    /// Starts the owner, and the task that publishes what it finds.
    pub fn new(client: Client, analysis: Arc<dyn Analysis>) -> Self {
        let (publish, mut publications) = mpsc::unbounded_channel::<Publication>();
        tokio::spawn(async move {
            while let Some(Publication { uri, diagnostics, version }) = publications.recv().await {
                client.publish_diagnostics(uri, diagnostics, version).await;
            }
        });
        Self { owner: Owner::start(analysis, publish) }
    }

    /// Asks about the place in a document.
    async fn at<T: Send + 'static>(
        &self,
        place: TextDocumentPositionParams,
        question: impl FnOnce(&State, &Document, &Uri, usize) -> T + Send + 'static,
    ) -> Option<T> {
        self.owner
            .ask(move |state| {
                let uri = place.text_document.uri;
                let document = state.documents.get(&uri)?;
                let offset = convert::offset(document, place.position, state.encoding);
                Some(question(state, document, &uri, offset))
            })
            .await
            .flatten()
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
}

/// Why a request cannot be met, in the protocol's form.
fn refused(error: RenameError) -> Error {
    Error { code: ErrorCode::InvalidParams, message: error.to_string().into(), data: None }
}

fn locations(document: &Document, uri: &Uri, places: &[TextRange], encoding: Encoding) -> Vec<Location> {
    let location = |place: &TextRange| Location { uri: uri.clone(), range: convert::range(document, *place, encoding) };
    places.iter().map(location).collect()
}

impl LanguageServer for Backend {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        let offered = params.capabilities.general.as_ref().and_then(|general| general.position_encodings.as_deref());
        let encoding = Encoding::choose(offered);
        let pulls = params.capabilities.text_document.as_ref().is_some_and(|text| text.diagnostic.is_some());
        self.owner.setup(encoding, pulls);
        let sync = TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::INCREMENTAL),
            ..TextDocumentSyncOptions::default()
        };
        let capabilities = ServerCapabilities {
            position_encoding: Some(encoding.kind()),
            text_document_sync: Some(TextDocumentSyncCapability::Options(sync)),
            completion_provider: Some(CompletionOptions {
                trigger_characters: Some([".", ":", " ", "{", "-"].map(str::to_owned).to_vec()),
                ..CompletionOptions::default()
            }),
            hover_provider: Some(HoverProviderCapability::Simple(true)),
            definition_provider: Some(OneOf::Left(true)),
            references_provider: Some(OneOf::Left(true)),
            document_highlight_provider: Some(OneOf::Left(true)),
            rename_provider: Some(OneOf::Right(RenameOptions {
                prepare_provider: Some(true),
                work_done_progress_options: WorkDoneProgressOptions::default(),
            })),
            document_symbol_provider: Some(OneOf::Left(true)),
            workspace_symbol_provider: Some(OneOf::Left(true)),
            code_action_provider: Some(CodeActionProviderCapability::Options(CodeActionOptions {
                code_action_kinds: Some(vec![CodeActionKind::QUICKFIX]),
                ..CodeActionOptions::default()
            })),
            code_lens_provider: Some(CodeLensOptions { resolve_provider: Some(false) }),
            folding_range_provider: Some(FoldingRangeProviderCapability::Simple(true)),
            selection_range_provider: Some(SelectionRangeProviderCapability::Simple(true)),
            diagnostic_provider: Some(DiagnosticServerCapabilities::Options(DiagnosticOptions {
                identifier: Some("aikit".into()),
                ..DiagnosticOptions::default()
            })),
            ..ServerCapabilities::default()
        };
        let server_info = ServerInfo { name: "aikit".into(), version: Some(env!("CARGO_PKG_VERSION").into()) };
        Ok(InitializeResult { capabilities, server_info: Some(server_info), ..InitializeResult::default() })
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

    async fn diagnostic(&self, params: DocumentDiagnosticParams) -> Result<DocumentDiagnosticReportResult> {
        let items = self
            .checked(params.text_document.uri, |state, document, uri| {
                convert::diagnostics(document, uri, state.encoding)
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
        let found = self.at(params.text_document_position, |state, document, _, offset| {
            let found = aikit_ide::complete(&document.snapshot, offset);
            let item = |(order, found)| convert::completion(document, found, order, state.encoding);
            found.into_iter().enumerate().map(item).collect::<Vec<_>>()
        });
        Ok(found.await.map(CompletionResponse::Array))
    }

    async fn hover(&self, params: HoverParams) -> Result<Option<lsp::Hover>> {
        let found = self.at(params.text_document_position_params, |state, document, _, offset| {
            let hover = aikit_ide::hover(&document.snapshot, offset)?;
            Some(lsp::Hover {
                contents: HoverContents::Markup(MarkupContent { kind: MarkupKind::Markdown, value: hover.markdown }),
                range: Some(convert::range(document, hover.range, state.encoding)),
            })
        });
        Ok(found.await.flatten())
    }

    async fn goto_definition(&self, params: GotoDefinitionParams) -> Result<Option<GotoDefinitionResponse>> {
        let found = self.at(params.text_document_position_params, |state, document, uri, offset| {
            locations(document, uri, &aikit_ide::definition(&document.snapshot, offset), state.encoding)
        });
        Ok(found.await.map(GotoDefinitionResponse::Array))
    }

    async fn references(&self, params: ReferenceParams) -> Result<Option<Vec<Location>>> {
        let with_declaration = params.context.include_declaration;
        let found = self.at(params.text_document_position, move |state, document, uri, offset| {
            let all = aikit_ide::references(&document.snapshot, offset).into_iter();
            let wanted = all.filter(|one| with_declaration || one.role != Role::Declaration);
            locations(document, uri, &wanted.map(|one| one.range).collect::<Vec<_>>(), state.encoding)
        });
        Ok(found.await)
    }

    async fn document_highlight(&self, params: DocumentHighlightParams) -> Result<Option<Vec<DocumentHighlight>>> {
        let found = self.at(params.text_document_position_params, |state, document, _, offset| {
            let highlight = |one: Occurrence| DocumentHighlight {
                range: convert::range(document, one.range, state.encoding),
                kind: Some(match one.role {
                    Role::Declaration => DocumentHighlightKind::TEXT,
                    Role::Write => DocumentHighlightKind::WRITE,
                    Role::Read => DocumentHighlightKind::READ,
                }),
            };
            aikit_ide::references(&document.snapshot, offset).into_iter().map(highlight).collect()
        });
        Ok(found.await)
    }

    async fn prepare_rename(&self, params: TextDocumentPositionParams) -> Result<Option<PrepareRenameResponse>> {
        let found = self.at(params, |state, document, _, offset| {
            let found = aikit_ide::prepare_rename(&document.snapshot, offset)?;
            Ok(PrepareRenameResponse::Range(convert::range(document, found.range, state.encoding)))
        });
        found.await.transpose().map_err(refused)
    }

    async fn rename(&self, params: RenameParams) -> Result<Option<WorkspaceEdit>> {
        let found = self.at(params.text_document_position, move |state, document, uri, offset| {
            let edits = aikit_ide::rename(&document.snapshot, offset, &params.new_name)?;
            let edit = |edit: aikit_core::Edit| TextEdit {
                range: convert::range(document, edit.range, state.encoding),
                new_text: edit.text,
            };
            Ok(convert::edit(uri, edits.into_iter().map(edit).collect()))
        });
        found.await.transpose().map_err(refused)
    }

    async fn document_symbol(&self, params: DocumentSymbolParams) -> Result<Option<DocumentSymbolResponse>> {
        let found = self.checked(params.text_document.uri, |state, document, _| {
            let outline = document.checked().map(|checked| checked.outline.as_slice()).unwrap_or_default();
            convert::symbols(document, outline, state.encoding)
        });
        Ok(found.await.map(DocumentSymbolResponse::Nested))
    }

    async fn symbol(&self, params: WorkspaceSymbolParams) -> Result<Option<WorkspaceSymbolResponse>> {
        let found = self.owner.ask(move |state| {
            let mut all = Vec::new();
            for (uri, document) in &state.documents {
                for (symbol, declaration) in aikit_ide::declared(&document.snapshot) {
                    if !symbol.name.contains(&params.query) {
                        continue;
                    }
                    all.push(WorkspaceSymbol {
                        name: symbol.name,
                        kind: SymbolKind::FUNCTION,
                        tags: None,
                        container_name: Some(symbol.kind.word().to_owned()),
                        location: OneOf::Left(Location {
                            uri: uri.clone(),
                            range: convert::range(document, declaration, state.encoding),
                        }),
                        data: None,
                    });
                }
            }
            all
        });
        Ok(found.await.map(WorkspaceSymbolResponse::Nested))
    }

    async fn code_action(&self, params: CodeActionParams) -> Result<Option<CodeActionResponse>> {
        let wanted = params.range;
        let found = self.checked(params.text_document.uri, move |state, document, uri| {
            let encoding = state.encoding;
            let touched = TextRange::new(
                convert::offset(document, wanted.start, encoding),
                convert::offset(document, wanted.end, encoding),
            );
            let reported = convert::diagnostics(document, uri, encoding);
            let mut actions = Vec::new();
            for (finding, reported) in document.findings().iter().zip(reported) {
                if finding.range.end < touched.start || touched.end < finding.range.start {
                    continue;
                }
                for fix in &finding.fixes {
                    let edit = |edit: &aikit_core::Edit| TextEdit {
                        range: convert::range(document, edit.range, encoding),
                        new_text: edit.text.clone(),
                    };
                    actions.push(CodeActionOrCommand::CodeAction(CodeAction {
                        title: fix.title.clone(),
                        kind: Some(CodeActionKind::QUICKFIX),
                        diagnostics: Some(vec![reported.clone()]),
                        edit: Some(convert::edit(uri, fix.edits.iter().map(edit).collect())),
                        is_preferred: Some(finding.fixes.len() == 1),
                        ..CodeAction::default()
                    }));
                }
            }
            actions
        });
        Ok(found.await)
    }

    async fn code_lens(&self, params: CodeLensParams) -> Result<Option<Vec<CodeLens>>> {
        let found = self.checked(params.text_document.uri, |state, document, uri| {
            let Some(checked) = document.checked() else { return Vec::new() };
            let Some(block) = checked.outline.iter().find(|item| item.name == "identity") else { return Vec::new() };
            let range = convert::range(document, block.name_range, state.encoding);
            let agent = checked.identity.as_ref().map(|identity| identity.id.to_string());
            let lens = |title: &str, command: &str| CodeLens {
                range,
                command: Some(Command {
                    title: title.to_owned(),
                    command: command.to_owned(),
                    arguments: Some(vec![uri.as_str().into(), agent.clone().into()]),
                }),
                data: None,
            };
            vec![lens("▶ Run", "aikit.run"), lens("Debug", "aikit.debug"), lens("Test", "aikit.test")]
        });
        Ok(found.await)
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
            let grown = |at: Position| {
                let ranges = aikit_ide::selections(&document.snapshot, convert::offset(document, at, state.encoding));
                let mut grown: Option<SelectionRange> = None;
                for range in ranges.into_iter().rev() {
                    let range = convert::range(document, range, state.encoding);
                    grown = Some(SelectionRange { range, parent: grown.map(Box::new) });
                }
                grown.unwrap_or(SelectionRange { range: Range { start: at, end: at }, parent: None })
            };
            positions.into_iter().map(grown).collect()
        });
        Ok(found.await)
    }
}
