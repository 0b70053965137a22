//! What is done to the text of a cell before it runs. All changes stay on their line, so that lines of errors are lines of
//! the cell; columns are mapped back.
//!
//! - What a top-level `let`, `const` or `class` declares becomes a global variable, so that a later cell may declare the
//!   name again. An assignment to what is a constant at that time is an error all the same.
//! - A cell with a top-level `await` or `return` becomes the body of an async function; what it declares stays global.
//! - Loops and functions get a call of [`GUARD`], where a stop is seen, also below a callback of a built-in.

use std::collections::HashSet;

use oxc_allocator::Allocator;
use oxc_ast::ast::{ArrowFunctionExpression, Expression, Statement};
use oxc_ast_visit::Visit;
use oxc_parser::Parser;
use oxc_span::SourceType;

use crate::{
    probes::{self, Probes, Table},
    rewrite::{Names, Rewriter},
};

/// How the names begin that no script should see.
pub(crate) const HIDDEN: &str = "__aikit_";
/// The function that loops and functions call.
pub(crate) const GUARD: &str = "__aikit_tick";
/// The function that stands before an assignment to a constant.
pub(crate) const CONSTANT: &str = "__aikit_constant";
/// How deep brackets may nest; the parsers are recursive.
const NESTING: usize = 400;

/// What is said of such a text.
pub(crate) const TOO_DEEP: &str = "the brackets nest too deeply";

const ASYNC_BODY: &str = "async()=>{";
const ASYNC_VALUE: &str = "async()=>(";

/// A cell as it is run.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    /// What the interpreter gets.
    pub text: String,
    /// Whether the script's completion value is the value of the cell.
    pub has_value: bool,
    /// Whether loops and functions look at the stop flag.
    pub guarded: bool,
    /// What the cell declares as global.
    pub declared: Declared,
    /// The way back to the cell.
    pub map: Map,
    /// Where a debugger can stop, if probes were put in.
    pub sites: Option<Table>,
}

/// Names that a cell declares at its top level.
#[derive(Debug, Clone, Default)]
pub(crate) struct Declared {
    /// By `const`.
    pub constants: Vec<String>,
    /// In any other way.
    pub others: Vec<String>,
}

/// Maps places of the text that runs to places of the cell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Map {
    pub line_offset: u32,
    /// Characters before the first line.
    pub prelude: u32,
    pub lines: u32,
    /// Line, column, characters removed, characters inserted; in order.
    pub edits: Vec<(u32, u32, u32, u32)>,
}

impl Map {
    /// Of a text that has something put before it.
    pub fn behind(before: &str, code: &str) -> Map {
        let lines = u32::try_from(code.split('\n').count()).unwrap_or(u32::MAX);
        Map { line_offset: 0, prelude: count(before), lines, edits: Vec::new() }
    }

    /// The place in the cell, from a line and a column (from 1) of the text that ran. Lines count the offset in. `None`
    /// behind the cell's end.
    pub fn locate(&self, line: u32, column: u32) -> Option<(u32, u32)> {
        let own = line.saturating_sub(self.line_offset).max(1);
        if own > self.lines {
            return None;
        }
        let target = column.saturating_sub(1);
        let mut out = if own == 1 { self.prelude } else { 0 };
        let mut original = 0;
        for &(_, at, removed, inserted) in self.edits.iter().filter(|edit| edit.0 == own) {
            let gap = at.saturating_sub(original);
            if target < out + gap {
                break;
            }
            out += gap;
            original = at;
            if target < out + inserted {
                return Some((own + self.line_offset, original + 1));
            }
            out += inserted;
            original += removed;
        }
        Some((own + self.line_offset, original + target.saturating_sub(out) + 1))
    }
}

impl Map {
    /// Where a name stands in the code, at or behind a place if it can be.
    pub fn find(&self, code: &str, name: &str, from: Option<(u32, u32)>) -> Option<(u32, u32)> {
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let mut first = None;
        for (line, text) in (self.line_offset + 1..).zip(code.split('\n')) {
            for (i, _) in text.match_indices(name) {
                let (before, behind) = (&text[..i], &text[i + name.len()..]);
                if before.ends_with(|c| is_word(c) || c == '.') || behind.starts_with(is_word) || before.contains("//")
                {
                    continue;
                }
                let place = (line, count(before) + 1);
                if from.is_none_or(|from| place >= from) {
                    return Some(place);
                }
                first = first.or(Some(place));
            }
        }
        first
    }

    /// The line of a cell that has but one.
    pub fn only_line(&self, code: &str) -> Option<u32> {
        let mut lines = (self.line_offset + 1..).zip(code.split('\n')).filter(|(_, text)| !text.trim().is_empty());
        let (line, _) = lines.next()?;
        lines.next().is_none().then_some(line)
    }
}

/// Prepares a cell or step. `None` if the text does not parse. `constants` are the names that earlier cells declared as
/// such; `probes` are for a debugger.
pub(crate) fn prepare(
    code: &str,
    line_offset: u32,
    constants: &HashSet<String>,
    probes: Option<Probes>,
) -> Option<Prepared> {
    if code.trim_start().starts_with('{')
        && !code.trim_end().ends_with(';')
        && let Some(prepared) = prepare_expression(code, line_offset, constants, probes.clone())
    {
        // As in any console, a lone object literal is a value and not a block.
        return Some(prepared);
    }
    let allocator = Allocator::default();
    if code.contains("await") || code.contains("return") {
        let text = format!("{ASYNC_BODY}{code}\n}}");
        if let Some(arrow) = parse_arrow(&allocator, &text) {
            let names = Names::of(&arrow.body.statements)?;
            let mut numbered = names.probes(probes.clone());
            numbered.iter_mut().for_each(Probes::numbered);
            let mut rewriter = Rewriter::new(code, ASYNC_BODY.len(), true, names.fixed(constants)).probed(numbered);
            rewriter.statements(&arrow.body.statements);
            if rewriter.suspends {
                let prepared = rewriter.finish_wrapped(&arrow.body, line_offset);
                return Some(Prepared { declared: names.declared, ..prepared });
            }
        }
    }
    let parsed = Parser::new(&allocator, code, SourceType::script()).parse();
    if parsed.panicked || !parsed.diagnostics.is_empty() {
        return None;
    }
    let program = parsed.program;
    let names = Names::of(&program.body)?;
    let mut rewriter = Rewriter::new(code, 0, false, names.fixed(constants)).probed(names.probes(probes));
    rewriter.statements(&program.body);
    let has_value = match last(&program.body) {
        Some(statement) => matches!(statement, Statement::ExpressionStatement(_)),
        None => !program.directives.is_empty(),
    };
    let prepared = rewriter.finish_plain(&program.directives, has_value, line_offset);
    Some(Prepared { declared: names.declared, ..prepared })
}

/// Prepares an expression. `None` if the text is none.
pub(crate) fn prepare_expression(
    code: &str,
    line_offset: u32,
    constants: &HashSet<String>,
    probes: Option<Probes>,
) -> Option<Prepared> {
    let allocator = Allocator::default();
    let text = format!("{ASYNC_VALUE}{code}\n)");
    let arrow = parse_arrow(&allocator, &text).filter(|arrow| arrow.expression)?;
    // The brackets have to be ours, and not closed by the code.
    let inside = match arrow.body.statements.first()? {
        Statement::ExpressionStatement(statement) => match &statement.expression {
            Expression::ParenthesizedExpression(inside) => inside,
            _ => return None,
        },
        _ => return None,
    };
    if inside.span.start as usize + 1 != ASYNC_VALUE.len() || inside.span.end as usize != text.len() {
        return None;
    }
    let names = Names::of(&arrow.body.statements)?;
    let shift = ASYNC_VALUE.len();
    let mut rewriter = Rewriter::new(code, shift, false, names.fixed(constants)).probed(names.probes(probes));
    rewriter.visit_expression(&inside.expression);
    Some(if rewriter.suspends {
        rewriter.finish("(async()=>(", "\n))()", true, line_offset)
    } else {
        rewriter.finish("(", "\n)", true, line_offset)
    })
}

/// The text as it stands, for what only the interpreter's own parser understands.
pub(crate) fn verbatim(code: &str, line_offset: u32) -> Prepared {
    Prepared { guarded: false, ..Rewriter::new(code, 0, false, HashSet::new()).finish("", "", true, line_offset) }
}

/// Whether brackets nest so deep that a recursive parser is in danger. Brackets in strings count as well.
pub(crate) fn nests_too_deep(code: &str) -> bool {
    let mut depth = 0usize;
    code.bytes().any(|byte| {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > NESTING
    })
}

/// A question of a person at a place of a script, so that it can be stopped.
pub(crate) fn question(text: &str, constants: &HashSet<String>) -> String {
    if let Some(prepared) = prepare_expression(text, 0, constants, None) {
        return prepared.text;
    }
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, text, SourceType::script()).parse();
    let names = Names::of(&parsed.program.body);
    let (Some(names), false) = (names, parsed.panicked || !parsed.diagnostics.is_empty()) else {
        return text.to_owned();
    };
    let mut rewriter = Rewriter::new(text, 0, false, names.fixed(constants));
    parsed.program.body.iter().for_each(|statement| rewriter.visit_statement(statement));
    rewriter.finish("", "", true, 0).text
}

/// The text of a function as it was written.
pub(crate) fn without_guards(text: &str) -> String {
    let call = format!("{GUARD}()");
    let text = probes::without_probes(text);
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, behind)) = rest.split_once(CONSTANT) {
        plain.push_str(before);
        rest = behind.split_once("'),").map_or(behind, |(_, behind)| behind);
    }
    plain.push_str(rest);
    // Around an expression the guard stands as `(guard(),…)`, whose closing bracket has no mark of its own; parsing the
    // text again to find it would cost more than two brackets in a listing are worth.
    plain.replace(&format!(";{call};"), "").replace(&format!("{call};"), "").replace(&format!("{call},"), "")
}

/// How many characters a text has.
pub(crate) fn count(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

fn parse_arrow<'a>(
    allocator: &'a Allocator,
    text: &'a str,
) -> Option<oxc_allocator::Box<'a, ArrowFunctionExpression<'a>>> {
    let parsed = Parser::new(allocator, text, SourceType::script()).parse();
    if parsed.panicked || !parsed.diagnostics.is_empty() || parsed.program.body.len() != 1 {
        return None;
    }
    match parsed.program.body.into_iter().next()? {
        Statement::ExpressionStatement(statement) => match statement.unbox().expression {
            Expression::ArrowFunctionExpression(arrow) => Some(arrow),
            _ => None,
        },
        _ => None,
    }
}

/// The last statement that does something.
pub(crate) fn last<'s, 'a>(statements: &'s [Statement<'a>]) -> Option<&'s Statement<'a>> {
    statements.iter().rev().find(|statement| !matches!(statement, Statement::EmptyStatement(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(code: &str) -> String {
        let constants = HashSet::from(["K".to_owned()]);
        let text = prepare(code, 0, &constants, None).expect("parses").text;
        text.replace("__aikit_tick()", "T").replace("__aikit_constant", "C")
    }

    #[test]
    fn cells_are_rewritten_on_their_lines() {
        for (code, expected) in [
            ("1+1", "1+1"),
            (
                "let a = 1; const {b, c: [d]} = x\nclass E {}",
                "var E,a,b,d;void( a = 1);; void( {b, c: [d]} = x);\nE=class E {};",
            ),
            ("let a\n(f)()", "var a;void( a=void 0);\n(f)()"),
            ("let a, b = 2", "var a,b;void( a=void 0, b = 2);"),
            ("{a: 1}", "({a: 1}\n)"),
            ("{let a = 1; f(a)}", "{let a = 1; f(a)}"),
            ("while(x) y", "while(x) {T;y}"),
            ("for (let i of x) { y }", "for (let i of x) {T; y }"),
            ("do x; while (y)", "do {T;x;} while (y)"),
            ("for(;;) for(;;);", "for(;;) {T;for(;;){T;;}}"),
            ("let f = x => x", "var f;void( f = x => (T,x));"),
            ("let f = await x, g = x => x", "var f,g;(async()=>{void( f = await x, g = x => (T,x));\n})()"),
            ("await 1; y => y", "(async()=>{await 1; return (y => (T,y))\n})()"),
            ("function f() { 'use strict' }", "function f() { 'use strict';T; }"),
            ("x => y => ({})", "x => (T,y => (T,({})))"),
            ("await f()", "(async()=>{return (await f())\n})()"),
            ("let a = await f(), b\na", "var a,b;(async()=>{void( a = await f(), b=void 0);\nreturn (a)\n})()"),
            ("var a; await 1; class C {}", "var C,a;(async()=>{void( a);; await 1; C=class C {};\n})()"),
            ("for (var i = 0;;) await i", "var i;(async()=>{for ( i = 0;;) {T;await i}\n})()"),
            ("function f() {} return f", "var f;(async()=>{this.f=f;function f() {T;} return f\n})()"),
            ("'use strict'; let a", "'use strict';;var a; void( a=void 0);"),
            ("const a = 1; a = 2; a++", "var a;void( a = 1);; (C('a'),a = 2); (C('a'),a++)"),
            ("x => K = x", "x => (T,(C('K'),K = x))"),
            ("K => K = 1", "K => (T,K = 1)"),
            ("while (1) K = 1", "while (1) {T;(C('K'),K = 1)}"),
            ("async () => await 1", "async () => (T,await 1)"),
        ] {
            assert_eq!(text(code), expected, "{code}");
        }
        assert!(prepare("let a = ;", 0, &HashSet::new(), None).is_none());
        assert!(prepare("let a; class a {}", 0, &HashSet::new(), None).is_none());
        assert!(prepare("} {", 0, &HashSet::new(), None).is_none());
    }

    #[test]
    fn places_are_mapped_back() {
        let prepared = prepare("let a = await 1; b()\nfor (;;) c(); d", 2, &HashSet::new(), None).expect("parses");
        let column = |line: usize, needle: &str| {
            let text = prepared.text.split('\n').nth(line - 1).expect("line");
            u32::try_from(text.find(needle).expect("needle") + 1).expect("short")
        };
        assert_eq!(prepared.map.locate(3, column(3, "b()")), Some((3, 18)));
        assert_eq!(prepared.map.locate(4, column(4, "c()")), Some((4, 10)));
        assert_eq!(prepared.map.locate(4, column(4, "d)")), Some((4, 15)));
        assert_eq!(prepared.map.locate(9, 4), None);
    }
}
