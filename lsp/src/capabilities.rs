//! What the server offers, and what it asks of the client.

use aikit_ide::{SymbolKind, Token, TokenKind};
use tower_lsp::ls_types::{self as lsp, *};

use crate::convert::Encoding;

/// What a client can.
#[derive(Debug, Clone, Copy, Default)]
pub struct Offered {
    /// How it counts columns.
    pub encoding: Encoding,
    /// Whether it asks for findings itself.
    pub pulls: bool,
    /// Whether it fills in snippets.
    pub snippets: bool,
    /// Whether it tells of changed files when asked to.
    pub watches: bool,
    /// Whether it shows the progress of what the server does on its own.
    pub progress: bool,
}

impl Offered {
    /// As the client says of itself.
    pub fn new(client: &ClientCapabilities) -> Self {
        let encodings = client.general.as_ref().and_then(|general| general.position_encodings.as_deref());
        let text = client.text_document.as_ref();
        let completion = text.and_then(|text| text.completion.as_ref()?.completion_item.as_ref()?.snippet_support);
        let watched = client.workspace.as_ref().and_then(|workspace| workspace.did_change_watched_files.as_ref());
        Self {
            encoding: Encoding::choose(encodings),
            pulls: text.is_some_and(|text| text.diagnostic.is_some()),
            snippets: completion == Some(true),
            watches: watched.is_some_and(|watched| watched.dynamic_registration == Some(true)),
            progress: client.window.as_ref().is_some_and(|window| window.work_done_progress == Some(true)),
        }
    }
}

/// Every change of a document in one file, for source actions.
pub const FIX_ALL: CodeActionKind = CodeActionKind::new("source.fixAll.aikit");

/// What the server offers to a client.
pub fn capabilities(encoding: Encoding) -> ServerCapabilities {
    let words = |words: &[&str]| Some(words.iter().map(|&word| word.to_owned()).collect());
    let sync = TextDocumentSyncOptions {
        open_close: Some(true),
        change: Some(TextDocumentSyncKind::INCREMENTAL),
        ..TextDocumentSyncOptions::default()
    };
    let tokens = SemanticTokensOptions {
        legend: legend(),
        range: Some(true),
        full: Some(SemanticTokensFullOptions::Bool(true)),
        work_done_progress_options: WorkDoneProgressOptions::default(),
    };
    ServerCapabilities {
        position_encoding: Some(encoding.kind()),
        text_document_sync: Some(TextDocumentSyncCapability::Options(sync)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: words(&[".", ":", " ", "{", "-"]),
            ..CompletionOptions::default()
        }),
        signature_help_provider: Some(SignatureHelpOptions {
            trigger_characters: words(&["(", ","]),
            ..SignatureHelpOptions::default()
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
            code_action_kinds: Some(vec![CodeActionKind::QUICKFIX, CodeActionKind::REFACTOR_REWRITE, FIX_ALL]),
            ..CodeActionOptions::default()
        })),
        code_lens_provider: Some(CodeLensOptions { resolve_provider: Some(false) }),
        document_link_provider: Some(DocumentLinkOptions {
            resolve_provider: Some(false),
            work_done_progress_options: WorkDoneProgressOptions::default(),
        }),
        document_formatting_provider: Some(OneOf::Left(true)),
        folding_range_provider: Some(FoldingRangeProviderCapability::Simple(true)),
        selection_range_provider: Some(SelectionRangeProviderCapability::Simple(true)),
        semantic_tokens_provider: Some(SemanticTokensServerCapabilities::SemanticTokensOptions(tokens)),
        inlay_hint_provider: Some(OneOf::Left(true)),
        diagnostic_provider: Some(DiagnosticServerCapabilities::Options(DiagnosticOptions {
            identifier: Some("aikit".into()),
            ..DiagnosticOptions::default()
        })),
        workspace: Some(WorkspaceServerCapabilities {
            workspace_folders: Some(WorkspaceFoldersServerCapabilities {
                supported: Some(true),
                change_notifications: Some(OneOf::Left(true)),
            }),
            file_operations: None,
        }),
        ..ServerCapabilities::default()
    }
}

/// Asks to be told of documents that change on the disk.
pub fn watchers() -> Registration {
    let watcher = |glob: &str| FileSystemWatcher { glob_pattern: GlobPattern::String(glob.to_owned()), kind: None };
    let options = DidChangeWatchedFilesRegistrationOptions { watchers: vec![watcher("**/*.{yaml,yml}")] };
    Registration {
        id: "documents".into(),
        method: "workspace/didChangeWatchedFiles".into(),
        // Types without maps keyed by anything but texts always serialise.
        register_options: serde_json::to_value(options).ok(),
    }
}

/// The kinds of tokens, in the order of their numbers.
const TYPES: [SemanticTokenType; 14] = [
    SemanticTokenType::PROPERTY,
    SemanticTokenType::ENUM_MEMBER,
    SemanticTokenType::CLASS,
    SemanticTokenType::EVENT,
    SemanticTokenType::METHOD,
    SemanticTokenType::TYPE,
    SemanticTokenType::VARIABLE,
    SemanticTokenType::PARAMETER,
    SemanticTokenType::FUNCTION,
    SemanticTokenType::KEYWORD,
    SemanticTokenType::STRING,
    SemanticTokenType::NUMBER,
    SemanticTokenType::OPERATOR,
    SemanticTokenType::COMMENT,
];

const MODIFIERS: [SemanticTokenModifier; 2] =
    [SemanticTokenModifier::DECLARATION, SemanticTokenModifier::DEFAULT_LIBRARY];

fn legend() -> SemanticTokensLegend {
    SemanticTokensLegend { token_types: TYPES.to_vec(), token_modifiers: MODIFIERS.to_vec() }
}

/// The number of a token's kind, and the bits of its modifiers.
pub fn token(token: Token) -> (u32, u32) {
    let kind = match token.kind {
        TokenKind::Key | TokenKind::Property => SemanticTokenType::PROPERTY,
        TokenKind::Word => SemanticTokenType::ENUM_MEMBER,
        TokenKind::Name(SymbolKind::Agent | SymbolKind::Member) => SemanticTokenType::CLASS,
        TokenKind::Name(SymbolKind::Step | SymbolKind::Subflow | SymbolKind::MachineState | SymbolKind::Event) => {
            SemanticTokenType::EVENT
        }
        TokenKind::Name(SymbolKind::Tool) => SemanticTokenType::METHOD,
        TokenKind::Name(SymbolKind::Model | SymbolKind::Knowledge | SymbolKind::Server) | TokenKind::External => {
            SemanticTokenType::TYPE
        }
        TokenKind::Name(SymbolKind::Input | SymbolKind::Argument | SymbolKind::Item) => SemanticTokenType::PARAMETER,
        TokenKind::Name(SymbolKind::Prompt | SymbolKind::Secret | SymbolKind::State) | TokenKind::Variable => {
            SemanticTokenType::VARIABLE
        }
        TokenKind::Function => SemanticTokenType::FUNCTION,
        TokenKind::Keyword => SemanticTokenType::KEYWORD,
        TokenKind::Text => SemanticTokenType::STRING,
        TokenKind::Number => SemanticTokenType::NUMBER,
        TokenKind::Operator | TokenKind::Brace => SemanticTokenType::OPERATOR,
        TokenKind::Comment => SemanticTokenType::COMMENT,
    };
    let number = TYPES.iter().position(|known| *known == kind).unwrap_or_default();
    (number as u32, u32::from(token.declaration) | u32::from(token.host) << 1)
}

/// The symbol of a name, for lists of symbols.
pub fn symbol(kind: SymbolKind) -> lsp::SymbolKind {
    match kind {
        SymbolKind::Agent | SymbolKind::Member => lsp::SymbolKind::CLASS,
        SymbolKind::Knowledge | SymbolKind::Server => lsp::SymbolKind::MODULE,
        SymbolKind::Step | SymbolKind::Subflow | SymbolKind::MachineState | SymbolKind::Event => lsp::SymbolKind::EVENT,
        SymbolKind::Tool => lsp::SymbolKind::METHOD,
        SymbolKind::Model => lsp::SymbolKind::CONSTANT,
        SymbolKind::Prompt => lsp::SymbolKind::STRING,
        SymbolKind::Secret => lsp::SymbolKind::KEY,
        SymbolKind::Input | SymbolKind::Argument | SymbolKind::Item => lsp::SymbolKind::FIELD,
        SymbolKind::State => lsp::SymbolKind::VARIABLE,
    }
}
