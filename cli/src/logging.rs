//! The log, on standard error.

use tracing_subscriber::{EnvFilter, fmt};

/// Starts the log. `AIKIT_LOG` chooses what is seen (`debug`, `aikit_runtime=trace`, …); by default warnings.
pub fn start() {
    let filter = EnvFilter::try_from_env("AIKIT_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    // A second subscriber is refused; then the first one stays, which is as good.
    let _ = fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
