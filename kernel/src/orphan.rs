//! A kernel whose launcher died must not live on.

use std::{sync::Arc, time::Duration};

use crate::core::{Core, ExitReason};

/// Ends the kernel when it has another parent than at the start, or had lost its launcher before it could look.
#[cfg(unix)]
pub async fn watch(core: Arc<Core>, launcher: u32) {
    use std::os::unix::process::parent_id;

    const INIT: u32 = 1;
    let parent = parent_id();
    // Between launcher and kernel there may be a wrapper, so the two may differ from the start.
    let orphan_at_birth = parent == INIT && launcher != INIT;
    while !orphan_at_birth && parent_id() == parent {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = core.closing.cancelled() => return,
        }
    }
    tracing::info!(launcher, "the launching process is gone, the kernel ends");
    core.close(ExitReason::Orphaned);
}

/// Parents are not known on this system.
#[cfg(not(unix))]
pub async fn watch(_core: Arc<Core>, _launcher: u32) {}
