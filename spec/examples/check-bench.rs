//! Times the check of documents inside the process: `check-bench FOLDER` prints JSON for `tests/python/bench/check.py`.

#![expect(clippy::print_stdout, reason = "a program that prints what it measures")]

use std::{fs, hint::black_box, time::Instant};

use aikit_spec::{CheckContext, check_parsed, schema};
use aikit_yaml::{Yaml, parse};

fn main() {
    let folder = std::env::args().nth(1).expect("a folder of documents");
    let entries = fs::read_dir(folder).expect("a folder");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let texts: Vec<String> = files.iter().map(|path| fs::read_to_string(path).expect("a text")).collect();
    let context = CheckContext::default();
    // Patterns, schemas and the like are made once.
    texts.iter().take(20).for_each(|text| drop(black_box(check_parsed(text, &parse(text), &context))));
    let validator = jsonschema::options_for::<Yaml>()
        .with_draft(jsonschema::Draft::Draft202012)
        .build(&schema::document_schema(schema::Kind::Agent))
        .expect("a schema");
    let (mut whole, mut structural, mut validated) = (Vec::new(), Vec::new(), Vec::new());
    let mut errors = 0;
    for text in &texts {
        let began = Instant::now();
        let parsed = parse(text);
        let checked = black_box(check_parsed(text, &parsed, &context));
        whole.push(began.elapsed().as_secs_f64());
        errors += usize::from(checked.has_errors());
        let root = &parsed.documents[0].root;
        let began = Instant::now();
        black_box(schema::violations(text, root));
        structural.push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        black_box(validator.iter_errors(root).count());
        validated.push(began.elapsed().as_secs_f64());
    }
    let quantile = |times: &mut Vec<f64>, q: f64| {
        times.sort_by(f64::total_cmp);
        times[((times.len() - 1) as f64 * q) as usize]
    };
    println!(
        "{{\"documents\": {}, \"with_errors\": {errors}, \"check_p50\": {}, \"check_p95\": {}, \"structure_p50\": {}, \
         \"structure_p95\": {}, \"jsonschema_p50\": {}}}",
        texts.len(),
        quantile(&mut whole, 0.5),
        quantile(&mut whole, 0.95),
        quantile(&mut structural, 0.5),
        quantile(&mut structural, 0.95),
        quantile(&mut validated, 0.5),
    );
}
