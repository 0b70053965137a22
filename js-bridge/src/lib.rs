//! JavaScript behind the script port: Boa, sandboxed, interruptible, with the same host surface as Lua.

mod convert;
mod engine;
mod failure;
mod live;
mod run;
mod show;
mod source;
mod state;
mod surface;
mod vars;

use std::sync::Arc;

use aikit_core::Language;
use aikit_runtime::scripts::engine::{EngineFactory, ScriptEngine};

pub use engine::JsEngine;

/// Makes JavaScript interpreters.
#[derive(Debug, Clone, Copy, Default)]
pub struct JsFactory;

impl EngineFactory for JsFactory {
    fn language(&self) -> Language {
        Language::Js
    }

    fn create(&self) -> Box<dyn ScriptEngine> {
        match JsEngine::new() {
            Ok(engine) => Box::new(engine),
            Err(why) => Box::new(engine::Broken(Arc::from(why))),
        }
    }
}
