//! Adapters that turn texts into vectors.

mod hashing;
mod ollama;
mod openai;
mod wire;

pub use hashing::HashingEmbedder;
pub use ollama::OllamaEmbedder;
pub use openai::OpenAiEmbedder;
