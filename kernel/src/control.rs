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
        if request.header.msg_type == "debug_request" {
            core.debug(request);
            continue;
        }
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
        "kernel_info_request" => Ok(kernel_info(core.language, core.debugger.is_some())),
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
        _ => Err(unknown(request)),
    }
}

/// Whether the kernel ends behind this request. Nothing in it can be so wrong that the wish is not granted.
fn ends_with(request: &Message) -> Option<ExitReason> {
    (request.header.msg_type == "shutdown_request")
        .then(|| ExitReason::Shutdown { restart: Fields(&request.content).flag("restart", false).unwrap_or(false) })
}
