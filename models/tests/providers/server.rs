//! A server that speaks raw HTTP/1.1 and does exactly what a test says, faults included.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{sleep, timeout},
};

/// What the server does with a connection, one after the other.
#[derive(Clone)]
pub enum Act {
    /// Sends these bytes, flushed at once.
    Send(Vec<u8>),
    /// Waits.
    Wait(u64),
    /// Says nothing more, and waits for the client to go away.
    Hang,
    /// Ends the connection with a reset.
    Reset,
}

/// Bytes to send.
pub fn send(bytes: impl AsRef<[u8]>) -> Act {
    Act::Send(bytes.as_ref().to_vec())
}

/// The head of a response whose body ends with the connection.
pub fn head(status: &str, media_type: &str, more: &str) -> Act {
    send(format!("HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\nconnection: close\r\n{more}\r\n"))
}

/// The head of an event stream.
pub fn sse() -> Act {
    head("200 OK", "text/event-stream; charset=utf-8", "")
}

/// A complete response with a JSON body.
pub fn json(status: &str, more: &str, body: &str) -> Vec<Act> {
    vec![head(status, "application/json", &format!("content-length: {}\r\n{more}", body.len())), send(body)]
}

/// What a client sent.
pub struct Received {
    pub head: String,
    pub body: Value,
}

enum Event {
    Received(Received),
    ClientGone,
}

pub struct Server {
    pub url: String,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Server {
    /// Starts a server that does `acts` with each connection.
    pub async fn start(acts: Vec<Act>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (events, receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(serve(stream, acts.clone(), events.clone()));
            }
        });
        Server { url, events: receiver }
    }

    /// The next request.
    pub async fn received(&mut self) -> Received {
        loop {
            match self.next().await {
                Event::Received(received) => return received,
                Event::ClientGone => {}
            }
        }
    }

    /// Waits until a client has closed its connection.
    pub async fn client_gone(&mut self) {
        while let Event::Received(_) = self.next().await {}
    }

    async fn next(&mut self) -> Event {
        timeout(Duration::from_secs(10), self.events.recv()).await.expect("nothing happened at the server").unwrap()
    }
}

async fn serve(mut stream: TcpStream, acts: Vec<Act>, events: mpsc::UnboundedSender<Event>) {
    let Some(received) = receive(&mut stream).await else { return };
    let _ = events.send(Event::Received(received));
    for act in acts {
        match act {
            Act::Send(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    let _ = events.send(Event::ClientGone);
                    return;
                }
                let _ = stream.flush().await;
            }
            Act::Wait(millis) => sleep(Duration::from_millis(millis)).await,
            Act::Hang => {
                let mut rest = [0; 64];
                while matches!(stream.read(&mut rest).await, Ok(1..)) {}
                let _ = events.send(Event::ClientGone);
                return;
            }
            Act::Reset => {
                // What was sent has to arrive before the reset throws it away.
                sleep(Duration::from_millis(50)).await;
                stream.set_zero_linger().unwrap();
                return;
            }
        }
    }
    let _ = stream.shutdown().await;
}

async fn receive(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    while bytes.len() < head_end + length.unwrap_or(0usize) {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    Some(Received { head, body: serde_json::from_slice(&bytes[head_end..]).unwrap_or_default() })
}
