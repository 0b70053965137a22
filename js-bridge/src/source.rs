//! What is done to the text of a cell before it runs. All changes stay on their line, so that lines of errors are lines of
//! the cell; columns are mapped back.
//!
//! - A top-level `let`, `const` or `class` becomes a `var`, so that a later cell may declare the name again.
//! - A cell with a top-level `await` or `return` becomes the body of an async function; what it declares stays global.
//! - Loops and functions get a call of [`GUARD`], where a stop is seen, also below a callback of a built-in.

use oxc_allocator::Allocator;
use oxc_ast::ast::{
    ArrowFunctionExpression, AwaitExpression, Class, DoWhileStatement, Expression, ForInStatement, ForOfStatement,
    ForStatement, ForStatementInit, ForStatementLeft, Function, FunctionBody, ReturnStatement, Statement, StaticBlock,
    VariableDeclaration, VariableDeclarationKind, WhileStatement,
};
use oxc_ast_visit::{Visit, walk};
use oxc_parser::Parser;
use oxc_span::{GetSpan, SourceType, Span};
use oxc_syntax::scope::ScopeFlags;

/// The function that loops and functions call.
pub(crate) const GUARD: &str = "__aikit_tick";
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
    /// The way back to the cell.
    pub map: Map,
}

/// Maps places of the text that runs to places of the cell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Map {
    line_offset: u32,
    /// Characters before the first line.
    prelude: u32,
    lines: u32,
    /// Line, column, characters removed, characters inserted; in order.
    edits: Vec<(u32, u32, u32, u32)>,
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

    /// The first line that is not empty.
    pub fn first_line(&self, code: &str) -> u32 {
        let empty = code.split('\n').take_while(|line| line.trim().is_empty()).count();
        self.line_offset + u32::try_from(empty).unwrap_or(0).min(self.lines.saturating_sub(1)) + 1
    }
}

/// Prepares a cell or step. `None` if the text does not parse.
pub(crate) fn prepare(code: &str, line_offset: u32) -> Option<Prepared> {
    if code.trim_start().starts_with('{')
        && !code.trim_end().ends_with(';')
        && let Some(prepared) = prepare_expression(code, line_offset)
    {
        // As in any console, a lone object literal is a value and not a block.
        return Some(prepared);
    }
    let allocator = Allocator::default();
    if code.contains("await") || code.contains("return") {
        let text = format!("{ASYNC_BODY}{code}\n}}");
        if let Some(arrow) = parse_arrow(&allocator, &text) {
            let mut rewriter = Rewriter::new(code, ASYNC_BODY.len(), true);
            rewriter.statements(&arrow.body.statements);
            if rewriter.suspends {
                return Some(rewriter.finish_wrapped(&arrow.body, line_offset));
            }
        }
    }
    let parsed = Parser::new(&allocator, code, SourceType::script()).parse();
    if parsed.panicked || !parsed.diagnostics.is_empty() {
        return None;
    }
    let program = parsed.program;
    let mut rewriter = Rewriter::new(code, 0, false);
    rewriter.statements(&program.body);
    let has_value = match last(&program.body) {
        Some(statement) => matches!(statement, Statement::ExpressionStatement(_)),
        None => !program.directives.is_empty(),
    };
    Some(rewriter.finish("", "", has_value, line_offset))
}

/// Prepares an expression. `None` if the text is none.
pub(crate) fn prepare_expression(code: &str, line_offset: u32) -> Option<Prepared> {
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
    let mut rewriter = Rewriter::new(code, ASYNC_VALUE.len(), false);
    rewriter.visit_expression(&inside.expression);
    Some(if rewriter.suspends {
        rewriter.finish("(async()=>(", "\n))()", true, line_offset)
    } else {
        rewriter.finish("(", "\n)", true, line_offset)
    })
}

/// The text as it stands, for what only the interpreter's own parser understands.
pub(crate) fn verbatim(code: &str, line_offset: u32) -> Prepared {
    Prepared { guarded: false, ..Rewriter::new(code, 0, false).finish("", "", true, line_offset) }
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

/// The text of a function as it was written.
pub(crate) fn without_guards(text: &str) -> String {
    let call = format!("{GUARD}()");
    if !text.contains(&call) {
        return text.to_owned();
    }
    // Around an expression the guard stands as `(guard(),…)`, whose closing bracket has no mark of its own; parsing the
    // text again to find it would cost more than two brackets in a listing are worth.
    text.replace(&format!(";{call};"), "").replace(&format!("{call};"), "").replace(&format!("{call},"), "")
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

fn last<'s, 'a>(statements: &'s [Statement<'a>]) -> Option<&'s Statement<'a>> {
    statements.iter().rev().find(|statement| !matches!(statement, Statement::EmptyStatement(_)))
}

struct Edit {
    at: usize,
    remove: usize,
    insert: String,
}

/// Collects the changes of one text.
struct Rewriter<'c> {
    code: &'c str,
    /// What stands before the code in the text that was parsed.
    shift: usize,
    wrapped: bool,
    edits: Vec<Edit>,
    /// Functions around the place that is visited.
    depth: usize,
    /// Whether there is an `await` or `return` outside of functions.
    suspends: bool,
    names: Vec<String>,
    functions: Vec<String>,
}

impl<'c> Rewriter<'c> {
    fn new(code: &'c str, shift: usize, wrapped: bool) -> Self {
        Self {
            code,
            shift,
            wrapped,
            edits: Vec::new(),
            depth: 0,
            suspends: false,
            names: Vec::new(),
            functions: Vec::new(),
        }
    }

    fn edit(&mut self, at: u32, remove: usize, insert: impl Into<String>) {
        let at = (at as usize).saturating_sub(self.shift);
        self.edits.push(Edit { at, remove, insert: insert.into() });
    }

    fn statements<'a>(&mut self, statements: &[Statement<'a>]) {
        for statement in statements {
            match statement {
                Statement::VariableDeclaration(declaration)
                    if matches!(declaration.kind, VariableDeclarationKind::Let | VariableDeclarationKind::Const) =>
                {
                    self.declare(declaration);
                    continue;
                }
                Statement::ClassDeclaration(class) => self.class(class),
                Statement::FunctionDeclaration(function) if self.wrapped => {
                    if let Some(id) = &function.id {
                        self.names.push(id.name.to_string());
                        self.functions.push(id.name.to_string());
                    }
                }
                _ => {}
            }
            self.visit_statement(statement);
        }
    }

    fn declare(&mut self, declaration: &VariableDeclaration<'_>) {
        let keyword = declaration.kind.as_str().len();
        let is_var = declaration.kind == VariableDeclarationKind::Var;
        if self.wrapped {
            let names = declaration.declarations.iter().flat_map(|one| one.id.get_binding_identifiers());
            self.names.extend(names.map(|id| id.name.to_string()));
            self.edit(declaration.span.start, keyword, "void(");
        } else {
            // Of the same length, so that columns stay.
            self.edit(declaration.span.start, keyword, format!("{:keyword$}", "var"));
        }
        walk::walk_variable_declaration(self, declaration);
        for one in declaration.declarations.iter().filter(|one| one.init.is_none() && !is_var) {
            self.edit(one.span.end, 0, "=void 0");
        }
        if let Some(end) = declaration.declarations.last() {
            if self.wrapped {
                self.edit(end.span.end, 0, ");");
            } else if end.init.is_none() {
                self.edit(end.span.end, 0, ";");
            }
        }
    }

    fn class(&mut self, class: &Class<'_>) {
        let Some(id) = &class.id else { return };
        let var = if self.wrapped { "" } else { "var " };
        if self.wrapped {
            self.names.push(id.name.to_string());
        }
        self.edit(class.span.start, 0, format!("{var}{}=", id.name));
        self.edit(class.span.end, 0, ";");
    }

    /// A loop's body: a guard at its beginning.
    fn body(&mut self, body: &Statement<'_>) {
        match body {
            Statement::BlockStatement(block) => self.edit(block.span.start + 1, 0, format!("{GUARD}();")),
            other => {
                self.edit(other.span().start, 0, format!("{{{GUARD}();"));
                // Behind what the visit of the body inserts at its end.
                self.visit_statement(other);
                self.edit(other.span().end, 0, "}");
                return;
            }
        }
        self.visit_statement(body);
    }

    /// The head of a `for` with a `var`: in a wrapped cell the names are global, so the keyword goes.
    fn head(&mut self, declaration: &VariableDeclaration<'_>) {
        if self.wrapped && self.depth == 0 && declaration.kind == VariableDeclarationKind::Var {
            let names = declaration.declarations.iter().flat_map(|one| one.id.get_binding_identifiers());
            self.names.extend(names.map(|id| id.name.to_string()));
            self.edit(declaration.span.start, 3, "");
            for one in &declaration.declarations {
                self.visit_variable_declarator(one);
            }
        } else {
            walk::walk_variable_declaration(self, declaration);
        }
    }

    fn left(&mut self, left: &ForStatementLeft<'_>) {
        match left {
            ForStatementLeft::VariableDeclaration(declaration) => self.head(declaration),
            other => self.visit_for_statement_left(other),
        }
    }

    fn finish_wrapped(mut self, body: &FunctionBody<'_>, line_offset: u32) -> Prepared {
        let mut has_value = true;
        if let Some(Statement::ExpressionStatement(statement)) = last(&body.statements) {
            let Span { start, end, .. } = statement.expression.span();
            self.edits.insert(0, Edit { at: start as usize - self.shift, remove: 0, insert: "return (".into() });
            self.edit(end, 0, ")");
        } else if body.statements.is_empty() {
            has_value = false;
        }
        self.names.sort();
        self.names.dedup();
        let mut prelude = String::new();
        if !self.names.is_empty() {
            prelude = format!("var {};", self.names.join(","));
        }
        prelude.push_str("(async()=>{");
        for name in &self.functions {
            prelude.push_str(&format!("this.{name}={name};"));
        }
        self.finish(&prelude, "\n})()", has_value, line_offset)
    }

    fn finish(mut self, prelude: &str, suffix: &str, has_value: bool, line_offset: u32) -> Prepared {
        self.edits.sort_by_key(|edit| edit.at);
        let mut text = "\n".repeat(line_offset as usize);
        text.push_str(prelude);
        let (mut from, mut line, mut line_start) = (0, 1, 0);
        let mut edits = Vec::with_capacity(self.edits.len());
        for edit in &self.edits {
            let before = &self.code[from.min(edit.at)..edit.at];
            text.push_str(before);
            for (i, _) in before.match_indices('\n') {
                line += 1;
                line_start = edit.at - before.len() + i + 1;
            }
            text.push_str(&edit.insert);
            let column = count(&self.code[line_start..edit.at]);
            edits.push((line, column, u32::try_from(edit.remove).unwrap_or(0), count(&edit.insert)));
            from = from.max(edit.at + edit.remove);
        }
        text.push_str(&self.code[from..]);
        text.push_str(suffix);
        let lines = u32::try_from(self.code.split('\n').count()).unwrap_or(u32::MAX);
        Prepared { text, has_value, guarded: true, map: Map { line_offset, prelude: count(prelude), lines, edits } }
    }
}

fn count(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

impl<'a> Visit<'a> for Rewriter<'_> {
    fn visit_function(&mut self, it: &Function<'a>, flags: ScopeFlags) {
        self.depth += 1;
        walk::walk_function(self, it, flags);
        self.depth -= 1;
    }

    fn visit_function_body(&mut self, it: &FunctionBody<'a>) {
        let (at, before) = match it.directives.last() {
            Some(directive) => (directive.span.end, ";"),
            None => (it.span.start + 1, ""),
        };
        self.edit(at, 0, format!("{before}{GUARD}();"));
        walk::walk_function_body(self, it);
    }

    fn visit_arrow_function_expression(&mut self, it: &ArrowFunctionExpression<'a>) {
        self.depth += 1;
        self.visit_formal_parameters(&it.params);
        if it.expression {
            let span = it.body.statements.first().map(|statement| match statement {
                Statement::ExpressionStatement(statement) => statement.expression.span(),
                other => other.span(),
            });
            if let Some(span) = span {
                self.edit(span.start, 0, format!("({GUARD}(),"));
                it.body.statements.iter().for_each(|statement| self.visit_statement(statement));
                self.edit(span.end, 0, ")");
            }
        } else {
            self.visit_function_body(&it.body);
        }
        self.depth -= 1;
    }

    fn visit_static_block(&mut self, it: &StaticBlock<'a>) {
        self.depth += 1;
        walk::walk_static_block(self, it);
        self.depth -= 1;
    }

    fn visit_variable_declaration(&mut self, it: &VariableDeclaration<'a>) {
        if self.wrapped && self.depth == 0 && it.kind == VariableDeclarationKind::Var {
            self.declare(it);
        } else {
            walk::walk_variable_declaration(self, it);
        }
    }

    fn visit_while_statement(&mut self, it: &WhileStatement<'a>) {
        self.visit_expression(&it.test);
        self.body(&it.body);
    }

    fn visit_do_while_statement(&mut self, it: &DoWhileStatement<'a>) {
        self.body(&it.body);
        self.visit_expression(&it.test);
    }

    fn visit_for_statement(&mut self, it: &ForStatement<'a>) {
        match &it.init {
            Some(ForStatementInit::VariableDeclaration(declaration)) => self.head(declaration),
            Some(init) => self.visit_for_statement_init(init),
            None => {}
        }
        it.test.iter().for_each(|test| self.visit_expression(test));
        it.update.iter().for_each(|update| self.visit_expression(update));
        self.body(&it.body);
    }

    fn visit_for_in_statement(&mut self, it: &ForInStatement<'a>) {
        self.left(&it.left);
        self.visit_expression(&it.right);
        self.body(&it.body);
    }

    fn visit_for_of_statement(&mut self, it: &ForOfStatement<'a>) {
        self.suspends |= it.r#await && self.depth == 0;
        self.left(&it.left);
        self.visit_expression(&it.right);
        self.body(&it.body);
    }

    fn visit_await_expression(&mut self, it: &AwaitExpression<'a>) {
        self.suspends |= self.depth == 0;
        walk::walk_await_expression(self, it);
    }

    fn visit_return_statement(&mut self, it: &ReturnStatement<'a>) {
        self.suspends |= self.depth == 0;
        walk::walk_return_statement(self, it);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(code: &str) -> String {
        prepare(code, 0).expect("parses").text.replace("__aikit_tick()", "T")
    }

    #[test]
    fn cells_are_rewritten_on_their_lines() {
        for (code, expected) in [
            ("1+1", "1+1"),
            ("let a = 1; const {b, c: [d]} = x\nclass E {}", "var a = 1; var   {b, c: [d]} = x\nvar E=class E {};"),
            ("let a\n(f)()", "var a=void 0;\n(f)()"),
            ("let a, b = 2", "var a=void 0, b = 2"),
            ("{a: 1}", "({a: 1}\n)"),
            ("{let a = 1; f(a)}", "{let a = 1; f(a)}"),
            ("while(x) y", "while(x) {T;y}"),
            ("for (let i of x) { y }", "for (let i of x) {T; y }"),
            ("do x; while (y)", "do {T;x;} while (y)"),
            ("for(;;) for(;;);", "for(;;) {T;for(;;){T;;}}"),
            ("let f = x => x", "var f = x => (T,x)"),
            ("let f = await x, g = x => x", "var f,g;(async()=>{void( f = await x, g = x => (T,x));\n})()"),
            ("await 1; y => y", "(async()=>{await 1; return (y => (T,y))\n})()"),
            ("function f() { 'use strict' }", "function f() { 'use strict';T; }"),
            ("x => y => ({})", "x => (T,y => (T,({})))"),
            ("await f()", "(async()=>{return (await f())\n})()"),
            ("let a = await f(), b\na", "var a,b;(async()=>{void( a = await f(), b=void 0);\nreturn (a)\n})()"),
            ("var a; await 1; class C {}", "var C,a;(async()=>{void( a);; await 1; C=class C {};\n})()"),
            ("for (var i = 0;;) await i", "var i;(async()=>{for ( i = 0;;) {T;await i}\n})()"),
            ("function f() {} return f", "var f;(async()=>{this.f=f;function f() {T;} return f\n})()"),
            ("async () => await 1", "async () => (T,await 1)"),
        ] {
            assert_eq!(text(code), expected, "{code}");
        }
        assert!(prepare("let a = ;", 0).is_none());
        assert!(prepare("} {", 0).is_none());
    }

    #[test]
    fn places_are_mapped_back() {
        let prepared = prepare("let a = await 1; b()\nfor (;;) c(); d", 2).expect("parses");
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
