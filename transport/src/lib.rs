//! Byte plumbing that faces share: where a client is met, and messages in frames.

pub mod frames;

use std::{io, net::Ipv4Addr, path::PathBuf};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixStream},
};

/// What a client sends.
pub type Input = Box<dyn AsyncRead + Unpin + Send>;
/// What a client is sent.
pub type Output = Box<dyn AsyncWrite + Unpin + Send>;

/// Where a client is met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meeting {
    /// On the standard streams of the process.
    Stdio,
    /// On a port of the loopback address, where one client is waited for.
    Port(u16),
    /// On a port of the loopback address, where the client waits.
    Socket(u16),
    /// On a Unix socket, where the client waits.
    Pipe(PathBuf),
}

impl Meeting {
    /// Waits for the client.
    pub async fn client(self) -> io::Result<(Input, Output)> {
        match self {
            Meeting::Stdio => Ok((Box::new(tokio::io::stdin()), Box::new(tokio::io::stdout()))),
            Meeting::Port(port) => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
                let (stream, _) = listener.accept().await?;
                over(stream)
            }
            Meeting::Socket(port) => over(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?),
            Meeting::Pipe(path) => {
                let (input, output) = UnixStream::connect(path).await?.into_split();
                Ok((Box::new(input), Box::new(output)))
            }
        }
    }
}

fn over(stream: TcpStream) -> io::Result<(Input, Output)> {
    stream.set_nodelay(true)?;
    let (input, output) = stream.into_split();
    Ok((Box::new(input), Box::new(output)))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::UnixListener,
    };

    use super::*;

    #[tokio::test]
    async fn a_client_that_waits_is_gone_to() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("client");
        let pipe = UnixListener::bind(&path).unwrap();
        let (_, mut output) = Meeting::Pipe(path).client().await.unwrap();
        output.write_all(b"hello").await.unwrap();
        let mut said = [0; 5];
        pipe.accept().await.unwrap().0.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"hello");

        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (_, mut output) = Meeting::Socket(port.local_addr().unwrap().port()).client().await.unwrap();
        output.write_all(b"again").await.unwrap();
        port.accept().await.unwrap().0.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"again");
    }
}
