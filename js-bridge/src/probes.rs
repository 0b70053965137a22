//! What a debugger needs in the text of a script: calls before statements, and what is known of the places where they
//! stand. A call hands over a function that evaluates a text there, so that a person sees what the script sees. All changes
//! stay on their line, as those of [`crate::source`].

use std::collections::{BTreeMap, BTreeSet};

use oxc_ast::ast::{
    ArrowFunctionExpression, AwaitExpression, BindingIdentifier, CallExpression, CatchParameter, Class, Expression,
    ForOfStatement, FormalParameters, Function, ImportExpression, NewExpression, Statement, TaggedTemplateExpression,
    VariableDeclaration, VariableDeclarationKind, YieldExpression,
};
use oxc_ast_visit::{Visit, walk};
use oxc_span::Span;
use oxc_syntax::scope::ScopeFlags;

/// Stands before a statement.
pub(crate) const AT: &str = "__aikit_at";
/// Stands around `await` and `yield`: the function is back.
pub(crate) const BACK: &str = "__aikit_back";
/// Stands around what is thrown.
pub(crate) const THROWN: &str = "__aikit_thrown";
/// Stands first in a `catch`.
pub(crate) const CAUGHT: &str = "__aikit_caught";
/// Closes what was opened around an expression.
pub(crate) const CLOSE: &str = "/*__aikit_*/)";
/// The name of an error that a script does not name.
pub(crate) const ERROR: &str = "__aikit_error";
/// Gives a call of an async function its number.
pub(crate) const ENTER: &str = "__aikit_enter";
/// Whether statements that call nothing are looked at as well.
pub(crate) const ON: &str = "__aikit_on";
/// The number of a call of an async function.
const CALL: &str = "__aikit_call";
/// Stands first in an async function.
pub(crate) const NUMBERED: &str = "const __aikit_call=__aikit_enter();";
/// Evaluates a text where it stands.
pub(crate) const LOOK: &str = "__aikit_s=>eval(__aikit_s)";

/// A place where a script can stand still.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// Line, as errors count, and column from 1.
    pub line: u32,
    pub column: u32,
    /// The function, a number in [`Table::functions`].
    pub function: usize,
    scope: usize,
    /// Whether the function may be left at this statement and come back.
    pub awaits: bool,
    /// Whether it is a `debugger` statement.
    pub halts: bool,
}

/// A function of a script; the first is the script itself.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub name: Option<String>,
    start: u32,
    end: u32,
    /// Whether it has a `this` of its own.
    pub own_this: bool,
}

#[derive(Debug, Clone)]
struct Names {
    function: usize,
    parent: Option<usize>,
    names: Vec<String>,
}

/// The places of one script.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// The number of the first.
    pub base: u32,
    /// The name under which the interpreter knows the script.
    pub chunk: String,
    sites: Vec<Site>,
    pub functions: Vec<Known>,
    scopes: Vec<Names>,
    starts: Vec<u32>,
    line_offset: u32,
    /// Lines on which statements stand, with the outermost function that has one there.
    lines: BTreeMap<u32, usize>,
}

impl Table {
    /// How many numbers it takes.
    pub fn len(&self) -> u32 {
        u32::try_from(self.sites.len()).unwrap_or(u32::MAX)
    }

    /// A place by its number.
    pub fn site(&self, number: u32) -> Option<&Site> {
        self.sites.get(usize::try_from(number.checked_sub(self.base)?).ok()?)
    }

    /// The line on which a breakpoint of a line takes effect.
    pub fn bind(&self, line: u32) -> Option<u32> {
        self.lines.range(line..).next().or_else(|| self.lines.iter().next_back()).map(|(line, _)| *line)
    }

    /// Whether a breakpoint of its line counts at a place; of nested functions on one line it is the outer one that stops.
    pub fn is_bound(&self, site: &Site) -> bool {
        self.lines.get(&site.line) == Some(&site.function)
    }

    /// The function around a place.
    pub fn function_at(&self, line: u32, column: u32) -> usize {
        let own = line.saturating_sub(self.line_offset).max(1) as usize;
        let Some(start) = self.starts.get(own - 1) else { return 0 };
        // Characters are taken for bytes: a function that ends on a line with others is meant by its start.
        let at = start + column.saturating_sub(1);
        let inside = |(_, known): &(usize, &Known)| (known.start..known.end).contains(&at);
        self.functions.iter().enumerate().rfind(inside).map_or(0, |(number, _)| number)
    }

    /// The names that can be read at a place: those of its function, and those of the functions around it.
    pub fn names(&self, site: &Site) -> (Vec<&str>, Vec<&str>) {
        let (mut own, mut outer) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        let mut next = Some(site.scope);
        while let Some(scope) = next.and_then(|scope| self.scopes.get(scope)) {
            let list = if scope.function == site.function { &mut own } else { &mut outer };
            // The names of the script itself are global.
            if scope.function != 0 || site.function == 0 || scope.parent.is_some() {
                list.extend(scope.names.iter().map(String::as_str).filter(|name| seen.insert(*name)));
            }
            next = scope.parent;
        }
        (own, outer)
    }
}

/// Numbers the places of a text while it is visited.
#[derive(Debug, Clone)]
pub(crate) struct Probes {
    base: u32,
    /// Lines with breakpoints, as errors count.
    lines: BTreeSet<u32>,
    line_offset: u32,
    starts: Vec<u32>,
    sites: Vec<Site>,
    functions: Vec<Known>,
    scopes: Vec<Names>,
    /// Functions and scopes around the place that is visited.
    function: Vec<usize>,
    scope: Vec<usize>,
    /// Whether the innermost function has a number for its calls.
    numbered: Vec<bool>,
    look: &'static str,
}

impl Probes {
    /// For a text whose places are numbered from `base`; `lines` have breakpoints.
    pub fn new(base: u32, code: &str, line_offset: u32, lines: BTreeSet<u32>) -> Self {
        let ends = code.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| u32::try_from(at + 1).unwrap_or(u32::MAX)));
        let script = Known { name: None, start: 0, end: u32::MAX, own_this: false };
        Self {
            base,
            lines,
            line_offset,
            starts: starts.collect(),
            sites: Vec::new(),
            functions: vec![script],
            scopes: vec![Names { function: 0, parent: None, names: Vec::new() }],
            function: vec![0],
            scope: vec![0],
            numbered: vec![false],
            look: LOOK,
        }
    }

    /// The text names something `eval`: nothing can be evaluated in it.
    pub fn without_eval(&mut self) {
        self.look = "null";
    }

    /// The script is the body of an async function, whose calls are numbered.
    pub fn numbered(&mut self) {
        self.numbered = vec![true];
    }

    /// Whether the calls of the innermost function are numbered.
    pub fn is_numbered(&self) -> bool {
        self.numbered.last() == Some(&true)
    }

    fn number(&self) -> u32 {
        self.base + u32::try_from(self.sites.len()).unwrap_or(u32::MAX)
    }

    fn add(&mut self, at: u32, awaits: bool, halts: bool) -> (u32, u32) {
        let number = self.number();
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        let column = at - self.starts[line - 1] + 1;
        let line = u32::try_from(line).unwrap_or(u32::MAX) + self.line_offset;
        let (function, scope) = (*self.function.last().unwrap_or(&0), *self.scope.last().unwrap_or(&0));
        self.sites.push(Site { line, column, function, scope, awaits, halts });
        (number, line)
    }

    /// The call before a statement that begins at a byte.
    pub fn before(&mut self, at: u32, does: Does, halts: bool) -> String {
        let (number, line) = self.add(at, does.awaits, halts);
        let only = if does.calls || halts || self.lines.contains(&line) { String::new() } else { format!("{ON}&&") };
        let call = if self.is_numbered() { format!(",{CALL}") } else { String::new() };
        format!("{only}{AT}({number},{}{call})", self.look)
    }

    /// What stands before an `await` or `yield`.
    pub fn back(&mut self, at: u32) -> String {
        // It belongs to the statement around it.
        let known = self.sites.len().checked_sub(1).filter(|last| {
            let function = *self.function.last().unwrap_or(&0);
            self.sites[*last].function == function
        });
        let number = match known {
            Some(last) => self.base + u32::try_from(last).unwrap_or(u32::MAX),
            None => self.add(at, true, false).0,
        };
        format!("{BACK}({number},{},", self.look)
    }

    /// A function begins; `numbered` if its calls get numbers.
    pub fn enter(&mut self, name: Option<String>, span: Span, shift: u32, own_this: bool, numbered: bool) {
        let (start, end) = (span.start.saturating_sub(shift), span.end.saturating_sub(shift));
        self.functions.push(Known { name, start, end, own_this });
        self.function.push(self.functions.len() - 1);
        self.numbered.push(numbered);
        self.open(Vec::new());
    }

    /// The function ends.
    pub fn leave(&mut self) {
        self.function.pop();
        self.numbered.pop();
        self.close();
    }

    /// Names are declared from here on.
    pub fn open(&mut self, names: Vec<String>) {
        let function = *self.function.last().unwrap_or(&0);
        let parent = self.scope.last().copied();
        self.scopes.push(Names { function, parent, names });
        self.scope.push(self.scopes.len() - 1);
    }

    /// Names are declared where it is now.
    pub fn declare(&mut self, names: Vec<String>) {
        if let Some(scope) = self.scope.last() {
            self.scopes[*scope].names.extend(names);
        }
    }

    /// They are no longer known.
    pub fn close(&mut self) {
        self.scope.pop();
    }

    /// The table of the script, once all of it was visited.
    pub fn finish(self) -> Table {
        let mut lines: BTreeMap<u32, usize> = BTreeMap::new();
        for site in &self.sites {
            lines.entry(site.line).and_modify(|known| *known = site.function.min(*known)).or_insert(site.function);
        }
        Table {
            base: self.base,
            chunk: String::new(),
            sites: self.sites,
            functions: self.functions,
            scopes: self.scopes,
            starts: self.starts,
            line_offset: self.line_offset,
            lines,
        }
    }
}

/// What a statement does besides those that stand in it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Does {
    /// It may run other code, so that the place is needed for the frames around that.
    pub calls: bool,
    /// The function may be left and come back.
    pub awaits: bool,
}

impl Does {
    /// Of a statement.
    pub fn of(statement: &Statement<'_>) -> Self {
        let mut does = Self::default();
        match statement {
            Statement::IfStatement(it) => does.visit_expression(&it.test),
            Statement::SwitchStatement(it) => does.visit_expression(&it.discriminant),
            Statement::WithStatement(it) => does.visit_expression(&it.object),
            Statement::ForInStatement(it) => does.visit_expression(&it.right),
            Statement::ForOfStatement(it) => {
                does = Self { calls: true, awaits: it.r#await };
                does.visit_expression(&it.right);
            }
            Statement::ForStatement(it) => it.init.iter().for_each(|init| does.visit_for_statement_init(init)),
            Statement::LabeledStatement(it) => return Self::of(&it.body),
            Statement::WhileStatement(_)
            | Statement::DoWhileStatement(_)
            | Statement::TryStatement(_)
            | Statement::BlockStatement(_) => {}
            Statement::ClassDeclaration(_) => does.calls = true,
            other => does.visit_statement(other),
        }
        does
    }

    /// Of an expression.
    pub fn of_expression(expression: &Expression<'_>) -> Self {
        let mut does = Self::default();
        does.visit_expression(expression);
        does
    }
}

impl<'a> Visit<'a> for Does {
    fn visit_call_expression(&mut self, it: &CallExpression<'a>) {
        self.calls = true;
        walk::walk_call_expression(self, it);
    }

    fn visit_new_expression(&mut self, it: &NewExpression<'a>) {
        self.calls = true;
        walk::walk_new_expression(self, it);
    }

    fn visit_tagged_template_expression(&mut self, it: &TaggedTemplateExpression<'a>) {
        self.calls = true;
        walk::walk_tagged_template_expression(self, it);
    }

    fn visit_import_expression(&mut self, _: &ImportExpression<'a>) {
        self.calls = true;
    }

    fn visit_await_expression(&mut self, it: &AwaitExpression<'a>) {
        *self = Self { calls: true, awaits: true };
        walk::walk_await_expression(self, it);
    }

    fn visit_yield_expression(&mut self, it: &YieldExpression<'a>) {
        self.calls = true;
        walk::walk_yield_expression(self, it);
    }

    fn visit_for_of_statement(&mut self, it: &ForOfStatement<'a>) {
        self.calls = true;
        walk::walk_for_of_statement(self, it);
    }

    fn visit_class(&mut self, _: &Class<'a>) {
        self.calls = true;
    }

    fn visit_function(&mut self, _: &Function<'a>, _: ScopeFlags) {}

    fn visit_arrow_function_expression(&mut self, _: &ArrowFunctionExpression<'a>) {}
}

/// Collects the names that something binds, without those inside of its functions.
struct Bindings {
    names: Vec<String>,
    only_var: bool,
}

impl<'a> Visit<'a> for Bindings {
    fn visit_binding_identifier(&mut self, it: &BindingIdentifier<'a>) {
        self.names.push(it.name.to_string());
    }

    fn visit_variable_declaration(&mut self, it: &VariableDeclaration<'a>) {
        if !self.only_var || it.kind == VariableDeclarationKind::Var {
            let bound = it.declarations.iter().flat_map(|one| one.id.get_binding_identifiers());
            self.names.extend(bound.map(|id| id.name.to_string()));
        }
    }

    fn visit_catch_parameter(&mut self, it: &CatchParameter<'a>) {
        if !self.only_var {
            walk::walk_catch_parameter(self, it);
        }
    }

    fn visit_expression(&mut self, _: &Expression<'a>) {}

    fn visit_function(&mut self, _: &Function<'a>, _: ScopeFlags) {}

    fn visit_class(&mut self, _: &Class<'a>) {}
}

/// The name of the error in a `catch`.
pub(crate) fn caught(parameter: &CatchParameter<'_>) -> Vec<String> {
    let mut bindings = Bindings { names: Vec::new(), only_var: false };
    bindings.visit_catch_parameter(parameter);
    bindings.names
}

/// The names of parameters.
pub(crate) fn parameters(parameters: &FormalParameters<'_>) -> Vec<String> {
    let mut bindings = Bindings { names: Vec::new(), only_var: false };
    bindings.visit_formal_parameters(parameters);
    bindings.names
}

/// The names that `var` declares anywhere in statements of a function.
pub(crate) fn variables(statements: &[Statement<'_>]) -> Vec<String> {
    let mut bindings = Bindings { names: Vec::new(), only_var: true };
    statements.iter().for_each(|statement| bindings.visit_statement(statement));
    bindings.names
}

/// The names that a block declares itself.
pub(crate) fn block(statements: &[Statement<'_>]) -> Vec<String> {
    let mut names = Vec::new();
    for statement in statements {
        match statement {
            Statement::VariableDeclaration(it) if it.kind != VariableDeclarationKind::Var => names.extend(lexical(it)),
            Statement::ClassDeclaration(it) => names.extend(it.id.iter().map(|id| id.name.to_string())),
            Statement::FunctionDeclaration(it) => names.extend(it.id.iter().map(|id| id.name.to_string())),
            _ => {}
        }
    }
    names
}

/// The names of a declaration.
pub(crate) fn lexical(declaration: &VariableDeclaration<'_>) -> Vec<String> {
    let bound = declaration.declarations.iter().flat_map(|one| one.id.get_binding_identifiers());
    bound.map(|id| id.name.to_string()).collect()
}

/// The text of a function without what was put in for a debugger.
pub(crate) fn without_probes(text: &str) -> String {
    let text = text.replace(NUMBERED, "").replace(CLOSE, "");
    let text = text.replace(&format!("{CAUGHT}({ERROR});"), "").replace(&format!("({ERROR})"), "");
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("__aikit_") {
        let (before, behind) = rest.split_at(at);
        plain.push_str(before);
        rest = match after_probe(behind) {
            Some(after) => after,
            None => {
                plain.push_str(&behind[.."__aikit_".len()]);
                &behind["__aikit_".len()..]
            }
        };
    }
    plain + rest
}

/// What stands behind a text of ours.
fn after_probe(text: &str) -> Option<&str> {
    let text = text.strip_prefix(ON).map_or(Some(text), |rest| rest.strip_prefix("&&"))?;
    if let Some(rest) = text.strip_prefix(THROWN).or_else(|| text.strip_prefix(BACK)) {
        let rest = rest.strip_prefix('(')?;
        let inner = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let looked = inner.strip_prefix(',').and_then(|inner| inner.strip_prefix(LOOK)?.strip_prefix(','));
        return Some(looked.unwrap_or(rest));
    }
    let known = [AT, CAUGHT].into_iter().find_map(|name| text.strip_prefix(name)?.strip_prefix('('))?;
    // Neither holds a bracket but those of the function that evaluates.
    let mut depth = 1;
    let end = known.char_indices().find_map(|(at, c)| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        (depth == 0).then_some(at + 1)
    })?;
    known[end..].strip_prefix([';', ',']).or(Some(&known[end..]))
}
