//! YAML 1.2 with places: text in, a tree of nodes with byte ranges and a list of diagnostics out.
//!
//! [`parse`] never fails, never panics and never works without bounds: a document that is broken still gives the tree of
//! what could be read, so that completion and hover work while a person types. JSON is accepted as the YAML that it is.
//! Knows nothing of agents.
//!
//! ```
//! let parsed = aikit_yaml::parse("identity:\n  name: Ada\n");
//! let root = &parsed.documents[0].root;
//! let name = root.get("identity").and_then(|identity| identity.get("name")).unwrap();
//! assert_eq!(name.as_str(), Some("Ada"));
//! assert_eq!(name.range.slice("identity:\n  name: Ada\n"), "Ada");
//! ```

mod de;
mod decode;
pub mod edits;
mod emit;
mod events;
mod format;
mod path;
mod read;
mod resolve;
mod schema;
mod syntax;
mod tree;

pub use de::{DecodeError, from_node};
pub use decode::{Piece, Segments};
pub use emit::emit;
pub use events::{Event, Properties, events, notation};
pub use format::format;
pub use path::{Hit, Part, Path, Segment};
pub use read::{parse, read};
pub use schema::Yaml;
pub use syntax::{Children, Problem, ProblemKind, SyntaxKind, SyntaxNode, SyntaxTree};
pub use tree::{Document, Entry, Node, NodeKind, Parsed, Scalar, ScalarStyle};

/// The largest document that is read, in bytes.
pub const MAX_BYTES: usize = 8 << 20;

/// The deepest nesting that is read.
pub const MAX_DEPTH: usize = 200;

/// How many nodes the aliases of one text may add.
pub const MAX_ALIAS_NODES: usize = 100_000;
