//! Names of things. Each is checked when it is made; holding one is proof that it is well formed.

use std::{borrow::Borrow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The longest slug that is accepted, in bytes.
pub const MAX_SLUG: usize = 63;

/// A name that is not a slug: what was given and which rule it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a valid {what}: {rule}")]
pub struct InvalidId {
    /// The kind of name that was expected, for example `tenant id`.
    pub what: &'static str,
    /// The text as it was given, shortened to a printable length.
    pub given: String,
    /// The rule that the text breaks, in plain words.
    pub rule: &'static str,
}

fn check_slug(what: &'static str, text: &str) -> Result<(), InvalidId> {
    let rule = if text.is_empty() {
        "it is empty"
    } else if text.len() > MAX_SLUG {
        "it is longer than 63 characters"
    } else if !text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()) {
        "it must begin with a lower-case letter or a digit"
    } else if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        "it may hold only lower-case letters, digits and hyphens"
    } else {
        return Ok(());
    };
    Err(InvalidId { what, given: text.chars().take(80).collect(), rule })
}

macro_rules! slug_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks `text` and keeps it. Fails on anything but `[a-z0-9][a-z0-9-]*` of at most 63 bytes.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                check_slug($what, &text)?;
                Ok(Self(text))
            }

            /// The checked text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

slug_id! {
    /// A tenant: the wall that no query, run or script crosses.
    TenantId, "tenant id"
}
slug_id! {
    /// An agent, unique within its tenant.
    AgentId, "agent id"
}
slug_id! {
    /// An application, unique within its tenant.
    ApplicationId, "application id"
}
slug_id! {
    /// A person or a service that acts within a tenant.
    UserId, "user id"
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, ordered by time of creation (UUID version 7).
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id with exactly these bytes, for stores and deterministic replays.
            pub fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The underlying UUID.
            pub fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::parse_str(text).map(Self).map_err(|_| InvalidId {
                    what: $what,
                    given: text.chars().take(80).collect(),
                    rule: "it must be a UUID",
                })
            }
        }
    };
}

uuid_id! {
    /// One run of an agent.
    RunId, "run id"
}
uuid_id! {
    /// One session: a kernel, a command, a connection.
    SessionId, "session id"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_checked() {
        for good in ["a", "acme-corp", "0x", &"a".repeat(63)] {
            assert!(TenantId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "Acme", "a_b", "a b", "ä", "a/../b", &"a".repeat(64)] {
            assert!(TenantId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn deserialising_checks_too() {
        assert!(serde_json::from_str::<TenantId>("\"../etc\"").is_err());
        assert_eq!(serde_json::from_str::<TenantId>("\"acme\"").unwrap().as_str(), "acme");
    }
}
