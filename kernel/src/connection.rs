//! The connection file: where the five sockets are and how messages are signed.

use std::{fmt, path::Path};

use serde_json::{Map, Value, json};

/// How peers reach the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportKind {
    /// TCP; `ip` is an address.
    Tcp,
    /// Unix-domain sockets; `ip` is the prefix of a path, to which `-PORT` is added.
    Ipc,
}

/// How messages are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureScheme {
    /// HMAC with SHA-256, what every client uses.
    HmacSha256,
    /// HMAC with SHA-512.
    HmacSha512,
}

/// The content of a connection file.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// TCP or Unix-domain sockets.
    pub transport: TransportKind,
    /// The address, or the prefix of the socket paths.
    pub ip: String,
    /// Requests of clients; 0 lets the system choose.
    pub shell_port: u16,
    /// Outputs to all clients.
    pub iopub_port: u16,
    /// Questions to the person.
    pub stdin_port: u16,
    /// Interrupts and shutdown.
    pub control_port: u16,
    /// Signs of life.
    pub hb_port: u16,
    /// The signing key; empty means that messages are not signed.
    pub key: String,
    /// How messages are signed.
    pub signature_scheme: SignatureScheme,
    /// The kernelspec that was started, where the launcher says so.
    pub kernel_name: Option<String>,
}

impl fmt::Debug for ConnectionInfo {
    /// Everything but the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionInfo")
            .field("transport", &self.transport)
            .field("ip", &self.ip)
            .field("ports", &self.ports())
            .field("signed", &!self.key.is_empty())
            .finish()
    }
}

/// Why a connection file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The file cannot be read.
    #[error("the connection file {path} cannot be read: {source}")]
    Unreadable {
        /// Which file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The text is not a JSON object.
    #[error("the connection file is not a JSON object: {0}")]
    NotJson(String),
    /// A field is missing or has the wrong type.
    #[error("connection file: `{field}` {problem}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The client wants CURVE encryption.
    #[error(
        "the connection file asks for CURVE encryption, which this kernel does not support; \
         set `transport_encryption` to `disabled` in the client, or use the `ipc` transport to keep other users out"
    )]
    Encrypted,
    /// It is a registration file of the start-up handshake.
    #[error("this is a registration file (JEP 66), not a connection file; start the kernel with a connection file")]
    Registration,
}

impl ConnectionInfo {
    /// Local TCP on ports that the system chooses, with a key.
    pub fn local(key: impl Into<String>) -> Self {
        Self {
            transport: TransportKind::Tcp,
            ip: "127.0.0.1".into(),
            shell_port: 0,
            iopub_port: 0,
            stdin_port: 0,
            control_port: 0,
            hb_port: 0,
            key: key.into(),
            signature_scheme: SignatureScheme::HmacSha256,
            kernel_name: None,
        }
    }

    /// Reads a connection file.
    pub fn read(path: &Path) -> Result<Self, ConnectionError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConnectionError::Unreadable { path: path.display().to_string(), source })?;
        Self::parse(&text)
    }

    /// Understands the text of a connection file.
    pub fn parse(text: &str) -> Result<Self, ConnectionError> {
        let value: Value = serde_json::from_str(text).map_err(|error| ConnectionError::NotJson(error.to_string()))?;
        let Value::Object(fields) = value else {
            return Err(ConnectionError::NotJson("the top level is not an object".into()));
        };
        let given = |field: &str| fields.get(field).is_some_and(|value| !value.is_null() && value != "");
        if given("curve_publickey") || given("curve_secretkey") {
            return Err(ConnectionError::Encrypted);
        }
        if given("registration_port") && !given("shell_port") {
            return Err(ConnectionError::Registration);
        }
        let transport = match text_field(&fields, "transport")?.as_deref() {
            None | Some("tcp") => TransportKind::Tcp,
            Some("ipc") => TransportKind::Ipc,
            Some(other) => return Err(field("transport", format!("is `{other}`; `tcp` and `ipc` are supported"))),
        };
        let ip = text_field(&fields, "ip")?.unwrap_or_else(|| match transport {
            TransportKind::Tcp => "127.0.0.1".into(),
            TransportKind::Ipc => "kernel-ipc".into(),
        });
        let signature_scheme = match text_field(&fields, "signature_scheme")?.as_deref() {
            None | Some("" | "hmac-sha256") => SignatureScheme::HmacSha256,
            Some("hmac-sha512") => SignatureScheme::HmacSha512,
            Some(other) => {
                let problem = format!("is `{other}`; `hmac-sha256` and `hmac-sha512` are supported");
                return Err(field("signature_scheme", problem));
            }
        };
        Ok(Self {
            transport,
            ip,
            shell_port: port(&fields, "shell_port")?,
            iopub_port: port(&fields, "iopub_port")?,
            stdin_port: port(&fields, "stdin_port")?,
            control_port: port(&fields, "control_port")?,
            hb_port: port(&fields, "hb_port")?,
            key: text_field(&fields, "key")?.unwrap_or_default(),
            signature_scheme,
            kernel_name: text_field(&fields, "kernel_name")?,
        })
    }

    /// The text of a connection file with this content.
    pub fn to_json(&self) -> Value {
        let mut fields = json!({
            "transport": match self.transport { TransportKind::Tcp => "tcp", TransportKind::Ipc => "ipc" },
            "ip": self.ip,
            "key": self.key,
            "signature_scheme": match self.signature_scheme {
                SignatureScheme::HmacSha256 => "hmac-sha256",
                SignatureScheme::HmacSha512 => "hmac-sha512",
            },
            "kernel_name": self.kernel_name.as_deref().unwrap_or(""),
        });
        if let (Value::Object(fields), Value::Object(ports)) = (&mut fields, self.ports()) {
            fields.extend(ports);
        }
        fields
    }

    /// The five ports, as `connect_reply` wants them.
    pub fn ports(&self) -> Value {
        json!({
            "shell_port": self.shell_port,
            "iopub_port": self.iopub_port,
            "stdin_port": self.stdin_port,
            "control_port": self.control_port,
            "hb_port": self.hb_port,
        })
    }

    /// The endpoint that a client connects to for one of the ports.
    pub fn endpoint(&self, port: u16) -> String {
        match self.transport {
            TransportKind::Tcp if self.ip.contains(':') => format!("tcp://[{}]:{port}", self.ip),
            TransportKind::Tcp => format!("tcp://{}:{port}", self.ip),
            TransportKind::Ipc => format!("ipc://{}-{port}", self.ip),
        }
    }
}

fn field(field: &'static str, problem: impl Into<String>) -> ConnectionError {
    ConnectionError::Field { field, problem: problem.into() }
}

fn text_field(fields: &Map<String, Value>, name: &'static str) -> Result<Option<String>, ConnectionError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(field(name, "is not a string")),
    }
}

/// A port, as an integer or as its decimal text: both occur in the wild.
fn port(fields: &Map<String, Value>, name: &'static str) -> Result<u16, ConnectionError> {
    let number = match fields.get(name) {
        Some(Value::Number(number)) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
        Some(Value::String(text)) => text.trim().parse().ok(),
        None => return Err(field(name, "is missing")),
        Some(_) => None,
    };
    number.ok_or_else(|| field(name, "is not a port number between 0 and 65535"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"{"transport":"tcp","ip":"127.0.0.1","shell_port":1,"iopub_port":"2","stdin_port":3,
        "control_port":"4","hb_port":5,"key":"k","signature_scheme":"hmac-sha256","kernel_name":"aikit","more":true}"#;

    fn with(change: impl Fn(&mut Map<String, Value>)) -> Result<ConnectionInfo, ConnectionError> {
        let Ok(Value::Object(mut fields)) = serde_json::from_str(FULL) else { unreachable!() };
        change(&mut fields);
        ConnectionInfo::parse(&Value::Object(fields).to_string())
    }

    #[test]
    fn ports_are_numbers_or_texts() {
        let info = ConnectionInfo::parse(FULL).unwrap();
        assert_eq!((info.shell_port, info.iopub_port, info.control_port), (1, 2, 4));
        assert_eq!(info.endpoint(2), "tcp://127.0.0.1:2");
        assert_eq!(ConnectionInfo::parse(&info.to_json().to_string()).unwrap(), info);
        assert!(!format!("{info:?}").contains("\"k\""));
    }

    #[test]
    fn what_cannot_be_served_is_refused_with_the_reason() {
        let set =
            |name: &'static str, value: Value| with(move |fields| drop(fields.insert(name.into(), value.clone())));
        for (result, reason) in [
            (set("curve_publickey", json!("abc")), "CURVE"),
            (set("transport", json!("udp")), "`transport` is `udp`"),
            (set("signature_scheme", json!("hmac-md5")), "`hmac-sha256` and `hmac-sha512`"),
            (set("shell_port", json!(70000)), "`shell_port` is not a port"),
            (set("hb_port", json!("x")), "`hb_port` is not a port"),
            (set("key", json!(7)), "`key` is not a string"),
            (with(|fields| drop(fields.shift_remove("stdin_port"))), "`stdin_port` is missing"),
            (ConnectionInfo::parse("[]"), "not an object"),
            (ConnectionInfo::parse("{"), "not a JSON object"),
            (ConnectionInfo::parse(r#"{"registration_port": 1}"#), "registration file"),
        ] {
            let message = result.unwrap_err().to_string();
            assert!(message.contains(reason), "{message}");
        }
    }

    #[test]
    fn ipc_paths_end_with_the_port() {
        let info = with(|fields| {
            fields.insert("transport".into(), json!("ipc"));
            fields.insert("ip".into(), json!("/run/k"));
        })
        .unwrap();
        assert_eq!(info.endpoint(1), "ipc:///run/k-1");
    }
}
