//! Frames: a header with the length, then JSON.

use std::io;

use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// The largest message that is read.
const MAX: usize = 64 << 20;
/// The longest line of a header.
const MAX_LINE: u64 = 4096;

/// Reads a message; `None` at the end of the stream. A body that is not JSON is an `InvalidData` that can be passed over.
pub async fn read(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Value>> {
    let mut length = None;
    loop {
        let mut line = String::new();
        if (&mut *from).take(MAX_LINE).read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        if line.is_empty() {
            match length {
                Some(_) => break,
                // Line breaks between messages are harmless.
                None => continue,
            }
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse::<usize>().ok();
        }
    }
    let length = length.unwrap_or(0);
    if length > MAX {
        return Err(io::Error::other("a message is too large"));
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).await?;
    serde_json::from_slice(&body).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The frame of a message.
pub fn frame(message: &Value) -> Vec<u8> {
    let body = message.to_string();
    format!("Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    async fn all(mut bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        loop {
            match read(&mut bytes).await {
                Ok(Some(message)) => found.push(message.to_string()),
                Ok(None) => return found,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => found.push("not JSON".into()),
                Err(_) => {
                    found.push("the end".into());
                    return found;
                }
            }
        }
    }

    #[tokio::test]
    async fn messages_are_read_back_and_nonsense_is_bounded() {
        let whole = [frame(&json!({ "é": 1 })), frame(&json!([2]))].concat();
        assert_eq!(all(&whole).await, [r#"{"é":1}"#, "[2]"]);
        assert_eq!(all(b"\r\n\r\ncontent-LENGTH:  2 \r\nX: y\r\n\r\n{}").await, ["{}"]);
        assert_eq!(all(b"Content-Length: 3\r\n\r\n{{{Content-Length: 2\r\n\r\n[]").await, ["not JSON", "[]"]);
        assert_eq!(all(b"Content-Length: 99999999999\r\n\r\n{}").await, ["the end"]);
        assert_eq!(all(b"Content-Length: 10\r\n\r\n{}").await, ["the end"]);
        assert_eq!(all(b"").await, Vec::<String>::new());
    }
}
