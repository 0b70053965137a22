//! The lowering of `intelligence`: models, who stands in for whom, how the agent thinks.

use aikit_core::Language;
use aikit_yaml::Node;
use serde_json::json;

use super::{Lowering, at, duration, script, steps::retry};
use crate::{
    agent::{self, InvalidOutput, OutputMode, OutputParser, Strategy},
    expr::Expr,
    plan::{
        CognitionPlan, MODEL_TIMEOUT, ModelParametersPlan, ModelPlan, OnInvalid, OutputPlan, ParserPlan, RoutingPlan,
        ToolChoicePlan,
    },
    words::{ModelRef, call_name},
};

/// The model of a document that names none.
const FALLBACK_MODEL: &str = "scripted/auto";

impl Lowering<'_> {
    pub(super) fn declared_models(&mut self, root: &Node) {
        for (name, model) in &self.document.intelligence.models {
            let node = at(root, &["intelligence", "models", &name.0]).unwrap_or(root);
            let secret = model.secret.as_ref().and_then(|name| self.secret(&name.0));
            let parameters = &model.parameters;
            let plan = ModelPlan {
                base_url: model.base_url.as_ref().map(|url| url.0.clone()),
                secret,
                parameters: ModelParametersPlan {
                    temperature: parameters.temperature,
                    top_p: parameters.top_p,
                    max_tokens: parameters.max_tokens,
                    stop: parameters.stop.clone(),
                    seed: parameters.seed,
                    top_k: parameters.top_k,
                    reasoning: parameters.reasoning,
                    penalties: parameters.penalties.clone().unwrap_or_default(),
                },
                timeout: duration(model.timeout.as_ref()).unwrap_or(MODEL_TIMEOUT),
                pricing: model.pricing.as_ref().map(|pricing| (pricing.input, pricing.output)),
                retry: model.retry.as_ref().map(retry),
                extra: model.extra.clone(),
                range: node.range,
                ..ModelPlan::new(&model.provider.0.0, &model.model)
            };
            self.models.insert(name.0.clone(), plan);
        }
    }

    pub(super) fn default_model(&mut self, root: &Node) -> String {
        match &self.document.intelligence.model {
            Some(model) => {
                let node = at(root, &["intelligence", "model"]).unwrap_or(root);
                self.model(&model.0, node)
            }
            None if self.models.contains_key("default") => "default".to_owned(),
            None => match self.models.keys().next() {
                Some(only) => only.clone(),
                None => self.model(FALLBACK_MODEL, root),
            },
        }
    }

    /// The name of a model in the plan; `provider/model` is declared on the way.
    pub(super) fn model(&mut self, name: &str, node: &Node) -> String {
        if let Some((provider, model)) = name.split_once('/') {
            let plan = || ModelPlan { range: node.range, ..ModelPlan::new(provider, model) };
            self.models.entry(name.to_owned()).or_insert_with(plan);
        }
        name.to_owned()
    }

    /// A model of `intelligence` with a use of its own.
    pub(super) fn special_model(&mut self, root: &Node, model: Option<&ModelRef>) -> Option<String> {
        model.map(|model| self.model(&model.0, root))
    }

    pub(super) fn routing(&mut self, root: &Node) -> RoutingPlan {
        let intelligence = &self.document.intelligence;
        let routes = intelligence.routing.iter().zip(items(root, "routing"));
        let routes = routes.filter_map(|(route, node)| {
            let when = node.get("when")?;
            Some((Expr { source: when.as_str()?.to_owned(), range: when.range }, self.model(&route.model.0, node)))
        });
        let routes = routes.collect();
        let fallbacks = intelligence.fallback_models.iter().zip(items(root, "fallback_models"));
        let fallbacks = fallbacks.map(|(fallback, node)| (self.model(&fallback.model.0, node), fallback.on.clone()));
        RoutingPlan { routes, fallbacks: fallbacks.collect() }
    }

    pub(super) fn cognition(&self, root: &Node) -> CognitionPlan {
        let cognition = &self.document.intelligence.cognition;
        let stop_when = at(root, &["intelligence", "cognition", "stop_when"]);
        CognitionPlan {
            strategy: cognition.strategy.unwrap_or(Strategy::Direct),
            tool_choice: match cognition.tool_choice.as_ref().map(|choice| choice.0.as_str()) {
                None | Some("auto") => ToolChoicePlan::Auto,
                Some("none") => ToolChoicePlan::None,
                Some("required") => ToolChoicePlan::Required,
                Some(name) => ToolChoicePlan::Tool(call_name(name)),
            },
            stop_when: stop_when.and_then(|node| Some(Expr { source: node.as_str()?.to_owned(), range: node.range })),
        }
    }
}

fn items<'n>(root: &'n Node, key: &str) -> &'n [Node] {
    at(root, &["intelligence", key]).map(Node::items).unwrap_or_default()
}

/// What an answer must fit.
pub(super) fn output_plan(output: &agent::Output, node: Option<&Node>) -> OutputPlan {
    let parser = match output.parser {
        None | Some(OutputParser::Json) => ParserPlan::Json,
        Some(OutputParser::Text) => ParserPlan::Text,
        Some(OutputParser::Xml) => ParserPlan::Xml,
        Some(OutputParser::Regex) => ParserPlan::Regex(output.pattern.clone().unwrap_or_default()),
        Some(OutputParser::Script) => {
            let language = if output.lua.is_some() { Language::Lua } else { Language::Js };
            let code = node.and_then(|node| node.get(language.keyword()));
            ParserPlan::Script(script(language, code, None, None))
        }
    };
    OutputPlan {
        schema: node.and_then(|node| node.get("schema")).map_or_else(|| json!({}), Node::to_json),
        on_invalid: match output.on_invalid {
            InvalidOutput::Repair => OnInvalid::Repair,
            InvalidOutput::Retry => OnInvalid::Retry,
            InvalidOutput::Fail => OnInvalid::Fail,
        },
        max_repairs: output.max_repairs,
        mode: output.mode.unwrap_or(OutputMode::Auto),
        parser,
    }
}
