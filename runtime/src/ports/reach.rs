use std::sync::Arc;

use super::{Http, Mcp, NoHttp, NoMcp, NoPrograms, Programs};

/// The ways out of the machine and of the process that tools have. By default there are none.
#[derive(Clone)]
pub struct Reach {
    /// Requests over HTTP.
    pub http: Arc<dyn Http>,
    /// Programs of the machine.
    pub programs: Arc<dyn Programs>,
    /// Servers of the Model Context Protocol.
    pub mcp: Arc<dyn Mcp>,
}

impl Default for Reach {
    fn default() -> Self {
        Self { http: Arc::new(NoHttp), programs: Arc::new(NoPrograms), mcp: Arc::new(NoMcp) }
    }
}
