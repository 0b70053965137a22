//! What an expression reads and calls: a walk over CEL's tree.

use aikit_core::TextRange;
use cel::{
    common::ast::{CallExpr, EntryExpr, Expr as Node, IdedExpr, LiteralValue, SourceInfo, operators},
    parser::Expression,
};

use super::parse::{Parsed, contained, parse};
use crate::{
    memo::Memo,
    roots::{
        Analysis, Comparison, FunctionUse, Literal, ResultType, Segment, SegmentName, SyntaxError, VariablePath,
        nearest, rewrite::Rewritten,
    },
};

/// Functions, methods and macros of this version.
pub const FUNCTIONS: &[&str] = &[
    "all",
    "bool",
    "bytes",
    "charAt",
    "contains",
    "double",
    "duration",
    "dyn",
    "endsWith",
    "exists",
    "existsOne",
    "exists_one",
    "filter",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "has",
    "hasValue",
    "indexOf",
    "int",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "map",
    "matches",
    "optional.none",
    "optional.of",
    "optional.ofNonZeroValue",
    "or",
    "orValue",
    "size",
    "split",
    "startsWith",
    "string",
    "substring",
    "timestamp",
    "trim",
    "type",
    "uint",
    "upperAscii",
    "value",
];

/// Parses an expression and says what it reads. Never fails otherwise than with a syntax error.
pub fn check(source: &str) -> Result<Analysis, SyntaxError> {
    static KNOWN: Memo<Result<Analysis, SyntaxError>> = Memo::new();
    KNOWN.of(source, read)
}

fn read(source: &str) -> Result<Analysis, SyntaxError> {
    contained(source, || parse(source).map(|parsed| analyse(&parsed))).unwrap_or_else(|| {
        let message = "the expression cannot be parsed".to_owned();
        Err(SyntaxError { message, range: TextRange::new(0, source.len()) })
    })
}

pub(super) fn analyse(parsed: &Parsed) -> Analysis {
    let mut walk = Walk {
        rewritten: &parsed.rewritten,
        source: &parsed.info,
        analysis: Analysis { native: true, ..Analysis::default() },
        bound: Vec::new(),
    };
    walk.node(&parsed.tree);
    let mut analysis = walk.analysis;
    analysis.result = result_type(&parsed.tree);
    if analysis.result == ResultType::Unknown && analysis.paths.len() == 1 && is_chain(&parsed.tree) {
        analysis.result_path = analysis.paths.first().cloned();
    }
    if let (Some((tree, text)), [path]) = (compared(&parsed.tree), analysis.paths.as_slice())
        && is_chain(tree)
    {
        analysis.equality = Some((path.clone(), text));
    }
    analysis.paths.sort_by_key(|path| (path.range.start, path.range.end));
    analysis
}

/// What is compared with a text, and the text.
fn compared(tree: &Expression) -> Option<(&IdedExpr, String)> {
    let Node::Call(CallExpr { func_name, args, .. }) = &tree.expr else { return None };
    let [left, right] = args.as_slice() else { return None };
    let text = |node: &IdedExpr| match &node.expr {
        Node::Literal(LiteralValue::String(text)) => Some(text.to_string()),
        _ => None,
    };
    (func_name == operators::EQUALS).then_some(())?;
    text(right).map(|text| (left, text)).or_else(|| text(left).map(|text| (right, text)))
}

/// Whether the whole expression is one path without computed members.
fn is_chain(tree: &Expression) -> bool {
    match &tree.expr {
        Node::Ident(_) => true,
        Node::Select(select) => !select.test && is_chain(&select.operand),
        Node::Call(CallExpr { func_name, args, .. }) if func_name == operators::INDEX => {
            matches!(args.get(1).map(|index| &index.expr), Some(Node::Literal(_))) && args.first().is_some_and(is_chain)
        }
        _ => false,
    }
}

fn result_type(tree: &Expression) -> ResultType {
    const NUMBER: ResultType = ResultType::NotBool("a number");
    const TEXT: ResultType = ResultType::NotBool("a text");
    const LIST: ResultType = ResultType::NotBool("a list");
    match &tree.expr {
        Node::Literal(LiteralValue::Boolean(_)) => ResultType::Bool,
        Node::Literal(LiteralValue::String(_)) => TEXT,
        Node::Literal(LiteralValue::Bytes(_)) => ResultType::NotBool("bytes"),
        Node::Literal(LiteralValue::Null) => ResultType::NotBool("null"),
        Node::Literal(LiteralValue::Int(_) | LiteralValue::UInt(_) | LiteralValue::Double(_)) => NUMBER,
        Node::List(_) => LIST,
        Node::Map(_) | Node::Struct(_) => ResultType::NotBool("an object"),
        Node::Select(select) if select.test => ResultType::Bool,
        Node::Comprehension(comprehension) => match &comprehension.accu_init.expr {
            Node::Literal(LiteralValue::Boolean(_)) => ResultType::Bool,
            Node::Literal(LiteralValue::Int(_)) => ResultType::Bool,
            Node::List(_) => LIST,
            _ => ResultType::Unknown,
        },
        Node::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            (
                operators::EQUALS
                | operators::NOT_EQUALS
                | operators::LESS
                | operators::LESS_EQUALS
                | operators::GREATER
                | operators::GREATER_EQUALS
                | operators::LOGICAL_AND
                | operators::LOGICAL_OR
                | operators::LOGICAL_NOT
                | operators::IN,
                _,
            ) => ResultType::Bool,
            ("contains" | "startsWith" | "endsWith" | "matches" | "hasValue" | "bool", _) => ResultType::Bool,
            (
                operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO | operators::NEGATE,
                _,
            ) => NUMBER,
            (operators::ADD, args) => {
                args.iter().map(result_type).find(|t| *t != ResultType::Unknown).unwrap_or(ResultType::NotBool("a sum"))
            }
            (operators::CONDITIONAL, [_, yes, no]) => match (result_type(yes), result_type(no)) {
                (a, b) if a == b => a,
                _ => ResultType::Unknown,
            },
            ("size" | "int" | "uint" | "double" | "indexOf" | "lastIndexOf", _) => NUMBER,
            ("string" | "lowerAscii" | "upperAscii" | "trim" | "substring" | "charAt" | "join", _) => TEXT,
            ("split", _) => LIST,
            ("duration", _) => ResultType::NotBool("a duration"),
            ("timestamp", _) => ResultType::NotBool("a point in time"),
            _ => ResultType::Unknown,
        },
        _ => ResultType::Unknown,
    }
}

struct Walk<'a> {
    rewritten: &'a Rewritten,
    source: &'a SourceInfo,
    analysis: Analysis,
    /// Names that comprehensions bind, innermost last.
    bound: Vec<String>,
}

impl Walk<'_> {
    /// The token of a node in the rewritten text: first byte, and the byte behind the last.
    fn token(&self, id: u64) -> (usize, usize) {
        let (start, stop) = self.source.offset_for(id).unwrap_or_default();
        let text = &self.rewritten.text;
        let start = floor(text, start as usize);
        let mut end = (stop as usize + 1).min(text.len()).max(start);
        while !text.is_char_boundary(end) {
            end += 1;
        }
        (start, end)
    }

    fn range(&self, (start, end): (usize, usize)) -> TextRange {
        self.rewritten.original(start, end)
    }

    /// A comparison of a path with a literal; gives whether it was one.
    fn comparison(&mut self, call: &CallExpr) -> bool {
        const ORDER: [&str; 5] = [
            operators::NOT_EQUALS,
            operators::LESS,
            operators::LESS_EQUALS,
            operators::GREATER,
            operators::GREATER_EQUALS,
        ];
        let equals = call.func_name == operators::EQUALS;
        let [left, right] = call.args.as_slice() else { return false };
        if !equals && !ORDER.contains(&call.func_name.as_str()) {
            return false;
        }
        let literal = |node: &IdedExpr| match &node.expr {
            Node::Literal(LiteralValue::String(text)) => Some(Literal::Text(text.to_string())),
            Node::Literal(LiteralValue::Int(_) | LiteralValue::UInt(_) | LiteralValue::Double(_)) => {
                Some(Literal::Number)
            }
            Node::Literal(LiteralValue::Boolean(_)) => Some(Literal::Bool),
            _ => None,
        };
        let (path, literal) = match (literal(left), literal(right)) {
            (None, Some(literal)) if is_chain(left) => (left, literal),
            (Some(literal), None) if is_chain(right) => (right, literal),
            _ => return false,
        };
        let before = self.analysis.paths.len();
        self.node(path);
        // Names that the expression itself binds are not read from outside.
        if let Some([path]) = self.analysis.paths.get(before..) {
            let path = path.clone();
            self.analysis.comparisons.push(Comparison { path, literal, equals });
        }
        true
    }

    fn node(&mut self, node: &IdedExpr) {
        match &node.expr {
            Node::Unspecified | Node::Literal(_) => {}
            Node::Ident(_) | Node::Select(_) => self.read(node),
            Node::Call(call) if is_access(call) => self.read(node),
            Node::Call(call) if self.comparison(call) => {}
            Node::Call(call) => {
                let qualified = call.target.as_deref().and_then(namespace);
                let name = match &qualified {
                    Some(namespace) => format!("{namespace}.{}", call.func_name),
                    None => call.func_name.clone(),
                };
                self.called(&name, node.id);
                if qualified.is_none()
                    && let Some(target) = &call.target
                {
                    self.node(target);
                }
                call.args.iter().for_each(|arg| self.node(arg));
            }
            Node::Comprehension(comprehension) => {
                self.node(&comprehension.iter_range);
                self.node(&comprehension.accu_init);
                let depth = self.bound.len();
                self.bound.push(comprehension.iter_var.clone());
                self.bound.extend(comprehension.iter_var2.clone());
                self.bound.push(comprehension.accu_var.clone());
                for part in [&comprehension.loop_cond, &comprehension.loop_step, &comprehension.result] {
                    self.node(part);
                }
                self.bound.truncate(depth);
            }
            Node::List(list) => list.elements.iter().for_each(|item| self.node(item)),
            Node::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Node::Struct(object) => {
                let range = self.range(self.token(node.id));
                let name = object.type_name.clone();
                self.analysis.unknown_functions.push(FunctionUse { kind: "type", name, range, suggestion: None });
                object.entries.iter().for_each(|entry| self.entry(&entry.expr));
            }
        }
    }

    fn entry(&mut self, entry: &EntryExpr) {
        match entry {
            EntryExpr::StructField(field) => self.node(&field.value),
            EntryExpr::MapEntry(entry) => {
                self.node(&entry.key);
                self.node(&entry.value);
            }
        }
    }

    /// Reports a call of something that does not exist. Operators are spelt with signs in the tree.
    fn called(&mut self, name: &str, id: u64) {
        if name.starts_with(|c: char| !c.is_alphabetic()) || FUNCTIONS.contains(&name) {
            return;
        }
        let (start, end) = self.token(id);
        // The token is the opening parenthesis of a call; the name stands before it.
        let text = &self.rewritten.text;
        let plain = name.rsplit('.').next().unwrap_or(name);
        let range = match text.get(..start).map(str::trim_end).filter(|before| before.ends_with(plain)) {
            Some(before) => (before.len() - plain.len(), before.len()),
            None => (start, end),
        };
        let suggestion = nearest(name, FUNCTIONS.iter().copied()).map(str::to_owned);
        let range = self.range(range);
        self.analysis.unknown_functions.push(FunctionUse {
            kind: "function",
            name: name.to_owned(),
            range,
            suggestion,
        });
    }

    fn read(&mut self, node: &IdedExpr) {
        let mut path = Path { segments: Vec::new(), end: 0, start: 0, ended: false, guarded: false };
        self.chain(node, &mut path);
        if path.segments.is_empty() {
            return;
        }
        let range = self.range((path.start, path.end));
        self.analysis.paths.push(VariablePath { segments: path.segments, range, guarded: path.guarded });
    }

    fn chain(&mut self, node: &IdedExpr, path: &mut Path) {
        match &node.expr {
            Node::Ident(name) => {
                let name = name.trim_start_matches('.');
                path.ended = name.starts_with('@') || self.bound.iter().any(|bound| bound == name) || is_type(name);
                if !path.ended {
                    let token = self.token(node.id);
                    path.start = token.0;
                    path.push(SegmentName::Name(name.to_owned()), token, self.range(token));
                }
            }
            Node::Select(select) => {
                self.chain(&select.operand, path);
                if path.ended {
                    return;
                }
                let token = self.member(path.end, &select.field);
                path.push(SegmentName::Name(select.field.clone()), token, self.range(token));
                if select.test {
                    path.guarded = true;
                    path.ended = true;
                }
            }
            Node::Call(call) if is_access(call) => {
                let [operand, key] = call.args.as_slice() else { return };
                self.chain(operand, path);
                let optional = call.func_name != operators::INDEX;
                let name = match &key.expr {
                    Node::Literal(LiteralValue::String(text)) => Some(SegmentName::Name(text.inner().to_string())),
                    Node::Literal(LiteralValue::Int(index)) => Some(SegmentName::Index(*index.inner())),
                    _ => {
                        self.node(key);
                        None
                    }
                };
                match name {
                    Some(name) if !path.ended => {
                        let token = match (&name, call.func_name.as_str()) {
                            (SegmentName::Name(field), operators::OPT_SELECT) => self.member(path.end, field),
                            _ => self.token(key.id),
                        };
                        path.push(name, token, self.range(token));
                        path.guarded |= optional;
                        path.ended |= optional;
                    }
                    _ => path.ended = true,
                }
            }
            _ => {
                path.ended = true;
                self.node(node);
            }
        }
    }

    /// The token of a member behind a dot: the tree only knows the dot.
    fn member(&self, from: usize, field: &str) -> (usize, usize) {
        let text = &self.rewritten.text;
        match text.get(from..).and_then(|rest| rest.find(field)) {
            Some(at) => (from + at, from + at + field.len()),
            None => (from, from),
        }
    }
}

struct Path {
    segments: Vec<Segment>,
    start: usize,
    end: usize,
    /// Whether what follows is no longer part of the path.
    ended: bool,
    guarded: bool,
}

impl Path {
    fn push(&mut self, name: SegmentName, token: (usize, usize), range: TextRange) {
        self.segments.push(Segment { name, range });
        self.end = token.1;
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn is_access(call: &CallExpr) -> bool {
    call.args.len() == 2
        && matches!(call.func_name.as_str(), operators::INDEX | operators::OPT_INDEX | operators::OPT_SELECT)
}

/// `optional` in `optional.of(…)`.
fn namespace(target: &IdedExpr) -> Option<&str> {
    match &target.expr {
        Node::Ident(name) if FUNCTIONS.iter().any(|f| f.split_once('.').is_some_and(|(space, _)| space == name)) => {
            Some(name)
        }
        _ => None,
    }
}

/// Names that are types, as in `type(x) == string`.
fn is_type(name: &str) -> bool {
    matches!(
        name,
        "bool"
            | "int"
            | "uint"
            | "double"
            | "string"
            | "bytes"
            | "list"
            | "map"
            | "null_type"
            | "type"
            | "optional_type"
    )
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
            "inputs.n > 3 && steps.my-step.output.kind == 'é' || state['a b'][0].x",
            expect![[r#"
            inputs.n <- "inputs.n" ["inputs", "n"]
            steps.my-step.output.kind <- "steps.my-step.output.kind" ["steps", "my-step", "output", "kind"]
            state["a b"][0].x <- "state['a b'][0].x" ["state", "'a b'", "0", "x"]
            Bool native
        "#]],
        );
        show(
            "inputs.docs.exists(d, d.title == state.title) && d",
            expect![[r#"
            inputs.docs <- "inputs.docs" ["inputs", "docs"]
            state.title <- "state.title" ["state", "title"]
            d <- "d" ["d"]
            Bool native
        "#]],
        );
        show(
            "has(inputs.a.b) && inputs.?c.d.orValue(1) == 1",
            expect![[r#"
            inputs.a.b guarded <- "inputs.a.b" ["inputs", "a", "b"]
            inputs.c guarded <- "inputs.?c" ["inputs", "c"]
            Bool native
        "#]],
        );
        show(
            "'é' + inputs.größe",
            expect![[r#"
                error: unexpected `öße` at "öße"
            "#]],
        );
        show(
            "sise(inputs.a) + inputs.b.startWith('x') + optional.of(1).hasValue()",
            expect![[r#"
            inputs.a <- "inputs.a" ["inputs", "a"]
            inputs.b <- "inputs.b" ["inputs", "b"]
            there is no function `sise` at "sise", rather size
            there is no function `startWith` at "startWith", rather startsWith
            NotBool("a sum") native
        "#]],
        );
        show(
            "inputs[state.key].x",
            expect![[r#"
            inputs <- "inputs" ["inputs"]
            state.key <- "state.key" ["state", "key"]
            Unknown native
        "#]],
        );
        show(
            "inputs.a",
            expect![[r#"
            inputs.a <- "inputs.a" ["inputs", "a"]
            Unknown native
        "#]],
        );
    }

    #[test]
    fn mistakes_have_a_place() {
        show(
            "",
            expect![[r#"
            error: the expression is empty at ""
        "#]],
        );
        show(
            "inputs.a ==",
            expect![[r#"
                error: the expression ends too early at ""
            "#]],
        );
        show(
            "é inputs.a = 1",
            expect![[r#"
                error: unexpected `é` at "é"
            "#]],
        );
        show(
            "steps.a-b.output && )",
            expect![[r#"
                error: unexpected `)` at ")"
            "#]],
        );
        show(
            "inputs.a and inputs.b",
            expect![[r#"
                error: unexpected `and`; write `&&` at "and"
            "#]],
        );
        show(
            "for == 1",
            expect![[r#"
                error: reserved identifier: for at "for"
            "#]],
        );
    }

    #[test]
    fn types_are_told_where_they_are_sure() {
        for (source, expected) in [
            ("1 + 1", "a number"),
            ("inputs.a + 'x'", "a text"),
            ("inputs.a + inputs.b", "a sum"),
            ("true", "bool"),
            ("inputs.a", "?"),
            ("!inputs.a", "bool"),
            ("inputs.a ? 1 : 2", "a number"),
            ("inputs.a ? 1 : true", "?"),
            ("[1]", "a list"),
            ("{'a': 1}", "an object"),
            ("inputs.l.map(x, x)", "a list"),
            ("inputs.l.all(x, x)", "bool"),
            ("inputs.l.exists_one(x, x)", "bool"),
            ("has(inputs.a)", "bool"),
            ("'a' in inputs.l", "bool"),
            ("null", "null"),
        ] {
            let found = match check(source).unwrap().result {
                ResultType::Bool => "bool",
                ResultType::NotBool(what) => what,
                ResultType::Unknown => "?",
            };
            assert_eq!(found, expected, "{source}");
        }
    }
}
