//! The providers as a session uses them: over the registry, against servers that speak raw HTTP, and with scripts.

mod anthropic;
mod auto;
mod embed;
mod faults;
mod gemini;
mod ollama;
mod openai;
mod scripts;
mod server;
mod support;
