//! JavaScript behind the script port: Boa, sandboxed, interruptible, with the same host surface as Lua.
//!
//! What differs from a script in a browser or in Node:
//! - The value of a cell is that of its last statement, if it is an expression, or what a top-level `return` gives; a
//!   promise is awaited. A cell ends when its host calls, timers and promise reactions are done.
//! - Top-level declarations are global variables. `let`, `const` and `class` may be declared again by a later cell.
//! - Calls of the host are promises, except those that are answered at once (`ctx.now()`, `ctx.id()`) and outputs.
//! - A stop is seen by guards in every loop and function ; no `catch` or `finally` sees it. Text given to `eval`
//!   or `new Function`, regular expressions and long built-ins have none: those only a kill of the worker ends.
//! - There are no modules, no files, no network; an isolated script sees the host's recorded time and repeatable random
//!   numbers.

mod bounds;
mod convert;
mod debug;
mod engine;
mod failure;
mod frames;
mod live;
mod look;
mod probes;
mod rewrite;
mod run;
mod show;
mod source;
mod state;
mod surface;
mod values;
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
