use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use aikit_runtime::ports::{Embedder, ModelProvider, Models};

use crate::{
    anthropic::AnthropicProvider,
    embed::{HashingEmbedder, OllamaEmbedder, OpenAiEmbedder},
    gemini::GeminiProvider,
    http::{Http, HttpConfig},
    ollama::OllamaProvider,
    openai::OpenAiProvider,
    scripted::ScriptedProvider,
};

/// What the composition root decides about models. Credentials come with each request.
#[derive(Debug, Clone)]
pub struct ModelsConfig {
    /// Names of the providers that may be used; `None` allows all.
    pub providers: Option<Vec<String>>,
    /// Where `openai` is when a model names no `base_url`.
    pub openai_base_url: String,
    /// Where `anthropic` is when a model names no `base_url`.
    pub anthropic_base_url: String,
    /// Where `gemini` is when a model names no `base_url`.
    pub gemini_base_url: String,
    /// Where `ollama` is when a model names no `base_url`.
    pub ollama_base_url: String,
    /// The folder that holds the scripts of `scripted/<file>`, absolute; without it only `scripted/auto` answers.
    pub scripts: Option<PathBuf>,
    /// How servers are reached.
    pub http: HttpConfig,
}

impl Default for ModelsConfig {
    /// All providers at their usual addresses, no scripts.
    fn default() -> Self {
        Self {
            providers: None,
            openai_base_url: "https://api.openai.com/v1".to_string(),
            anthropic_base_url: "https://api.anthropic.com/v1".to_string(),
            gemini_base_url: "https://generativelanguage.googleapis.com/v1beta".to_string(),
            ollama_base_url: "http://127.0.0.1:11434".to_string(),
            scripts: None,
            http: HttpConfig::default(),
        }
    }
}

/// The providers of a session by name: those of answers, `scripted`, `openai`, `openai-compatible`, `anthropic`,
/// `gemini` and `ollama`, and those of vectors, `hashing`, `openai`, `openai-compatible` and `ollama`.
pub struct Registry {
    providers: BTreeMap<String, Arc<dyn ModelProvider>>,
    embedders: BTreeMap<String, Arc<dyn Embedder>>,
}

impl Registry {
    /// Builds the providers that `config` allows. Opens no connection and reads no file.
    pub fn new(config: ModelsConfig) -> Self {
        let http = Arc::new(Http::new(config.http));
        let embedders: [(&str, Arc<dyn Embedder>); 4] = [
            ("hashing", Arc::new(HashingEmbedder)),
            ("openai", Arc::new(OpenAiEmbedder::new("openai", http.clone(), Some(config.openai_base_url.clone())))),
            ("openai-compatible", Arc::new(OpenAiEmbedder::new("openai-compatible", http.clone(), None))),
            ("ollama", Arc::new(OllamaEmbedder::new(http.clone(), config.ollama_base_url.clone()))),
        ];
        let all: [(&str, Arc<dyn ModelProvider>); 6] = [
            ("scripted", Arc::new(ScriptedProvider::new(config.scripts))),
            ("openai", Arc::new(OpenAiProvider::new("openai", http.clone(), Some(config.openai_base_url)))),
            ("openai-compatible", Arc::new(OpenAiProvider::new("openai-compatible", http.clone(), None))),
            ("anthropic", Arc::new(AnthropicProvider::new(http.clone(), config.anthropic_base_url))),
            ("gemini", Arc::new(GeminiProvider::new(http.clone(), config.gemini_base_url))),
            ("ollama", Arc::new(OllamaProvider::new(http, config.ollama_base_url))),
        ];
        let allowed = |name: &str| config.providers.as_ref().is_none_or(|names| names.iter().any(|n| n == name));
        let providers =
            all.into_iter().filter(|(name, _)| allowed(name)).map(|(name, p)| (name.to_string(), p)).collect();
        let embedders = embedders.into_iter().filter(|(name, _)| allowed(name));
        Self { providers, embedders: embedders.map(|(name, e)| (name.to_string(), e)).collect() }
    }

    /// Adds a provider, or replaces one, for embedding and tests.
    pub fn with_provider(mut self, name: impl Into<String>, provider: Arc<dyn ModelProvider>) -> Self {
        self.providers.insert(name.into(), provider);
        self
    }
}

impl Models for Registry {
    fn provider(&self, name: &str) -> Option<Arc<dyn ModelProvider>> {
        self.providers.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        let names: BTreeSet<&String> = self.providers.keys().chain(self.embedders.keys()).collect();
        names.into_iter().cloned().collect()
    }

    fn embedder(&self, name: &str) -> Option<Arc<dyn Embedder>> {
        self.embedders.get(name).cloned()
    }
}
