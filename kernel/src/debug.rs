//! `debug_request`: the messages of the Debug Adapter Protocol as they are, to whoever speaks it and back. They have a task
//! of their own, so that a slow answer does not keep an interrupt waiting.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    core::{Core, Failure},
    message::{Channel, Message, Outgoing},
    transport::Weight,
};

/// A debugger of cells that speaks the Debug Adapter Protocol.
#[async_trait]
pub trait DebugPort: Debug + Send + Sync {
    /// Answers a request.
    async fn request(&self, request: Value) -> Value;

    /// Whether a cell stands still.
    fn is_held(&self) -> bool;

    /// Waits for the next event.
    async fn event(&self) -> Value;
}

/// A debugger that several tasks use.
pub type SharedDebugger = Arc<dyn DebugPort>;

/// Serves the requests and passes the events on until the kernel ends.
pub async fn serve(core: Arc<Core>, mut requests: mpsc::UnboundedReceiver<Message>) {
    let events = async {
        let Some(debugger) = &core.debugger else { return std::future::pending().await };
        loop {
            let event = debugger.event().await;
            // It belongs to what runs; a client that asks nothing hears it as well.
            let parent = core.running();
            core.shell.wake();
            core.iopub.publish(Outgoing::broadcast(parent, "debug_event", event), Weight::Vital);
        }
    };
    let answers = async {
        while let Some(request) = requests.recv().await {
            let parent = request.header.as_parent();
            core.busy(&parent);
            let content = answer(&core, &request).await;
            core.reply(Channel::Control, &request, content);
            core.idle(&parent);
        }
    };
    tokio::select! {
        () = core.closing.cancelled() => {}
        () = events => {}
        () = answers => {}
    }
}

async fn answer(core: &Core, request: &Message) -> Value {
    if let Some(defect) = &request.defect {
        return Failure::new("InvalidRequest", defect.clone()).content();
    }
    let Some(debugger) = &core.debugger else { return refusal(request) };
    let asked = debugger.request(Value::Object(request.content.clone()));
    core.guarded(async { Ok(asked.await) }).await.unwrap_or_else(|failure| failure.content())
}

/// There is no debugger: a failure in the terms of the Debug Adapter Protocol and of Jupyter.
fn refusal(request: &Message) -> Value {
    let message = "cells cannot be debugged here";
    let mut content = Failure::new("NotSupported", message).content();
    let answer = json!({
        "type": "response",
        "request_seq": request.content.get("seq").cloned().unwrap_or_else(|| json!(0)),
        "seq": 0,
        "success": false,
        "command": request.text("command"),
        "message": message,
    });
    if let (Value::Object(content), Value::Object(answer)) = (&mut content, answer) {
        content.extend(answer);
    }
    content
}
