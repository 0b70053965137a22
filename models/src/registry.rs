use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use aikit_runtime::ports::{ModelProvider, Models};

use crate::{
    anthropic::AnthropicProvider,
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

/// The providers of a session by name: `scripted`, `openai`, `openai-compatible`, `anthropic`,
/// `gemini` and `ollama`.
pub struct Registry {
    providers: BTreeMap<String, Arc<dyn ModelProvider>>,
}

impl Registry {
    /// Builds the providers that `config` allows. Opens no connection and reads no file.
    pub fn new(config: ModelsConfig) -> Self {
        let http = Arc::new(Http::new(config.http));
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
        Self { providers }
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
        self.providers.keys().cloned().collect()
    }
}
