//! How a script runs to its end: the evaluation, then promise reactions, timers and answers of the host, until nothing is
//! left to happen. The stop flag is looked at between all of these, and inside by the guard (see [`crate::source`]).

use std::{
    cell::RefCell,
    future::Future,
    pin::pin,
    rc::Rc,
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use aikit_core::ErrorKind;
use aikit_runtime::scripts::engine::HostEvent;
use boa_engine::{
    Context, JsError, JsNativeError, JsObject, JsResult, JsString, JsValue, Script,
    builtins::promise::{OperationType, Promise, PromiseState},
    context::{
        HostHooks,
        time::{Clock, JsInstant, StdClock},
    },
    job::{Job, JobExecutor},
    object::builtins::{JsFunction, JsPromise},
    realm::Realm,
};

use crate::{
    convert::to_js,
    failure, source,
    state::{Call, State, Task, Timer},
    surface,
};

/// How many cycles of the interpreter run between two looks at the stop flag.
const CYCLES: u32 = 5000;
/// The largest buffer, in bytes.
const BUFFER: u64 = 256 << 20;

/// Why a script did not run to its end.
pub(crate) enum Broken {
    /// It has to stop.
    Stopped,
    /// It threw.
    Threw(JsError),
}

impl From<JsError> for Broken {
    fn from(error: JsError) -> Self {
        Broken::Threw(error)
    }
}

/// Evaluates a script that has guards, or looks at the stop flag from outside, where that reaches.
pub(crate) fn evaluate(
    script: &Script,
    guarded: bool,
    context: &mut Context,
    state: &State,
) -> Result<JsValue, Broken> {
    let result = if guarded { script.evaluate(context) } else { watched(script, context, state)? };
    if state.tick(0) { Err(Broken::Stopped) } else { Ok(result?) }
}

fn watched(script: &Script, context: &mut Context, state: &State) -> Result<JsResult<JsValue>, Broken> {
    let mut evaluation = pin!(script.evaluate_async_with_budget(context, CYCLES));
    let mut waker = std::task::Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(result) = evaluation.as_mut().poll(&mut waker) {
            return Ok(result);
        }
        if state.tick(u64::from(CYCLES)) {
            return Err(Broken::Stopped);
        }
    }
}

/// Runs what a script has set going, until nothing is left, and gives the settled value of `value`.
pub(crate) fn settle(value: JsValue, context: &mut Context, state: &State) -> Result<JsValue, Broken> {
    let promise = value.as_promise();
    loop {
        jobs(context, state)?;
        if let Some(PromiseState::Rejected(reason)) = promise.as_ref().map(JsPromise::state) {
            return Err(Broken::Threw(JsError::from_opaque(reason)));
        }
        if !next(context, state)? {
            break;
        }
    }
    // A rejection that nobody has handled by now is an error of the script.
    let unhandled = state.rejected.borrow_mut().pop();
    if let Some(unhandled) = unhandled
        && let PromiseState::Rejected(reason) = JsPromise::from_object(unhandled)?.state()
    {
        return Err(Broken::Threw(JsError::from_opaque(reason)));
    }
    match promise.map(|promise| promise.state()) {
        None => Ok(value),
        Some(PromiseState::Fulfilled(value)) => Ok(value),
        Some(PromiseState::Rejected(reason)) => Err(Broken::Threw(JsError::from_opaque(reason))),
        Some(PromiseState::Pending) => Err(Broken::Threw(
            JsNativeError::error()
                .with_message("the awaited promise can never be settled: nothing that could do it is left to run")
                .into(),
        )),
    }
}

/// Runs the promise reactions that are due, and those that they make due.
fn jobs(context: &mut Context, state: &State) -> Result<(), Broken> {
    loop {
        if state.tick(1) {
            return Err(Broken::Stopped);
        }
        let Some(job) = state.jobs.borrow_mut().pop_front() else { return Ok(()) };
        let result = run_job(job, context, state);
        if state.tick(0) {
            return Err(Broken::Stopped);
        }
        result?;
    }
}

fn run_job(job: Job, context: &mut Context, state: &State) -> JsResult<()> {
    match job {
        Job::PromiseJob(job) => job.call(context).map(drop),
        Job::GenericJob(job) => job.call(context).map(drop),
        Job::TimeoutJob(job) => {
            let due = Instant::now() + Duration::from_millis(job.timeout().as_millis());
            state.timers.borrow_mut().set(Timer { due, every: None, task: Task::Job(Job::TimeoutJob(job)) });
            Ok(())
        }
        Job::AsyncJob(job) => {
            // These come from module loading alone, which is answered at once: there are no modules.
            let context = RefCell::new(context);
            let mut future = pin!(job.call(&context));
            match future.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => result.map(drop),
                Poll::Pending => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Waits for the next answer or timer and handles it; false when there is nothing to wait for.
fn next(context: &mut Context, state: &State) -> Result<bool, Broken> {
    let early = state.answers.borrow_mut().pop_front();
    if let Some((number, result)) = early {
        answer(number, result, context, state)?;
        return Ok(true);
    }
    let due = state.timers.borrow_mut().take_due(Instant::now());
    if let Some((id, timer)) = due {
        fire(id, timer, context, state)?;
        return Ok(true);
    }
    let deadline = state.timers.borrow().next_due();
    if deadline.is_none() && state.calls.borrow().is_empty() {
        return Ok(false);
    }
    let Ok(host) = state.host() else { return Ok(false) };
    match host.wait(deadline) {
        HostEvent::Answer { call, result } => answer(call, result, context, state)?,
        HostEvent::Stopped => return Err(Broken::Stopped),
        HostEvent::Deadline => {}
    }
    Ok(true)
}

fn answer(
    number: u64,
    result: Result<serde_json::Value, aikit_core::RunError>,
    context: &mut Context,
    state: &State,
) -> Result<(), Broken> {
    let Some(Call { functions, called_at }) = state.calls.borrow_mut().remove(&number) else { return Ok(()) };
    let (function, value) = match result {
        Ok(value) => (functions.resolve, to_js(&value, context)?),
        Err(error) if error.kind == ErrorKind::Cancelled && state.tick(0) => return Err(Broken::Stopped),
        Err(error) => (functions.reject, failure::from_host(error, called_at, context).into_opaque(context)?),
    };
    function.call(&JsValue::undefined(), &[value], context)?;
    Ok(())
}

fn fire(id: u32, timer: Timer, context: &mut Context, state: &State) -> Result<(), Broken> {
    let Timer { every, task, .. } = timer;
    let result = match task {
        Task::Job(Job::TimeoutJob(job)) if job.cancelled() => Ok(()),
        Task::Job(Job::TimeoutJob(job)) => job.call(context).map(drop),
        Task::Job(job) => run_job(job, context, state),
        Task::Call { function, args } => {
            if let Some(every) = every {
                let task = Task::Call { function: function.clone(), args: args.clone() };
                // Set again before the call, which may clear it.
                state.timers.borrow_mut().again(id, Timer { due: Instant::now() + every, every: Some(every), task });
            }
            call(&function, &args, context)
        }
    };
    if state.tick(0) {
        return Err(Broken::Stopped);
    }
    Ok(result?)
}

fn call(function: &JsFunction, args: &[JsValue], context: &mut Context) -> JsResult<()> {
    function.call(&JsValue::undefined(), args, context).map(drop)
}

/// Takes the jobs of the interpreter into the state's queue.
pub(crate) struct Queue(pub State);

impl JobExecutor for Queue {
    fn enqueue_job(self: Rc<Self>, job: Job, _: &mut Context) {
        self.0.jobs.borrow_mut().push_back(job);
    }

    fn run_jobs(self: Rc<Self>, context: &mut Context) -> JsResult<()> {
        match jobs(context, &self.0) {
            Ok(()) => Ok(()),
            Err(Broken::Threw(error)) => Err(error),
            Err(Broken::Stopped) => Err(surface::stopped()),
        }
    }
}

/// What the interpreter asks of its host.
pub(crate) struct Hooks(pub State);

impl HostHooks for Hooks {
    fn promise_rejection_tracker(&self, promise: &JsObject<Promise>, operation: OperationType, _: &mut Context) {
        let promise = promise.clone().upcast();
        let mut rejected = self.0.rejected.borrow_mut();
        match operation {
            OperationType::Reject => rejected.push(promise),
            OperationType::Handle => rejected.retain(|known| !JsObject::equals(known, &promise)),
        }
    }

    fn ensure_can_compile_strings(
        &self,
        _: Realm,
        parameters: &[JsString],
        body: &JsString,
        _: bool,
        _: &mut Context,
    ) -> JsResult<()> {
        let deep = |text: &JsString| source::nests_too_deep(&text.to_std_string_lossy());
        if parameters.iter().any(deep) || deep(body) {
            return Err(JsNativeError::syntax().with_message(source::TOO_DEEP).into());
        }
        Ok(())
    }

    fn local_timezone_offset_seconds(&self, _: i64) -> i32 {
        // The sandbox does not tell where it runs.
        0
    }

    fn max_buffer_size(&self, _: &mut Context) -> u64 {
        BUFFER
    }
}

/// The clock of scripts. An isolated script sees the host's, which is recorded and replayed.
pub(crate) struct ScriptClock {
    pub state: State,
    pub own: StdClock,
}

impl Clock for ScriptClock {
    fn now(&self) -> JsInstant {
        self.own.now()
    }

    fn system_time_millis(&self) -> i64 {
        let own = || self.own.system_time_millis();
        if self.state.seed.get().is_none() {
            return own();
        }
        match surface::ask(&self.state, "now", Vec::new()) {
            Some(Ok(now)) => now.as_i64().unwrap_or_else(own),
            _ => own(),
        }
    }
}
