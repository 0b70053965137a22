//! Adapters of the model port.
//!
//! * [`Registry`]: the providers of a session by name; built once by the composition root from a [`ModelsConfig`].
//! * `scripted`: answers without a model, deterministic and marked as simulated ([`ScriptedProvider`]).
//! * `openai`: everything that speaks OpenAI's chat completions ([`OpenAiProvider`]).
//! * `anthropic`: Anthropic's Messages API ([`AnthropicProvider`]).
//! * `gemini`: Google's Gemini API ([`GeminiProvider`]).
//! * `ollama`: Ollama's own chat endpoint ([`OllamaProvider`]).
//! * Vectors of texts: [`HashingEmbedder`], which needs no model, [`OpenAiEmbedder`] and [`OllamaEmbedder`].
//!
//! The wire formats are decoded without I/O ([`Wire`](wire)), so that a byte that arrives late or never is a case of the
//! one transport and not of each format. Nothing here retries, reads the environment or keeps a credential.

mod anthropic;
mod anthropic_wire;
mod embed;
mod endpoint;
mod gemini;
mod gemini_schema;
mod gemini_wire;
mod http;
mod lines;
mod ollama;
mod ollama_wire;
mod openai;
mod openai_wire;
mod registry;
mod scripted;
mod sse;
mod tokens;
mod wire;

pub use anthropic::AnthropicProvider;
pub use embed::{HashingEmbedder, OllamaEmbedder, OpenAiEmbedder};
pub use gemini::GeminiProvider;
pub use http::HttpConfig;
pub use ollama::OllamaProvider;
pub use openai::OpenAiProvider;
pub use registry::{ModelsConfig, Registry};
pub use scripted::ScriptedProvider;
pub use tokens::count_tokens;
