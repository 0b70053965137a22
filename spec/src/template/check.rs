//! What a template reads: a walk over minijinja's tree.

use aikit_core::TextRange;
use minijinja::{
    Error, Value,
    machinery::{Span, Token, ast, parse, tokenize},
    syntax::SyntaxConfig,
    value::ValueKind,
};

use crate::memo::Memo;
use crate::roots::{
    Analysis, FunctionUse, ResultType, Segment, SegmentName, SyntaxError, VariablePath, nearest,
    rewrite::{Dialect, Rewritten},
};

/// Longer templates are refused.
const MAX_SOURCE: usize = 1 << 18;
/// More words and signs in one `{{ … }}` or `{% … %}` are refused.
const MAX_TOKENS: usize = 500;
/// More branches of `elif` are refused.
const MAX_BRANCHES: usize = 100;
/// A constant text or list that a template builds by repetition may not be larger.
const MAX_CONSTANT: u128 = 1 << 20;

/// Functions, filters and tests of this version.
pub const FUNCTIONS: &[&str] = &["dict", "namespace", "range"];
/// Filters of this version.
pub const FILTERS: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "zip",
];
/// Tests of this version (`is …`).
pub const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "safe",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

/// Parses a template and says what it reads. Never fails otherwise than with a syntax error.
pub fn check(source: &str) -> Result<Analysis, SyntaxError> {
    static KNOWN: Memo<Result<Analysis, SyntaxError>> = Memo::new();
    KNOWN.of(source, read)
}

fn read(source: &str) -> Result<Analysis, SyntaxError> {
    let rewritten = rewrite(source)?;
    let tree = tree(&rewritten)?;
    Ok(analyse(&rewritten, &tree)?.0)
}

/// Readies a text for the parser, unless it is too large for it.
pub(super) fn rewrite(source: &str) -> Result<Rewritten, SyntaxError> {
    if source.len() > MAX_SOURCE {
        return Err(SyntaxError {
            message: format!("the template is longer than {} KiB", MAX_SOURCE >> 10),
            range: TextRange::new(0, source.len()),
        });
    }
    let rewritten = Rewritten::new(source, Dialect::Template);
    within_bounds(&rewritten)?;
    Ok(rewritten)
}

/// The parser builds a tree that is as deep as a chain of operators is long, and everything that walks it recurses.
fn within_bounds(rewritten: &Rewritten) -> Result<(), SyntaxError> {
    let mut tokens = 0usize;
    let mut branches = 0usize;
    let mut begins = false;
    // What the lexer rejects the parser rejects as well, with its place.
    for (token, span) in tokenize(&rewritten.text, false, syntax()).map_while(Result::ok) {
        match token {
            Token::VariableStart | Token::BlockStart => tokens = 0,
            Token::Ident("elif") if begins => branches += 1,
            _ => tokens += 1,
        }
        begins = matches!(token, Token::BlockStart);
        if tokens > MAX_TOKENS || branches > MAX_BRANCHES {
            let message = match tokens > MAX_TOKENS {
                true => format!("one `{{{{ … }}}}` holds more than {MAX_TOKENS} words and signs"),
                false => format!("there are more than {MAX_BRANCHES} branches of `elif`"),
            };
            let range = rewritten.original(span.start_offset as usize, span.end_offset as usize);
            return Err(SyntaxError { message, range });
        }
    }
    Ok(())
}

/// Line breaks at the end belong to the text.
fn syntax() -> SyntaxConfig {
    SyntaxConfig::builder().keep_trailing_newline(true).build().unwrap_or_default()
}

pub(super) fn tree(rewritten: &Rewritten) -> Result<ast::Stmt<'_>, SyntaxError> {
    parse(&rewritten.text, "template", syntax()).map_err(|e| syntax_error(&e, rewritten))
}

/// What a template reads, and the length of the longest plain text that it may put out more than once.
pub(super) fn analyse(rewritten: &Rewritten, tree: &ast::Stmt<'_>) -> Result<(Analysis, usize), SyntaxError> {
    let mut walk = Walk {
        rewritten,
        analysis: Analysis::default(),
        bound: vec![Vec::new()],
        guarded: false,
        error: None,
        loops: 0,
        repeated: 0,
    };
    walk.stmt(tree);
    let Walk { mut analysis, error, repeated, .. } = walk;
    if let Some(error) = error {
        return Err(error);
    }
    if let Some(expression) = native(&rewritten.text, tree) {
        analysis.native = true;
        analysis.result = result_type(expression);
    } else {
        analysis.result = ResultType::NotBool("a text");
    }
    analysis.paths.sort_by_key(|path| (path.range.start, path.range.end));
    Ok((analysis, repeated))
}

/// The expression of a template that is exactly one `{{ … }}`.
pub(super) fn native<'t, 's>(source: &str, tree: &'t ast::Stmt<'s>) -> Option<&'t ast::Expr<'s>> {
    let ast::Stmt::Template(template) = tree else { return None };
    let mut expression = None;
    for child in &template.children {
        match child {
            ast::Stmt::EmitExpr(emit) if expression.is_none() => expression = Some(&emit.expr),
            ast::Stmt::EmitRaw(raw) if raw.raw.trim().is_empty() => {}
            _ => return None,
        }
    }
    let source = source.trim();
    expression.filter(|_| source.starts_with("{{") && source.ends_with("}}"))
}

pub(super) fn syntax_error(error: &Error, rewritten: &Rewritten) -> SyntaxError {
    let range = match error.range() {
        // The engine points at the first byte of a sign that it does not know.
        Some(range) => {
            let (mut start, mut end) = (range.start.min(rewritten.text.len()), range.end.min(rewritten.text.len()));
            while !rewritten.text.is_char_boundary(start) {
                start -= 1;
            }
            while !rewritten.text.is_char_boundary(end) {
                end += 1;
            }
            rewritten.original(start, end)
        }
        None => rewritten.original(0, rewritten.text.len()),
    };
    let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    SyntaxError { message, range }
}

fn result_type(expression: &ast::Expr<'_>) -> ResultType {
    use ast::{BinOpKind, Expr, UnaryOpKind};
    match expression {
        Expr::Const(constant) => match constant.value.kind() {
            ValueKind::Bool => ResultType::Bool,
            ValueKind::Number => ResultType::NotBool("a number"),
            ValueKind::String => ResultType::NotBool("a text"),
            _ => ResultType::Unknown,
        },
        Expr::Compare(_) | Expr::Test(_) => ResultType::Bool,
        Expr::UnaryOp(op) if matches!(op.op, UnaryOpKind::Not) => ResultType::Bool,
        Expr::List(_) | Expr::Tuple(_) => ResultType::NotBool("a list"),
        Expr::Map(_) => ResultType::NotBool("an object"),
        Expr::BinOp(op) => match op.op {
            BinOpKind::In
            | BinOpKind::Eq
            | BinOpKind::Ne
            | BinOpKind::Lt
            | BinOpKind::Lte
            | BinOpKind::Gt
            | BinOpKind::Gte => ResultType::Bool,
            BinOpKind::Concat => ResultType::NotBool("a text"),
            _ => ResultType::Unknown,
        },
        Expr::Filter(filter) => match filter.name {
            "tojson" | "join" | "upper" | "lower" | "string" | "trim" | "replace" => ResultType::NotBool("a text"),
            "length" | "count" | "int" | "float" | "round" => ResultType::NotBool("a number"),
            "bool" => ResultType::Bool,
            _ => ResultType::Unknown,
        },
        _ => ResultType::Unknown,
    }
}

struct Walk<'r> {
    rewritten: &'r Rewritten,
    analysis: Analysis,
    /// Names that the template itself binds, innermost last.
    bound: Vec<Vec<String>>,
    /// Whether what is read may be absent.
    guarded: bool,
    error: Option<SyntaxError>,
    /// How many loops and macros surround the walk.
    loops: usize,
    /// The longest plain text inside of one.
    repeated: usize,
}

impl Walk<'_> {
    fn range(&self, span: Span) -> TextRange {
        self.rewritten.original(span.start_offset as usize, span.end_offset as usize)
    }

    fn bind(&mut self, name: &str) {
        if let Some(scope) = self.bound.last_mut() {
            scope.push(name.to_owned());
        }
    }

    fn bind_target(&mut self, target: &ast::Expr<'_>) {
        match target {
            ast::Expr::Var(var) => self.bind(var.id),
            ast::Expr::List(list) => list.items.iter().for_each(|item| self.bind_target(item)),
            ast::Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.bind_target(item)),
            other => self.expr(other),
        }
    }

    fn scoped(&mut self, names: &[&str], visit: impl FnOnce(&mut Self)) {
        self.bound.push(names.iter().map(|name| (*name).to_owned()).collect());
        visit(self);
        self.bound.pop();
    }

    fn body(&mut self, body: &[ast::Stmt<'_>]) {
        for stmt in body {
            self.stmt(stmt);
        }
    }

    fn stmt(&mut self, stmt: &ast::Stmt<'_>) {
        match stmt {
            ast::Stmt::Template(template) => self.body(&template.children),
            ast::Stmt::EmitExpr(emit) => self.expr(&emit.expr),
            ast::Stmt::EmitRaw(raw) if self.loops > 0 => self.repeated = self.repeated.max(raw.raw.len()),
            ast::Stmt::EmitRaw(_) => {}
            ast::Stmt::ForLoop(each) => {
                self.expr(&each.iter);
                self.loops += 1;
                self.scoped(&["loop"], |walk| {
                    walk.bind_target(&each.target);
                    if let Some(filter) = &each.filter_expr {
                        walk.expr(filter);
                    }
                    walk.body(&each.body);
                });
                self.loops -= 1;
                self.scoped(&[], |walk| walk.body(&each.else_body));
            }
            ast::Stmt::IfCond(cond) => {
                self.expr(&cond.expr);
                self.body(&cond.true_body);
                self.body(&cond.false_body);
            }
            ast::Stmt::WithBlock(with) => self.scoped(&[], |walk| {
                for (target, value) in &with.assignments {
                    walk.expr(value);
                    walk.bind_target(target);
                }
                walk.body(&with.body);
            }),
            ast::Stmt::Set(set) => {
                self.expr(&set.expr);
                self.bind_target(&set.target);
            }
            ast::Stmt::SetBlock(set) => {
                self.scoped(&[], |walk| walk.body(&set.body));
                if let Some(filter) = &set.filter {
                    self.expr(filter);
                }
                self.bind_target(&set.target);
            }
            ast::Stmt::AutoEscape(escape) => {
                self.expr(&escape.enabled);
                self.body(&escape.body);
            }
            ast::Stmt::FilterBlock(filter) => {
                self.expr(&filter.filter);
                self.scoped(&[], |walk| walk.body(&filter.body));
            }
            ast::Stmt::Macro(declared) => {
                self.bind(declared.name);
                self.declared_macro(declared);
            }
            ast::Stmt::CallBlock(block) => {
                self.call(&block.call);
                self.declared_macro(&block.macro_decl);
            }
            ast::Stmt::Do(call) => self.call(&call.call),
            ast::Stmt::Block(block) => self.refuse("block", block.span()),
            ast::Stmt::Extends(extends) => self.refuse("extends", extends.span()),
            ast::Stmt::Include(include) => self.refuse("include", include.span()),
            ast::Stmt::Import(import) => self.refuse("import", import.span()),
            ast::Stmt::FromImport(import) => self.refuse("from", import.span()),
        }
    }

    /// There are no other templates that one could name.
    fn refuse(&mut self, tag: &str, span: Span) {
        if self.error.is_none() {
            let message = format!("`{{% {tag} %}}` is not available: a template stands alone");
            self.error = Some(SyntaxError { message, range: self.range(span) });
        }
    }

    fn declared_macro(&mut self, declared: &ast::Macro<'_>) {
        declared.defaults.iter().for_each(|value| self.expr(value));
        self.loops += 1;
        self.scoped(&["caller"], |walk| {
            declared.args.iter().for_each(|arg| walk.bind_target(arg));
            walk.body(&declared.body);
        });
        self.loops -= 1;
    }

    fn expr(&mut self, expr: &ast::Expr<'_>) {
        use ast::Expr;
        match expr {
            Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) => self.read(expr),
            Expr::Const(_) => {}
            Expr::Slice(slice) => {
                self.expr(&slice.expr);
                [&slice.start, &slice.stop, &slice.step].into_iter().flatten().for_each(|part| self.expr(part));
            }
            Expr::UnaryOp(op) => self.expr(&op.expr),
            Expr::BinOp(op) => {
                if constant_size(expr) > MAX_CONSTANT && self.error.is_none() {
                    let message = "the template repeats a constant until it is too large".to_owned();
                    self.error = Some(SyntaxError { message, range: self.range(op.span()) });
                }
                self.expr(&op.left);
                self.expr(&op.right);
            }
            Expr::Compare(compare) => {
                self.expr(&compare.expr);
                compare.ops.iter().for_each(|op| self.expr(&op.expr));
            }
            Expr::IfExpr(cond) => {
                self.expr(&cond.test_expr);
                self.expr(&cond.true_expr);
                cond.false_expr.iter().for_each(|other| self.expr(other));
            }
            Expr::Filter(filter) => {
                let guards = matches!(filter.name, "default" | "d");
                self.known("filter", filter.name, FILTERS, filter.span());
                if let Some(value) = &filter.expr {
                    self.guard(guards, |walk| walk.expr(value));
                }
                self.args(&filter.args);
            }
            Expr::Test(test) => {
                let guards = matches!(test.name, "defined" | "undefined");
                self.known("test", test.name, TESTS, test.span());
                self.guard(guards, |walk| walk.expr(&test.expr));
                self.args(&test.args);
            }
            Expr::Call(call) => self.call(call),
            Expr::List(list) => list.items.iter().for_each(|item| self.expr(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.expr(item)),
            Expr::Map(map) => map.keys.iter().chain(&map.values).for_each(|item| self.expr(item)),
        }
    }

    fn guard(&mut self, guards: bool, visit: impl FnOnce(&mut Self)) {
        let before = self.guarded;
        self.guarded |= guards;
        visit(self);
        self.guarded = before;
    }

    fn call(&mut self, call: &ast::Call<'_>) {
        match &call.expr {
            ast::Expr::Var(var) if FUNCTIONS.contains(&var.id) => {}
            ast::Expr::Var(var) if self.is_bound(var.id) => {}
            ast::Expr::Var(var) => self.known("function", var.id, FUNCTIONS, var.span()),
            // A method reads the object that it belongs to.
            ast::Expr::GetAttr(method) => self.expr(&method.expr),
            other => self.expr(other),
        }
        self.args(&call.args);
    }

    fn args(&mut self, args: &[ast::CallArg<'_>]) {
        for arg in args {
            match arg {
                ast::CallArg::Pos(value)
                | ast::CallArg::Kwarg(_, value)
                | ast::CallArg::PosSplat(value)
                | ast::CallArg::KwargSplat(value) => self.expr(value),
            }
        }
    }

    fn known(&mut self, kind: &'static str, name: &str, known: &[&str], span: Span) {
        // Operators can be written as tests (`select("==", 1)`), never by name in the tree.
        if known.contains(&name) {
            return;
        }
        let whole = self.range(span);
        // The span covers the value as well; the name is its last occurrence in there.
        let text = span_text(&self.rewritten.text, span);
        let range = match text.rfind(name) {
            Some(at) if kind != "function" => {
                let start = span.start_offset as usize + at;
                self.rewritten.original(start, start + name.len())
            }
            _ => whole,
        };
        let suggestion = nearest(name, known.iter().copied()).map(str::to_owned);
        self.analysis.unknown_functions.push(FunctionUse { kind, name: name.to_owned(), range, suggestion });
    }

    fn is_bound(&self, name: &str) -> bool {
        self.bound.iter().flatten().any(|bound| bound == name)
    }

    /// A chain of member accesses, from its root outward.
    fn read(&mut self, expr: &ast::Expr<'_>) {
        let mut segments = Vec::new();
        if let Some(range) = self.chain(expr, &mut segments) {
            self.analysis.paths.push(VariablePath { segments, range, guarded: self.guarded });
        }
    }

    /// Collects the segments of a chain; the range of the path, or `None` where it is no read of the scope. A computed
    /// member ends the path: what lies outside of it is not collected.
    fn chain(&mut self, expr: &ast::Expr<'_>, segments: &mut Vec<Segment>) -> Option<TextRange> {
        let mut links = Vec::new();
        let mut at = expr;
        let root = loop {
            match at {
                ast::Expr::GetAttr(attr) => {
                    links.push(at);
                    at = &attr.expr;
                }
                ast::Expr::GetItem(item) => {
                    links.push(at);
                    at = &item.expr;
                }
                ast::Expr::Var(var) => break Some(var),
                other => {
                    self.expr(other);
                    break None;
                }
            }
        };
        let mut range = match root {
            Some(var) if !self.is_bound(var.id) => {
                let range = self.range(var.span());
                segments.push(Segment { name: SegmentName::Name(var.id.to_owned()), range });
                Some(range)
            }
            _ => None,
        };
        let mut ended = range.is_none();
        for link in links.into_iter().rev() {
            let segment = match link {
                ast::Expr::GetAttr(attr) => {
                    let end = attr.span().end_offset as usize;
                    let range = self.rewritten.original(end.saturating_sub(attr.name.len()), end);
                    Some(Segment { name: SegmentName::Name(attr.name.to_owned()), range })
                }
                ast::Expr::GetItem(item) => match &item.subscript_expr {
                    ast::Expr::Const(key) => segment_name(&key.value)
                        .map(|name| Segment { name, range: self.range(item.subscript_expr.span()) }),
                    computed => {
                        self.expr(computed);
                        None
                    }
                },
                _ => None,
            };
            match segment {
                Some(segment) if !ended => {
                    range = range.map(|range| range.cover(segment.range));
                    segments.push(segment);
                }
                _ => ended = true,
            }
        }
        range
    }
}

fn segment_name(value: &Value) -> Option<SegmentName> {
    match value.as_str() {
        Some(text) => Some(SegmentName::Name(text.to_owned())),
        None => i64::try_from(value.clone()).ok().map(SegmentName::Index),
    }
}

fn span_text(source: &str, span: Span) -> &str {
    source.get(span.start_offset as usize..span.end_offset as usize).unwrap_or("")
}

/// How large a constant becomes when it is folded, as an upper bound; 0 where it is not one.
fn constant_size(expr: &ast::Expr<'_>) -> u128 {
    use ast::{BinOpKind, Expr};
    let number = |expr: &Expr<'_>| match expr {
        Expr::Const(c) if c.value.kind() == ValueKind::Number => {
            f64::try_from(c.value.clone()).ok().map(|n| n.clamp(0.0, 1e18) as u128)
        }
        _ => None,
    };
    match expr {
        Expr::Const(c) => c.value.as_str().map_or(1, |text| text.len() as u128),
        Expr::List(list) => list.items.iter().map(constant_size).sum(),
        Expr::Tuple(tuple) => tuple.items.iter().map(constant_size).sum(),
        Expr::BinOp(op) => {
            let (left, right) = (constant_size(&op.left), constant_size(&op.right));
            match op.op {
                BinOpKind::Mul if number(&op.left).is_some() && number(&op.right).is_some() => 1,
                BinOpKind::Mul => {
                    let times = number(&op.left).or_else(|| number(&op.right)).unwrap_or(1);
                    left.max(right).saturating_mul(times)
                }
                BinOpKind::Add | BinOpKind::Concat => left.saturating_add(right),
                _ => left.max(right),
            }
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn show(source: &str, expected: Expect) {
        let text = match check(source) {
            Ok(analysis) => crate::roots::describe(source, &analysis),
            Err(error) => format!("error: {} at {:?}\n", error.message, error.range.slice(source)),
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn reads_are_found_with_their_places() {
        show(
            "Hi {{ inputs.name }}, {{ steps.my-step.output.items[0]['a b'] }}",
            expect![[r#"
            inputs.name <- "inputs.name" ["inputs", "name"]
            steps.my-step.output.items[0]["a b"] <- "steps.my-step.output.items[0]['a b'" ["steps", "my-step", "output", "items", "0", "'a b'"]
            NotBool("a text")
        "#]],
        );
        show(
            "{{ steps.classify.output }}",
            expect![[r#"
            steps.classify.output <- "steps.classify.output" ["steps", "classify", "output"]
            Unknown native
        "#]],
        );
        show(
            " {{ inputs.n > 3 }}\n",
            expect![[r#"
            inputs.n <- "inputs.n" ["inputs", "n"]
            Bool native
        "#]],
        );
        show(
            "{% for d in inputs.docs %}{{ loop.index }} {{ d.title }} {{ state[d.key].x }}{% endfor %}{{ d }}",
            expect![[r#"
                inputs.docs <- "inputs.docs" ["inputs", "docs"]
                state <- "state" ["state"]
                d <- "d" ["d"]
                NotBool("a text")
            "#]],
        );
        show(
            "{% set x = inputs.a %}{{ x }}{% with y = state.b %}{{ y }}{% endwith %}{{ y }}",
            expect![[r#"
            inputs.a <- "inputs.a" ["inputs", "a"]
            state.b <- "state.b" ["state", "b"]
            y <- "y" ["y"]
            NotBool("a text")
        "#]],
        );
        show(
            "{{ inputs.a | default('x') }}{% if inputs.b is defined and inputs.c %}{% endif %}",
            expect![[r#"
            inputs.a guarded <- "inputs.a" ["inputs", "a"]
            inputs.b guarded <- "inputs.b" ["inputs", "b"]
            inputs.c <- "inputs.c" ["inputs", "c"]
            NotBool("a text")
        "#]],
        );
        show(
            "{{ inputs.a | uper }}{{ rang(3) }}{{ 1 is od }}{{ inputs.a | upper | jion(',') }}",
            expect![[r#"
            inputs.a <- "inputs.a" ["inputs", "a"]
            inputs.a <- "inputs.a" ["inputs", "a"]
            there is no filter `uper` at "uper", rather upper
            there is no function `rang` at "rang", rather range
            there is no test `od` at "od", rather odd
            there is no filter `jion` at "jion", rather join
            NotBool("a text")
        "#]],
        );
        show(
            "{{ inputs['user-name'].x }}{{ inputs.items() }}{{ inputs.größe }}é{{ state . x }}",
            expect![[r#"
            inputs["user-name"].x <- "inputs['user-name'].x" ["inputs", "'user-name'", "x"]
            inputs <- "inputs" ["inputs"]
            inputs.größe <- "inputs.größe" ["inputs", "größe"]
            state.x <- "state . x" ["state", "x"]
            NotBool("a text")
        "#]],
        );
    }

    #[test]
    fn mistakes_have_a_place() {
        show(
            "{{ inputs.a ",
            expect![[r#"
            error: unexpected end of input, expected end of variable block at "a"
        "#]],
        );
        show(
            "é {{ inputs. }} x",
            expect![[r#"
            error: unexpected end of variable block, expected identifier or integer at "}}"
        "#]],
        );
        show(
            "{% if inputs.a %}x",
            expect![[r#"
            error: unexpected end of input, expected end of block at "x"
        "#]],
        );
        show(
            "{{ steps.a-b.output | }}",
            expect![[r#"
            error: unexpected end of variable block, expected identifier at "}}"
        "#]],
        );
        show(
            "{% include 'x' %}",
            expect![[r#"
            error: `{% include %}` is not available: a template stands alone at "include 'x'"
        "#]],
        );
        show(
            "{{ 'x' * 99999999 }}",
            expect![[r#"
            error: the template repeats a constant until it is too large at "'x' * 99999999"
        "#]],
        );
    }
}
