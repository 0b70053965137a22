//! `aikit test`: suites, and the tests and examples of documents, run and compared.

use std::{
    fmt::Write as _,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    thread::available_parallelism,
};

use aikit_core::{ErrorKind, RunError};
use aikit_runtime::{
    engine::Engine,
    testing::{self, Setting, Tested, Verdict},
};
use aikit_spec::{
    plan::{CasePlan, ExamplePlan, Plan},
    schema::Kind,
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::{
    Outcome,
    run::{file_plan, interrupts, refused},
    tape,
};
use crate::{
    argv::Format,
    compose::{self, Composition},
    context::Context,
    exit::Exit,
    failure::Failure,
    files, render,
    source::{self, Source},
};

/// Arguments of `aikit test`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Suites, or agents whose `tests` and `interface.examples` are run; folders and patterns as well
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
    /// Only the example of this number, from 0; may be given again
    #[arg(long, value_name = "N")]
    pub example: Vec<usize>,
    /// Only the case of this name; may be given again
    #[arg(long, value_name = "NAME")]
    pub case: Vec<String>,
    /// Write the results as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write the results in the Test Anything Protocol
    #[arg(long, conflicts_with = "junit")]
    pub tap: bool,
    /// How many tests run at the same time; as many as there are processors unless said otherwise
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// Really ask the models that judge results
    #[arg(long)]
    pub live_judges: bool,
}

/// What is tried in a document.
struct Suite {
    plan: Arc<Plan>,
    examples: Vec<(usize, ExamplePlan)>,
    cases: Vec<CasePlan>,
}

/// One test.
enum Work<'s> {
    Example(usize, &'s ExamplePlan),
    Case(&'s CasePlan),
}

impl Suite {
    /// Its tests, in the order of the document.
    fn works(&self) -> impl Iterator<Item = Work<'_>> {
        let examples = self.examples.iter().map(|(number, example)| Work::Example(*number, example));
        examples.chain(self.cases.iter().map(Work::Case))
    }
}

/// The text of a cassette, which stands beside the document.
fn beside(file: &str, cassette: &str) -> Result<String, RunError> {
    let path = Path::new(file).parent().unwrap_or(Path::new("")).join(cassette);
    tape::text(&path).map_err(|failure| {
        let error = RunError::new(ErrorKind::ValidationInput, failure.message);
        match failure.help {
            Some(help) => error.with_help(help),
            None => error,
        }
    })
}

/// Runs every test; one that fails does not hinder the others, and neither does a document that cannot be read.
pub async fn run(context: &Context, args: Args) -> Result<Outcome, Failure> {
    context.without_reports("test")?;
    let database = context.database().await?;
    let scope = context.scope(&database).await?;
    let engine =
        compose::engine(&database, scope, "test", &Composition::new(context, compose::MODEL.to_owned())?).await?;
    let cancel = interrupts();
    let mut suites = Vec::new();
    let mut tried = Vec::new();
    let files = source::documents(&args.files)?;
    for file in &files {
        let suite = match suite(context, &engine, file, &args).await {
            Ok(Some(suite)) => suite,
            Ok(None) => continue,
            Err(failure) if files.len() == 1 => return Err(failure),
            Err(failure) => {
                suites.push((file.as_str(), Err(failure)));
                continue;
            }
        };
        tried.push((suites.len(), compose::beside(&engine, file), file.as_str(), suite));
        suites.push((file.as_str(), Ok(Vec::new())));
    }
    let works = tried
        .iter()
        .flat_map(|(at, engine, file, suite)| suite.works().map(move |work| (*at, engine, *file, suite, work)));
    let tests = works.map(|(at, engine, file, suite, work)| {
        let cancel = cancel.clone();
        async move {
            let tested = match work {
                _ if cancel.is_cancelled() => return None,
                Work::Example(number, example) => {
                    testing::test(engine, &suite.plan, number, example, file, cancel).await
                }
                Work::Case(case) => {
                    let cassette = case.case.cassette.as_ref().map(|cassette| beside(file, &cassette.0));
                    let setting = Setting { source_name: file, cassette, live_judges: args.live_judges };
                    testing::case(engine, &suite.plan, case, setting, cancel).await
                }
            };
            Some((at, tested))
        }
    });
    let jobs = args.jobs.or_else(|| available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    // Side by side, and told in the order of the documents.
    let done: Vec<_> = stream::iter(tests).buffered(jobs).collect().await;
    for (at, tested) in done.into_iter().flatten() {
        if let Some((_, Ok(suite))) = suites.get_mut(at) {
            suite.push(tested);
        }
    }
    engine.ports().scripts.shutdown().await;
    if let Some(path) = &args.junit {
        source::replace(path, junit(&suites).as_bytes())
            .map_err(|error| Failure::new(Exit::Refused, format!("{} cannot be written: {error}", path.display())))?;
    }
    let exit = if cancel.is_cancelled() {
        Exit::Interrupted
    } else if suites.iter().any(|(_, tested)| tested.is_err()) {
        Exit::Refused
    } else if all(&suites).all(Tested::is_ok) {
        Exit::Ok
    } else {
        Exit::RunFailed
    };
    let text = match context.format {
        Format::Json => render::pretty(&as_json(&suites)),
        _ if args.tap => tap(&suites),
        format => as_text(&suites, format),
    };
    Ok(Outcome { text, exit })
}

/// What is tried in a document; nothing in one that holds neither tests nor an agent.
async fn suite(context: &Context, engine: &Engine, file: &str, args: &Args) -> Result<Option<Suite>, Failure> {
    let source = Source::read(file);
    let checked = match &source.unreadable {
        Some(_) => None,
        None => Some(engine.check_at(&source.text, files::beside(file, None)).await),
    };
    let (plan, cases) = match checked.as_ref().map(|checked| checked.kind) {
        Some(Kind::TestSuite) => {
            let Some(suite) = checked.as_ref().and_then(|checked| checked.suite.clone()) else {
                let diagnostics = checked.map(|checked| checked.diagnostics).unwrap_or_default();
                return Err(refused(context, Exit::Refused, source, diagnostics));
            };
            let plan = if suite.agent.contains(['/', '.']) {
                let beside = Path::new(file).parent().unwrap_or(Path::new("")).join(&suite.agent);
                file_plan(context, engine, &beside.to_string_lossy(), None).await?
            } else {
                engine.load(&suite.agent).await?
            };
            (plan, suite.cases)
        }
        Some(Kind::Agent) | None => {
            let plan = file_plan(context, engine, file, None).await?;
            let cases = plan.tests.clone();
            (plan, cases)
        }
        Some(_) => return Ok(None),
    };
    let own = checked.is_some_and(|checked| checked.kind == Kind::Agent);
    let examples: Vec<_> = if own { plan.examples.iter().cloned().enumerate().collect() } else { Vec::new() };
    if let Some(number) = args.example.iter().find(|number| examples.len() <= **number) {
        return Err(Failure::new(Exit::NotFound, format!("{file} has no example {number}"))
            .with_help(format!("it has {}", render::counted(examples.len(), "example"))));
    }
    if let Some(name) = args.case.iter().find(|name| cases.iter().all(|case| case.case.name != **name)) {
        return Err(Failure::new(Exit::NotFound, format!("{file} has no case `{name}`")));
    }
    let all = args.example.is_empty() && args.case.is_empty();
    Ok(Some(Suite {
        plan,
        examples: examples.into_iter().filter(|(number, _)| all || args.example.contains(number)).collect(),
        cases: cases.into_iter().filter(|case| all || args.case.contains(&case.case.name)).collect(),
    }))
}

/// In the Test Anything Protocol, version 14.
fn tap(suites: &Suites<'_>) -> String {
    let mut out = String::from("TAP version 14\n");
    let mut number = 0;
    for (file, tested) in suites {
        if let Err(failure) = tested {
            number += 1;
            let _ = writeln!(out, "not ok {number} - {file}\n# {}", failure.message.replace('\n', " "));
        }
        for test in tested.iter().flatten() {
            number += 1;
            let word = if test.is_ok() { "ok" } else { "not ok" };
            let _ = writeln!(out, "{word} {number} - {file}: {}", test.name.replace('#', "\\#"));
            for reason in test.verdict.reasons() {
                let _ = writeln!(out, "# {}", reason.replace('\n', " "));
            }
        }
    }
    let _ = writeln!(out, "1..{number}");
    out
}

/// What became of each document: its tests, or why it has none to run.
type Suites<'s> = [(&'s str, Result<Vec<Tested>, Failure>)];

fn all<'s>(suites: &'s Suites<'_>) -> impl Iterator<Item = &'s Tested> {
    suites.iter().flat_map(|(_, tested)| tested.iter().flatten())
}

fn as_json(suites: &Suites<'_>) -> Value {
    let documents = suites.iter().map(|(file, tested)| {
        let tested = match tested {
            Ok(tested) => tested,
            Err(failure) => return json!({ "file": file, "tests": [], "error": failure.message }),
        };
        let cases = tested.iter().map(|tested| {
            let mut case = json!({
                "name": tested.name, "example": tested.example, "line": tested.line + 1, "result": tested.verdict.word(),
                "run": tested.run, "seconds": tested.took.as_secs_f64(), "messages": tested.verdict.reasons(),
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

fn as_text(suites: &Suites<'_>, format: Format) -> String {
    let mut out = String::new();
    for (file, tested) in suites {
        if let Err(failure) = tested {
            out.push_str(&failure.render(format));
        }
        for test in tested.iter().flatten() {
            let _ = writeln!(out, "{:<8}{file}:{} {}", test.verdict.word(), test.line + 1, test.name);
            for reason in test.verdict.reasons() {
                let _ = writeln!(out, "        {reason}");
            }
        }
    }
    let all = || all(suites);
    let failed = all().filter(|test| !test.is_ok()).count();
    let ran = all().filter(|test| matches!(test.verdict, Verdict::Ran)).count();
    let _ = write!(out, "{}: {} passed", render::counted(all().count(), "test"), all().count() - failed - ran);
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
        let tested = match tested {
            Ok(tested) => tested,
            Err(failure) => {
                let (file, message) = (escape(file), escape(&failure.message));
                let _ = writeln!(
                    out,
                    "  <testsuite name=\"{file}\" tests=\"1\" failures=\"0\" errors=\"1\" time=\"0.000\">\n    \
                     <testcase classname=\"{file}\" name=\"{file}\">\n      <error message=\"{message}\"/>\n    \
                     </testcase>\n  </testsuite>",
                );
                continue;
            }
        };
        let of = |wanted: &str| tested.iter().filter(|test| test.verdict.word() == wanted).count();
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
                "    <testcase classname=\"{}\" name=\"{}\" line=\"{}\" time=\"{:.3}\"",
                escape(file),
                escape(&test.name),
                test.line + 1,
                test.took.as_secs_f64(),
            );
            let reasons = test.verdict.reasons();
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
