//! The wire: messages as frames, signed and verified.
//!
//! `identities… <IDS|MSG> signature header parent_header metadata content buffers…`, where the signature covers the four
//! JSON frames exactly as they stand, and not the buffers.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha2::{Sha256, Sha512};
use uuid::Uuid;

use crate::{
    connection::{ConnectionError, ConnectionInfo, SignatureScheme},
    message::{Header, Message, Outgoing},
};

/// Stands between the routing frames and the message.
pub const DELIMITER: &[u8] = b"<IDS|MSG>";

/// How many signatures are remembered to refuse a message that is sent twice.
const REMEMBERED: usize = 1 << 15;

/// Why frames were dropped. Nobody is answered: the sender is unknown or has no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// No delimiter.
    #[error("a message without the <IDS|MSG> delimiter")]
    NoDelimiter,
    /// Fewer frames than a message has.
    #[error("a message with {0} of 5 frames behind the delimiter")]
    Short(usize),
    /// The signature does not fit.
    #[error("a message whose signature is wrong")]
    Signature,
    /// The same message again.
    #[error("a message that was received before")]
    Replayed,
    /// Too large.
    #[error("a message of {size} bytes, {limit} are allowed")]
    TooLarge {
        /// Of all frames.
        size: usize,
        /// The bound.
        limit: usize,
    },
    /// The header cannot be used.
    #[error("a message that cannot be answered: {0}")]
    Header(String),
}

#[derive(Clone)]
enum Signer {
    Unsigned,
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

impl Signer {
    fn new(info: &ConnectionInfo) -> Result<Self, ConnectionError> {
        let key = info.key.as_bytes();
        let unusable =
            |_| ConnectionError::Field { field: "key", problem: "cannot be used as a signing key".to_owned() };
        match info.signature_scheme {
            _ if key.is_empty() => Ok(Signer::Unsigned),
            SignatureScheme::HmacSha256 => Hmac::new_from_slice(key).map(Signer::Sha256).map_err(unusable),
            SignatureScheme::HmacSha512 => Hmac::new_from_slice(key).map(Signer::Sha512).map_err(unusable),
        }
    }

    /// The signature frame of the four JSON frames.
    fn sign(&self, frames: &[Bytes]) -> Bytes {
        match self {
            Signer::Unsigned => Bytes::new(),
            Signer::Sha256(mac) => hex(&fed(mac, frames).finalize().into_bytes()),
            Signer::Sha512(mac) => hex(&fed(mac, frames).finalize().into_bytes()),
        }
    }

    /// Whether `signature` is that of `frames`, compared in constant time.
    fn verifies(&self, signature: &[u8], frames: &[Bytes]) -> bool {
        match self {
            Signer::Unsigned => true,
            Signer::Sha256(mac) => {
                unhex(signature).is_some_and(|signature| fed(mac, frames).verify_slice(&signature).is_ok())
            }
            Signer::Sha512(mac) => {
                unhex(signature).is_some_and(|signature| fed(mac, frames).verify_slice(&signature).is_ok())
            }
        }
    }
}

fn fed<M: Mac + Clone>(mac: &M, frames: &[Bytes]) -> M {
    let mut mac = mac.clone();
    for frame in frames {
        mac.update(frame);
    }
    mac
}

fn hex(bytes: &[u8]) -> Bytes {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]).collect()
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks(2).map(|pair| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8)).collect()
}

/// The signatures that were seen lately.
#[derive(Default)]
struct Seen {
    known: HashSet<[u8; 16]>,
    order: VecDeque<[u8; 16]>,
}

impl Seen {
    /// Remembers a verified signature; false when it is known already.
    fn insert(&mut self, signature: &[u8]) -> bool {
        // The first half of the hexadecimal text tells messages apart well enough and halves the memory.
        let Some(key) = signature.first_chunk::<32>().and_then(|text| unhex(text)?.try_into().ok()) else {
            return true;
        };
        if !self.known.insert(key) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

/// One side of a connection: verifies what comes in, signs what goes out.
pub struct Wire {
    signer: Signer,
    seen: Mutex<Seen>,
    session: String,
    username: String,
    sent: AtomicU64,
    limit: usize,
}

impl Wire {
    /// A side with a session of its own. `limit` bounds the bytes of one incoming message.
    pub fn new(info: &ConnectionInfo, username: &str, limit: usize) -> Result<Self, ConnectionError> {
        Ok(Self {
            signer: Signer::new(info)?,
            seen: Mutex::default(),
            session: Uuid::new_v4().simple().to_string(),
            username: username.to_owned(),
            sent: AtomicU64::new(0),
            limit,
        })
    }

    /// The session in the headers; clients recognise a restart by a new one.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// A header for a message of this side.
    pub fn header(&self, msg_type: &str) -> Header {
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        Header::new(format!("{}_{number}", self.session), msg_type, &self.session, &self.username)
    }

    /// Verifies and understands frames. What has a valid signature and a type becomes a message, with a defect where the
    /// rest cannot be understood, so that its sender gets an answer.
    pub fn decode(&self, mut frames: Vec<Bytes>) -> Result<Message, WireError> {
        let size = frames.iter().map(Bytes::len).sum();
        if size > self.limit {
            return Err(WireError::TooLarge { size, limit: self.limit });
        }
        let at = frames.iter().position(|frame| frame == DELIMITER).ok_or(WireError::NoDelimiter)?;
        let mut rest = frames.split_off(at + 1);
        frames.pop();
        if rest.len() < 5 {
            return Err(WireError::Short(rest.len()));
        }
        let buffers = rest.split_off(5);
        let signature = rest.remove(0);
        if !self.signer.verifies(&signature, &rest) {
            return Err(WireError::Signature);
        }
        let is_new = || self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(&signature);
        if !matches!(self.signer, Signer::Unsigned) && !is_new() {
            return Err(WireError::Replayed);
        }
        let header = Header::from_raw(rest[0].clone()).map_err(WireError::Header)?;
        let mut defect = None;
        let mut object = |name: &str, raw: &[u8]| match serde_json::from_slice(raw) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => {
                defect.get_or_insert_with(|| format!("the {name} is not a JSON object"));
                Map::new()
            }
            Err(error) => {
                defect.get_or_insert_with(|| format!("the {name} is not valid JSON: {error}"));
                Map::new()
            }
        };
        let parent_header = object("parent header", &rest[1]);
        let metadata = object("metadata", &rest[2]);
        let content = object("content", &rest[3]);
        Ok(Message { identities: frames, header, parent_header, metadata, content, buffers, defect })
    }

    /// The frames of a message.
    pub fn encode(&self, message: &Outgoing) -> Vec<Bytes> {
        let header = match &message.header {
            Some(header) => header.raw().clone(),
            None => self.header(&message.msg_type).raw().clone(),
        };
        let metadata =
            if message.metadata.is_empty() { Bytes::from_static(b"{}") } else { json_frame(&message.metadata) };
        let body = [header, message.parent.raw().clone(), metadata, json_frame(&message.content)];
        let mut frames = Vec::with_capacity(message.identities.len() + 6 + message.buffers.len());
        frames.extend(message.identities.iter().cloned());
        frames.push(Bytes::from_static(DELIMITER));
        frames.push(self.signer.sign(&body));
        frames.extend(body);
        frames.extend(message.buffers.iter().cloned());
        frames
    }
}

/// A JSON value as a frame. Values and maps with text keys always have a JSON form.
fn json_frame(value: &impl serde::Serialize) -> Bytes {
    serde_json::to_vec(value).map(Bytes::from).unwrap_or_else(|_| Bytes::from_static(b"{}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::message::Parent;

    fn wire(key: &str) -> Wire {
        Wire::new(&ConnectionInfo::local(key), "user", 10_000).unwrap()
    }

    fn request(wire: &Wire) -> Vec<Bytes> {
        wire.encode(&Outgoing {
            identities: vec![Bytes::from_static(b"me"), Bytes::from_static(b"via")],
            buffers: vec![Bytes::from_static(b"\0\xff")],
            ..Outgoing::broadcast(Parent::none(), "execute_request", json!({"code": "1"}))
        })
    }

    #[test]
    fn a_message_survives_the_way() {
        for key in ["", "secret", &"long".repeat(100)] {
            let message = wire(key).decode(request(&wire(key))).unwrap();
            assert_eq!(message.identities, ["me", "via"]);
            assert_eq!(message.header.msg_type, "execute_request");
            assert_eq!(message.text("code"), "1");
            assert_eq!(message.buffers, [&b"\0\xff"[..]]);
            assert_eq!(message.defect, None);
        }
    }

    #[test]
    fn the_signature_covers_the_json_frames_and_not_the_buffers() {
        let (client, kernel) = (wire("secret"), wire("secret"));
        let frames = request(&client);
        for changed in 3..8 {
            let mut frames = frames.clone();
            frames[changed] = Bytes::from_static(b"{\"x\":1}");
            assert_eq!(kernel.decode(frames).unwrap_err(), WireError::Signature, "frame {changed}");
        }
        let mut with_other_buffer = frames.clone();
        with_other_buffer[8] = Bytes::from_static(b"other");
        kernel.decode(with_other_buffer).unwrap();
        assert_eq!(kernel.decode(frames).unwrap_err(), WireError::Replayed);
        assert_eq!(kernel.decode(request(&wire("other"))).unwrap_err(), WireError::Signature);
        assert_eq!(kernel.decode(request(&wire(""))).unwrap_err(), WireError::Signature);
    }

    #[test]
    fn the_signature_is_the_one_that_other_implementations_compute() {
        let info = |scheme| ConnectionInfo { signature_scheme: scheme, ..ConnectionInfo::local("key") };
        let frames = [&b"a"[..], b"b", b"c", b"d"].map(Bytes::from_static);
        // Python: hmac.new(b"key", b"abcd", "sha256").hexdigest()
        let signer = Signer::new(&info(SignatureScheme::HmacSha256)).unwrap();
        assert_eq!(signer.sign(&frames), "2a31ec0ee8d878c9eece9fb0df79b3b90b2256240163aa5ee50d176d3d1121f8");
        let signer = Signer::new(&info(SignatureScheme::HmacSha512)).unwrap();
        assert_eq!(signer.sign(&frames).len(), 128);
    }

    #[test]
    fn what_has_no_sender_is_dropped_and_what_has_one_gets_an_answer() {
        let kernel = wire("");
        let bytes = |frames: &[&'static str]| frames.iter().map(|frame| Bytes::from_static(frame.as_bytes())).collect();
        let decode = |frames: &[&'static str]| kernel.decode(bytes(frames));
        assert_eq!(decode(&[]).unwrap_err(), WireError::NoDelimiter);
        assert_eq!(decode(&["me", "{}"]).unwrap_err(), WireError::NoDelimiter);
        assert_eq!(decode(&["me", "<IDS|MSG>", "", "{}"]).unwrap_err(), WireError::Short(2));
        assert!(matches!(decode(&["me", "<IDS|MSG>", "", "{", "{}", "{}", "{}"]), Err(WireError::Header(_))));
        let header = r#"{"msg_type":"x_request"}"#;
        for (content, defect) in
            [("[]", "the content is not a JSON object"), ("{\"a\"", "the content is not valid JSON")]
        {
            let message = decode(&["me", "<IDS|MSG>", "", header, "{}", "{}", content]).unwrap();
            assert!(message.defect.unwrap().starts_with(defect));
        }
        let large = vec![Bytes::from(vec![b'x'; 10_001])];
        assert_eq!(kernel.decode(large).unwrap_err(), WireError::TooLarge { size: 10_001, limit: 10_000 });
    }

    #[test]
    fn old_signatures_are_forgotten() {
        let mut seen = Seen::default();
        let signature = |n: usize| format!("{n:064x}").chars().rev().collect::<String>();
        for n in 0..=REMEMBERED {
            assert!(seen.insert(signature(n).as_bytes()));
        }
        assert!(seen.insert(signature(0).as_bytes()));
        assert!(!seen.insert(signature(REMEMBERED).as_bytes()));
        assert_eq!(seen.known.len(), REMEMBERED);
    }
}
