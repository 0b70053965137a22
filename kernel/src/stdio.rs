//! A kernel on standard input and output: one Jupyter message a line, in the JSON form that Jupyter Server gives messages on
//! its WebSocket. For front ends that have neither ZeroMQ nor a Jupyter server, as an editor's notebook.

use std::sync::Arc;

use aikit_core::Language;
use aikit_runtime::cell::CellEngine;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use crate::{
    debug::SharedDebugger,
    inprocess::{Client, Event},
    kernel::{Limits, Remote},
    message::{Channel, Header, Message},
};

/// Serves the one client until its input ends or the kernel is shut down. `begun` gets something that interrupts the kernel
/// from elsewhere.
pub async fn serve(
    engine: Arc<dyn CellEngine>,
    language: Language,
    debugger: Option<SharedDebugger>,
    input: impl AsyncRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
    begun: impl FnOnce(Remote),
) {
    let mut client = Client::start_with(engine, language, debugger);
    begun(client.remote());
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    let limit = Limits::default().message as u64;
    loop {
        tokio::select! {
            event = client.next() => {
                let Some(event) = event else { break };
                if write(&mut output, &shown(&event)).await.is_err() {
                    break;
                }
            }
            // A part of a line that was read stays in `line` when an event comes first.
            read = async { (&mut input).take(limit).read_until(b'\n', &mut line).await } => {
                if !matches!(read, Ok(1..)) {
                    break;
                }
                if !line.ends_with(b"\n") && line.len() as u64 >= limit {
                    break;
                }
                if line.iter().any(|byte| !byte.is_ascii_whitespace()) {
                    match understood(&line) {
                        Ok((channel, message)) => client.deliver(channel, message),
                        Err(problem) => {
                            let told = json!({
                                "channel": "error", "header": { "msg_type": "error" }, "parent_header": {},
                                "content": { "message": problem },
                            });
                            if write(&mut output, &told).await.is_err() {
                                break;
                            }
                        }
                    }
                }
                line.clear();
            }
        }
    }
    client.shutdown().await;
    // What was said at the end is still heard.
    while let Some(event) = client.next().await {
        if write(&mut output, &shown(&event)).await.is_err() {
            return;
        }
    }
}

async fn write(output: &mut (impl AsyncWrite + Unpin), message: &Value) -> std::io::Result<()> {
    let mut line = message.to_string();
    line.push('\n');
    output.write_all(line.as_bytes()).await?;
    output.flush().await
}

/// A message of the kernel as a line.
fn shown(event: &Event) -> Value {
    let channel = match event {
        Event::Reply(_) => "shell",
        Event::Control(_) => "control",
        Event::Output(_) => "iopub",
        Event::Question(_) => "stdin",
    };
    let message = event.message();
    let header: Value = serde_json::from_slice(message.header.raw()).unwrap_or_default();
    let mut shown = json!({
        "channel": channel,
        "header": header,
        "parent_header": message.parent_header,
        "metadata": message.metadata,
        "content": message.content,
    });
    if !message.buffers.is_empty() {
        shown["buffers"] = message.buffers.iter().map(|buffer| STANDARD.encode(buffer)).collect();
    }
    shown
}

/// A line of the client.
fn understood(line: &[u8]) -> Result<(Channel, Message), String> {
    let value: Value = serde_json::from_slice(line).map_err(|error| format!("the line is not JSON: {error}"))?;
    let channel = match value["channel"].as_str() {
        Some("shell") => Channel::Shell,
        Some("control") => Channel::Control,
        Some("stdin") => Channel::Stdin,
        _ => return Err("`channel` must be `shell`, `control` or `stdin`".into()),
    };
    let object = |name: &str| match &value[name] {
        Value::Object(fields) => fields.clone(),
        _ => Map::new(),
    };
    let header = Header::from_raw(Bytes::from(value["header"].to_string()))?;
    let buffers = value["buffers"].as_array().into_iter().flatten();
    let buffers = buffers.map(|buffer| STANDARD.decode(buffer.as_str().unwrap_or_default()).map(Bytes::from));
    let message = Message {
        identities: vec![Bytes::from_static(b"client")],
        header,
        parent_header: object("parent_header"),
        metadata: object("metadata"),
        content: object("content"),
        buffers: buffers.collect::<Result<_, _>>().map_err(|error| format!("`buffers` are not base64: {error}"))?,
        defect: None,
    };
    Ok((channel, message))
}
