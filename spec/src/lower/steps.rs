use aikit_core::Language;
use aikit_yaml::Node;
use serde_json::Value;

use super::{Lowering, duration, dynamic, models::output_plan, script};
use crate::{
    agent::{ErrorCase, HumanStep, LlmStep, Retry, STEP_KINDS, Step},
    checks::execution_order,
    expr::Expr,
    plan::{
        CachePlan, Compensation, Dynamic, ErrorAction, ErrorPlan, HumanPlan, JoinPlan, PromptPlan, RetryPlan, StepKind,
        StepPlan, WaitFor,
    },
    template::Template,
    words::{Name, SubflowRef},
};

impl Lowering<'_> {
    /// Steps in the order in which they run.
    pub(super) fn steps(
        &mut self,
        root: &Node,
        steps: &[Step],
        nodes: &[Node],
        reorder: bool,
    ) -> Result<Vec<StepPlan>, String> {
        let (order, _) = execution_order(nodes, reorder);
        let pairs = order.into_iter().filter_map(|index| steps.get(index).zip(nodes.get(index)));
        pairs.map(|(step, node)| self.step(root, step, node)).collect()
    }

    fn step(&mut self, root: &Node, step: &Step, node: &Node) -> Result<StepPlan, String> {
        let save = node.get("save").map(Node::entries).unwrap_or_default().iter();
        Ok(StepPlan {
            name: step.name.0.clone(),
            range: node.range,
            line: self.lines.line_of(node.range.start as usize),
            when: node.get("when").and_then(expr),
            needs: step.needs.iter().map(|name| name.0.0.clone()).collect(),
            kind: self.kind(root, step, node)?,
            output: node.get("output").map(Node::to_json),
            save: save.filter_map(|entry| Some((state_path(entry.name()), expr(&entry.value)?))).collect(),
            timeout: duration(step.timeout.as_ref()),
            retry: step.retry.as_ref().map(retry),
            on_error: self.on_error(root, step, node)?,
            compensate: self.compensation(root, step, node)?,
            cache: step.cache.as_ref().and_then(|cache| {
                let key = node.get("cache").and_then(|node| node.get("key")).and_then(super::template);
                Some(CachePlan { ttl: duration(Some(&cache.ttl))?, key })
            }),
            breakpoint: step.breakpoint == Some(true),
        })
    }

    fn compensation(&mut self, root: &Node, step: &Step, node: &Node) -> Result<Option<Compensation>, String> {
        let Some(steps) = &step.compensate else { return Ok(None) };
        self.body(root, steps, node, "compensate").map(|steps| Some(steps.into()))
    }

    fn on_error(&mut self, root: &Node, step: &Step, node: &Node) -> Result<Vec<ErrorPlan>, String> {
        let cases = step.on_error.as_deref().unwrap_or_default();
        let nodes = node.get("on_error").map(Node::items).unwrap_or_default();
        let plan = |(case, node): (&ErrorCase, &Node)| {
            let then = match (&case.steps, node.get("do"), node.get("use")) {
                (Some(steps), Some(nodes), _) => ErrorAction::Do(self.steps(root, steps, nodes.items(), false)?),
                _ if node.get("raise").is_some() => {
                    let (code, message) = node.get("raise").and_then(raised).ok_or("an error without a code")?;
                    ErrorAction::Raise(code, message)
                }
                _ if case.goto.is_some() => {
                    ErrorAction::Goto(case.goto.as_ref().map(|step| step.0.0.clone()).unwrap_or_default())
                }
                (_, _, value) => ErrorAction::Use(value.map_or(Dynamic::Literal(Value::Null), dynamic)),
            };
            Ok(ErrorPlan { matches: case.matches.clone(), then })
        };
        cases.iter().zip(nodes).map(plan).collect()
    }

    /// The steps below a key.
    fn body(&mut self, root: &Node, steps: &[Step], node: &Node, key: &str) -> Result<Vec<StepPlan>, String> {
        self.steps(root, steps, node.get(key).map(Node::items).unwrap_or_default(), false)
    }

    fn kind(&mut self, root: &Node, step: &Step, node: &Node) -> Result<StepKind, String> {
        let lost = || format!("step `{}` has no kind", step.name.0);
        if let (Some(llm), Some(node)) = (&step.llm, node.get("llm")) {
            return self.llm(root, step, llm, node).ok_or_else(lost);
        }
        if let Some(agent) = &step.agent {
            let input = node.get("input").map_or_else(|| Dynamic::Object(Vec::new()), dynamic);
            return Ok(StepKind::Agent { agent: agent.0.clone(), input });
        }
        if let Some(node) = node.get("assert") {
            let that = expr(node.get("that").unwrap_or(node)).ok_or_else(lost)?;
            return Ok(StepKind::Assert { that, message: node.get("message").and_then(super::template) });
        }
        if let (Some(parallel), Some(node)) = (&step.parallel, node.get("parallel")) {
            let entries = node.get("branches").map(Node::entries).unwrap_or_default();
            let branch = |entry: &aikit_yaml::Entry| {
                let steps = parallel.branches.get(&Name(entry.name().to_owned())).map(Vec::as_slice);
                let steps = self.steps(root, steps.unwrap_or_default(), entry.value.items(), false)?;
                Ok((entry.name().to_owned(), steps))
            };
            let branches = entries.iter().map(branch).collect::<Result<_, String>>()?;
            let join = JoinPlan::new(&parallel.join, parallel.on_fail, parallel.branches.len());
            return Ok(StepKind::Parallel { branches, join });
        }
        if let (Some(map), Some(node)) = (&step.map, node.get("map")) {
            return Ok(StepKind::Map {
                over: node.get("over").and_then(expr).ok_or_else(lost)?,
                item: map.item.0.clone(),
                concurrency: map.concurrency,
                steps: self.body(root, &map.steps, node, "do")?,
                collect: node.get("collect").and_then(expr),
            });
        }
        if let (Some(repeat), Some(node)) = (&step.repeat, node.get("loop")) {
            return Ok(StepKind::Loop {
                before: node.get("while").and_then(expr),
                until: node.get("until").and_then(expr),
                max: repeat.max,
                steps: self.body(root, &repeat.steps, node, "do")?,
            });
        }
        if let Some(tool) = &step.tool {
            let args = node.get("args").map_or_else(|| Dynamic::Object(Vec::new()), dynamic);
            return Ok(StepKind::Tool { tool: tool.call_name(), args });
        }
        if let Some((server, tool)) = step.mcp.as_ref().and_then(|glob| glob.0.split_once('/')) {
            let args = node.get("args").map_or_else(|| Dynamic::Object(Vec::new()), dynamic);
            return Ok(StepKind::Mcp { server: server.to_owned(), tool: tool.to_owned(), args });
        }
        if let (Some(http), Some(node)) = (&step.http, node.get("http")) {
            let secret = http.secret.as_ref().and_then(|name| self.secret(&name.0));
            return super::tools::http(http.method, node, Vec::new(), secret).map(StepKind::Http).ok_or_else(lost);
        }
        if let (Some(step), Some(node)) = (&step.script, node.get("script")) {
            let language = if step.lua.is_some() { Language::Lua } else { Language::Js };
            let code = node.get(language.keyword());
            return Ok(StepKind::Script(script(language, code, step.instructions, step.memory_mb)));
        }
        if let Some(entries) = node.get("set").map(Node::entries) {
            let entries = entries.iter().map(|entry| (state_path(entry.name()), dynamic(&entry.value)));
            return Ok(StepKind::Set(entries.collect()));
        }
        if let (Some(cases), Some(node)) = (&step.switch, node.get("switch")) {
            let (mut guarded, mut default) = (Vec::new(), Vec::new());
            for (case, node) in cases.iter().zip(node.items()) {
                if let (Some(steps), Some(nodes)) = (&case.steps, node.get("do")) {
                    let guard = node.get("when").and_then(expr).ok_or_else(lost)?;
                    guarded.push((guard, self.steps(root, steps, nodes.items(), false)?));
                }
                if let (Some(steps), Some(nodes)) = (&case.default, node.get("default")) {
                    default = self.steps(root, steps, nodes.items(), false)?;
                }
            }
            return Ok(StepKind::Switch { cases: guarded, default });
        }
        if let (Some(wait), Some(node)) = (&step.wait, node.get("wait")) {
            let wait = match (duration(wait.time.as_ref()), node.get("until").and_then(expr), &wait.event) {
                (Some(time), ..) => WaitFor::Time(time),
                (None, Some(until), _) => WaitFor::Until(until),
                (None, None, event) => WaitFor::Event(event.as_ref().ok_or_else(lost)?.0.clone()),
            };
            return Ok(StepKind::Wait(wait));
        }
        if let (Some(human), Some(inside)) = (&step.human, node.get("human")) {
            return Ok(StepKind::Human(self.human(root, human, inside)));
        }
        if let (Some(emit), Some(inside)) = (&step.emit, node.get("emit")) {
            let payload = inside.get("payload").map_or(Dynamic::Literal(Value::Null), dynamic);
            return Ok(StepKind::Emit { event: emit.event.0.clone(), payload });
        }
        if let Some(node) = node.get("raise") {
            let (code, message) = raised(node).ok_or_else(lost)?;
            return Ok(StepKind::Raise { code, message });
        }
        if let Some(SubflowRef(Name(name))) = &step.subflow {
            return self.subflow(root, name, node);
        }
        if let Some(kind) = super::memory::step(step, node) {
            return Ok(kind);
        }
        if let Some(value) = node.get("return") {
            return Ok(StepKind::Return(dynamic(value)));
        }
        let kind = STEP_KINDS.iter().find(|kind| node.get(kind).is_some());
        kind.map(|kind| StepKind::Unsupported(kind)).ok_or_else(lost)
    }

    fn human(&self, root: &Node, human: &HumanStep, node: &Node) -> HumanPlan {
        let choices = node.get("choices").map(Node::items).unwrap_or_default().iter();
        HumanPlan {
            task: human.ask,
            prompt: node.get("prompt").and_then(|node| self.prompt(root, node)),
            to: node.get("to").and_then(super::template),
            choices: choices.filter_map(super::template).collect(),
            schema: node.get("schema").map(Node::to_json),
            timeout: duration(human.timeout.as_ref()),
            on_timeout: node.get("on_timeout").map(dynamic),
        }
    }

    /// Steps that are run by name. The checks have made sure that they do not run themselves.
    fn subflow(&mut self, root: &Node, name: &str, node: &Node) -> Result<StepKind, String> {
        let lost = || format!("there is no subflow `{name}`");
        let document = self.document;
        let steps = &document.behavior.subflows.get(&Name(name.to_owned())).ok_or_else(lost)?.steps;
        let nodes = super::at(root, &["behavior", "subflows", name, "steps"]).ok_or_else(lost)?;
        let input = node.get("input").map_or_else(|| Dynamic::Object(Vec::new()), dynamic);
        let steps = self.steps(root, steps, nodes.items(), false)?;
        Ok(StepKind::Subflow { name: name.to_owned(), input, steps })
    }

    fn llm(&mut self, root: &Node, step: &Step, llm: &LlmStep, node: &Node) -> Option<StepKind> {
        let default_iterations = self.document.intelligence.cognition.max_iterations;
        let LlmStep::Full(body) = llm else {
            return Some(StepKind::Llm {
                prompt: PromptPlan::Text(super::template(node)?),
                model: step.model.as_ref().map(|model| self.model(&model.0, node)),
                tools: Vec::new(),
                output: None,
                max_iterations: default_iterations,
            });
        };
        Some(StepKind::Llm {
            prompt: self.prompt(root, node.get("prompt")?)?,
            model: body
                .model
                .as_ref()
                .or(step.model.as_ref())
                .map(|model| self.model(&model.0, node.get("model").unwrap_or(node))),
            tools: body.tools.iter().map(|tool| tool.call_name()).collect(),
            output: body.output.as_ref().map(|output| output_plan(output, node.get("output"))),
            max_iterations: body.max_iterations.unwrap_or(default_iterations),
        })
    }
}

/// How something is tried again.
pub(super) fn retry(retry: &Retry) -> RetryPlan {
    let time = |text| duration(Some(text)).unwrap_or_default();
    RetryPlan {
        max_attempts: retry.max_attempts,
        on: retry.on.clone(),
        initial_delay: time(&retry.initial_delay),
        max_delay: time(&retry.max_delay),
        backoff: retry.backoff,
        jitter: retry.jitter,
        request_timeout: duration(retry.request_timeout.as_ref()),
        respect_retry_after: retry.respect_retry_after.unwrap_or(true),
    }
}

/// An error that is raised: its code and its message.
fn raised(node: &Node) -> Option<(String, Option<Template>)> {
    match node.as_str() {
        Some(code) => Some((code.to_owned(), None)),
        None => Some((node.get("code")?.as_str()?.to_owned(), node.get("message").and_then(super::template))),
    }
}

pub(super) fn expr(node: &Node) -> Option<Expr> {
    Some(Expr { source: node.as_str()?.to_owned(), range: node.range })
}

fn state_path(path: &str) -> String {
    path.strip_prefix("state.").unwrap_or(path).to_owned()
}
