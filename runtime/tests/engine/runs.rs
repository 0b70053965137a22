use std::sync::{Arc, Mutex, atomic::Ordering};

use aikit_core::{ErrorKind, record::RunStatus};
use aikit_runtime::{
    engine::RunOptions,
    event::RunEvent,
    ports::Role,
    view::{self, RunView},
};
use serde_json::json;

use crate::support::{Reply, World};

const CHAT: &str = "
identity: {agent_id: hello, name: Hello}
intelligence:
  prompts: {system: 'You greet {{ inputs.name }} of {{ tenant.name }}.'}
interface:
  inputs:
    type: object
    properties: {name: {type: string}, message: {type: string}}
    required: [name]
";

const TOOLS: &str = "
identity: {agent_id: counter, name: Counter}
integration:
  tools: [double, hang]
intelligence:
  prompts: {system: Count.}
  cognition: {max_iterations: 2}
";

const FLOW: &str = "
identity: {agent_id: flow, name: Flow}
interface:
  inputs: {type: object, properties: {text: {type: string}, urgent: {type: boolean}, from: {type: string, default: web}}, required: [text]}
behavior:
  type: sequential
  state: {initial: {seen: 0}}
  workflow:
    steps:
      - name: classify
        llm: {prompt: 'Classify: {{ inputs.text }}'}
      - name: only-urgent
        when: inputs.urgent == true
        set: {urgent: true}
      - name: route
        switch:
          - when: steps.classify.output == 'bug'
            do:
              - name: note
                set: {seen: '{{ state.seen + 1 }}', kind: '{{ steps.classify.output }}'}
          - default:
              - name: shrug
                set: {kind: other}
      - name: finish
        return: {kind: '{{ state.kind }}', seen: '{{ state.seen }}'}
";

#[tokio::test]
async fn a_chat_streams_and_answers() {
    let world = World::new([Reply::Text("Hello Ada of Acme")]);
    let tokens = Arc::new(Mutex::new(String::new()));
    let seen = tokens.clone();
    let options = RunOptions {
        observer: Some(Arc::new(move |event| {
            if let RunEvent::Token { text, .. } = event {
                seen.lock().unwrap().push_str(text);
            }
        })),
        ..RunOptions::default()
    };
    let inputs = json!({"name": "Ada", "message": "hi"});
    let report = world.engine.run(&world.plan(CHAT), inputs, options, world.cancel.clone()).await.unwrap();
    assert_eq!(report.result().unwrap(), json!("Hello Ada of Acme"));
    assert_eq!(*tokens.lock().unwrap(), "Hello Ada of Acme");
    assert_eq!((report.record.usage.input_tokens, report.record.usage.model_calls), (10, 1));
    let request = &world.model.requests.lock().unwrap()[0];
    let said: Vec<_> = request.messages.iter().map(|m| (m.role, m.content.as_str())).collect();
    assert_eq!(said, [(Role::System, "You greet Ada of Acme."), (Role::User, "hi")]);
    let view = RunView::new(report.record.clone(), &report.journal);
    assert!(view::text(&view).starts_with("hello@0.1.0 succeeded (simulated model) · "), "{}", view::text(&view));
}

#[tokio::test]
async fn inputs_that_do_not_fit_never_begin_a_run() {
    let world = World::new([]);
    let plan = world.plan(CHAT);
    let run = world.engine.run(&plan, json!({"name": 7}), RunOptions::default(), world.cancel.clone());
    let error = run.await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::ValidationInput);
    assert!(world.store.runs.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_workflow_branches_writes_state_and_returns() {
    let world = World::new([Reply::Text("bug")]);
    let report = world.run(FLOW, json!({"text": "it crashes"})).await;
    assert_eq!(report.result().unwrap(), json!({"kind": "bug", "seen": 1}));
    let kinds: Vec<String> = report.journal.iter().map(|row| row.kind.clone()).collect();
    assert_eq!(kinds.first().unwrap(), "run.started");
    assert_eq!(kinds.last().unwrap(), "run.ended");
    let view = RunView::new(report.record.clone(), &report.journal);
    let text = view::text(&view);
    for line in ["✓ classify (llm)", "– only-urgent (set)", "✓ route (switch)", "✓ note (set)", "✓ finish (return)"]
    {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(!text.contains("shrug"));
    let html = view::bundle(&view)["text/html"].as_str().unwrap().to_owned();
    assert_eq!(html.matches("<svg").count(), 2);
}

#[tokio::test]
async fn a_model_calls_tools_until_it_is_done() {
    let world = World::new([Reply::Tool("double", json!({"n": 21})), Reply::Text("42")]);
    let report = world.run(TOOLS, json!({"message": "double 21"})).await;
    assert_eq!(report.result().unwrap(), json!("42"));
    assert_eq!(report.record.usage.tool_calls, 1);
    let requests = world.model.requests.lock().unwrap();
    let last = requests[1].messages.last().unwrap();
    assert_eq!((last.role, last.content.as_str()), (Role::Tool, "42.0"));
    assert_eq!(requests[0].tools.len(), 2);
}

#[tokio::test]
async fn what_a_model_can_put_right_goes_back_to_it() {
    for (name, args, told) in [
        ("triple", json!({}), "error: there is no tool `triple`; the tools are: double, hang"),
        ("double", json!("{oops"), "error: the arguments are not valid JSON: {oops"),
        (
            "double",
            json!({"n": "x"}),
            "error: the arguments of tool `double` do not fit the schema: n: \"x\" is not of type \"number\"",
        ),
        ("double", json!({"n": 5000}), "error: the number is too large"),
    ] {
        let world = World::new([Reply::Tool(name, args), Reply::Text("sorry")]);
        assert_eq!(world.run(TOOLS, json!({"message": "x"})).await.result().unwrap(), json!("sorry"));
        assert_eq!(world.model.requests.lock().unwrap()[1].messages.last().unwrap().content, told);
    }
}

#[tokio::test]
async fn rounds_of_tools_are_bounded() {
    let call = || Reply::Tool("double", json!({"n": 1}));
    let world = World::new([call(), call(), call()]);
    let error = world.fails(TOOLS, json!({"message": "x"})).await;
    assert_eq!(error.kind, ErrorKind::BudgetExceeded);
    assert_eq!(error.message, "the model still asks for tools after 2 rounds");
}

const STRUCTURED: &str = "
identity: {agent_id: extract, name: Extract}
intelligence:
  prompts: {system: Extract.}
  output:
    schema: {type: object, properties: {n: {type: integer}}, required: [n]}
";

#[tokio::test]
async fn an_answer_that_does_not_fit_is_repaired() {
    let world = World::new([Reply::Text("n is 3"), Reply::Text("{\"n\": \"3\"}"), Reply::Text("{\"n\": 3}")]);
    assert_eq!(world.run(STRUCTURED, json!({"message": "x"})).await.result().unwrap(), json!({"n": 3}));
    let requests = world.model.requests.lock().unwrap();
    let told = &requests[2].messages.last().unwrap().content;
    assert!(told.contains("n: \"3\" is not of type \"integer\""), "{told}");
}

#[tokio::test]
async fn an_answer_that_never_fits_is_an_error() {
    let world = World::new([Reply::Text("a"), Reply::Text("b"), Reply::Text("c")]);
    let error = world.fails(STRUCTURED, json!({"message": "x"})).await;
    assert_eq!(error.kind, ErrorKind::OutputInvalid);
    assert_eq!(error.detail.unwrap()["repairs"], 2);
}

#[tokio::test]
async fn budgets_are_reserved_before_a_call() {
    for (budget, what) in [("llm_calls: 1", "model calls"), ("tokens: 12", "tokens")] {
        let source = format!("{TOOLS}governance: {{budget: {{per_execution: {{{budget}}}}}}}\n");
        let world = World::new([Reply::Tool("double", json!({"n": 1})), Reply::Text("never")]);
        let error = world.fails(&source, json!({"message": "x"})).await;
        assert_eq!(error.kind, ErrorKind::BudgetExceeded, "{error}");
        assert!(error.message.contains(what), "{error}");
        assert_eq!(world.model.requests.lock().unwrap().len(), 1);
    }
    let source = format!("{FLOW}governance: {{security: {{resource_limits: {{max_steps: 2}}}}}}\n");
    let error = World::new([Reply::Text("bug")]).fails(&source, json!({"text": "x"})).await;
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::BudgetExceeded, "the run has taken more than 2 steps")
    );
}

#[tokio::test]
async fn cancelling_ends_whatever_is_waited_for() {
    let script = "
identity: {agent_id: script, name: Script}
behavior:
  type: sequential
  workflow: {steps: [{name: wait, script: {lua: hang}}]}
";
    for (source, reply) in [(CHAT, Some(Reply::Hang)), (script, None)] {
        let world = World::new(reply);
        world.cancel_soon();
        let report = world.run(source, json!({"name": "x"})).await;
        assert_eq!(report.record.status, RunStatus::Cancelled);
        assert_eq!(world.store.kinds().last().unwrap(), "run.ended");
    }
}

#[tokio::test]
async fn the_wall_time_of_a_run_is_bounded() {
    let source = format!("{CHAT}governance: {{security: {{resource_limits: {{max_wall: 1s}}}}}}\n");
    let error = World::new([Reply::Hang]).fails(&source, json!({"name": "x"})).await;
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::BudgetExceeded, "the run took longer than 1 seconds"));
}

#[tokio::test]
async fn a_provider_error_ends_the_run_with_its_kind() {
    for kind in [ErrorKind::ProviderRefusal, ErrorKind::ProviderTimeout, ErrorKind::ProviderAuth] {
        let error = World::new([Reply::Error(kind)]).fails(CHAT, json!({"name": "x"})).await;
        assert_eq!(error.kind, kind);
    }
}

#[tokio::test]
async fn a_full_store_is_reported_and_nothing_half_is_kept() {
    let world = World::new([]);
    world.store.full.store(true, Ordering::SeqCst);
    let plan = world.plan(CHAT);
    let run = world.engine.run(&plan, json!({"name": "x"}), RunOptions::default(), world.cancel.clone());
    let error = run.await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::StoreFailed);
    assert!(error.help.unwrap().contains("free some space"));

    let world = World::new([Reply::Text("never stored")]);
    let store = world.store.clone();
    let options = RunOptions {
        observer: Some(Arc::new(move |event| {
            if matches!(event, RunEvent::Token { .. }) {
                store.full.store(true, Ordering::SeqCst);
            }
        })),
        ..RunOptions::default()
    };
    let report =
        world.engine.run(&world.plan(CHAT), json!({"name": "x"}), options, world.cancel.clone()).await.unwrap();
    assert_eq!(report.result().unwrap_err().kind, ErrorKind::StoreFailed);
    assert_eq!(report.record.output, None);
}

#[tokio::test]
async fn secrets_reach_the_provider_and_no_record() {
    let source = "
identity: {agent_id: keyed, name: Keyed}
governance: {security: {secrets: {key: {from: env, key: SOME_API_KEY}}}}
intelligence:
  models: {default: {provider: scripted, model: auto, secret: key}}
";
    let world = World::new([Reply::Text("ok")]);
    let report = world.run(source, json!({"message": "x"})).await;
    assert_eq!(report.result().unwrap(), json!("ok"));
    assert_eq!(world.model.requests.lock().unwrap()[0].api_key.as_ref().unwrap().reveal(), "hush-hush");
    assert!(!serde_json::to_string(&report.journal).unwrap().contains("hush"));
    assert!(!format!("{:?}", world.model.requests.lock().unwrap()).contains("hush"));
}

#[tokio::test]
async fn what_a_script_asks_of_the_host_passes_the_gate() {
    let source = "
identity: {agent_id: script, name: Script}
integration: {tools: [double]}
behavior:
  type: sequential
  workflow:
    steps:
      - name: work
        script:
          lua: |
            now
            storage.set [\"k\", {\"a\": 1}]
            ai.complete [\"say\"]
            tools.call [\"double\", {\"n\": 4}]
";
    let world = World::new([Reply::Text("said")]);
    let report = world.run(source, json!({})).await;
    assert_eq!(report.result().unwrap(), json!(8.0));
    let kinds: Vec<&str> = report.journal.iter().filter_map(|row| row.kind.strip_prefix("effect.started.")).collect();
    assert_eq!(kinds, ["script", "clock", "storage", "model", "tool"]);

    let denied = source
        .replace("tools.call [\\\"double\\\"", "tools.call [\\\"hang\\\"")
        .replace("\"double\", {", "\"hang\", {");
    let error = World::new([Reply::Text("said")]).fails(&denied, json!({})).await;
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::ToolDenied, "tool `hang` is not declared in this document")
    );
    assert!(error.trace[0].source.ends_with("(step work)"), "{:?}", error.trace);
}

#[tokio::test]
async fn a_tool_that_hangs_is_left_behind() {
    let source = "
identity: {agent_id: slow, name: Slow}
integration: {tools: [hang]}
behavior:
  type: sequential
  workflow: {steps: [{name: wait, tool: hang, args: {n: 1}, timeout: 1s}]}
";
    let error = World::new([]).fails(source, json!({})).await;
    assert_eq!(error.kind, ErrorKind::ToolTimeout);
    assert_eq!(error.trace[0].line, 6);
}
