//! Byte plumbing that faces share: where a client is met, and messages in frames.

pub mod frames;

use std::{io, net::Ipv4Addr};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};

/// What a client sends.
pub type Input = Box<dyn AsyncRead + Unpin + Send>;
/// What a client is sent.
pub type Output = Box<dyn AsyncWrite + Unpin + Send>;

/// Where a client is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meeting {
    /// On the standard streams of the process.
    Stdio,
    /// On a port of the loopback address, where one client is waited for.
    Port(u16),
}

impl Meeting {
    /// Waits for the client.
    pub async fn client(self) -> io::Result<(Input, Output)> {
        match self {
            Meeting::Stdio => Ok((Box::new(tokio::io::stdin()), Box::new(tokio::io::stdout()))),
            Meeting::Port(port) => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let (input, output) = stream.into_split();
                Ok((Box::new(input), Box::new(output)))
            }
        }
    }
}
