//! The debugger of cells behind the kernel's port.

use std::{fmt, sync::Arc};

use aikit_core::Language;
use aikit_dap::cells::Cells;
use aikit_kernel::{DebugPort, SharedDebugger};
use aikit_runtime::{cell::CellEngine, debug::CellDebugger, session::Session};
use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::mpsc;

/// Speaks the Debug Adapter Protocol for the cells of one session.
struct Adapter(Cells);

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Adapter")
    }
}

#[async_trait]
impl DebugPort for Adapter {
    async fn request(&self, request: Value) -> Value {
        self.0.request(&request).await
    }

    fn is_held(&self) -> bool {
        self.0.is_held()
    }

    async fn event(&self) -> Value {
        self.0.event().await
    }
}

/// A session whose cells can be debugged, and what debugs them; `language` is that of cells without a magic.
pub fn debugged(session: Session, language: Language) -> (Arc<Session>, SharedDebugger) {
    let (tell, told) = mpsc::unbounded_channel();
    let cells = CellDebugger::new(tell);
    let session = session.debugged_by(cells.clone());
    let adapter = Adapter(Cells::new(cells, told, session.vars(), language));
    (Arc::new(session), Arc::new(adapter))
}
