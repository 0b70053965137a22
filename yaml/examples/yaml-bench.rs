//! Times the parser beside its peers in one run: MB/s to a lossless tree, to events and to values, for texts of five sizes,
//! an edit in each, and the cost of hostile texts as they grow.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use aikit_yaml::{SyntaxTree, events, read};

/// An agent-like text of about `bytes` bytes.
fn document(bytes: usize) -> String {
    let mut text =
        String::from("spec_version: aikit-v1.0.0\nidentity:\n  name: bench # the bench\nbehavior:\n  steps:\n");
    let mut number = 0;
    while text.len() < bytes {
        text.push_str(&format!(
            "    # step {number}\n    - id: step_{number}\n      llm:\n        prompt: \"Summarise {{{{ state.text_{number} }}}} in one line\"\n        \
             model: {{provider: openai, name: gpt, temperature: 0.{number}}}\n      retry: {{max: 3, delays: [1, 2, 4]}}\n    - id: script_{number}\n      \
             script: |\n        local x = vars.a + {number}\n        if x > 3 then\n          return x\n        end\n        return nil\n      save: answer\n      \
             description: >-\n        A folded text that goes over\n        two lines, with 'quotes'\n"
        ));
        number += 1;
    }
    text
}

/// The best of several rounds.
fn best(mut work: impl FnMut()) -> Duration {
    let mut best = Duration::MAX;
    let begun = Instant::now();
    let mut rounds = 0;
    while rounds < 5 || (begun.elapsed() < Duration::from_millis(300) && rounds < 2000) {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed());
        rounds += 1;
    }
    best
}

fn rate(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64()
}

type Work<'a> = (&'static str, Box<dyn Fn(&str) + 'a>);

fn contenders() -> Vec<Work<'static>> {
    vec![
        ("aikit, lossless tree", Box::new(|text| drop(black_box(SyntaxTree::parse(text))))),
        ("aikit, events", Box::new(|text| drop(black_box(events(&SyntaxTree::parse(text), text))))),
        (
            "saphyr-parser, events",
            Box::new(|text| assert!(saphyr_parser::Parser::new_from_str(text).all(|event| black_box(event).is_ok()))),
        ),
        (
            "granit-parser, events",
            Box::new(|text| assert!(granit_parser::Parser::new_from_str(text).all(|event| black_box(event).is_ok()))),
        ),
        (
            "yaml-rust2, events",
            Box::new(|text| {
                let mut parser = yaml_rust2::parser::Parser::new_from_str(text);
                loop {
                    let (event, _) = black_box(parser.next_token()).expect("the text is valid");
                    if event == yaml_rust2::Event::StreamEnd {
                        break;
                    }
                }
            }),
        ),
        (
            "rlsp-yaml-parser, events",
            Box::new(|text| assert!(rlsp_yaml_parser::parse_events(text).all(|event| black_box(event).is_ok()))),
        ),
        ("aikit, values", Box::new(|text| drop(black_box(read(&SyntaxTree::parse(text), text))))),
        (
            "yaml-rust2, values",
            Box::new(|text| drop(black_box(yaml_rust2::YamlLoader::load_from_str(text).expect("the text is valid")))),
        ),
        (
            "rlsp-yaml-parser, tree",
            Box::new(|text| drop(black_box(rlsp_yaml_parser::load(text).expect("the text is valid")))),
        ),
    ]
}

fn main() {
    let sizes = [3_000, 30_000, 100_000, 1_000_000, 10_000_000];
    let texts: Vec<String> = sizes.iter().map(|size| document(*size)).collect();
    println!(
        "{:<28}{}",
        "MB/s",
        ["3 KB", "30 KB", "100 KB", "1 MB", "10 MB"].map(|size| format!("{size:>10}")).concat()
    );
    for (name, work) in contenders() {
        let rates: String =
            texts.iter().map(|text| format!("{:>10.1}", rate(text.len(), best(|| work(text))))).collect();
        println!("{name:<28}{rates}");
    }
    println!();
    edits(&texts);
    println!();
    hostile();
}

/// One character typed in the middle, and taken back.
fn edits(texts: &[String]) {
    print!("{:<28}", "a character typed, µs");
    for text in texts {
        let at = text[..text.len() / 2].rfind("Summarise").map_or(0, |at| at + 3);
        let mut tree = SyntaxTree::parse(text);
        let mut text = text.clone();
        let mut typed = false;
        let time = best(|| {
            let (range, new) = if typed { (at..at + 1, "") } else { (at..at, "x") };
            text.replace_range(range.clone(), new);
            tree.edit(&text, range, new.len());
            typed = !typed;
        });
        print!("{:>10.1}", time.as_secs_f64() * 1e6);
    }
    println!();
}

/// Texts that make careless parsers slow: the time per byte must not grow.
fn hostile() {
    type Make = fn(usize) -> String;
    let cases: [(&str, Make); 10] = [
        ("open brackets", |n| "[".repeat(n)),
        ("nested brackets", |n| format!("{}{}", "[".repeat(n / 2), "]".repeat(n / 2))),
        ("nested blocks", |n| (0..(2 * n).isqrt()).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect()),
        ("one long line", |n| format!("a: {}", "x ".repeat(n / 2))),
        ("one long quote", |n| format!("a: \"{}", "x\\n".repeat(n / 3))),
        ("anchors", |n| (0..n / 16).map(|i| format!("k{i}: &a{i} 1\n")).collect()),
        ("documents", |n| "--- a\n".repeat(n / 6)),
        ("open quotes", |n| "- \"a\n".repeat(n / 5)),
        ("words without colons", |n| "a: b\nword\n".repeat(n / 10)),
        ("wrong columns", |n| "a:\n   b: 1\n  c: 2\n - d\n".repeat(n / 22)),
    ];
    println!("{:<28}{:>10}{:>10}{:>10}", "hostile, ns per byte", "10 KB", "100 KB", "1 MB");
    for (name, make) in cases {
        let cost: String = [10_000, 100_000, 1_000_000]
            .into_iter()
            .map(|size| {
                let text = make(size);
                let time = best(|| drop(black_box(SyntaxTree::parse(&text))));
                format!("{:>10.1}", time.as_secs_f64() * 1e9 / text.len() as f64)
            })
            .collect();
        println!("{name:<28}{cost}");
    }
}
