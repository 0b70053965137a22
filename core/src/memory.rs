//! What agents remember, free of SQL and of models. Whose memory it is follows from the scope of the store that is asked:
//! none of these types names a tenant, a user or a session.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::AgentId;

/// Who shares what is remembered. The store fills in who that is, from its scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Share {
    /// One conversation.
    Session,
    /// One person.
    User,
    /// Everybody who uses the agent.
    Agent,
    /// Every agent of the tenant.
    Tenant,
}

/// A part of the memory that is searched for itself. Two spaces have nothing in common, whatever their names are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Space {
    /// Its name; always below the tenant of the scope, whatever it says.
    pub namespace: String,
    /// Who shares it.
    pub share: Share,
    /// The agent that it belongs to, for [`Share::Agent`].
    pub agent: AgentId,
    /// Whether it lives in the process and ends with it.
    #[serde(default)]
    pub in_process: bool,
}

/// The lists that a space holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// What happened.
    Episodes,
    /// What is known.
    Facts,
    /// What has worked.
    Procedures,
    /// Passages of documents.
    Passages,
    /// The turns of a conversation.
    Turns,
}

impl Part {
    /// The word in stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Part::Episodes => "episodes",
            Part::Facts => "facts",
            Part::Procedures => "procedures",
            Part::Passages => "passages",
            Part::Turns => "turns",
        }
    }
}

/// How far a list has come. Two equal states hold the same entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartState {
    /// The highest id that was ever given.
    pub last: u64,
    /// How many entries were removed or changed.
    pub removed: u64,
}

/// A text as a point in space, and the model that put it there. Vectors of two models cannot be compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vector {
    /// `provider/model`.
    pub model: String,
    /// The numbers.
    pub values: Vec<f32>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Episode {
    /// Its id in its space.
    pub id: u64,
    /// What is remembered.
    pub text: String,
    /// What belongs to it.
    pub metadata: Value,
    /// Where it lies.
    pub vector: Option<Vector>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

/// An episode to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEpisode {
    /// What is remembered.
    pub text: String,
    /// What belongs to it.
    pub metadata: Value,
    /// Where it lies.
    pub vector: Option<Vector>,
}

/// What leaves a space when something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// What is older.
    pub days: Option<u32>,
    /// The oldest, when there are more.
    pub entries: Option<u64>,
}

/// Something that is known: a subject, a relation and an object, with two times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// Its id in its space.
    pub id: u64,
    /// What it is about.
    pub subject: String,
    /// How the two belong together.
    pub relation: String,
    /// What it says.
    pub object: String,
    /// Since when it holds.
    pub valid_from: DateTime<Utc>,
    /// Until when it holds; for ever where nothing is said.
    pub valid_to: Option<DateTime<Utc>>,
    /// Since when it is known.
    pub recorded_at: DateTime<Utc>,
    /// Since when something else is known.
    pub superseded_at: Option<DateTime<Utc>>,
}

/// A fact to be recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewFact {
    /// What it is about.
    pub subject: String,
    /// How the two belong together.
    pub relation: String,
    /// What it says.
    pub object: String,
    /// Since when it holds; since now where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<DateTime<Utc>>,
    /// Until when it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<DateTime<Utc>>,
}

/// A change of what is known, made as a whole or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct FactChange {
    /// What the facts were when the change was decided; if they are not that any more, nothing is changed.
    pub basis: PartState,
    /// Facts that are no longer thought.
    pub superseded: Vec<u64>,
    /// Facts that are recorded.
    pub recorded: Vec<NewFact>,
    /// When this is so.
    pub at: DateTime<Utc>,
}

/// Whether a procedure may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProcedureStatus {
    /// A person has not looked at it yet.
    Suggested,
    /// It may.
    Active,
}

impl ProcedureStatus {
    /// The word in stores.
    pub fn as_str(self) -> &'static str {
        match self {
            ProcedureStatus::Suggested => "suggested",
            ProcedureStatus::Active => "active",
        }
    }
}

/// Something that has worked: a task, and the steps that led to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Procedure {
    /// Its id in its space.
    pub id: u64,
    /// The task.
    pub task: String,
    /// The steps, a list.
    pub steps: Value,
    /// Whether it may be used.
    pub status: ProcedureStatus,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

/// A procedure to be written. The same task with the same steps is written once.
#[derive(Debug, Clone, PartialEq)]
pub struct NewProcedure {
    /// The task.
    pub task: String,
    /// The steps, a list.
    pub steps: Value,
    /// Whether it may be used.
    pub status: ProcedureStatus,
}

/// A document whose passages are searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Where it comes from: a path below the workspace.
    pub source: String,
    /// What it was when it was read: its content, how it was cut, and which model gave the vectors.
    pub digest: String,
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    /// Its id in its space.
    pub id: u64,
    /// The document.
    pub source: String,
    /// What it is.
    pub cut: NewPassage,
}

/// A part of a document to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPassage {
    /// Its text.
    pub text: String,
    /// The headings above it, the outermost first.
    pub headings: Vec<String>,
    /// Its first byte in the document.
    pub start: u64,
    /// The byte behind it.
    pub end: u64,
    /// Where it lies.
    pub vector: Option<Vector>,
}

/// About how many tokens a text has: a run of up to six letters or digits is one, a longer one more, and so is a sign. No
/// tokenizer of a model is asked, so that the same text has the same length everywhere.
pub fn tokens(text: &str) -> usize {
    text.split_whitespace().map(word_tokens).sum()
}

/// About how many tokens a word has, with the signs at it.
pub fn word_tokens(word: &str) -> usize {
    let (mut letters, mut others) = (0usize, 0usize);
    for c in word.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => letters += 1,
            // Beyond ASCII a token is shorter.
            c if c.is_alphanumeric() => letters += 3,
            _ => others += 1,
        }
    }
    (letters.div_ceil(6) + others).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_about_right() {
        assert_eq!(tokens("The quick brown fox."), 5);
        assert_eq!(tokens("internationalisation"), 4);
        assert_eq!(tokens("  "), 0);
    }
}
