//! The literate specification in `tests/specs/*.md`: each heading with a `yaml` block is a case, its `diagnostics` block
//! holds everything that the check says. A block `yaml path/of/file.yaml` is a file that stands beside the documents of its
//! page; a block `expanded` holds the long form of the document before it. With `UPDATE_EXPECT=1` the blocks are rewritten.

use std::{collections::BTreeMap, fmt::Write, fs, path::PathBuf, sync::Arc};

use aikit_core::{Diagnostic, LineIndex, TenantId};
use aikit_spec::{
    BuiltinTool, CheckContext, check,
    compose::{self, Files, Setting},
    schema::Kind,
};
use serde_json::json;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/specs")
}

fn context() -> CheckContext {
    let input = json!({
        "type": "object",
        "properties": {"text": {"type": "string"}, "times": {"type": "integer", "minimum": 1}},
        "required": ["text"],
        "additionalProperties": false,
    });
    CheckContext {
        tenant: Some(TenantId::new("acme").unwrap()),
        providers: ["scripted", "openai", "ollama"].map(String::from).to_vec(),
        builtins: vec![BuiltinTool { name: "echo".into(), description: "Says it again.".into(), input }],
        ..CheckContext::default()
    }
}

/// The diagnostics as the fixtures write them.
fn render(source: &str, diagnostics: &[Diagnostic]) -> String {
    let index = LineIndex::new(source);
    let place = |offset: u32| {
        let at = index.position(source, offset as usize);
        format!("{}:{}", at.line + 1, at.column + 1)
    };
    let mut text = String::new();
    for d in diagnostics {
        let _ = writeln!(text, "{} {}-{} {}", d.code, place(d.range.start), place(d.range.end), d.message);
        if let Some(help) = &d.help {
            let _ = writeln!(text, "  help: {help}");
        }
        for related in &d.related {
            let _ = writeln!(text, "  {}: {}", place(related.range.start), related.message);
        }
        for fix in &d.fixes {
            let _ = writeln!(text, "  fix: {}", fix.title);
        }
    }
    text
}

/// One case of a file: its heading, its document, and where its `diagnostics` block stands in the file.
struct Case {
    title: String,
    source: String,
    expected: String,
    /// Lines of the expected text, without the fences; `None` where the block is missing.
    block: Option<(usize, usize)>,
    /// The line behind the document.
    behind: usize,
    /// The files that stand beside it.
    files: Arc<Beside>,
    /// The lines of its long form, and the long form.
    expanded: Option<(usize, usize, String)>,
}

/// The files of a page.
#[derive(Debug, Default)]
struct Beside(BTreeMap<String, String>);

impl Files for Beside {
    fn read(&self, path: &str) -> Result<String, String> {
        self.0.get(path).cloned().ok_or_else(|| "there is no such file".to_owned())
    }
}

impl Case {
    fn context(&self) -> CheckContext {
        let around = Setting { files: Some(self.files.clone()), path: "document.yaml".into(), env: None };
        CheckContext { around, ..context() }
    }
}

fn cases(text: &str) -> Vec<Case> {
    let lines: Vec<&str> = text.lines().collect();
    let mut cases: Vec<Case> = Vec::new();
    let mut files = BTreeMap::new();
    let mut title = String::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        if let Some(heading) = line.strip_prefix('#') {
            title = heading.trim_start_matches('#').trim().to_owned();
        }
        let Some(language) = line.strip_prefix("```") else {
            at += 1;
            continue;
        };
        let end = (at + 1..lines.len()).find(|i| lines[*i] == "```").expect("an unclosed fence");
        let body: String = lines[at + 1..end].iter().flat_map(|line| [*line, "\n"]).collect();
        match language {
            "yaml" | "json" => cases.push(Case {
                title: title.clone(),
                source: body,
                expected: String::new(),
                block: None,
                behind: end + 1,
                files: Arc::default(),
                expanded: None,
            }),
            "expanded" => {
                let case = cases.last_mut().expect("a long form behind a document");
                case.expanded = Some((at + 1, end, body));
            }
            _ if language.starts_with("yaml ") => {
                files.insert(language["yaml ".len()..].to_owned(), body);
            }
            "diagnostics" => {
                let case = cases.last_mut().expect("diagnostics behind a document");
                case.expected = body;
                case.block = Some((at + 1, end));
            }
            _ => {}
        }
        at = end + 1;
    }
    let files = Arc::new(Beside(files));
    cases.iter_mut().for_each(|case| case.files = files.clone());
    cases
}

fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    files.sort();
    files
}

#[test]
fn documents_get_the_diagnostics_that_the_pages_promise() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut failures = String::new();
    let mut count = 0;
    for file in files() {
        let text = fs::read_to_string(&file).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for case in cases(&text).iter().rev() {
            count += 1;
            if let Some((start, end, expected)) = &case.expanded {
                let composed = compose::document(&case.source, &case.context().around).expect("a document");
                let actual = aikit_yaml::emit(&composed.root);
                if update {
                    lines.splice(*start..*end, actual.lines().map(str::to_owned));
                } else if actual != *expected {
                    let _ = writeln!(failures, "== {}\n-- expected\n{expected}-- actual\n{actual}", case.title);
                }
                // The long form says what the short one says.
                let long = check(&actual, &case.context());
                let count = |severity| long.diagnostics.iter().filter(|d| d.severity == severity).count();
                let short = check(&case.source, &case.context());
                let errors = short.diagnostics.iter().filter(|d| d.is_error()).count();
                assert_eq!(
                    count(aikit_core::Severity::Error),
                    errors,
                    "{}: {actual}\n{:?}",
                    case.title,
                    long.diagnostics
                );
            }
            let checked = check(&case.source, &case.context());
            let runs = checked.kind == Kind::Agent && !checked.has_errors();
            assert_eq!(checked.plan.is_some(), runs, "{}: {}", file.display(), case.title);
            let actual = render(&case.source, &checked.diagnostics);
            if actual == case.expected {
                continue;
            }
            if update {
                let body: Vec<String> = actual.lines().map(str::to_owned).collect();
                match case.block {
                    Some((start, end)) => drop(lines.splice(start..end, body)),
                    None => {
                        let mut block = vec![String::new(), "```diagnostics".to_owned()];
                        block.extend(body);
                        block.push("```".to_owned());
                        lines.splice(case.behind..case.behind, block);
                    }
                }
            } else {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                let _ =
                    writeln!(failures, "== {name}: {}\n-- expected\n{}-- actual\n{actual}", case.title, case.expected);
            }
        }
        if update {
            fs::write(&file, format!("{}\n", lines.join("\n"))).unwrap();
        }
    }
    assert!(failures.is_empty(), "{failures}\nrun with UPDATE_EXPECT=1 to accept");
    assert!(count >= 20, "only {count} cases were found");
}

/// Accepting a fix must mend what it promises to mend, and break nothing that was fine.
#[test]
fn fixes_mend_what_they_are_offered_for() {
    for case in files().iter().flat_map(|file| cases(&fs::read_to_string(file).unwrap())) {
        let before = check(&case.source, &case.context()).diagnostics;
        for diagnostic in &before {
            for fix in &diagnostic.fixes {
                let mut edits = fix.edits.clone();
                edits.sort_by_key(|edit| std::cmp::Reverse(edit.range));
                let mut mended = case.source.clone();
                for edit in edits {
                    mended.replace_range(edit.range.start as usize..edit.range.end as usize, &edit.text);
                }
                let after = check(&mended, &case.context()).diagnostics;
                let count = |list: &[Diagnostic]| {
                    list.iter().filter(|d| d.code == diagnostic.code && d.message == diagnostic.message).count()
                };
                assert!(
                    count(&after) < count(&before),
                    "{}: `{}` does not mend\n{}\nafter:\n{mended}\n{}",
                    case.title,
                    fix.title,
                    render(&case.source, std::slice::from_ref(diagnostic)),
                    render(&mended, &after),
                );
            }
        }
    }
}
