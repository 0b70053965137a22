//! Completion, inspection and completeness of cells: documents by the editor features, scripts by their live state.

use aikit_core::Language;
use aikit_runtime::ports::Completeness;
use serde_json::{Map, Value, json};

use crate::{
    core::Core,
    request::{BadRequest, Fields, code_points_before},
};

/// The content of a `complete_reply`.
pub async fn complete(core: &Core, fields: Fields<'_>) -> Result<Value, BadRequest> {
    let (code, cursor) = fields.code_and_cursor()?;
    let candidates = match core.language {
        Language::Yaml => Vec::new(),
        language => core.engine.complete_script(language, code, cursor).await,
    };
    let start = word_start(code, cursor);
    let typed: Vec<Value> = candidates
        .iter()
        .map(|candidate| {
            json!({
                "start": code_points_before(code, start),
                "end": code_points_before(code, cursor),
                "text": candidate.text,
                "type": candidate.kind,
            })
        })
        .collect();
    Ok(json!({
        "status": "ok",
        "matches": candidates.iter().map(|candidate| candidate.text.as_str()).collect::<Vec<_>>(),
        "cursor_start": code_points_before(code, start),
        "cursor_end": code_points_before(code, cursor),
        "metadata": { "_jupyter_types_experimental": typed },
    }))
}

/// The content of an `inspect_reply`.
pub async fn inspect(core: &Core, fields: Fields<'_>) -> Result<Value, BadRequest> {
    let (code, cursor) = fields.code_and_cursor()?;
    let found = match core.language {
        Language::Yaml => None,
        language => core.engine.inspect_script(language, code, cursor).await,
    };
    let data = found.map_or_else(Map::new, |inspection| {
        let head = format!("{}: {}\n{}", inspection.expression, inspection.ty, inspection.text);
        let doc = inspection.doc.unwrap_or_default();
        let mut data = Map::new();
        data.insert("text/plain".into(), format!("{head}\n{doc}").trim_end().into());
        data
    });
    Ok(json!({ "status": "ok", "found": !data.is_empty(), "data": data, "metadata": {} }))
}

/// The content of an `is_complete_reply`.
pub async fn is_complete(core: &Core, fields: Fields<'_>) -> Result<Value, BadRequest> {
    let code = fields.text("code")?;
    let completeness = match core.language {
        Language::Yaml => Completeness::Complete,
        language => core.engine.is_complete_script(language, code).await,
    };
    Ok(match completeness {
        Completeness::Complete => json!({ "status": "complete" }),
        Completeness::Incomplete { indent } => json!({ "status": "incomplete", "indent": indent }),
        Completeness::Invalid { .. } => json!({ "status": "invalid" }),
        Completeness::Unknown => json!({ "status": "unknown" }),
    })
}

/// Where the word before the cursor begins.
fn word_start(code: &str, cursor: usize) -> usize {
    let before = &code[..cursor];
    before
        .char_indices()
        .rev()
        .take_while(|(_, character)| character.is_alphanumeric() || *character == '_')
        .last()
        .map_or(cursor, |(at, _)| at)
}
