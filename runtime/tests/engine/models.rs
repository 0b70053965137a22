//! Who is asked, how, and what is made of the answers.

use std::time::Duration;

use aikit_core::ErrorKind;
use aikit_runtime::{
    engine::RunOptions,
    ports::{Effort, Message, OutputForm, Role, ToolChoice},
};
use serde_json::{Value, json};

use crate::support::{Reply, World};

fn document(intelligence: &str) -> String {
    format!(
        "
identity: {{agent_id: asker, name: Asker}}
interface: {{inputs: {{type: object, properties: {{message: {{type: string}}, hard: {{type: boolean, default: false}}}}}}}}
integration: {{tools: [double, hang]}}
intelligence:
{intelligence}
"
    )
}

/// The last message of each request.
fn lasts(world: &World) -> Vec<String> {
    let requests = world.model.requests.lock().unwrap();
    requests.iter().map(|r| r.messages.last().map(|m| m.content.clone()).unwrap_or_default()).collect()
}

fn asked(world: &World) -> Vec<String> {
    world.model.requests.lock().unwrap().iter().map(|r| r.model.clone()).collect()
}

#[tokio::test]
async fn every_parameter_reaches_the_request() {
    let world = World::new([Reply::Text("hi")]);
    let source = document(
        "  models:
    one:
      provider: scripted
      model: one
      timeout: 50s
      retry: {request_timeout: 20s}
      extra: {user: tester, options: {num_ctx: 8192}}
      parameters:
        {top_k: 40, reasoning: high, penalties: {presence: 0.5, frequency: 0.25, repetition: 1.1}}
  cognition: {tool_choice: none}",
    );
    assert_eq!(world.run(&source, json!({"message": "hi"})).await.result().unwrap(), json!("hi"));
    let request = &world.model.requests.lock().unwrap()[0];
    let p = &request.parameters;
    assert_eq!((p.top_k, p.reasoning, p.presence_penalty), (Some(40), Some(Effort::High), Some(0.5)));
    assert_eq!((p.frequency_penalty, p.repetition_penalty), (Some(0.25), Some(1.1)));
    assert_eq!(Value::Object(request.extra.clone()), json!({"user": "tester", "options": {"num_ctx": 8192}}));
    assert_eq!((request.timeout, &request.tool_choice), (Duration::from_secs(20), &Some(ToolChoice::None)));
}

#[tokio::test]
async fn a_tool_that_has_to_be_called_is_called_once() {
    let double = || Reply::Tool("double", json!({"n": 2}));
    let world = World::new([Reply::Text("4"), double(), Reply::Text("four")]);
    let source = document("  cognition: {tool_choice: double}");
    assert_eq!(world.run(&source, json!({"message": "2+2"})).await.result().unwrap(), json!("four"));
    assert_eq!(lasts(&world)[1], "Call the tool `double` before you answer.");
    let choices: Vec<_> = world.model.requests.lock().unwrap().iter().map(|r| r.tool_choice.clone()).collect();
    let forced = Some(ToolChoice::Tool("double".into()));
    assert_eq!(choices, [forced.clone(), forced, None]);

    let world = World::new(vec![Reply::Text("no"); 3]);
    let error = world.fails(&document("  cognition: {tool_choice: required}"), json!({"message": "x"})).await;
    assert_eq!(error.kind, ErrorKind::OutputInvalid);
    assert!(error.message.contains("tool_choice"), "{error}");
}

const SCHEMA: &str = "{type: object, properties: {n: {type: integer}}, required: [n]}";

#[tokio::test]
async fn the_form_of_an_answer_is_asked_for_in_each_mode() {
    for (mode, kept_by) in [
        ("auto", OutputForm::Native),
        ("native", OutputForm::Native),
        ("grammar", OutputForm::Strict),
        ("prompted", OutputForm::Told),
    ] {
        let world = World::new([Reply::Text("{\"n\": 1}")]);
        let source = document(&format!("  output: {{schema: {SCHEMA}, mode: {mode}}}"));
        assert_eq!(world.run(&source, json!({"message": "x"})).await.result().unwrap(), json!({"n": 1}), "{mode}");
        let request = &world.model.requests.lock().unwrap()[0];
        assert_eq!(request.output_form, kept_by, "{mode}");
        let told = request.messages.iter().any(|m| m.role == Role::System && m.content.contains("JSON Schema"));
        assert_eq!(told, mode == "prompted", "{mode}");
    }
}

#[tokio::test]
async fn a_tool_takes_the_answer_and_refuses_one_that_does_not_fit() {
    let world = World::new([
        Reply::Tool("double", json!({"n": 2})),
        Reply::Tool("final_answer", json!({"n": "four"})),
        Reply::Tool("final_answer", json!({"n": 4})),
    ]);
    let source = document(&format!("  output: {{schema: {SCHEMA}, mode: tool}}"));
    assert_eq!(world.run(&source, json!({"message": "x"})).await.result().unwrap(), json!({"n": 4}));
    let requests = world.model.requests.lock().unwrap();
    assert!(requests.iter().all(|r| r.tool_choice == Some(ToolChoice::Required) && r.native_schema().is_none()));
    let names: Vec<_> = requests[0].tools.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["double", "hang", "final_answer"]);
    let tail: Vec<(Role, &str)> =
        requests[2].messages.iter().rev().take(2).map(|m: &Message| (m.role, m.content.as_str())).collect();
    assert_eq!(tail[1], (Role::Tool, "The answer is refused."));
    assert!(tail[0].1.starts_with("That answer does not fit the required JSON schema"), "{tail:?}");
}

#[tokio::test]
async fn answers_are_read_by_the_parser_that_is_declared() {
    let number = "{type: integer}";
    let object = "{type: object, properties: {n: {type: integer}}}";
    for (schema, parser, said, expected) in [
        ("{type: string}", "text", "{\"n\": 1}", json!("{\"n\": 1}")),
        (number, "regex, pattern: 'is (\\d+)'", "it is 42.", json!(42)),
        (object, "regex, pattern: '(?<n>\\d+)'", "it is 42.", json!({"n": 42})),
        (object, "xml", "So: <answer><n>7</n></answer>", json!({"n": 7})),
        (number, "script, lua: 'tools.call [\"double\", {\"n\": 4}]'", "x", json!(8.0)),
    ] {
        let world = World::new([Reply::Text(said)]);
        let schema = if parser.starts_with("script") { "{type: number}" } else { schema };
        let source = document(&format!("  output: {{schema: {schema}, parser: {parser}}}"));
        assert_eq!(world.run(&source, json!({"message": "x"})).await.result().unwrap(), expected, "{parser}");
        assert_eq!(world.model.requests.lock().unwrap()[0].output_schema, None);
    }
    let world = World::new([Reply::Text("nothing"), Reply::Text("it is 3")]);
    let source = document("  output: {schema: {type: integer}, parser: regex, pattern: '(\\d+)'}");
    assert_eq!(world.run(&source, json!({"message": "x"})).await.result().unwrap(), json!(3));
    assert!(lasts(&world)[1].contains("finds nothing in it"), "{:?}", lasts(&world));
}

#[tokio::test]
async fn a_condition_ends_the_rounds_and_the_next_answer_is_the_last() {
    let double = || Reply::Tool("double", json!({"n": 2}));
    let world = World::new([double(), double(), Reply::Text("enough")]);
    let source = document("  cognition: {stop_when: 'iteration >= 2 && calls[1].tool == \"double\"'}");
    assert_eq!(world.run(&source, json!({"message": "x"})).await.result().unwrap(), json!("enough"));
    let choices: Vec<_> = world.model.requests.lock().unwrap().iter().map(|r| r.tool_choice.clone()).collect();
    assert_eq!(choices, [None, None, Some(ToolChoice::None)]);
}

#[tokio::test]
async fn strategies_lead_the_conversation() {
    let world = World::new([Reply::Text("hi")]);
    world.run(&document("  cognition: {strategy: react}"), json!({"message": "x"})).await.result().unwrap();
    assert_eq!(world.model.requests.lock().unwrap()[0].messages[0].role, Role::System);

    let world = World::new([Reply::Text("1. think"), Reply::Tool("double", json!({"n": 1})), Reply::Text("two")]);
    let run = world.run(&document("  cognition: {strategy: plan_execute}"), json!({"message": "x"})).await;
    assert_eq!(run.result().unwrap(), json!("two"));
    let lasts = lasts(&world);
    assert!(lasts[0].starts_with("Before you begin") && lasts[1].starts_with("Carry out"), "{lasts:?}");
    assert_eq!(world.model.requests.lock().unwrap()[0].tool_choice, Some(ToolChoice::None));

    let world = World::new([Reply::Text("{\"n\": 1}"), Reply::Text("{\"n\": 2}")]);
    let source = document(&format!("  output: {{schema: {SCHEMA}}}\n  cognition: {{strategy: reflect}}"));
    assert_eq!(world.run(&source, json!({"message": "x"})).await.result().unwrap(), json!({"n": 2}));
    let second = &world.model.requests.lock().unwrap()[1];
    assert_eq!(second.messages[second.messages.len() - 2].content, "{\"n\": 1}");
}

#[tokio::test]
async fn a_model_is_asked_again_and_a_replay_waits_for_nothing() {
    let source = document(
        "  models:
    one:
      provider: scripted
      model: one
      retry: {max_attempts: 3, initial_delay: 1ms, respect_retry_after: true}",
    );
    let world = World::new([
        Reply::Busy(Duration::from_millis(20)),
        Reply::Error(ErrorKind::ProviderTimeout),
        Reply::Text("hi"),
    ]);
    let report = world.run(&source, json!({"message": "x"})).await;
    assert_eq!(report.result().unwrap(), json!("hi"));
    assert_eq!(report.record.usage.model_calls, 3);
    let ended = report.journal.iter().find(|row| row.kind.starts_with("effect.ended")).unwrap();
    assert_eq!(ended.body["error"]["detail"]["retry_after_ms"], 20);
    let replay = world
        .engine
        .replay(report.record.id, Some(world.plan(&source)), RunOptions::default(), world.cancel.clone())
        .await
        .unwrap();
    assert_eq!((replay.drift, replay.report.result().unwrap()), (None, json!("hi")));

    let world = World::new([Reply::Error(ErrorKind::ProviderAuth)]);
    assert_eq!(world.fails(&source, json!({"message": "x"})).await.kind, ErrorKind::ProviderAuth);
}

#[tokio::test]
async fn another_model_stands_in_for_the_reasons_that_it_names() {
    let source = document(&format!(
        "  model: scripted/first
  output: {{schema: {SCHEMA}, on_invalid: fail}}
  fallback_models:
    - {{model: scripted/patient, on: [timeout, rate_limit]}}
    - {{model: scripted/any}}"
    ));
    let good = || Reply::Text("{\"n\": 1}");
    for (replies, models) in [
        (vec![Reply::Error(ErrorKind::ProviderTimeout), good()], vec!["first", "patient"]),
        (vec![Reply::Error(ErrorKind::ProviderUnavailable), good()], vec!["first", "any"]),
        (vec![Reply::Error(ErrorKind::ProviderRefusal), good()], vec!["first", "any"]),
        (vec![Reply::Text("no"), good()], vec!["first", "any"]),
        (
            vec![Reply::Error(ErrorKind::ProviderRateLimit), Reply::Error(ErrorKind::ProviderUnavailable), good()],
            vec!["first", "patient", "any"],
        ),
    ] {
        let world = World::new(replies);
        let report = world.run(&source, json!({"message": "x"})).await;
        assert_eq!(report.result().unwrap(), json!({"n": 1}));
        assert_eq!(asked(&world), models);
        let plan = Some(world.plan(&source));
        let replay = world.engine.replay(report.record.id, plan, RunOptions::default(), world.cancel.clone());
        assert_eq!(replay.await.unwrap().drift, None);
    }
    for (kind, models) in [(ErrorKind::ProviderAuth, 1), (ErrorKind::ProviderContextOverflow, 1)] {
        let world = World::new([Reply::Error(kind)]);
        assert_eq!(world.fails(&source, json!({"message": "x"})).await.kind, kind);
        assert_eq!(asked(&world).len(), models);
    }
}

#[tokio::test]
async fn the_first_route_that_holds_is_taken_where_a_step_names_no_model() {
    let source = "
identity: {agent_id: router, name: Router}
interface: {inputs: {type: object, properties: {hard: {type: boolean}}}}
intelligence:
  model: scripted/plain
  routing:
    - {when: inputs.hard && tenant.plan == 'paid', model: scripted/best}
    - {when: inputs.hard, model: scripted/good}
behavior:
  steps:
    - {name: one, llm: Hello}
    - {name: two, llm: {prompt: Hello, model: scripted/own}}
";
    for (hard, models) in [(true, ["good", "own"]), (false, ["plain", "own"])] {
        let world = World::new([Reply::Text("a"), Reply::Text("b")]);
        world.run(source, json!({"hard": hard})).await.result().unwrap();
        assert_eq!(asked(&world), models);
    }
}

#[tokio::test]
async fn a_step_that_is_tried_again_listens_to_the_provider_as_well() {
    let source = "
identity: {agent_id: step, name: Step}
behavior:
  steps:
    - {name: one, llm: Hello, retry: {max_attempts: 2, initial_delay: 1ms, request_timeout: 30s}}
";
    let world = World::new([Reply::Busy(Duration::from_millis(30)), Reply::Text("b")]);
    let report = world.run(source, json!({})).await;
    assert_eq!(report.result().unwrap(), json!("b"));

    let hasty = source.replace("request_timeout: 30s", "request_timeout: 50ms");
    let world = World::new([Reply::Hang, Reply::Hang]);
    let error = world.fails(&hasty, json!({})).await;
    assert_eq!(error.kind, ErrorKind::ProviderTimeout);
    assert_eq!(asked(&world).len(), 2);
}
