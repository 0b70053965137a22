//! Texts become vectors. The vectors are not journalled: they are a part of the effect that needs them, and its usage is theirs.

use std::sync::Arc;

use aikit_core::{ErrorKind, RunError, memory::Vector, record::Usage};
use aikit_spec::{
    plan::{EmbeddingPlan, SecretSource},
    words::environment,
};

use super::Desk;
use crate::{
    engine::cost,
    ports::{EmbedRequest, Embedder, ModelProvider, Models},
};

/// The provider that needs no network.
const LOCAL: &str = "hashing";

/// Texts of one request.
const BATCH: usize = 64;

impl Desk {
    /// The adapter, or nothing where no model is named and the one that would stand in is not there.
    fn embedder(&self, plan: &EmbeddingPlan) -> Result<Option<Arc<dyn Embedder>>, RunError> {
        let models = &self.engine.ports().models;
        match models.embedder(&plan.model.provider) {
            Some(embedder) => Ok(Some(embedder)),
            None if !plan.declared => Ok(None),
            None => Err(RunError::new(
                ErrorKind::ProviderInvalid,
                format!("the model provider `{}` cannot turn texts into vectors", plan.model.provider),
            )
            .with_help("name another one in intelligence.embedding_model, for example `hashing/384`")),
        }
    }

    /// A vector for each text, or for none of them; adds what it used.
    pub(super) async fn embed(
        &self,
        plan: &EmbeddingPlan,
        texts: &[String],
        usage: &mut Usage,
    ) -> Result<Vec<Option<Vector>>, RunError> {
        let Some(embedder) = self.embedder(plan)? else { return Ok(vec![None; texts.len()]) };
        let ports = self.engine.ports();
        let api_key = plan.model.secret.as_ref().map(|source| ports.secrets.resolve(source)).transpose()?;
        let mut base_url = plan.model.base_url.clone();
        if let Some((name, default)) = base_url.as_deref().and_then(environment) {
            base_url = Some(match (ports.secrets.resolve(&SecretSource::Env(name.to_owned())), default) {
                (Ok(value), _) => value.reveal().to_owned(),
                (Err(_), Some(default)) => default.to_owned(),
                (Err(error), None) => return Err(error),
            });
        }
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH) {
            let request = EmbedRequest {
                provider: plan.model.provider.clone(),
                model: plan.model.model.clone(),
                base_url: base_url.clone(),
                texts: batch.to_vec(),
                timeout: plan.model.timeout,
                api_key: api_key.clone(),
            };
            let mut response = embedder.embed(&request, &self.cancel).await.map_err(|failure| failure.error)?;
            if response.vectors.len() != batch.len() {
                let message = format!("{} texts got {} vectors", batch.len(), response.vectors.len());
                return Err(RunError::new(ErrorKind::ProviderInvalid, message));
            }
            cost(&mut response.usage, plan.model.pricing);
            usage.input_tokens += response.usage.input_tokens;
            usage.cost_usd += response.usage.cost_usd;
            let model = format!("{}/{}", plan.model.provider, plan.model.model);
            vectors.extend(response.vectors.into_iter().map(|values| Some(Vector { model: model.clone(), values })));
        }
        Ok(vectors)
    }

    /// The vector of one text.
    pub(super) async fn embed_one(
        &self,
        plan: &EmbeddingPlan,
        text: &str,
        usage: &mut Usage,
    ) -> Result<Option<Vector>, RunError> {
        Ok(self.embed(plan, &[text.to_owned()], usage).await?.pop().flatten())
    }
}

/// Models whose texts become vectors on this machine, whatever a document names.
struct Offline {
    models: Arc<dyn Models>,
    own: Arc<dyn Models>,
}

/// The models of a test: `models`, and what `own` has that needs no network.
pub(in crate::engine) fn offline(models: Arc<dyn Models>, own: Arc<dyn Models>) -> Arc<dyn Models> {
    Arc::new(Offline { models, own })
}

impl Models for Offline {
    fn provider(&self, name: &str) -> Option<Arc<dyn ModelProvider>> {
        self.models.provider(name)
    }

    fn names(&self) -> Vec<String> {
        self.models.names()
    }

    fn embedder(&self, _: &str) -> Option<Arc<dyn Embedder>> {
        self.own.embedder(LOCAL)
    }
}
