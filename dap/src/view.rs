//! What a client does with a run that stands still: it looks around, evaluates, moves on and back. The same for a run that
//! was launched and for the cells of a notebook.

use std::sync::Arc;

use aikit_runtime::debug::{Debugger, Frame, MAIN, Move, Reason, Stopped};
use serde_json::{Value, json};

use crate::{
    handles::{Handles, Owner, Wanted},
    show,
};

/// What a request comes to.
pub type Answer = Result<Value, String>;

/// The source of a frame as clients know it, and its line there.
pub type Places<'p> = dyn Fn(&Frame) -> (Value, u32) + Send + Sync + 'p;

/// The requests that are answered here.
pub const COMMANDS: &[&str] = &[
    "threads",
    "stackTrace",
    "scopes",
    "variables",
    "evaluate",
    "setVariable",
    "setExpression",
    "completions",
    "exceptionInfo",
    "continue",
    "next",
    "stepIn",
    "stepOut",
    "stepBack",
    "reverseContinue",
    "pause",
    "gotoTargets",
    "goto",
    "restartFrame",
];

/// What a client sees of a debugger.
#[derive(Debug, Default)]
pub struct View {
    handles: Handles,
    /// Events that follow the answer.
    pub then: Vec<(&'static str, Value)>,
}

impl View {
    /// The run goes on: what was seen is gone.
    pub fn forget(&mut self) {
        self.handles.clear();
    }

    /// Answers a request; the events that follow are in `then`.
    pub async fn answer(
        &mut self,
        debugger: &Arc<Debugger>,
        places: &Places<'_>,
        command: &str,
        arguments: &Value,
    ) -> Answer {
        match command {
            "threads" => {
                let threads = debugger.threads();
                let shown = threads.iter().map(|(id, name)| json!({ "id": id, "name": name }));
                Ok(json!({ "threads": shown.collect::<Vec<_>>() }))
            }
            "pause" => {
                debugger.pause();
                Ok(Value::Null)
            }
            known if !COMMANDS.contains(&known) => Err(format!("`{known}` is not supported")),
            _ if !debugger.is_held() => Err("the run does not stand still".into()),
            "stackTrace" => Ok(show::stack(debugger, &mut self.handles, places, arguments)),
            "scopes" => {
                let owner = self.frame(debugger, arguments)?;
                show::scopes(debugger, &mut self.handles, owner).ok_or_else(|| "the frame is gone".into())
            }
            "variables" => self.variables(debugger, arguments).await,
            "evaluate" => self.evaluate(debugger, arguments).await,
            "setVariable" => self.set_variable(debugger, arguments).await,
            "setExpression" => self.set_expression(debugger, arguments).await,
            "completions" => {
                let owner = self.frame(debugger, arguments)?;
                let text = arguments["text"].as_str().unwrap_or_default();
                let column = arguments["column"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(1);
                Ok(json!({ "targets": show::completions(debugger, owner, text, column) }))
            }
            "exceptionInfo" => {
                let thread = arguments["threadId"].as_u64().unwrap_or(MAIN);
                show::exception(debugger, thread).ok_or_else(|| "nothing has failed here".into())
            }
            "continue" => self.go(debugger, Move::On).map(|()| json!({ "allThreadsContinued": true })),
            "next" => self.go(debugger, Move::Next).map(|()| Value::Null),
            "stepIn" => self.go(debugger, Move::In).map(|()| Value::Null),
            "stepOut" => self.go(debugger, Move::Out).map(|()| Value::Null),
            "stepBack" => {
                let fine = arguments["granularity"] == "instruction";
                self.go(debugger, if fine { Move::BackIn } else { Move::Back }).map(|()| Value::Null)
            }
            "reverseContinue" => self.go(debugger, Move::BackOn).map(|()| Value::Null),
            "restartFrame" => {
                let Owner { moment, frame } = self.frame(debugger, arguments)?;
                let at = debugger.began(moment, frame).ok_or("the frame is gone")?;
                self.travel(debugger, at)
            }
            "gotoTargets" => Ok(self.targets(debugger, places, arguments)),
            "goto" => {
                let target = arguments["targetId"].as_u64().and_then(|id| usize::try_from(id).ok());
                self.travel(debugger, target.ok_or("`targetId` must be a target")?)
            }
            other => Err(format!("`{other}` is not supported")),
        }
    }

    /// The frame that a request means: the innermost of what is looked at, if it names none.
    fn frame(&self, debugger: &Debugger, arguments: &Value) -> Result<Owner, String> {
        match arguments["frameId"].as_u64().and_then(|id| usize::try_from(id).ok()) {
            Some(id) => self.handles.owner(id).ok_or_else(|| "the frame is gone".into()),
            None => {
                let moment = debugger.looked_at().ok_or("the run does not stand still")?;
                Ok(Owner { moment, frame: 0 })
            }
        }
    }

    /// Moves, as a request for it does.
    pub fn go(&mut self, debugger: &Debugger, how: Move) -> Result<(), String> {
        let at = debugger.go(how)?;
        self.handles.clear();
        if let Some(at) = at {
            self.then.push(("stopped", stopped(&at)));
        }
        Ok(())
    }

    /// Looks at another place where the run has been.
    fn travel(&mut self, debugger: &Debugger, moment: usize) -> Answer {
        let at = debugger.look(moment)?;
        self.handles.clear();
        self.then.push(("stopped", stopped(&at)));
        Ok(Value::Null)
    }

    /// The places on a line where the run has been, the last first.
    fn targets(&self, debugger: &Debugger, places: &Places<'_>, arguments: &Value) -> Value {
        let line = arguments["line"].as_u64().unwrap_or(0);
        let wanted = &arguments["source"];
        let fits = |frame: &Frame| {
            let (source, own) = places(frame);
            let named = wanted["path"].as_str().zip(source["path"].as_str());
            u64::from(own) == line && named.is_none_or(|(wanted, own)| crate::breakpoints::same_file(wanted, own))
        };
        let found = debugger.visited(&fits);
        let shown = found.iter().map(
            |(moment, name)| json!({ "id": moment, "label": format!("{name}, place {}", moment + 1), "line": line }),
        );
        json!({ "targets": shown.collect::<Vec<_>>() })
    }

    /// The value of an expression in a frame.
    pub async fn value(&mut self, debugger: &Debugger, arguments: &Value, text: &str) -> Answer {
        let Owner { moment, frame } = self.frame(debugger, arguments)?;
        debugger.evaluate(moment, frame, text).await
    }

    /// Values by name, as a list of variables.
    pub fn list(&mut self, values: Value) -> Vec<Value> {
        self.handles.list(values)
    }

    async fn evaluate(&mut self, debugger: &Debugger, arguments: &Value) -> Answer {
        let Owner { moment, frame } = self.frame(debugger, arguments)?;
        let text = arguments["expression"].as_str().unwrap_or_default();
        let value = debugger.evaluate(moment, frame, text).await?;
        Ok(Value::Object(self.handles.shown(&value)))
    }

    async fn variables(&mut self, debugger: &Debugger, arguments: &Value) -> Answer {
        let number = |name: &str| arguments[name].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let (reference, start, count) = (number("variablesReference"), number("start"), number("count"));
        if let Some(Wanted { owner, path, start, count }) = self.handles.wanted(reference, start, count) {
            // A script that went on cannot be asked any more: what was read is shown.
            if let Ok(shown) = debugger.page(owner.moment, owner.frame, path, start, count).await {
                let page = self.handles.page(reference, start, shown);
                return page.map(|page| json!({ "variables": page })).ok_or_else(|| "the value is gone".into());
            }
        }
        let indexed = arguments["filter"].as_str().map(|filter| filter == "indexed");
        let inside = self.handles.inside(reference, indexed, start, count);
        inside.map(|inside| json!({ "variables": inside })).ok_or_else(|| "the value is gone".into())
    }

    async fn set_variable(&mut self, debugger: &Debugger, arguments: &Value) -> Answer {
        let reference = arguments["variablesReference"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let (name, value) =
            (arguments["name"].as_str().unwrap_or_default(), arguments["value"].as_str().unwrap_or_default());
        let is_name = |name: &str| {
            !name.is_empty()
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$')
        };
        let owner = self.handles.owner_of(reference).filter(|_| is_name(name));
        self.assign(debugger, owner, name, value).await
    }

    async fn set_expression(&mut self, debugger: &Debugger, arguments: &Value) -> Answer {
        let owner = self.frame(debugger, arguments)?;
        let text = |name: &str| arguments[name].as_str().unwrap_or_default();
        self.assign(debugger, Some(owner), text("expression"), text("value")).await
    }

    async fn assign(&mut self, debugger: &Debugger, owner: Option<Owner>, target: &str, value: &str) -> Answer {
        let live = owner.filter(|owner| debugger.is_live_script(owner.moment, owner.frame));
        let Some(Owner { moment, frame }) = live else {
            return Err("only the variables of a script that stands still can be changed".into());
        };
        debugger.evaluate(moment, frame, &format!("{target} = {value}")).await?;
        let value = debugger.evaluate(moment, frame, target).await?;
        let mut shown = self.handles.shown(&value);
        let text = shown.remove("result").unwrap_or_default();
        shown.insert("value".into(), text);
        Ok(Value::Object(shown))
    }
}

/// The body of the event that tells of a stop.
pub fn stopped(at: &Stopped) -> Value {
    let reason = match at.reason {
        Reason::Entry => "entry",
        Reason::Step => "step",
        Reason::Goto => "goto",
        Reason::Breakpoint => "breakpoint",
        Reason::FunctionBreakpoint => "function breakpoint",
        Reason::Exception => "exception",
        Reason::Pause => "pause",
    };
    let mut body = json!({ "reason": reason, "threadId": at.thread, "allThreadsStopped": true });
    if let Some(text) = &at.text {
        body["text"] = json!(text);
    }
    if !at.hit.is_empty() {
        body["hitBreakpointIds"] = json!(at.hit);
    }
    body
}
