//! A mistake costs what it stands in, and nothing around it: each kind of mistake, at every place of a real document.

use std::fmt::Write;

use aikit_core::Severity;
use aikit_yaml::{Parsed, parse};
use serde_json::Value;

const DOCUMENT: &str = "\
spec_version: aikit-v1.0.0
identity:
  name: Ada
  description: Answers questions about the weather
  tags: [weather, \"a b\", 'c']
interface:
  inputs:
    type: object
    properties:
      city: {type: string, default: Bern}
      days:
        type: integer
    required: [city]
integration:
  tools:
    - name: forecast
      type: lua
      code: |
        local x = 1

        return x
      timeout: 5
    - name: search
      type: builtin
behavior:
  type: workflow
  steps:
    - id: first
      llm:
        prompt: \"Hello {{ city }}\"
      save: answer
    - id: second
      set:
        total: 1
    - script: |
        return 1
  output: answer
governance:
  limits:
    cost: 0.5
";

/// The lines of a document with the top-level block that each belongs to.
fn blocks(text: &str) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    let mut block = String::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with(|c: char| c.is_alphabetic()) {
            block = line.split(':').next().unwrap_or_default().trim().to_owned();
        }
        out.push((at, block.clone()));
        at += line.len();
    }
    out
}

fn errors(parsed: &Parsed) -> Vec<String> {
    let errors = parsed.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    errors.map(|d| format!("{} {:?} {}", d.code, d.range, d.message)).collect()
}

/// Checks one broken document: at most one error, and every top-level block but the broken one as it was.
fn check(report: &mut String, what: &str, broken: &str, block: &str, most: usize) {
    let parsed = parse(broken);
    let whole: Value = parse(DOCUMENT).documents[0].root.to_json();
    let got = parsed.documents.first().map(|document| document.root.to_json()).unwrap_or_default();
    let errors = errors(&parsed);
    if errors.is_empty() {
        // It is YAML still; what it means is for others to judge.
        return;
    }
    let lost: Vec<&String> = whole
        .as_object()
        .unwrap()
        .iter()
        .filter(|(key, value)| *key != block && got.get(key) != Some(value))
        .map(|(key, _)| key)
        .collect();
    if errors.len() > most || !lost.is_empty() {
        writeln!(report, "{what} (in {block}): lost {lost:?}, {errors:#?}").unwrap();
    }
}

fn sweep(name: &str, most: usize, mutate: impl Fn(&str, usize) -> Option<String>) {
    let mut report = String::new();
    let lines: Vec<&str> = DOCUMENT.split_inclusive('\n').collect();
    for (number, (_, block)) in blocks(DOCUMENT).iter().enumerate() {
        let Some(line) = mutate(lines[number], number) else { continue };
        let mut broken: Vec<&str> = lines.clone();
        broken[number] = &line;
        check(&mut report, &format!("{name}, line {}: {:?}", number + 1, line), &broken.concat(), block, most);
    }
    assert!(report.is_empty(), "{report}");
}

/// Lines inside a block text are text, whatever is done to them.
fn in_text(line: &str) -> bool {
    line.contains("local x") || line.contains("return") || line.trim().is_empty()
}

#[test]
fn a_colon_is_deleted() {
    sweep("colon deleted", 1, |line, _| line.contains(':').then(|| line.replacen(':', "", 1)));
}

#[test]
fn a_quote_is_left_open() {
    for quote in ['"', '\''] {
        sweep("quote left open", 1, |line, _| {
            if in_text(line) {
                return None;
            }
            let (key, value) = line.split_once(": ")?;
            let value = value.trim_start_matches(['"', '\'']);
            (!value.starts_with(['|', '[', '{'])).then(|| format!("{key}: {quote}{value}"))
        });
        sweep("quote opened before a key", 1, |line, _| {
            let start = line.len() - line.trim_start_matches([' ', '-']).len();
            (line.contains(':') && !in_text(line)).then(|| format!("{}{quote}{}", &line[..start], &line[start..]))
        });
    }
}

#[test]
fn a_flow_collection_is_left_open() {
    sweep("bracket left open", 1, |line, _| {
        let end = line.rfind([']', '}'])?;
        (!line.contains("{{")).then(|| format!("{}{}", &line[..end], &line[end + 1..]))
    });
    for open in ["[", "{", "[a, ", "{a: "] {
        sweep("bracket opened", 1, |line, _| {
            let (key, value) = line.split_once(": ")?;
            (!in_text(line) && !value.starts_with(['|', '[', '{'])).then(|| format!("{key}: {open}{value}"))
        });
    }
}

#[test]
fn a_tab_indents() {
    sweep("tab", 1, |line, _| {
        let start = line.len() - line.trim_start_matches(' ').len();
        (start > 0 && !in_text(line)).then(|| format!("{}\t{}", &line[..start - 2], &line[start..]))
    });
    sweep("tab before", 1, |line, _| {
        let start = line.len() - line.trim_start_matches(' ').len();
        (start > 0 && !in_text(line)).then(|| format!("{}{}", "\t".repeat(start / 2), line.trim_start()))
    });
}

#[test]
fn a_line_misses_its_column() {
    for shift in [1, 2, 3] {
        sweep("deeper", 1, |line, _| {
            (!in_text(line) && line.starts_with(' ')).then(|| format!("{}{line}", " ".repeat(shift)))
        });
    }
    sweep("shallower", 1, |line, _| (!in_text(line) && line.starts_with("  ")).then(|| line[1..].to_owned()));
}

#[test]
fn a_template_stands_on_a_line_of_its_own() {
    for template in ["{{ if x }}", "{% if x %}", "{{- range .Values }}"] {
        for indent in [0, 2, 4, 6] {
            sweep("template line", 1, |line, _| {
                (!in_text(line)).then(|| format!("{}{template}\n{line}", " ".repeat(indent)))
            });
        }
    }
}

#[test]
fn a_value_has_a_second_colon() {
    sweep("a: b: c", 1, |line, _| {
        let (key, value) = line.split_once(": ")?;
        (!in_text(line) && !value.starts_with(['|', '[', '{'])).then(|| format!("{key}: more: {value}"))
    });
}

#[test]
fn a_key_is_half_typed() {
    for word in ["na", "na-me", "some words here", "key_", "-", "'", "\"", "[", "{", "&", "*", "!", "@", "|"] {
        sweep(&format!("half-typed {word}"), 1, |line, _| {
            let start = line.len() - line.trim_start_matches(' ').len();
            (!in_text(line)).then(|| format!("{}{word}\n{line}", &line[..start]))
        });
    }
}

#[test]
fn the_text_ends_anywhere() {
    let mut report = String::new();
    for at in 0..DOCUMENT.len() {
        let parsed = parse(&DOCUMENT[..at]);
        let errors = errors(&parsed);
        if errors.len() > 1 {
            writeln!(report, "cut at {at} {:?}: {errors:#?}", &DOCUMENT[at.saturating_sub(30)..at]).unwrap();
        }
        let whole: Value = parse(DOCUMENT).documents[0].root.to_json();
        let got = parsed.documents.first().map(|document| document.root.to_json()).unwrap_or_default();
        let block = blocks(&DOCUMENT[..at.max(1)]).last().unwrap().1.clone();
        let complete = blocks(&DOCUMENT[..at])
            .into_iter()
            .map(|(_, block)| block)
            .filter(|name| *name != block && !name.is_empty());
        for name in complete {
            if got.get(&name) != whole.get(&name) {
                writeln!(report, "cut at {at}: {name} is lost").unwrap();
            }
        }
    }
    assert!(report.is_empty(), "{report}");
}

#[test]
fn a_byte_is_deleted_anywhere() {
    let mut report = String::new();
    for at in 0..DOCUMENT.len() {
        let broken = format!("{}{}", &DOCUMENT[..at], &DOCUMENT[at + 1..]);
        let block = blocks(DOCUMENT).iter().rfind(|(start, _)| *start <= at).unwrap().1.clone();
        // Without its break a line takes the next one with it.
        if DOCUMENT.as_bytes()[at] == b'\n' || DOCUMENT[..at].ends_with('\n') {
            continue;
        }
        check(&mut report, &format!("deleted {at} {:?}", &DOCUMENT[at.saturating_sub(10)..at + 1]), &broken, &block, 1);
    }
    assert!(report.is_empty(), "{report}");
}
