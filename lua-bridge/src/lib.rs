//! Lua 5.4 behind the script port: sandboxed, interruptible, bounded, with the same host surface as JavaScript.

mod convert;
mod debug;
mod engine;
mod failure;
mod frames;
mod live;
mod manual;
mod split;
mod state;
mod surface;
mod values;
mod vars;

use std::sync::Arc;

use aikit_core::Language;
use aikit_runtime::scripts::engine::{EngineFactory, ScriptEngine};

pub use engine::LuaEngine;

/// Makes Lua interpreters.
#[derive(Debug, Clone, Copy, Default)]
pub struct LuaFactory;

impl EngineFactory for LuaFactory {
    fn language(&self) -> Language {
        Language::Lua
    }

    fn create(&self) -> Box<dyn ScriptEngine> {
        match LuaEngine::new() {
            Ok(engine) => Box::new(engine),
            Err(error) => Box::new(engine::Broken(Arc::from(error.to_string()))),
        }
    }
}
