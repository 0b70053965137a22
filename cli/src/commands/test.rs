//! `aikit test`: the examples of documents, run and compared.

use std::{fmt::Write as _, path::PathBuf};

use aikit_runtime::testing::{self, Tested, Verdict};
use serde_json::{Value, json};

use super::{
    Outcome,
    run::{file_plan, interrupts},
};
use crate::{
    argv::Format,
    compose::{self, Composition},
    context::Context,
    exit::Exit,
    failure::Failure,
    render, source,
};

/// Arguments of `aikit test`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Documents whose `interface.examples` are run
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
    /// Only the example of this number, from 0; may be given again
    #[arg(long, value_name = "N")]
    pub example: Vec<usize>,
    /// Write the results as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

/// Runs every example; one that fails does not hinder the others.
pub async fn run(context: &Context, args: Args) -> Result<Outcome, Failure> {
    context.without_reports("test")?;
    let database = context.database().await?;
    let scope = context.scope(&database).await?;
    let engine = compose::engine(&database, scope, "test", &Composition::new(compose::MODEL.to_owned())?).await?;
    let cancel = interrupts();
    let mut suites = Vec::new();
    for file in &args.files {
        let plan = file_plan(context, &engine, file, None).await?;
        if let Some(number) = args.example.iter().find(|number| plan.examples.len() <= **number) {
            return Err(Failure::new(Exit::NotFound, format!("{file} has no example {number}"))
                .with_help(format!("it has {}", render::counted(plan.examples.len(), "example"))));
        }
        let mut tested = Vec::new();
        for (number, example) in plan.examples.iter().enumerate() {
            if args.example.is_empty() || args.example.contains(&number) {
                tested.push(testing::test(&engine, &plan, number, example, file, cancel.clone()).await);
            }
            if cancel.is_cancelled() {
                break;
            }
        }
        suites.push((file.as_str(), tested));
    }
    engine.ports().scripts.shutdown().await;
    if let Some(path) = &args.junit {
        source::replace(path, junit(&suites).as_bytes())
            .map_err(|error| Failure::new(Exit::Refused, format!("{} cannot be written: {error}", path.display())))?;
    }
    let exit = if cancel.is_cancelled() {
        Exit::Interrupted
    } else if suites.iter().flat_map(|(_, tested)| tested).all(Tested::is_ok) {
        Exit::Ok
    } else {
        Exit::RunFailed
    };
    let text = if context.format == Format::Json { render::pretty(&as_json(&suites)) } else { as_text(&suites) };
    Ok(Outcome { text, exit })
}

type Suites<'s> = [(&'s str, Vec<Tested>)];

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Ran => "ran",
        Verdict::Failed(_) => "failed",
        Verdict::Errored(_) => "errored",
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), Value::to_string)
}

/// What is wrong with a test, a line each.
fn reasons(tested: &Tested) -> Vec<String> {
    match &tested.verdict {
        Verdict::Passed | Verdict::Ran => Vec::new(),
        Verdict::Errored(error) => vec![format!("[{}] {error}", error.kind.code())],
        Verdict::Failed(differences) => {
            let told = differences.iter().map(|one| {
                let place = if one.path.is_empty() { "the result" } else { &one.path };
                format!("{place} is {}, expected {}", shown(one.actual.as_ref()), shown(one.expected.as_ref()))
            });
            told.collect()
        }
    }
}

fn as_json(suites: &Suites<'_>) -> Value {
    let documents = suites.iter().map(|(file, tested)| {
        let cases = tested.iter().map(|tested| {
            let mut case = json!({
                "example": tested.example, "line": tested.line + 1, "result": word(&tested.verdict),
                "run": tested.run, "seconds": tested.took.as_secs_f64(), "messages": reasons(tested),
            });
            if let Verdict::Failed(differences) = &tested.verdict {
                case["differences"] = differences
                    .iter()
                    .map(|one| json!({ "path": one.path, "expected": one.expected, "actual": one.actual }))
                    .collect();
            }
            case
        });
        json!({ "file": file, "tests": cases.collect::<Vec<_>>() })
    });
    documents.collect()
}

fn as_text(suites: &Suites<'_>) -> String {
    let mut out = String::new();
    for (file, tested) in suites {
        for test in tested {
            let _ = writeln!(out, "{:<8}{file}:{} example {}", word(&test.verdict), test.line + 1, test.example);
            for reason in reasons(test) {
                let _ = writeln!(out, "        {reason}");
            }
        }
    }
    let all = || suites.iter().flat_map(|(_, tested)| tested);
    let failed = all().filter(|test| !test.is_ok()).count();
    let ran = all().filter(|test| matches!(test.verdict, Verdict::Ran)).count();
    let _ = write!(out, "{}: {} passed", render::counted(all().count(), "example"), all().count() - failed - ran);
    if ran > 0 {
        let _ = write!(out, ", {ran} ran without an expectation");
    }
    let _ = writeln!(out, ", {failed} failed");
    out
}

/// As JUnit's XML, which every CI reads.
fn junit(suites: &Suites<'_>) -> String {
    let escape = |text: &str| {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        // XML 1.0 has no way to write other control characters.
        text.replace(|c: char| c.is_control() && !matches!(c, '\n' | '\t'), "\u{fffd}")
    };
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for (file, tested) in suites {
        let of = |wanted: &str| tested.iter().filter(|test| word(&test.verdict) == wanted).count();
        let time: f64 = tested.iter().map(|test| test.took.as_secs_f64()).sum();
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{time:.3}\">",
            escape(file),
            tested.len(),
            of("failed"),
            of("errored"),
        );
        for test in tested {
            let _ = write!(
                out,
                "    <testcase classname=\"{}\" name=\"example {}\" line=\"{}\" time=\"{:.3}\"",
                escape(file),
                test.example,
                test.line + 1,
                test.took.as_secs_f64(),
            );
            let reasons = reasons(test);
            let Some(first) = reasons.first() else {
                out.push_str("/>\n");
                continue;
            };
            let tag = if matches!(test.verdict, Verdict::Errored(_)) { "error" } else { "failure" };
            let _ = writeln!(
                out,
                ">\n      <{tag} message=\"{}\">{}</{tag}>\n    </testcase>",
                escape(first),
                escape(&reasons.join("\n")),
            );
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}
