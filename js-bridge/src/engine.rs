//! The interpreter: one Boa context, its sandbox, and what a job and its outcome are to it.

use std::{rc::Rc, sync::Arc};

use aikit_core::RunError;
use aikit_runtime::{
    ports::{
        Completeness, Inspection, ScriptCompletion, ScriptError, ScriptJob, ScriptMode, ScriptOutcome, ScriptValue,
        StopCause,
    },
    scripts::engine::{EngineHost, ScriptEngine},
};
use boa_engine::{
    Context, JsNativeError, JsResult, JsString, JsValue, NativeFunction, Script, Source, context::time::StdClock,
    module::IdleModuleLoader, object::FunctionObjectBuilder, property::PropertyDescriptor, realm::Realm,
};

use crate::{
    bounds,
    convert::to_json,
    debug,
    failure::{self, Syntax},
    live,
    probes::Probes,
    run::{self, Broken as End, Hooks, Queue, ScriptClock},
    show,
    source::{self, Map, Prepared},
    state::State,
    surface, vars,
};

/// How deep functions may call each other, callbacks of built-ins counted twice.
const RECURSION: usize = 3500;
/// How many values the interpreter's stack may hold.
const STACK: usize = 200_000;

/// A Boa context whose globals are the session's.
pub struct JsEngine {
    context: Context,
    state: State,
}

impl JsEngine {
    /// A fresh, sandboxed context.
    pub fn new() -> Result<Self, String> {
        let state = State::default();
        let mut context = Context::builder()
            .host_hooks(Rc::new(Hooks(state.clone())))
            .clock(Rc::new(ScriptClock { state: state.clone(), own: StdClock::new() }))
            .job_executor(Rc::new(Queue(state.clone())))
            .module_loader(Rc::new(IdleModuleLoader))
            .can_block(false)
            .build()
            .map_err(|error| error.to_string())?;
        context.insert_data(state.clone());
        surface::install(&mut context, &state)
            .and_then(|()| bounds::install(&mut context))
            .and_then(|()| debug::install(&mut context))
            .map_err(|error| error.to_string())?;
        Ok(Self { context, state })
    }

    fn execute(&mut self, job: &ScriptJob, host: &Arc<dyn EngineHost>) -> Result<Option<ScriptValue>, Failed> {
        self.state.begin(host, job.limits.instructions);
        // Frames of a script that could not be left in an orderly way stay behind; they must not count.
        let left = self.context.stack_trace().count();
        self.context.runtime_limits_mut().set_recursion_limit(RECURSION + left);
        self.context.runtime_limits_mut().set_stack_size_limit(STACK + left * 1000);
        self.state.seed.set(None);
        surface::set_values(&mut self.context, &self.state, job)?;
        if let ScriptMode::Isolated { .. } = job.mode {
            // A run that is replayed has to draw the same numbers and see the same time.
            self.state.seed.set(Some(1));
            deterministic_random(&mut self.context)?;
        }
        let probes = debug::begin(&self.state, job, host.watch());
        let (script, prepared) = self.parse(job, probes)?;
        let mut constants = self.state.constants.borrow_mut();
        constants.retain(|name| !prepared.declared.others.contains(name));
        constants.extend(prepared.declared.constants.iter().cloned());
        drop(constants);
        let value = run::evaluate(&script, prepared.guarded, &mut self.context, &self.state)?;
        let value = if prepared.has_value { value } else { JsValue::undefined() };
        let value = run::settle(value, &mut self.context, &self.state)?;
        if value.is_undefined() {
            return Ok(None);
        }
        let json = to_json(&value, &mut self.context).ok();
        let text = show::result(&value, &mut self.context);
        if host.stop().raised().is_some() {
            return Err(Failed::Stopped);
        }
        Ok(Some(ScriptValue { json, text }))
    }

    fn parse(&mut self, job: &ScriptJob, probes: Option<Probes>) -> Result<(Script, Prepared), Failed> {
        let refuse = |error: &Syntax| Failed::Error(failure::syntax(&job.name, job.line_offset, error));
        if source::nests_too_deep(&job.code) {
            return Err(refuse(&Syntax { message: source::TOO_DEEP.to_owned(), place: None, incomplete: false }));
        }
        let constants = self.state.constants.borrow().clone();
        let prepared = match job.mode {
            ScriptMode::Expression => source::prepare_expression(&job.code, job.line_offset, &constants, probes),
            ScriptMode::Cell | ScriptMode::Isolated { .. } => {
                source::prepare(&job.code, job.line_offset, &constants, probes)
            }
        };
        if let Some(mut prepared) = prepared {
            let chunk = self.state.add_source(&job.name, &job.code, prepared.map.clone());
            if let Ok(script) = compile(&mut self.context, &prepared.text, &chunk) {
                debug::ready(&self.state, &chunk, prepared.sites.take(), &mut self.context);
                return Ok((script, prepared));
            }
        }
        // The interpreter's own parser has the last word, over the text as it was written.
        match self.check(&job.code, job.mode == ScriptMode::Expression) {
            Some(error) => Err(refuse(&friendlier(error, &job.code))),
            None if job.mode == ScriptMode::Expression => {
                let message = "the code is not one expression".to_owned();
                Err(refuse(&Syntax { message, place: None, incomplete: false }))
            }
            None => {
                let prepared = source::verbatim(&job.code, job.line_offset);
                let chunk = self.state.add_source(&job.name, &job.code, prepared.map.clone());
                let script = compile(&mut self.context, &prepared.text, &chunk)?;
                Ok((script, prepared))
            }
        }
    }

    /// What the parser has against a text, by the reading that gets furthest.
    fn check(&mut self, code: &str, expression: bool) -> Option<Syntax> {
        let (before, behind) = if expression { ("(", "\n)") } else { ("", "") };
        let plain = self.check_inside(before, code, behind)?;
        if !(code.contains("await") || code.contains("return")) {
            return Some(plain);
        }
        let (before, behind) = if expression { ("(async()=>(", "\n))") } else { ("(async()=>{", "\n})") };
        let wrapped = self.check_inside(before, code, behind)?;
        // Where the body breaks off, the parser stumbles over what we put behind it.
        let open = self.check_inside(before, code, "");
        if let Some(open) = open.filter(|open| open.incomplete)
            && (plain.incomplete || wrapped.place > plain.place)
        {
            return Some(open);
        }
        Some(if plain.incomplete || wrapped.place <= plain.place { plain } else { wrapped })
    }

    fn check_inside(&mut self, before: &str, code: &str, behind: &str) -> Option<Syntax> {
        let text = format!("{before}{code}{behind}");
        let map = Map::behind(before, code);
        compile(&mut self.context, &text, "cell").err().map(|error| Syntax::of(&error, code, &map))
    }
}

/// Modules are what people try first in vain.
fn friendlier(error: Syntax, code: &str) -> Syntax {
    let line = error.place.and_then(|(line, _)| code.lines().nth(line as usize - 1)).unwrap_or_default().trim_start();
    if line.starts_with("import ") || line.starts_with("import{") || line.starts_with("export ") {
        let message = "there are no modules here: what the host offers is in `ctx`".to_owned();
        return Syntax { message, ..error };
    }
    error
}

fn compile(context: &mut Context, text: &str, chunk: &str) -> JsResult<Script> {
    let path = std::path::Path::new(chunk);
    let script = Script::parse(Source::from_bytes(text).with_path(path), None, context)?;
    // Some errors are found only here.
    script.codeblock(context)?;
    Ok(script)
}

/// Replaces `Math.random` by a generator whose numbers are the same in every run.
fn deterministic_random(context: &mut Context) -> JsResult<()> {
    let native = NativeFunction::from_copy_closure(|_, _, context| {
        let state = State::of(context);
        // SplitMix64.
        let seed = state.seed.get().unwrap_or(1).wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.seed.set(Some(seed));
        let mut bits = seed;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double")]
        Ok(JsValue::from((bits >> 11) as f64 / (1u64 << 53) as f64))
    });
    let random = FunctionObjectBuilder::new(context.realm(), native).name(JsString::from("random")).build();
    let math = context.global_object().get(JsString::from("Math"), context)?;
    if let Some(math) = math.as_object() {
        let property = PropertyDescriptor::builder().value(random).writable(true).enumerable(false).configurable(true);
        math.define_property_or_throw(JsString::from("random"), property, context)?;
    }
    Ok(())
}

/// Why there is no value.
enum Failed {
    Stopped,
    Threw(boa_engine::JsError),
    Error(ScriptError),
}

impl From<boa_engine::JsError> for Failed {
    fn from(error: boa_engine::JsError) -> Self {
        Failed::Threw(error)
    }
}

impl From<JsNativeError> for Failed {
    fn from(error: JsNativeError) -> Self {
        Failed::Threw(error.into())
    }
}

impl From<End> for Failed {
    fn from(end: End) -> Self {
        match end {
            End::Stopped => Failed::Stopped,
            End::Threw(error) => Failed::Threw(error),
        }
    }
}

impl ScriptEngine for JsEngine {
    fn run(&mut self, job: &ScriptJob, host: &Arc<dyn EngineHost>) -> ScriptOutcome {
        let result = self.execute(job, host);
        if let Err(Failed::Threw(error)) = &result {
            debug::on_error(error, &self.state, &mut self.context);
        }
        debug::end(&self.state, &mut self.context);
        // Once the script is stopped, getters that it left in shared values are not run.
        let synced = vars::sync(&mut self.context, &self.state);
        let outcome = match result {
            Err(Failed::Error(error)) => ScriptOutcome::Failed { error },
            Err(Failed::Threw(error)) => {
                ScriptOutcome::Failed { error: failure::describe(&self.state, &error, &mut self.context) }
            }
            Err(Failed::Stopped) => ScriptOutcome::Stopped { cause: StopCause::Interrupt, state_lost: false },
            Ok(value) => match synced {
                Ok(()) => ScriptOutcome::Done { value },
                Err(error) => ScriptOutcome::Failed { error: shared(error) },
            },
        };
        self.state.end();
        self.context.clear_kept_objects();
        match host.stop().raised() {
            Some(cause) => ScriptOutcome::Stopped { cause, state_lost: false },
            None => outcome,
        }
    }

    fn complete(&mut self, code: &str, cursor: usize) -> Vec<ScriptCompletion> {
        live::complete(&mut self.context, &self.state, code, cursor)
    }

    fn inspect(&mut self, code: &str, cursor: usize) -> Option<Inspection> {
        live::inspect(&mut self.context, &self.state, code, cursor)
    }

    fn is_complete(&mut self, code: &str) -> Completeness {
        if source::nests_too_deep(code) {
            return Completeness::Invalid { message: source::TOO_DEEP.to_owned(), line: None };
        }
        // Compiling declares names: what is only looked at must not meet those of others, nor leave its own behind.
        let untouched: Option<Realm> = self.context.create_realm().ok();
        let outer = untouched.map(|realm| self.context.enter_realm(realm));
        let found = self.check(code, false);
        if let Some(outer) = outer {
            self.context.enter_realm(outer);
        }
        match found {
            None => Completeness::Complete,
            Some(error) if error.incomplete => Completeness::Incomplete { indent: live::indent(code) },
            Some(error) => Completeness::Invalid { message: error.message, line: error.place.map(|(line, _)| line) },
        }
    }
}

fn shared(error: RunError) -> ScriptError {
    ScriptError {
        name: error.kind.code().into(),
        message: error.message.clone(),
        trace: Vec::new(),
        cause: Some(error),
    }
}

/// Stands in where no context could be made, and says why.
pub(crate) struct Broken(pub Arc<str>);

impl ScriptEngine for Broken {
    fn run(&mut self, _: &ScriptJob, _: &Arc<dyn EngineHost>) -> ScriptOutcome {
        ScriptOutcome::Failed {
            error: ScriptError {
                name: "InternalError".into(),
                message: format!("JavaScript cannot be started: {}", self.0),
                trace: Vec::new(),
                cause: None,
            },
        }
    }

    fn complete(&mut self, _: &str, _: usize) -> Vec<ScriptCompletion> {
        Vec::new()
    }

    fn inspect(&mut self, _: &str, _: usize) -> Option<Inspection> {
        None
    }

    fn is_complete(&mut self, _: &str) -> Completeness {
        Completeness::Unknown
    }
}
