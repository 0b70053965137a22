//! The control channel: requests that are answered at once, whatever a cell is doing.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    core::{Core, ExitReason, Failure},
    info::kernel_info,
    message::{Channel, Message, Outgoing},
    request::Fields,
    shell::unknown,
    transport::Weight,
};

/// Serves the channel until the kernel ends.
pub async fn serve(core: Arc<Core>, mut requests: mpsc::UnboundedReceiver<Message>) {
    loop {
        let request = tokio::select! {
            biased;
            request = requests.recv() => request,
            () = core.closing.cancelled() => return,
        };
        let Some(request) = request else { return };
        let parent = request.header.as_parent();
        core.busy(&parent);
        match core.guarded(answer(&core, &request)).await {
            Ok(content) => core.reply(Channel::Control, &request, content.clone()),
            Err(failure) => core.reply(Channel::Control, &request, failure.content()),
        }
        core.idle(&parent);
        if let Some(reason) = ends_with(&request) {
            core.close(reason);
        }
    }
}

async fn answer(core: &Core, request: &Message) -> Result<Value, Failure> {
    if let Some(defect) = &request.defect {
        return Err(Failure::new("InvalidRequest", defect.clone()));
    }
    match request.header.msg_type.as_str() {
        "kernel_info_request" => Ok(kernel_info(core.language)),
        "interrupt_request" => {
            core.interrupt();
            Ok(json!({ "status": "ok" }))
        }
        "shutdown_request" => {
            let restart = Fields(&request.content).flag("restart", false).unwrap_or(false);
            let content = json!({ "status": "ok", "restart": restart });
            let to_all = Outgoing::broadcast(request.header.as_parent(), "shutdown_reply", content.clone());
            core.iopub.publish(to_all, Weight::Vital);
            Ok(content)
        }
        "debug_request" => Ok(debug_reply(request)),
        _ => Err(unknown(request)),
    }
}

/// Whether the kernel ends behind this request. Nothing in it can be so wrong that the wish is not granted.
fn ends_with(request: &Message) -> Option<ExitReason> {
    (request.header.msg_type == "shutdown_request")
        .then(|| ExitReason::Shutdown { restart: Fields(&request.content).flag("restart", false).unwrap_or(false) })
}

/// Debugging comes with a later version: the answer is a failure in the terms of the Debug Adapter Protocol and of Jupyter.
fn debug_reply(request: &Message) -> Value {
    let message = "this version of the aikit kernel cannot debug cells yet";
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
