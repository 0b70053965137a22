//! Finds what is to be changed in the text of a cell, by its syntax tree. See [`crate::source`].

use std::collections::HashSet;

use oxc_ast::ast::{
    ArrowFunctionExpression, AssignmentExpression, AssignmentTarget, AwaitExpression, BindingIdentifier, CatchClause,
    Class, Directive, DoWhileStatement, Expression, ForInStatement, ForOfStatement, ForStatement, ForStatementInit,
    ForStatementLeft, FormalParameters, Function, FunctionBody, IdentifierReference, IfStatement, MethodDefinition,
    ObjectProperty, ReturnStatement, SimpleAssignmentTarget, Statement, StaticBlock, ThrowStatement, UpdateExpression,
    VariableDeclaration, VariableDeclarationKind, VariableDeclarator, WhileStatement, WithStatement, YieldExpression,
};
use oxc_ast_visit::{Visit, walk};
use oxc_span::{GetSpan, Span};
use oxc_syntax::scope::ScopeFlags;

use crate::{
    probes::{self, CAUGHT, CLOSE, Does, ERROR, NUMBERED, Probes, THROWN},
    source::{CONSTANT, Declared, GUARD, Map, Prepared, count, last},
};

/// What a cell declares.
#[derive(Default)]
pub(crate) struct Names {
    /// At the top level.
    pub declared: Declared,
    /// How often each name is declared, at any level.
    seen: Vec<String>,
}

impl Names {
    /// Looks through the statements of a cell; `None` if a name is declared twice where that is an error.
    pub fn of(statements: &[Statement<'_>]) -> Option<Names> {
        let mut names = Names::default();
        let mut lexical: Vec<String> = Vec::new();
        let mut functional: Vec<String> = Vec::new();
        for statement in statements {
            match statement {
                Statement::VariableDeclaration(declaration) => {
                    let declared = declaration.declarations.iter().flat_map(|one| one.id.get_binding_identifiers());
                    let declared = declared.map(|id| id.name.to_string());
                    match declaration.kind {
                        VariableDeclarationKind::Var => functional.extend(declared),
                        VariableDeclarationKind::Const => {
                            let before = lexical.len();
                            lexical.extend(declared);
                            names.declared.constants.extend_from_slice(&lexical[before..]);
                        }
                        _ => lexical.extend(declared),
                    }
                }
                Statement::ClassDeclaration(class) => lexical.extend(class.id.iter().map(|id| id.name.to_string())),
                Statement::FunctionDeclaration(function) => {
                    functional.extend(function.id.iter().map(|id| id.name.to_string()));
                }
                _ => {}
            }
            names.visit_statement(statement);
        }
        let mut unique = HashSet::new();
        if !lexical.iter().all(|name| unique.insert(name)) || functional.iter().any(|name| unique.contains(name)) {
            return None;
        }
        names.declared.others =
            lexical.iter().filter(|name| !names.declared.constants.contains(name)).cloned().collect();
        names.declared.others.extend(functional);
        Some(names)
    }

    /// Probes that fit a text with these names.
    pub fn probes(&self, probes: Option<Probes>) -> Option<Probes> {
        let mut probes = probes?;
        if self.seen.iter().any(|name| name == "eval") {
            probes.without_eval();
        }
        Some(probes)
    }

    /// The constants among the names that stand for a global wherever they stand in this cell.
    pub fn fixed(&self, constants: &HashSet<String>) -> HashSet<String> {
        let times = |name: &String| self.seen.iter().filter(|seen| *seen == name).count();
        let own = self.declared.constants.iter().filter(|name| times(name) == 1);
        own.chain(constants.iter().filter(|name| times(name) == 0)).cloned().collect()
    }
}

impl<'a> Visit<'a> for Names {
    fn visit_binding_identifier(&mut self, it: &BindingIdentifier<'a>) {
        self.seen.push(it.name.to_string());
    }
}

/// A change of the text.
struct Edit {
    at: usize,
    remove: usize,
    insert: String,
    /// Whether it stands before a statement, outside of it.
    before: bool,
}

/// Collects the changes of one text.
pub(crate) struct Rewriter<'c> {
    code: &'c str,
    /// What stands before the code in the text that was parsed.
    shift: usize,
    wrapped: bool,
    edits: Vec<Edit>,
    /// Functions around the place that is visited.
    depth: usize,
    /// Whether there is an `await` or `return` outside of functions.
    pub suspends: bool,
    /// Names that become global variables.
    names: Vec<String>,
    functions: Vec<String>,
    /// Names whose assignments have to be watched.
    fixed: HashSet<String>,
    /// What a debugger wants put in.
    probes: Option<Probes>,
    /// What the function that is visited next is called.
    called: Option<String>,
}

impl<'c> Rewriter<'c> {
    /// For a text that was parsed with `shift` bytes before it; `wrapped` in an async function.
    pub fn new(code: &'c str, shift: usize, wrapped: bool, fixed: HashSet<String>) -> Self {
        Self {
            code,
            shift,
            wrapped,
            edits: Vec::new(),
            depth: 0,
            suspends: false,
            names: Vec::new(),
            functions: Vec::new(),
            fixed,
            probes: None,
            called: None,
        }
    }

    /// With probes for a debugger.
    pub fn probed(self, probes: Option<Probes>) -> Self {
        Self { probes, ..self }
    }

    fn edit(&mut self, at: u32, remove: usize, insert: impl Into<String>) {
        let at = (at as usize).saturating_sub(self.shift);
        self.edits.push(Edit { at, remove, insert: insert.into(), before: false });
    }

    /// The text of a probe, if there are any.
    fn probe(&mut self, at: u32, does: impl FnOnce() -> Does, halts: bool) -> Option<String> {
        let at = at.saturating_sub(u32::try_from(self.shift).unwrap_or(0));
        self.probes.as_mut().map(|probes| probes.before(at, does(), halts))
    }

    /// A probe before a statement.
    fn before(&mut self, statement: &Statement<'_>) {
        if matches!(statement, Statement::EmptyStatement(_) | Statement::FunctionDeclaration(_)) {
            return;
        }
        let start = statement.span().start;
        let halts = matches!(statement, Statement::DebuggerStatement(_));
        if let Some(probe) = self.probe(start, || Does::of(statement), halts) {
            let at = (start as usize).saturating_sub(self.shift);
            self.edits.push(Edit { at, remove: 0, insert: format!("{probe};"), before: true });
        }
    }

    /// A probe before the condition of a loop, which is met again and again.
    fn condition(&mut self, test: &Expression<'_>) {
        let start = test.span().start;
        if let Some(probe) = self.probe(start, || Does::of_expression(test), false) {
            self.edit(start, 0, format!("{probe},"));
        }
        self.visit_expression(test);
    }

    /// A statement that stands alone where a block could stand.
    fn alone(&mut self, statement: &Statement<'_>) {
        let plain = matches!(
            statement,
            Statement::BlockStatement(_) | Statement::EmptyStatement(_) | Statement::FunctionDeclaration(_)
        );
        if plain || self.probes.is_none() {
            return self.visit_statement(statement);
        }
        self.edit(statement.span().start, 0, "{");
        self.before(statement);
        self.visit_statement(statement);
        self.edit(statement.span().end, 0, "}");
    }

    /// What is visited declares names of its own.
    fn scope(&mut self, names: impl FnOnce() -> Vec<String>, visit: impl FnOnce(&mut Self)) {
        if let Some(probes) = &mut self.probes {
            probes.open(names());
        }
        visit(self);
        if let Some(probes) = &mut self.probes {
            probes.close();
        }
    }

    /// What has this name may be a function.
    fn named(&mut self, name: Option<String>, value: &Expression<'_>) {
        let is_function = matches!(value, Expression::FunctionExpression(_) | Expression::ArrowFunctionExpression(_));
        self.called = name.filter(|_| is_function);
        self.visit_expression(value);
        self.called = None;
    }

    /// A function and what it declares.
    fn function(&mut self, function: Inside<'_>, visit: impl FnOnce(&mut Self)) {
        self.depth += 1;
        let called = self.called.take();
        let shift = u32::try_from(self.shift).unwrap_or(0);
        if let Some(probes) = &mut self.probes {
            probes.enter(function.name.clone().or(called), function.span, shift, function.own_this, function.numbered);
            let mut names = probes::parameters(function.params);
            names.extend(function.name);
            names.extend(function.statements.map(probes::variables).unwrap_or_default());
            probes.declare(names);
        }
        visit(self);
        if let Some(probes) = &mut self.probes {
            probes.leave();
        }
        self.depth -= 1;
    }

    /// Visits the statements of the top level.
    pub fn statements<'a>(&mut self, statements: &[Statement<'a>]) {
        if let Some(probes) = &mut self.probes {
            let mut names = probes::block(statements);
            names.extend(probes::variables(statements));
            probes.declare(names);
        }
        for statement in statements {
            self.before(statement);
            match statement {
                Statement::VariableDeclaration(declaration)
                    if matches!(
                        declaration.kind,
                        VariableDeclarationKind::Let | VariableDeclarationKind::Const | VariableDeclarationKind::Var
                    ) =>
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

    /// A declaration becomes assignments to global variables. The interpreter knows the place of an assignment, but not
    /// that of a declaration.
    fn declare(&mut self, declaration: &VariableDeclaration<'_>) {
        let is_var = declaration.kind == VariableDeclarationKind::Var;
        let names = declaration.declarations.iter().flat_map(|one| one.id.get_binding_identifiers());
        self.names.extend(names.map(|id| id.name.to_string()));
        self.edit(declaration.span.start, declaration.kind.as_str().len(), "void(");
        walk::walk_variable_declaration(self, declaration);
        for one in declaration.declarations.iter().filter(|one| one.init.is_none() && !is_var) {
            self.edit(one.span.end, 0, "=void 0");
        }
        if let Some(end) = declaration.declarations.last() {
            self.edit(end.span.end, 0, ");");
        }
    }

    fn class(&mut self, class: &Class<'_>) {
        let Some(id) = &class.id else { return };
        self.names.push(id.name.to_string());
        self.edit(class.span.start, 0, format!("{}=", id.name));
        self.edit(class.span.end, 0, ";");
    }

    /// A loop's body: a guard at its beginning, and a probe where each turn begins at the loop's head.
    fn body(&mut self, body: &Statement<'_>, head: Option<u32>) {
        let probe = head.and_then(|head| self.probe(head, || Does { calls: true, awaits: false }, false));
        let probe = probe.map(|probe| probe + ";").unwrap_or_default();
        match body {
            Statement::BlockStatement(block) => self.edit(block.span.start + 1, 0, format!("{GUARD}();{probe}")),
            other => {
                self.edit(other.span().start, 0, format!("{{{GUARD}();{probe}"));
                self.before(other);
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

    fn constant(&self, id: &IdentifierReference<'_>) -> Option<String> {
        self.fixed.contains(id.name.as_str()).then(|| id.name.to_string())
    }

    /// Puts the check of a constant before an assignment.
    fn checked(&mut self, constant: Option<String>, span: Span, visit: impl FnOnce(&mut Self)) {
        let Some(name) = constant else { return visit(self) };
        self.edit(span.start, 0, format!("({CONSTANT}('{name}'),"));
        visit(self);
        self.edit(span.end, 0, ")");
    }

    /// An `await` or `yield`: behind it the function is back.
    fn back(&mut self, span: Span, visit: impl FnOnce(&mut Self)) {
        let at = span.start.saturating_sub(u32::try_from(self.shift).unwrap_or(0));
        let Some(back) = self.probes.as_mut().map(|probes| probes.back(at)) else { return visit(self) };
        self.edit(span.start, 0, back);
        visit(self);
        self.edit(span.end, 0, CLOSE);
    }

    /// A loop over what something holds.
    fn each(&mut self, left: &ForStatementLeft<'_>, right: &Expression<'_>, body: &Statement<'_>) {
        let names = || match left {
            ForStatementLeft::VariableDeclaration(declaration) => probes::lexical(declaration),
            _ => Vec::new(),
        };
        self.scope(names, |rewriter| {
            rewriter.left(left);
            rewriter.visit_expression(right);
            rewriter.body(body, Some(left.span().start));
        });
    }

    fn left(&mut self, left: &ForStatementLeft<'_>) {
        match left {
            ForStatementLeft::VariableDeclaration(declaration) => self.head(declaration),
            other => self.visit_for_statement_left(other),
        }
    }

    fn declarations(&mut self) -> String {
        self.names.sort();
        self.names.dedup();
        if self.names.is_empty() { String::new() } else { format!("var {};", self.names.join(",")) }
    }

    /// The text of a script.
    pub fn finish_plain(mut self, directives: &[Directive<'_>], has_value: bool, line_offset: u32) -> Prepared {
        let mut prelude = self.declarations();
        if let Some(directive) = directives.last().filter(|_| !prelude.is_empty()) {
            // Directives have to stay first.
            self.edit(directive.span.end, 0, format!(";{}", std::mem::take(&mut prelude)));
        }
        self.finish(&prelude, "", has_value, line_offset)
    }

    /// The text of a script in an async function.
    pub fn finish_wrapped(mut self, body: &FunctionBody<'_>, line_offset: u32) -> Prepared {
        if let Some(Statement::ExpressionStatement(statement)) = last(&body.statements) {
            let Span { start, end, .. } = statement.expression.span();
            let at = start as usize - self.shift;
            // Behind the probe, before all that is inside of the expression.
            let first = self.edits.iter().rposition(|edit| edit.before && edit.at == at).map_or(0, |probe| probe + 1);
            self.edits.insert(first, Edit { at, remove: 0, insert: "return (".into(), before: false });
            self.edit(end, 0, ")");
        }
        let mut prelude = self.declarations();
        prelude.push_str("(async()=>{");
        if self.probes.is_some() {
            prelude.push_str(NUMBERED);
        }
        for name in &self.functions {
            prelude.push_str(&format!("this.{name}={name};"));
        }
        self.finish(&prelude, "\n})()", true, line_offset)
    }

    /// The text with something before and behind it.
    pub fn finish(mut self, prelude: &str, suffix: &str, has_value: bool, line_offset: u32) -> Prepared {
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
        Prepared {
            text,
            has_value,
            guarded: true,
            declared: Declared::default(),
            map: Map { line_offset, prelude: count(prelude), lines, edits },
            sites: self.probes.map(Probes::finish),
        }
    }
}

/// What is known of a function that is visited.
struct Inside<'f> {
    name: Option<String>,
    span: Span,
    params: &'f FormalParameters<'f>,
    statements: Option<&'f [Statement<'f>]>,
    own_this: bool,
    numbered: bool,
}

impl<'a> Visit<'a> for Rewriter<'_> {
    fn visit_function(&mut self, it: &Function<'a>, flags: ScopeFlags) {
        let inside = Inside {
            name: it.id.as_ref().map(|id| id.name.to_string()),
            span: it.span,
            params: &it.params,
            statements: it.body.as_ref().map(|body| body.statements.as_slice()),
            own_this: true,
            numbered: it.r#async,
        };
        self.function(inside, |rewriter| walk::walk_function(rewriter, it, flags));
    }

    fn visit_method_definition(&mut self, it: &MethodDefinition<'a>) {
        self.visit_property_key(&it.key);
        self.called = it.key.name().map(|name| name.to_string());
        self.visit_function(&it.value, ScopeFlags::Function);
    }

    fn visit_object_property(&mut self, it: &ObjectProperty<'a>) {
        self.visit_property_key(&it.key);
        self.named(it.key.name().map(|name| name.to_string()), &it.value);
    }

    fn visit_variable_declarator(&mut self, it: &VariableDeclarator<'a>) {
        self.visit_binding_pattern(&it.id);
        let name = it.id.get_binding_identifier().map(|id| id.name.to_string());
        it.init.iter().for_each(|init| self.named(name.clone(), init));
    }

    fn visit_function_body(&mut self, it: &FunctionBody<'a>) {
        let (at, before) = match it.directives.last() {
            Some(directive) => (directive.span.end, ";"),
            None => (it.span.start + 1, ""),
        };
        let numbered = self.probes.as_ref().is_some_and(Probes::is_numbered);
        self.edit(at, 0, format!("{before}{GUARD}();{}", if numbered { NUMBERED } else { "" }));
        walk::walk_function_body(self, it);
    }

    fn visit_statements(&mut self, it: &oxc_allocator::Vec<'a, Statement<'a>>) {
        self.scope(
            || probes::block(it),
            |rewriter| {
                for statement in it {
                    rewriter.before(statement);
                    rewriter.visit_statement(statement);
                }
            },
        );
    }

    fn visit_arrow_function_expression(&mut self, it: &ArrowFunctionExpression<'a>) {
        let inside = Inside {
            name: None,
            span: it.span,
            params: &it.params,
            statements: Some(it.body.statements.as_slice()),
            own_this: false,
            numbered: it.r#async && !it.expression,
        };
        self.function(inside, |rewriter| {
            rewriter.visit_formal_parameters(&it.params);
            if !it.expression {
                return rewriter.visit_function_body(&it.body);
            }
            let span = it.body.statements.first().map(|statement| match statement {
                Statement::ExpressionStatement(statement) => statement.expression.span(),
                other => other.span(),
            });
            let (Some(span), Some(value)) = (span, it.body.statements.first()) else { return };
            let probe = rewriter.probe(span.start, || Does::of(value), false);
            let probe = probe.map(|probe| probe + ",").unwrap_or_default();
            rewriter.edit(span.start, 0, format!("({GUARD}(),{probe}"));
            rewriter.visit_statement(value);
            rewriter.edit(span.end, 0, ")");
        });
    }

    fn visit_if_statement(&mut self, it: &IfStatement<'a>) {
        self.visit_expression(&it.test);
        self.alone(&it.consequent);
        it.alternate.iter().for_each(|alternate| self.alone(alternate));
    }

    fn visit_with_statement(&mut self, it: &WithStatement<'a>) {
        self.visit_expression(&it.object);
        // Inside, our names could be those of the object.
        let probes = self.probes.take();
        self.visit_statement(&it.body);
        self.probes = probes;
    }

    fn visit_catch_clause(&mut self, it: &CatchClause<'a>) {
        let names = || it.param.iter().flat_map(probes::caught).collect();
        self.scope(names, |rewriter| {
            if rewriter.probes.is_some() {
                let name = match &it.param {
                    Some(param) => param.pattern.get_binding_identifier().map(|id| id.name.to_string()),
                    None => {
                        rewriter.edit(it.body.span.start, 0, format!("({ERROR})"));
                        Some(ERROR.to_owned())
                    }
                };
                // What is taken apart at once has no name.
                if let Some(name) = name {
                    rewriter.edit(it.body.span.start + 1, 0, format!("{CAUGHT}({name});"));
                }
            }
            walk::walk_catch_clause(rewriter, it);
        });
    }

    fn visit_throw_statement(&mut self, it: &ThrowStatement<'a>) {
        if self.probes.is_none() {
            return walk::walk_throw_statement(self, it);
        }
        let span = it.argument.span();
        self.edit(span.start, 0, format!("{THROWN}("));
        self.visit_expression(&it.argument);
        self.edit(span.end, 0, CLOSE);
    }

    fn visit_yield_expression(&mut self, it: &YieldExpression<'a>) {
        self.back(it.span, |rewriter| walk::walk_yield_expression(rewriter, it));
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
        self.condition(&it.test);
        self.body(&it.body, None);
    }

    fn visit_do_while_statement(&mut self, it: &DoWhileStatement<'a>) {
        self.body(&it.body, None);
        self.condition(&it.test);
    }

    fn visit_for_statement(&mut self, it: &ForStatement<'a>) {
        let names = || match &it.init {
            Some(ForStatementInit::VariableDeclaration(declaration)) => probes::lexical(declaration),
            _ => Vec::new(),
        };
        self.scope(names, |rewriter| {
            match &it.init {
                Some(ForStatementInit::VariableDeclaration(declaration)) => rewriter.head(declaration),
                Some(init) => rewriter.visit_for_statement_init(init),
                None => {}
            }
            it.test.iter().for_each(|test| rewriter.condition(test));
            it.update.iter().for_each(|update| rewriter.visit_expression(update));
            rewriter.body(&it.body, None);
        });
    }

    fn visit_for_in_statement(&mut self, it: &ForInStatement<'a>) {
        self.each(&it.left, &it.right, &it.body);
    }

    fn visit_for_of_statement(&mut self, it: &ForOfStatement<'a>) {
        self.suspends |= it.r#await && self.depth == 0;
        self.each(&it.left, &it.right, &it.body);
    }

    fn visit_assignment_expression(&mut self, it: &AssignmentExpression<'a>) {
        let constant = match &it.left {
            AssignmentTarget::AssignmentTargetIdentifier(id) => self.constant(id),
            _ => None,
        };
        self.checked(constant, it.span, |rewriter| walk::walk_assignment_expression(rewriter, it));
    }

    fn visit_update_expression(&mut self, it: &UpdateExpression<'a>) {
        let constant = match &it.argument {
            SimpleAssignmentTarget::AssignmentTargetIdentifier(id) => self.constant(id),
            _ => None,
        };
        self.checked(constant, it.span, |rewriter| walk::walk_update_expression(rewriter, it));
    }

    fn visit_await_expression(&mut self, it: &AwaitExpression<'a>) {
        self.suspends |= self.depth == 0;
        self.back(it.span, |rewriter| walk::walk_await_expression(rewriter, it));
    }

    fn visit_return_statement(&mut self, it: &ReturnStatement<'a>) {
        self.suspends |= self.depth == 0;
        walk::walk_return_statement(self, it);
    }
}
