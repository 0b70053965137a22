//! What agents remember: search by meaning and by words, texts cut into passages, facts with two times, and the memory port
//! over a store of rows. No SQL, no files, no network.

pub mod chunk;
pub mod graph;
mod indexed;
mod rows;
mod service;
pub mod text;
pub mod vector;

pub use rows::ProcessRows;
pub use service::MemoryService;
