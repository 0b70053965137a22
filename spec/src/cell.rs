//! The anatomy of a notebook cell: which language it is in, which magics it holds, where its body begins.
//! Pure text analysis, shared by the engine that runs a cell and the editors that complete inside one.

use aikit_core::{Diagnostic, Language, LineIndex, TextRange, codes};

mod argument;
mod usage;

pub use argument::{ArgumentError, RunArgument, VersionedName};

/// What a cell magic in the first line makes of the cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CellKind {
    /// The kernel's own language, or the one that `%%agent`, `%%lua` or `%%js` selects.
    Code(Language),
    /// `%%run NAME`: the body is the inputs, as YAML or JSON.
    Run,
    /// Only line magics and blank lines.
    Magics,
}

/// A line magic or a cell magic, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Magic {
    /// The name without `%`, for example `run`.
    pub name: String,
    /// What follows the name on the line, trimmed.
    pub argument: String,
    /// The name with its `%`, in the cell.
    pub name_range: TextRange,
    /// The argument, in the cell.
    pub argument_range: TextRange,
}

/// A cell taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellParts<'c> {
    /// What the body is.
    pub kind: CellKind,
    /// The cell magic of the first line.
    pub cell_magic: Option<Magic>,
    /// Line magics before the body, in order.
    pub line_magics: Vec<Magic>,
    /// The body: everything behind the magics.
    pub body: &'c str,
    /// Where the body begins, in bytes of the cell.
    pub body_start: usize,
    /// The line of the cell, from 0, on which the body begins.
    pub body_line: u32,
    /// Unknown magics and the like.
    pub diagnostics: Vec<Diagnostic>,
}

/// A magic as help, completion and inspection show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MagicInfo {
    /// With its `%` or `%%`.
    pub name: &'static str,
    /// How it is used, for example `%run NAME [key=value …]`.
    pub usage: &'static str,
    /// One or two sentences.
    pub doc: &'static str,
}

/// Every magic of this version.
pub const MAGICS: &[MagicInfo] = &[
    MagicInfo {
        name: "%%agent",
        usage: "%%agent",
        doc: "The cell is an agent document: it is checked and stored for the tenant.",
    },
    MagicInfo { name: "%%lua", usage: "%%lua", doc: "The cell is Lua." },
    MagicInfo { name: "%%js", usage: "%%js", doc: "The cell is JavaScript." },
    MagicInfo {
        name: "%%run",
        usage: "%%run NAME[@VERSION] [key=value …] [-> VAR]",
        doc: "Runs an agent; the body holds its inputs as YAML or JSON. `-> VAR` puts the output into `vars.VAR`.",
    },
    MagicInfo {
        name: "%run",
        usage: "%run NAME[@VERSION] [key=value …] [-> VAR]",
        doc: "Runs an agent with inputs from the line. `-> VAR` puts the output into `vars.VAR`.",
    },
    MagicInfo { name: "%tenant", usage: "%tenant", doc: "Shows the tenant, the user and the session of this kernel." },
    MagicInfo { name: "%agents", usage: "%agents", doc: "Lists the tenant's agents." },
    MagicInfo { name: "%runs", usage: "%runs [AGENT]", doc: "Lists the newest runs." },
    MagicInfo { name: "%show", usage: "%show RUN", doc: "Shows the card of a run again: answer, graph, timeline." },
    MagicInfo {
        name: "%replay",
        usage: "%replay RUN",
        doc: "Runs a recorded run again without asking anybody, and says where it drifts. `last` is the newest run.",
    },
    MagicInfo {
        name: "%fork",
        usage: "%fork RUN [key=value …] [-> VAR]",
        doc: "Runs a recorded run again with other inputs or the agent's newest draft, keeping the outcomes that are the same.",
    },
    MagicInfo {
        name: "%resume",
        usage: "%resume RUN [name=answer …] [-> VAR]",
        doc: "Goes on with a run that waits for a person, with the answers, or whose process died. `last` is the newest run.",
    },
    MagicInfo { name: "%promote", usage: "%promote NAME@VERSION", doc: "Makes a version the active one." },
    MagicInfo { name: "%history", usage: "%history NAME", doc: "Shows what happened to an agent's versions." },
    MagicInfo { name: "%save", usage: "%save NAME[@VERSION] FILE", doc: "Writes an agent's document to a new file." },
    MagicInfo { name: "%vars", usage: "%vars", doc: "Lists the values shared between cells and languages." },
    MagicInfo { name: "%quota", usage: "%quota", doc: "Shows what the tenant's runs have used today." },
    MagicInfo {
        name: "%help",
        usage: "%help [MAGIC|ctx.NAME|AK####]",
        doc: "Explains magics, the host surface and diagnostic codes.",
    },
];

/// The magic of this name, with its `%` or `%%`.
pub fn magic(name: &str) -> Option<&'static MagicInfo> {
    MAGICS.iter().find(|magic| magic.name == name)
}

/// Takes a cell apart. Never fails: what cannot be understood becomes a diagnostic.
///
/// A cell magic stands in the first line that is not blank. A line magic begins with `%` in column 0 before the body; the
/// first other line that is not blank begins the body, in which `%` has no special meaning. `%YAML` and `%TAG` are
/// directives of a YAML document and begin its body.
pub fn parts<'c>(cell: &'c str, default: Language) -> CellParts<'c> {
    let lines = LineIndex::new(cell);
    let mut parts = CellParts {
        kind: CellKind::Code(default),
        cell_magic: None,
        line_magics: Vec::new(),
        body: "",
        body_start: cell.len(),
        body_line: (lines.line_count() - 1) as u32,
        diagnostics: Vec::new(),
    };
    let mut first = true;
    let mut has_body = false;
    for number in 0..lines.line_count() as u32 {
        let Some(range) = lines.line_range(number) else { break };
        let line = range.slice(cell).trim_end_matches(['\n', '\r']);
        if line.trim().is_empty() {
            continue;
        }
        if !line.starts_with('%') || is_directive(line, &parts.kind) {
            parts.body_start = range.start as usize;
            parts.body_line = number;
            parts.body = &cell[parts.body_start..];
            has_body = true;
            break;
        }
        let (magic, signs) = read(line, range.start as usize);
        if signs == 2 && first {
            parts.kind = match magic.name.as_str() {
                "agent" => CellKind::Code(Language::Yaml),
                "lua" => CellKind::Code(Language::Lua),
                "js" => CellKind::Code(Language::Js),
                "run" => CellKind::Run,
                _ => parts.kind,
            };
            parts.diagnostics.extend(usage::check(&magic, signs));
            parts.cell_magic = Some(magic);
        } else if signs == 2 {
            let message = format!("`%%{}` must stand in the first line of the cell", magic.name);
            parts.diagnostics.push(Diagnostic::new(codes::MAGIC_USAGE, magic.name_range, message));
        } else {
            parts.diagnostics.extend(usage::check(&magic, signs));
            parts.line_magics.push(magic);
        }
        first = false;
    }
    if !has_body && parts.cell_magic.is_none() {
        parts.kind = CellKind::Magics;
    }
    parts
}

fn is_directive(line: &str, kind: &CellKind) -> bool {
    *kind == CellKind::Code(Language::Yaml) && matches!(line.split_whitespace().next(), Some("%YAML" | "%TAG"))
}

/// Reads a line that begins with `%`, and how many signs it begins with.
fn read(line: &str, start: usize) -> (Magic, usize) {
    let signs = if line.starts_with("%%") { 2 } else { 1 };
    let rest = &line[signs..];
    let name = rest.split(char::is_whitespace).next().unwrap_or("");
    let name_end = signs + name.len();
    let tail = &line[name_end..];
    let argument = tail.trim();
    let argument_start = start + name_end + (tail.len() - tail.trim_start().len());
    let magic = Magic {
        name: name.to_owned(),
        argument: argument.to_owned(),
        name_range: TextRange::new(start, start + name_end),
        argument_range: TextRange::new(argument_start, argument_start + argument.len()),
    };
    (magic, signs)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn show(cell: &str, language: Language, expected: Expect) {
        let parts = parts(cell, language);
        assert_eq!(&cell[parts.body_start..], parts.body);
        let mut text = format!("{:?} body {:?} on line {}\n", parts.kind, parts.body, parts.body_line);
        for magic in parts.cell_magic.iter().chain(&parts.line_magics) {
            assert_eq!(magic.argument_range.slice(cell), magic.argument);
            text.push_str(&format!("{} {:?}\n", magic.name_range.slice(cell), magic.argument));
        }
        for diagnostic in &parts.diagnostics {
            text.push_str(&format!("{} {:?}: {}", diagnostic.code, diagnostic.range.slice(cell), diagnostic.message));
            diagnostic.help.iter().for_each(|help| text.push_str(&format!(" ({help})")));
            diagnostic.fixes.iter().for_each(|fix| text.push_str(&format!(" [{}]", fix.title)));
            text.push('\n');
        }
        expected.assert_eq(&text);
    }

    #[test]
    fn cells_are_taken_apart() {
        show(
            "kind: Agent\n%help\n",
            Language::Yaml,
            expect![[r#"
            Code(Yaml) body "kind: Agent\n%help\n" on line 0
        "#]],
        );
        show(
            "\n%%lua\n\nreturn 1 % 2\n%x",
            Language::Yaml,
            expect![[r#"
            Code(Lua) body "return 1 % 2\n%x" on line 3
            %%lua ""
        "#]],
        );
        show(
            "%tenant\r\n\r\n%help ctx.log \r\nprint(1)\r\n",
            Language::Lua,
            expect![[r#"
            Code(Lua) body "print(1)\r\n" on line 3
            %tenant ""
            %help "ctx.log"
        "#]],
        );
        show(
            "%tenant\n\n",
            Language::Js,
            expect![[r#"
            Magics body "" on line 2
            %tenant ""
        "#]],
        );
        show(
            "",
            Language::Yaml,
            expect![[r#"
            Magics body "" on line 0
        "#]],
        );
        show(
            " \n",
            Language::Lua,
            expect![[r#"
            Magics body "" on line 1
        "#]],
        );
        show(
            "%%js",
            Language::Yaml,
            expect![[r#"
            Code(Js) body "" on line 0
            %%js ""
        "#]],
        );
        show(
            "%%run support@1.2.0 -> answer\nquestion: hi\n",
            Language::Yaml,
            expect![[r#"
            Run body "question: hi\n" on line 1
            %%run "support@1.2.0 -> answer"
        "#]],
        );
        show(
            "%run support question=\"hi there\" n=3 -> answer",
            Language::Yaml,
            expect![[r#"
            Magics body "" on line 0
            %run "support question=\"hi there\" n=3 -> answer"
        "#]],
        );
        show(
            "%YAML 1.2\n---\nkind: Agent",
            Language::Yaml,
            expect![[r#"
            Code(Yaml) body "%YAML 1.2\n---\nkind: Agent" on line 0
        "#]],
        );
        show(
            " %tenant",
            Language::Lua,
            expect![[r#"
            Code(Lua) body " %tenant" on line 0
        "#]],
        );
    }

    #[test]
    fn mistakes_are_named_with_a_way_out() {
        show(
            "%agnts",
            Language::Yaml,
            expect![[r#"
            Magics body "" on line 0
            %agnts ""
            AK0901 "%agnts": there is no magic `%agnts` [Change to `%agents`]
        "#]],
        );
        show(
            "%%python\nprint(1)",
            Language::Yaml,
            expect![[r#"
            Code(Yaml) body "print(1)" on line 1
            %%python ""
            AK0901 "%%python": there is no magic `%%python` (`%help` lists all magics)
        "#]],
        );
        show(
            "%lua\nprint(1)",
            Language::Yaml,
            expect![[r#"
            Code(Yaml) body "print(1)" on line 1
            %lua ""
            AK0901 "%lua": there is no magic `%lua` [Change to `%%lua`]
        "#]],
        );
        show(
            "%%tenant",
            Language::Yaml,
            expect![[r#"
            Code(Yaml) body "" on line 0
            %%tenant ""
            AK0901 "%%tenant": there is no magic `%%tenant` [Change to `%tenant`]
        "#]],
        );
        show(
            "%tenant\n%%lua\nprint(1)",
            Language::Yaml,
            expect![[r#"
            Code(Yaml) body "print(1)" on line 2
            %tenant ""
            AK0902 "%%lua": `%%lua` must stand in the first line of the cell
        "#]],
        );
        show(
            "%run",
            Language::Yaml,
            expect![[r#"
            Magics body "" on line 0
            %run ""
            AK0902 "%run": the name of an agent is missing (usage: %run NAME[@VERSION] [key=value …] [-> VAR])
        "#]],
        );
        show(
            "%run Support",
            Language::Yaml,
            expect![[r#"
            Magics body "" on line 0
            %run "Support"
            AK0902 "Support": `Support` is not a valid agent id: it must begin with a lower-case letter or a digit (usage: %run NAME[@VERSION] [key=value …] [-> VAR])
        "#]],
        );
        show(
            "%run support@1.x",
            Language::Yaml,
            expect![[r#"
            Magics body "" on line 0
            %run "support@1.x"
            AK0902 "1.x": `1.x` is not a version such as 1.2.0 (usage: %run NAME[@VERSION] [key=value …] [-> VAR])
        "#]],
        );
        show(
            "%run support hello",
            Language::Yaml,
            expect![[r#"
            Magics body "" on line 0
            %run "support hello"
            AK0902 "hello": `hello` is neither `key=value` nor `-> VAR` (usage: %run NAME[@VERSION] [key=value …] [-> VAR])
        "#]],
        );
        show(
            "%%run support n\nn: 2",
            Language::Yaml,
            expect![[r#"
                Run body "n: 2" on line 1
                %%run "support n"
                AK0902 "n": `n` is neither `key=value` nor `-> VAR` (usage: %%run NAME[@VERSION] [key=value …] [-> VAR])
            "#]],
        );
        show(
            "%tenant acme",
            Language::Yaml,
            expect![[r#"
            Magics body "" on line 0
            %tenant "acme"
            AK0902 "acme": `%tenant` takes no argument (usage: %tenant)
        "#]],
        );
        show(
            "%promote support",
            Language::Yaml,
            expect![[r#"
            Magics body "" on line 0
            %promote "support"
            AK0902 "support": the version is missing (usage: %promote NAME@VERSION)
        "#]],
        );
        show(
            "%save support",
            Language::Yaml,
            expect![[r#"
                Magics body "" on line 0
                %save "support"
                AK0902 "support": the name of an agent and a file are needed (usage: %save NAME[@VERSION] FILE)
            "#]],
        );
        show(
            "%show",
            Language::Yaml,
            expect![[r#"
            Magics body "" on line 0
            %show ""
            AK0902 "%show": the id of a run is missing (usage: %show RUN)
        "#]],
        );
        show(
            "%",
            Language::Yaml,
            expect![[r#"
            Magics body "" on line 0
            % ""
            AK0901 "%": there is no magic `%` (`%help` lists all magics)
        "#]],
        );
        show(
            "%%lua 5.4\nprint(1)",
            Language::Yaml,
            expect![[r#"
            Code(Lua) body "print(1)" on line 1
            %%lua "5.4"
            AK0902 "5.4": `%%lua` takes no argument (usage: %%lua)
        "#]],
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_taken_apart(cell in "(%|%%|run|lua|YAML|[a-z@=>\"'\\[{}-]| |\r|\n|é|\\|-> ){0,30}") {
            for language in [Language::Yaml, Language::Lua, Language::Js] {
                let parts = parts(&cell, language);
                assert_eq!(&cell[parts.body_start..], parts.body);
                assert_eq!(LineIndex::new(&cell).line_of(parts.body_start), parts.body_line);
                for diagnostic in &parts.diagnostics {
                    assert!(cell.get(diagnostic.range.start as usize..diagnostic.range.end as usize).is_some());
                }
            }
        }
    }
}
