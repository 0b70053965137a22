//! Ways through a tree.

use std::fmt;

/// One step of a way through a tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Segment {
    /// Under this key of a mapping.
    Key(String),
    /// The item of a sequence, from 0.
    Index(usize),
}

/// A way from the root of a document to a node; empty for the root.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Path(pub Vec<Segment>);

impl Path {
    /// This way and one step more.
    pub fn join(&self, segment: Segment) -> Path {
        let mut segments = self.0.clone();
        segments.push(segment);
        Path(segments)
    }
}

impl std::ops::Deref for Path {
    type Target = [Segment];
    fn deref(&self) -> &[Segment] {
        &self.0
    }
}

impl fmt::Display for Path {
    /// As people write it: `behavior.steps[0].llm`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if i == 0 => write!(f, "{key}")?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Which part of a node an offset touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The key under which it stands.
    Key,
    /// Its scalar or the place of its absent value.
    Value,
    /// Between the parts of a mapping or a sequence.
    Inside,
}

/// What stands at an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The innermost node that touches the offset.
    pub path: Path,
    /// Which part of it.
    pub part: Part,
}
