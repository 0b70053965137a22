//! `scripted/auto`: an answer that follows from the request alone.

use aikit_runtime::ports::{ModelRequest, ModelResponse, StopReason, ToolCall, ToolChoice, ToolSpec};

use super::{
    derive::{Purpose, derive},
    language::{affinity, alike, arithmetic, gist, keywords, name_words, words},
    prompt::Prompt,
    usage,
};

/// How every simulated text begins.
pub(super) const MARK: &str = "[simulated]";

/// How much of the user's message an answer repeats, in characters.
const GIST: usize = 140;
/// How much of a tool's result an answer repeats, in characters.
const RESULT: usize = 600;

/// How long an answer the instructions ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Brief,
    Plain,
    List,
    Detailed,
}

/// Answers a request: with tool calls if a tool fits and none was called yet, with an instance of the output schema if
/// one is asked for, else with prose.
pub(super) fn answer(request: &ModelRequest) -> ModelResponse {
    let prompt = Prompt::new(request);
    let tool_calls = match &request.tool_choice {
        Some(ToolChoice::None) => Vec::new(),
        Some(ToolChoice::Tool(name)) => {
            let named: Vec<&ToolSpec> = request.tools.iter().filter(|tool| tool.name == *name).collect();
            filled(named, &prompt)
        }
        _ if !prompt.results.is_empty() => Vec::new(),
        choice => match calls(&request.tools, &prompt) {
            none if none.is_empty() && choice.is_some() => filled(request.tools.first().into_iter().collect(), &prompt),
            calls => calls,
        },
    };
    let (content, stop) = if !tool_calls.is_empty() {
        (String::new(), StopReason::ToolCalls)
    } else if let Some(schema) = &request.output_schema {
        (derive(schema, &prompt, Purpose::Answer).to_string(), StopReason::Stop)
    } else {
        shorten(prose(&prompt), request)
    };
    let usage = usage(request, &content, &tool_calls);
    ModelResponse {
        content,
        tool_calls,
        stop,
        usage,
        model: request.model.clone(),
        continuation: None,
        simulated: true,
    }
}

/// The tools that the user names, else the one that shares most words with what the user says.
fn calls(tools: &[ToolSpec], prompt: &Prompt) -> Vec<ToolCall> {
    let named: Vec<&ToolSpec> = tools.iter().filter(|tool| prompt.user.contains(&tool.name)).collect();
    let chosen = if named.is_empty() {
        let scored = tools.iter().map(|tool| (fit(tool, &prompt.user), tool)).filter(|(score, _)| *score > 0);
        // The first of equal ones, as a person would read the list.
        scored.rev().max_by_key(|(score, _)| *score).map(|(_, tool)| tool).into_iter().collect()
    } else {
        named
    };
    filled(chosen, prompt)
}

/// A call of each tool, with arguments that follow from the prompt.
fn filled(chosen: Vec<&ToolSpec>, prompt: &Prompt) -> Vec<ToolCall> {
    let call = |(ordinal, tool): (usize, &ToolSpec)| ToolCall {
        id: format!("call_{}", ordinal + 1),
        name: tool.name.clone(),
        arguments: derive(&tool.parameters, prompt, Purpose::Arguments),
    };
    chosen.into_iter().enumerate().map(call).collect()
}

fn fit(tool: &ToolSpec, user: &str) -> usize {
    let named =
        name_words(&tool.name).filter(|part| part.len() > 2 && words(user).any(|word| alike(part, word))).count();
    let takes_expression = tool.parameters["properties"].get("expression").is_some();
    let sum = if takes_expression && arithmetic(user).is_some() { 3 } else { 0 };
    2 * named + affinity(user, &tool.description) + sum
}

fn prose(prompt: &Prompt) -> String {
    let asked = &prompt.subject;
    if asked.is_empty() {
        return format!("{MARK} The request holds no text.");
    }
    let about = gist(asked, GIST);
    if !prompt.results.is_empty() {
        let results: Vec<String> =
            prompt.results.iter().map(|(tool, result)| format!("{tool} gave {}", gist(result, RESULT))).collect();
        return format!("{MARK} On “{about}”: {}.", results.join("; "));
    }
    let opening = ["On", "You asked:", "Regarding"][prompt.pick("opening", 3) as usize];
    let begin = format!("{MARK} {opening} “{about}”.");
    let topics: Vec<String> = keywords(asked).into_iter().take(3).collect();
    match style(prompt) {
        Style::Brief => begin,
        _ if topics.is_empty() => begin,
        Style::Plain => format!("{begin} The main points are {}.", listing(&topics)),
        Style::List => {
            let lines: String = topics.iter().map(|topic| format!("\n- {topic}")).collect();
            format!("{begin} The main points:\n{lines}")
        }
        Style::Detailed => {
            let mut text = format!("{begin} The main points are {}.", listing(&topics));
            for topic in &topics {
                let times = words(asked).filter(|word| word.to_lowercase() == *topic).count();
                let times = if times == 1 { "once".to_string() } else { format!("{times} times") };
                text.push_str(&format!(" “{topic}” is mentioned {times}."));
            }
            if !prompt.system.is_empty() {
                text.push_str(&format!(" The instructions were: “{}”.", gist(&prompt.system, GIST)));
            }
            text.push_str(" No model was asked; this text follows from the request alone.");
            text
        }
    }
}

fn style(prompt: &Prompt) -> Style {
    let instructions = format!("{} {}", prompt.system, prompt.user).to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| instructions.contains(word));
    if says(&["bullet", "as a list", "list the", "key points"]) {
        Style::List
    } else if says(&["brief", "concise", "short", "one sentence", "terse"]) {
        Style::Brief
    } else if says(&["detail", "thorough", "step by step", "at length", "in depth"]) {
        Style::Detailed
    } else {
        Style::Plain
    }
}

fn listing(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// Obeys `stop` and `max_tokens`, as a model would.
fn shorten(mut text: String, request: &ModelRequest) -> (String, StopReason) {
    let stops = request.parameters.stop.iter().filter(|stop| !stop.is_empty());
    if let Some(end) = stops.filter_map(|stop| text.find(stop.as_str())).min() {
        text.truncate(end);
    }
    let limit = request.parameters.max_tokens.map_or(usize::MAX, |tokens| (tokens as usize).saturating_mul(4));
    match text.char_indices().nth(limit) {
        Some((end, _)) => {
            text.truncate(end);
            (text, StopReason::Length)
        }
        None => (text, StopReason::Stop),
    }
}
