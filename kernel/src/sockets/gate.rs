//! The doors to the sockets. The kernel listens by itself and passes the bytes of each connection on to a private socket
//! of the ZeroMQ library. That way one connection can be dropped alone, it is known when bytes have left the process, and
//! no peer makes the library reserve more memory than a message may have.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, UnixListener, UnixStream},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::walk::{TooLarge, Walker};
use crate::connection::{ConnectionInfo, TransportKind};

/// The longest path of a Unix-domain socket on the systems that aikit runs on.
const LONGEST_PATH: usize = 103;

/// A folder that nobody else can enter, for the private sockets. It goes when this goes.
pub struct RunDir(PathBuf);

impl RunDir {
    /// Makes a fresh folder inside `parent`.
    pub fn create(parent: &Path) -> Result<Self, String> {
        let name = format!("aikit-{}", &Uuid::new_v4().simple().to_string()[..12]);
        let path = parent.join(name);
        if path.as_os_str().len() + "/iopub-1000000".len() > LONGEST_PATH {
            return Err(format!("its path is too long for sockets, {LONGEST_PATH} bytes are allowed in all"));
        }
        fs::DirBuilder::new().mode(0o700).recursive(true).create(&path).map_err(|error| error.to_string())?;
        Ok(Self(path))
    }

    /// The path of a private socket.
    pub fn socket(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::debug!(path = %self.0.display(), %error, "the folder of the private sockets could not be removed");
        }
    }
}

/// What passed one door, for all its connections or for one.
#[derive(Debug, Default)]
pub struct Flow {
    /// Messages that are to be sent.
    pub queued: AtomicU64,
    /// Messages of which the last byte went to the system.
    pub sent: AtomicU64,
    /// Bytes that went to the system.
    pub bytes: AtomicU64,
}

impl Flow {
    /// Whether everything went to the system.
    pub fn is_drained(&self) -> bool {
        self.sent.load(Ordering::Relaxed) >= self.queued.load(Ordering::Relaxed)
    }
}

/// A listening door.
pub struct Door {
    name: &'static str,
    listener: Listener,
    limit: usize,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

type ReadHalf = Box<dyn AsyncRead + Send + Unpin>;
type WriteHalf = Box<dyn AsyncWrite + Send + Unpin>;

/// A connection that came in.
pub struct Connection {
    read: ReadHalf,
    write: WriteHalf,
}

impl Door {
    /// Listens for one channel; the port is the one that the system chose where 0 was asked for.
    pub async fn open(name: &'static str, info: &ConnectionInfo, port: u16, limit: usize) -> io::Result<(Self, u16)> {
        let (listener, port) = match info.transport {
            TransportKind::Tcp => {
                let address = if info.ip == "*" { "0.0.0.0" } else { info.ip.as_str() };
                let listener = TcpListener::bind((address, port)).await?;
                let port = listener.local_addr()?.port();
                (Listener::Tcp(listener), port)
            }
            TransportKind::Ipc => {
                let path = PathBuf::from(format!("{}-{port}", info.ip));
                // A socket that a dead process left behind answers nobody and would be in the way.
                if path.exists() && UnixStream::connect(&path).await.is_err() {
                    fs::remove_file(&path)?;
                }
                (Listener::Unix(UnixListener::bind(&path)?, path), port)
            }
        };
        Ok((Self { name, listener, limit }, port))
    }

    /// The next connection.
    pub async fn accept(&self) -> Connection {
        loop {
            let accepted = match &self.listener {
                Listener::Tcp(listener) => listener.accept().await.and_then(|(stream, _)| {
                    stream.set_nodelay(true)?;
                    let (read, write) = stream.into_split();
                    Ok(Connection { read: Box::new(read), write: Box::new(write) })
                }),
                Listener::Unix(listener, _) => listener.accept().await.map(|(stream, _)| {
                    let (read, write) = stream.into_split();
                    Connection { read: Box::new(read), write: Box::new(write) }
                }),
            };
            match accepted {
                Ok(connection) => return connection,
                Err(error) => {
                    tracing::warn!(channel = self.name, %error, "a connection could not be accepted");
                    // Out of descriptors, as a rule: trying again at once would only burn time.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Passes every connection on to the private socket at `inner` until `closing`.
    pub async fn serve(self, inner: PathBuf, flow: Arc<Flow>, closing: CancellationToken) {
        loop {
            let connection = tokio::select! {
                connection = self.accept() => connection,
                () = closing.cancelled() => return,
            };
            match UnixStream::connect(&inner).await {
                Ok(private) => {
                    tokio::spawn(pass(self.name, self.limit, connection, private, flow.clone(), closing.clone()));
                }
                Err(error) => tracing::warn!(channel = self.name, %error, "a connection could not be passed on"),
            }
        }
    }

    /// The name and the bound for [`pass`].
    pub fn terms(&self) -> (&'static str, usize) {
        (self.name, self.limit)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = &self.listener {
            fs::remove_file(path).ok();
        }
    }
}

/// Passes bytes in both directions until one side ends or `stop` fires.
pub async fn pass(
    channel: &'static str,
    limit: usize,
    public: Connection,
    private: UnixStream,
    flow: Arc<Flow>,
    stop: CancellationToken,
) {
    let (private_read, private_write) = private.into_split();
    let ended = tokio::select! {
        ended = inwards(public.read, private_write, limit) => ended,
        ended = outwards(private_read, public.write, &flow) => ended,
        () = stop.cancelled() => Ok(()),
    };
    match ended {
        Ok(()) => {}
        Err(Ended::TooLarge(too_large)) => {
            tracing::warn!(channel, "a connection was dropped: {too_large}");
        }
        Err(Ended::Io(error)) => tracing::debug!(channel, %error, "a connection broke"),
    }
}

enum Ended {
    TooLarge(TooLarge),
    Io(io::Error),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Ended::Io(error)
    }
}

impl From<TooLarge> for Ended {
    fn from(error: TooLarge) -> Self {
        Ended::TooLarge(error)
    }
}

async fn inwards(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, limit: usize) -> Result<(), Ended> {
    let mut walker = Walker::new(limit);
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        walker.advance(&buffer[..count])?;
        to.write_all(&buffer[..count]).await?;
    }
}

async fn outwards(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, flow: &Flow) -> Result<(), Ended> {
    let mut walker = Walker::new(usize::MAX);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let messages = walker.advance(&buffer[..count])?;
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            let written = to.write(rest).await?;
            flow.bytes.fetch_add(written as u64, Ordering::Relaxed);
            rest = &rest[written..];
            if written == 0 {
                return Ok(());
            }
        }
        flow.sent.fetch_add(messages, Ordering::Relaxed);
    }
}
