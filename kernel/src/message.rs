//! Messages as the kernel's inside sees them, free of frames and signatures.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

/// The version of the messaging protocol that is spoken.
pub const PROTOCOL_VERSION: &str = "5.5";

/// The channels on which clients send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Requests.
    Shell,
    /// Requests that must not wait.
    Control,
    /// Answers to questions.
    Stdin,
}

/// The header of the request that a message belongs to, byte for byte as it came: clients put keys of their own into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent(Bytes);

impl Parent {
    /// No request is behind the message.
    pub fn none() -> Self {
        Self(Bytes::from_static(b"{}"))
    }

    /// The bytes for the parent header frame.
    pub fn raw(&self) -> &Bytes {
        &self.0
    }
}

/// A message header: what the kernel needs of it, and the bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// Unique per message.
    pub msg_id: String,
    /// `execute_request`, `status`, …
    pub msg_type: String,
    /// The sender's session.
    pub session: String,
    /// The sender's user.
    pub username: String,
    /// When it was sent, by the sender's clock.
    pub date: Option<DateTime<Utc>>,
    raw: Bytes,
}

impl Header {
    /// Understands a header frame. Only the type is indispensable: without it no answer can be named.
    pub fn from_raw(raw: Bytes) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(&raw).map_err(|error| format!("the header is not JSON: {error}"))?;
        let Value::Object(fields) = value else { return Err("the header is not an object".into()) };
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let msg_type = text("msg_type");
        if msg_type.is_empty() {
            return Err("the header has no `msg_type`".into());
        }
        let date = fields.get("date").and_then(Value::as_str).and_then(parse_date);
        Ok(Self { msg_id: text("msg_id"), msg_type, session: text("session"), username: text("username"), date, raw })
    }

    /// A new header.
    pub fn new(msg_id: String, msg_type: &str, session: &str, username: &str) -> Self {
        let date = Utc::now();
        let raw = json!({
            "msg_id": msg_id,
            "msg_type": msg_type,
            "session": session,
            "username": username,
            "date": date.to_rfc3339_opts(SecondsFormat::Micros, true),
            "version": PROTOCOL_VERSION,
        });
        Self {
            msg_id,
            msg_type: msg_type.to_owned(),
            session: session.to_owned(),
            username: username.to_owned(),
            date: Some(date),
            raw: Bytes::from(raw.to_string()),
        }
    }

    /// The bytes of the header frame.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The header in its role as parent of what answers it.
    pub fn as_parent(&self) -> Parent {
        Parent(self.raw.clone())
    }
}

/// Clients send RFC 3339, some without an offset, which then means UTC.
fn parse_date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text)
        .map(|date| date.to_utc())
        .or_else(|_| text.parse::<chrono::NaiveDateTime>().map(|date| date.and_utc()))
        .ok()
}

/// A message that arrived.
#[derive(Debug, Clone)]
pub struct Message {
    /// The routing frames of the sender.
    pub identities: Vec<Bytes>,
    /// Its header.
    pub header: Header,
    /// The header of the message that it answers, or an empty object.
    pub parent_header: Map<String, Value>,
    /// Metadata.
    pub metadata: Map<String, Value>,
    /// The content; an empty object where [`Message::defect`] is set.
    pub content: Map<String, Value>,
    /// Binary attachments.
    pub buffers: Vec<Bytes>,
    /// Why the message cannot be served, although its sender and its type are known.
    pub defect: Option<String>,
}

impl Message {
    /// The id of the request that this message answers.
    pub fn parent_id(&self) -> &str {
        self.parent_header.get("msg_id").and_then(Value::as_str).unwrap_or_default()
    }

    /// A text of the content.
    pub fn text(&self, field: &str) -> &str {
        self.content.get(field).and_then(Value::as_str).unwrap_or_default()
    }
}

/// A message to be sent.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The routing frames of the receiver; on iopub they are the transport's business.
    pub identities: Vec<Bytes>,
    /// A header that was made before; otherwise the transport makes one.
    pub header: Option<Box<Header>>,
    /// `execute_reply`, `stream`, …
    pub msg_type: String,
    /// The request behind it.
    pub parent: Parent,
    /// Metadata.
    pub metadata: Map<String, Value>,
    /// The content, an object.
    pub content: Value,
    /// Binary attachments.
    pub buffers: Vec<Bytes>,
}

impl Outgoing {
    /// An answer to the sender of `request`.
    pub fn reply(request: &Message, msg_type: impl Into<String>, content: Value) -> Self {
        let identities = request.identities.clone();
        Self { identities, ..Self::broadcast(request.header.as_parent(), msg_type, content) }
    }

    /// A message to everybody on iopub.
    pub fn broadcast(parent: Parent, msg_type: impl Into<String>, content: Value) -> Self {
        Self {
            identities: Vec::new(),
            header: None,
            msg_type: msg_type.into(),
            parent,
            metadata: Map::new(),
            content,
            buffers: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_needs_a_type_and_keeps_its_bytes() {
        let raw = Bytes::from_static(br#"{ "msg_type":"x", "subshell_id": null,"date":"2026-01-02T03:04:05.6Z"}"#);
        let header = Header::from_raw(raw.clone()).unwrap();
        assert_eq!(header.as_parent().raw(), &raw);
        assert_eq!(header.date.unwrap().to_rfc3339(), "2026-01-02T03:04:05.600+00:00");
        for bad in ["", "[]", "{", "{}", r#"{"msg_type":7}"#, "\u{0}"] {
            assert!(Header::from_raw(Bytes::from_static(bad.as_bytes())).is_err(), "{bad}");
        }
    }

    #[test]
    fn dates_without_an_offset_are_utc() {
        assert_eq!(parse_date("2026-01-02T03:04:05.123456"), parse_date("2026-01-02T03:04:05.123456Z"));
        assert_eq!(parse_date("yesterday"), None);
    }
}
