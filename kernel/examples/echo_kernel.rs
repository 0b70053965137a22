//! A kernel whose engine does next to nothing: what remains is the cost of the sockets and of the protocol.
//!
//! `cargo run -p aikit-kernel --example echo_kernel -- CONNECTION_FILE`

#[path = "../tests/it/echo.rs"]
mod echo;

use std::path::Path;

use aikit_core::Language;
use aikit_kernel::{KernelOptions, connection::ConnectionInfo, start};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("usage: echo_kernel CONNECTION_FILE")?;
    let connection = ConnectionInfo::read(Path::new(&file))?;
    let options = KernelOptions::new(Language::Lua, std::env::temp_dir());
    let kernel = start(&connection, echo::Echo::new(), options).await?;
    let remote = kernel.remote();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            remote.interrupt();
        }
    });
    kernel.wait().await;
    Ok(())
}
