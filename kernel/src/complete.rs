//! Completion, inspection and completeness of cells: documents and magics by the editor features, scripts by their live
//! state.

use std::sync::Arc;

use aikit_ide::{
    Surroundings,
    cell::{Answer, Ready, complete_cell, hover_cell},
};
use aikit_runtime::ports::Completeness;
use serde_json::{Map, Value, json};

use crate::{
    core::Core,
    request::{BadRequest, Fields, code_points_before},
};

async fn surroundings(core: &Core) -> Arc<Surroundings> {
    Arc::new(Surroundings { context: core.engine.check_context(), agents: core.engine.agent_names().await })
}

/// The content of a `complete_reply`.
pub async fn complete(core: &Core, fields: Fields<'_>) -> Result<Value, BadRequest> {
    let (code, cursor) = fields.code_and_cursor()?;
    let mut start = word_start(code, cursor);
    let mut end = cursor;
    // What a person reads, what is inserted, what it is.
    let candidates: Vec<(String, String, String)> =
        match complete_cell(code, cursor, core.language, &surroundings(core).await) {
            Answer::Known(found) => {
                if let Some(first) = found.first() {
                    (start, end) = (first.replace.start as usize, first.replace.end as usize);
                }
                found
                    .into_iter()
                    .map(|candidate| (candidate.label, candidate.insert, candidate.kind.as_str().to_owned()))
                    .collect()
            }
            Answer::Ask(language, body) => {
                let found = core.engine.complete_script(language, &code[body..], cursor - body).await;
                found.into_iter().map(|candidate| (candidate.text.clone(), candidate.text, candidate.kind)).collect()
            }
        };
    let (start, end) = (code_points_before(code, start), code_points_before(code, end));
    let typed: Vec<Value> = candidates
        .iter()
        .map(|(_, text, kind)| json!({ "start": start, "end": end, "text": text, "type": kind }))
        .collect();
    Ok(json!({
        "status": "ok",
        "matches": candidates.iter().map(|(label, ..)| label.as_str()).collect::<Vec<_>>(),
        "cursor_start": start,
        "cursor_end": end,
        "metadata": { "_jupyter_types_experimental": typed },
    }))
}

/// The content of an `inspect_reply`.
pub async fn inspect(core: &Core, fields: Fields<'_>) -> Result<Value, BadRequest> {
    let (code, cursor) = fields.code_and_cursor()?;
    let mut data = Map::new();
    match hover_cell(code, cursor, core.language, &surroundings(core).await) {
        Answer::Known(found) => {
            if let Some(hover) = found {
                data.insert("text/plain".into(), hover.markdown.replace(['*', '`'], "").into());
                data.insert("text/markdown".into(), hover.markdown.into());
            }
        }
        Answer::Ask(language, body) => {
            if let Some(inspection) = core.engine.inspect_script(language, &code[body..], cursor - body).await {
                let head = format!("{}: {}\n{}", inspection.expression, inspection.ty, inspection.text);
                let doc = inspection.doc.unwrap_or_default();
                data.insert("text/plain".into(), format!("{head}\n{doc}").trim_end().into());
            }
        }
    }
    Ok(json!({ "status": "ok", "found": !data.is_empty(), "data": data, "metadata": {} }))
}

/// The content of an `is_complete_reply`.
pub async fn is_complete(core: &Core, fields: Fields<'_>) -> Result<Value, BadRequest> {
    let code = fields.text("code")?;
    let completeness = match aikit_ide::cell::is_complete(code, core.language) {
        Ready::Complete => Completeness::Complete,
        Ready::Incomplete(indent) => Completeness::Incomplete { indent },
        Ready::Invalid => Completeness::Invalid { message: String::new(), line: None },
        Ready::Ask(language, body) => core.engine.is_complete_script(language, &code[body..]).await,
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
