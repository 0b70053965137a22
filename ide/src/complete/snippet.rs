//! Completions of several lines, with the right indentation and places to fill in.

use aikit_core::TextRange;
use aikit_spec::schema::PropertyView;
use aikit_yaml::Segment;

use super::{Completion, CompletionKind};

/// The text behind a key for those who fill in places. `None` inside of braces where a plain key does as well.
pub(super) fn behind_key(text: &str, token: TextRange, property: &PropertyView) -> Option<String> {
    let name = property.name;
    let (mapping, list) = (property.type_name == "a mapping", property.type_name == "a list");
    let Some(column) = column(text, token) else {
        return match (mapping, list) {
            (true, _) => Some(format!("{name}: {{$0\\}}")),
            (_, true) => Some(format!("{name}: [$0]")),
            _ => None,
        };
    };
    let indent = " ".repeat(column + 2);
    match (mapping, list) {
        (true, _) => Some(format!("{name}:\n{indent}$0")),
        (_, true) => Some(format!("{name}:\n{indent}- $0")),
        _ => None,
    }
}

/// The column of a token that begins a key on a line of its own; dashes before it count as blanks.
fn column(text: &str, token: TextRange) -> Option<usize> {
    let before = text.get(..token.start as usize)?;
    let line = &before[before.rfind('\n').map_or(0, |at| at + 1)..];
    line.chars().all(|c| matches!(c, ' ' | '-')).then_some(line.len())
}

const AGENT: &[(&str, &str, &str)] = &[(
    "agent document",
    "An agent that answers.",
    "identity:\n  agent_id: ${1:my-agent}\n  name: ${2:My agent}\nintelligence:\n  prompts:\n    system: ${3:You are helpful.}\n$0",
)];

const STEPS: &[(&str, &str, &str)] = &[
    ("llm step", "Asks a model.", "name: ${1:ask}\nllm: |\n  ${2:prompt}$0"),
    ("tool step", "Calls a tool.", "name: ${1:call}\ntool: ${2:tool}\nargs:\n  $0"),
    ("agent step", "Runs another agent.", "name: ${1:delegate}\nagent: ${2:agent}\ninput:\n  $0"),
    ("lua step", "Runs Lua.", "name: ${1:compute}\nscript:\n  lua: |\n    return ${2:nil}$0"),
    ("js step", "Runs JavaScript.", "name: ${1:compute}\nscript:\n  js: |\n    ${2:null}$0"),
    ("set step", "Writes the state.", "name: ${1:remember}\nset:\n  ${2:key}: ${3:value}$0"),
    (
        "switch step",
        "Runs the steps of the first case that holds.",
        "name: ${1:decide}\nswitch:\n  - when: ${2:condition}\n    do:\n      - name: ${3:then}\n        return: ${4:value}\n  - default:\n      - name: ${5:otherwise}\n        return: ${6:value}$0",
    ),
    (
        "map step",
        "Runs steps for each item of a list.",
        "name: ${1:each}\nmap:\n  over: ${2:list}\n  as: ${3:item}\n  do:\n    - name: ${4:work}\n      llm: ${5:prompt}$0",
    ),
    (
        "parallel step",
        "Runs branches side by side.",
        "name: ${1:together}\nparallel:\n  branches:\n    ${2:left}:\n      - name: ${3:one}\n        llm: ${4:prompt}\n    ${5:right}:\n      - name: ${6:two}\n        llm: ${7:prompt}$0",
    ),
    (
        "loop step",
        "Runs steps until a condition holds.",
        "name: ${1:again}\nloop:\n  until: ${2:condition}\n  max: ${3:5}\n  do:\n    - name: ${4:work}\n      llm: ${5:prompt}$0",
    ),
];

const TOOLS: &[(&str, &str, &str)] = &[
    (
        "lua tool",
        "A tool written in Lua.",
        "name: ${1:tool}\nkind: lua\ndescription: ${2:What it is good for.}\ninput:\n  type: object\n  properties:\n    ${3:text}:\n      type: string\ncode: |\n  return ctx.inputs.${3:text}$0",
    ),
    (
        "js tool",
        "A tool written in JavaScript.",
        "name: ${1:tool}\nkind: js\ndescription: ${2:What it is good for.}\ninput:\n  type: object\n  properties:\n    ${3:text}:\n      type: string\ncode: |\n  ctx.inputs.${3:text}$0",
    ),
];

/// What several lines can stand at a place that is still empty.
pub(super) fn at(text: &str, path: &[Segment], token: TextRange) -> Vec<Completion> {
    let key = |at: usize| match path.get(path.len().wrapping_sub(at)) {
        Some(Segment::Key(key)) => key.as_str(),
        _ => "",
    };
    let item = matches!(path.last(), Some(Segment::Index(_)));
    let in_steps = item && (matches!(key(2), "steps" | "do" | "default") || key(3) == "branches");
    let blank = || text.get(..token.start as usize).is_some_and(|before| before.trim().is_empty());
    let all = match path {
        [] if blank() => AGENT,
        _ if in_steps => STEPS,
        [Segment::Key(block), Segment::Key(tools), _] if item && block == "integration" && tools == "tools" => TOOLS,
        _ => return Vec::new(),
    };
    let Some(column) = column(text, token) else { return Vec::new() };
    let indented = |lines: &str| lines.replace('\n', &format!("\n{}", " ".repeat(column)));
    let of = |(label, doc, lines): &(&str, &str, &str)| Completion {
        label: (*label).to_owned(),
        kind: CompletionKind::Snippet,
        replace: token,
        insert: plain(&indented(lines)),
        snippet: Some(indented(lines)),
        detail: String::new(),
        doc: (*doc).to_owned(),
    };
    all.iter().map(of).collect()
}

/// A snippet with its words in the places to fill in.
fn plain(snippet: &str) -> String {
    let mut text = String::new();
    let mut rest = snippet;
    while let Some((before, behind)) = rest.split_once('$') {
        text.push_str(before);
        rest = match behind.strip_prefix('{').and_then(|place| place.split_once('}')) {
            Some((place, behind)) => {
                text.push_str(place.split_once(':').map_or("", |(_, word)| word));
                behind
            }
            None => behind.trim_start_matches(|c: char| c.is_ascii_digit()),
        };
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_snippet_inserts_checks() {
        let head = "identity: {agent_id: a, name: A}\nintegration:\n  tools:\n    - ";
        for (label, _, lines) in STEPS.iter().filter(|(label, ..)| !matches!(*label, "tool step" | "agent step")) {
            let body =
                plain(lines).replace('\n', "\n      ").replace(": condition", ": 'true'").replace(": list", ": '[1]'");
            let source = format!("identity: {{agent_id: a, name: A}}\nbehavior:\n  steps:\n    - {body}\n");
            let checked = aikit_spec::check(&source, &aikit_spec::CheckContext::default());
            assert!(!checked.has_errors(), "{label}: {:?}\n{source}", checked.diagnostics);
        }
        for (label, _, lines) in TOOLS {
            let source = format!("{head}{}\n", plain(lines).replace('\n', "\n      "));
            let checked = aikit_spec::check(&source, &aikit_spec::CheckContext::default());
            assert!(!checked.has_errors(), "{label}: {:?}\n{source}", checked.diagnostics);
        }
        let checked = aikit_spec::check(&plain(AGENT[0].2), &aikit_spec::CheckContext::default());
        assert!(!checked.has_errors(), "{:?}", checked.diagnostics);
    }
}
