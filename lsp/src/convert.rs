//! Between byte offsets and what the protocol counts in.

use std::collections::HashMap;

use aikit_core::{Position, Severity, TextRange};
use aikit_ide::{CompletionKind, DocumentSymbol, Snapshot};
use tower_lsp::ls_types::{self as lsp, Uri};

use crate::capabilities::{self, Offered};

/// How columns are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// In UTF-16 code units, which every client can.
    #[default]
    Utf16,
    /// In bytes.
    Utf8,
    /// In code points.
    Utf32,
}

impl Encoding {
    /// The best that a client offers.
    pub fn choose(offered: Option<&[lsp::PositionEncodingKind]>) -> Self {
        let offers = |kind: lsp::PositionEncodingKind| offered.is_some_and(|offered| offered.contains(&kind));
        if offers(lsp::PositionEncodingKind::UTF8) {
            Encoding::Utf8
        } else if offers(lsp::PositionEncodingKind::UTF32) {
            Encoding::Utf32
        } else {
            Encoding::Utf16
        }
    }

    /// Its name in the protocol.
    pub fn kind(self) -> lsp::PositionEncodingKind {
        match self {
            Encoding::Utf16 => lsp::PositionEncodingKind::UTF16,
            Encoding::Utf8 => lsp::PositionEncodingKind::UTF8,
            Encoding::Utf32 => lsp::PositionEncodingKind::UTF32,
        }
    }
}

/// The byte offset of a position. What lies behind a line's end is the line's end.
pub fn offset(snapshot: &Snapshot, position: lsp::Position, encoding: Encoding) -> usize {
    let at = Position { line: position.line, column: position.character };
    let (lines, text) = (snapshot.lines(), snapshot.text());
    match encoding {
        Encoding::Utf16 => lines.offset_utf16(text, at),
        Encoding::Utf32 => lines.offset(text, at),
        Encoding::Utf8 => {
            let Some(line) = lines.line_range(position.line) else { return text.len() };
            let content = line.slice(text).trim_end_matches(['\n', '\r']);
            let mut column = (position.character as usize).min(content.len());
            while !content.is_char_boundary(column) {
                column -= 1;
            }
            line.start as usize + column
        }
    }
}

/// The position of a byte offset.
pub fn position(snapshot: &Snapshot, offset: usize, encoding: Encoding) -> lsp::Position {
    let (lines, text) = (snapshot.lines(), snapshot.text());
    let at = match encoding {
        Encoding::Utf16 => lines.position_utf16(text, offset),
        Encoding::Utf32 => lines.position(text, offset),
        Encoding::Utf8 => {
            let line = lines.line_of(offset);
            let start = lines.line_range(line).map_or(0, |range| range.start);
            Position { line, column: (offset.min(text.len()) as u32).saturating_sub(start) }
        }
    };
    lsp::Position { line: at.line, character: at.column }
}

/// The range of bytes.
pub fn range(snapshot: &Snapshot, bytes: TextRange, encoding: Encoding) -> lsp::Range {
    lsp::Range {
        start: position(snapshot, bytes.start as usize, encoding),
        end: position(snapshot, bytes.end as usize, encoding),
    }
}

/// The bytes of a range.
pub fn bytes(snapshot: &Snapshot, range: lsp::Range, encoding: Encoding) -> TextRange {
    TextRange::new(offset(snapshot, range.start, encoding), offset(snapshot, range.end, encoding))
}

/// The findings of a document.
pub fn diagnostics(
    snapshot: &Snapshot,
    findings: &[aikit_core::Diagnostic],
    uri: &Uri,
    encoding: Encoding,
) -> Vec<lsp::Diagnostic> {
    let related = |related: &aikit_core::Related| lsp::DiagnosticRelatedInformation {
        location: lsp::Location { uri: uri.clone(), range: range(snapshot, related.range, encoding) },
        message: related.message.clone(),
    };
    let finding = |found: &aikit_core::Diagnostic| {
        let help = found.help.as_ref().map(|help| format!("\n{help}")).unwrap_or_default();
        let severity = match found.severity {
            Severity::Error => lsp::DiagnosticSeverity::ERROR,
            Severity::Warning => lsp::DiagnosticSeverity::WARNING,
            Severity::Information => lsp::DiagnosticSeverity::INFORMATION,
            Severity::Hint => lsp::DiagnosticSeverity::HINT,
        };
        lsp::Diagnostic {
            range: range(snapshot, found.range, encoding),
            severity: Some(severity),
            code: Some(lsp::NumberOrString::String(found.code.to_string())),
            source: Some("aikit".into()),
            message: format!("{}{help}", found.message),
            related_information: Some(found.related.iter().map(related).collect()),
            ..lsp::Diagnostic::default()
        }
    };
    findings.iter().map(finding).collect()
}

/// Edits of a document.
pub fn edits(snapshot: &Snapshot, edits: &[aikit_core::Edit], encoding: Encoding) -> Vec<lsp::TextEdit> {
    let edit = |edit: &aikit_core::Edit| lsp::TextEdit {
        range: range(snapshot, edit.range, encoding),
        new_text: edit.text.clone(),
    };
    edits.iter().map(edit).collect()
}

/// Edits of documents, as one change.
pub fn change(changes: HashMap<Uri, Vec<lsp::TextEdit>>) -> lsp::WorkspaceEdit {
    lsp::WorkspaceEdit { changes: Some(changes), ..lsp::WorkspaceEdit::default() }
}

/// A candidate.
pub fn completion(
    snapshot: &Snapshot,
    found: aikit_ide::Completion,
    order: usize,
    offered: Offered,
) -> lsp::CompletionItem {
    let kind = match found.kind {
        CompletionKind::Key => lsp::CompletionItemKind::PROPERTY,
        CompletionKind::Word => lsp::CompletionItemKind::ENUM_MEMBER,
        CompletionKind::Reference => lsp::CompletionItemKind::REFERENCE,
        CompletionKind::Variable => lsp::CompletionItemKind::VARIABLE,
        CompletionKind::Function => lsp::CompletionItemKind::FUNCTION,
        CompletionKind::Magic => lsp::CompletionItemKind::KEYWORD,
        CompletionKind::Snippet => lsp::CompletionItemKind::SNIPPET,
    };
    let snippet = found.snippet.filter(|_| offered.snippets);
    lsp::CompletionItem {
        label: found.label.clone(),
        kind: Some(kind),
        detail: Some(found.detail).filter(|detail| !detail.is_empty()),
        documentation: Some(found.doc).filter(|doc| !doc.is_empty()).map(|value| {
            lsp::Documentation::MarkupContent(lsp::MarkupContent { kind: lsp::MarkupKind::Markdown, value })
        }),
        sort_text: Some(format!("{order:04}")),
        filter_text: Some(found.label),
        text_edit: Some(lsp::CompletionTextEdit::Edit(lsp::TextEdit {
            range: range(snapshot, found.replace, offered.encoding),
            new_text: snippet.clone().unwrap_or(found.insert),
        })),
        insert_text_format: snippet.map(|_| lsp::InsertTextFormat::SNIPPET),
        ..lsp::CompletionItem::default()
    }
}

/// The parts of a document.
#[expect(deprecated, reason = "the protocol's type has a deprecated field that must be given")]
pub fn symbols(snapshot: &Snapshot, items: Vec<DocumentSymbol>, encoding: Encoding) -> Vec<lsp::DocumentSymbol> {
    let symbol = |item: DocumentSymbol| {
        let kind = match item.kind {
            "block" => lsp::SymbolKind::NAMESPACE,
            "model" => lsp::SymbolKind::CONSTANT,
            "tool" => lsp::SymbolKind::METHOD,
            "prompt" => lsp::SymbolKind::STRING,
            "credential" => lsp::SymbolKind::KEY,
            "input" => lsp::SymbolKind::FIELD,
            _ => lsp::SymbolKind::EVENT,
        };
        let children = symbols(snapshot, item.children, encoding);
        lsp::DocumentSymbol {
            name: item.name,
            detail: (item.kind != "block").then(|| item.kind.to_owned()),
            kind,
            tags: None,
            deprecated: None,
            range: range(snapshot, item.range, encoding),
            selection_range: range(snapshot, item.selection, encoding),
            children: (!children.is_empty()).then_some(children),
        }
    };
    items.into_iter().map(symbol).collect()
}

/// The tokens of a document, each told by its distance from the one before.
pub fn tokens(snapshot: &Snapshot, within: Option<TextRange>, encoding: Encoding) -> lsp::SemanticTokens {
    let mut last = lsp::Position::default();
    let mut data = Vec::new();
    for token in aikit_ide::tokens(snapshot) {
        if within.is_some_and(|within| token.range.end <= within.start || within.end <= token.range.start) {
            continue;
        }
        let (token_type, token_modifiers_bitset) = capabilities::token(token);
        let place = range(snapshot, token.range, encoding);
        let delta_line = place.start.line - last.line;
        let before = if delta_line == 0 { last.character } else { 0 };
        data.push(lsp::SemanticToken {
            delta_line,
            delta_start: place.start.character - before,
            length: place.end.character.saturating_sub(place.start.character),
            token_type,
            token_modifiers_bitset,
        });
        last = place.start;
    }
    lsp::SemanticTokens { result_id: None, data }
}
