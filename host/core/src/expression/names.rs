//! Which names an expression uses, read off its syntax tree, and which of them it may not.

use std::collections::HashSet;

use minijinja::machinery::ast::{Expr, Stmt};
use minijinja::machinery::{Span, ast};

use super::syntax;
use super::vocabulary::{FILTERS, FUNCTIONS, REPEATING_FILTERS, TESTS};
use crate::cloud_event::CloudEvent;
use crate::id::SecretName;
use crate::mistake::{Mistake, code};
use crate::spelling;

/// Where an expression stands, which decides what it sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// In a run.
    Run,
    /// Where a run is accepted: no node has run, and no secret is wanted.
    Start,
    /// In a trigger, before there is a run: all there is is an event.
    Event,
    /// In a trigger, before there is a run: all there is is a request.
    Request,
    /// In a trigger, when its run has succeeded and the request is to be answered.
    Answer,
}

impl Setting {
    fn roots(self) -> &'static [&'static str] {
        match self {
            Self::Run | Self::Start => &["input", "nodes", "null", "run", "secret"],
            Self::Event => &["event", "null"],
            Self::Request => &["null", "request"],
            Self::Answer => &["null", "output", "request", "run"],
        }
    }

    /// What there is of a run there.
    fn run_fields(self) -> &'static [&'static str] {
        match self {
            Self::Answer => &["id", "workflow"],
            Self::Run | Self::Start | Self::Event | Self::Request => RUN_FIELDS,
        }
    }

    /// What is of use there: what is offered in place of a name that is not known.
    fn offered(self) -> &'static [&'static str] {
        match self {
            Self::Run | Self::Event | Self::Request | Self::Answer => self.roots(),
            Self::Start => &["input", "null", "run"],
        }
    }
}

/// What there is of an event.
const EVENT_FIELDS: &[&str] = CloudEvent::SHOWN;

/// What there is of a request.
const REQUEST_FIELDS: &[&str] = &["body", "headers", "method", "params", "path", "query"];

/// What some expressions see, by where they stand.
const LOCALS: &[&str] = &["callback", "index", "item", "original", "output"];

/// What there is of a node.
const NODE_FIELDS: &[&str] = &["status", "output", "error"];

/// What there is of a run.
const RUN_FIELDS: &[&str] = &["id", "workflow", "version", "started_at"];

/// What expressions name beyond the run's own input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// The nodes.
    pub nodes: Vec<NodeReference>,
    /// The secrets.
    pub secrets: Vec<SecretReference>,
    /// What is there in some places alone: `item`, `output`, ...
    pub locals: Vec<LocalReference>,
}

/// An expression names what is there in some places alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalReference {
    /// Where the expression stands: a JSON pointer into the definition.
    pub pointer: String,
    /// What it names.
    pub name: &'static str,
    /// The field of it that it names, if it names one.
    pub member: Option<String>,
}

/// An expression names a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeReference {
    /// Where the expression stands: a JSON pointer into the definition.
    pub pointer: String,
    /// The node, as written.
    pub node: String,
}

/// An expression names a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretReference {
    /// Where the expression stands: a JSON pointer into the definition.
    pub pointer: String,
    /// The secret.
    pub secret: SecretName,
}

/// What walking syntax trees brings to light.
pub(super) struct Findings {
    /// The names that are the host's own.
    roots: &'static [&'static str],
    /// Those of them that may be used.
    offered: &'static [&'static str],
    run_fields: &'static [&'static str],
    pub(super) references: References,
    pub(super) mistakes: Vec<Mistake>,
    /// Whether something in them can do the same thing again and again.
    pub(super) repeats: bool,
}

impl Findings {
    pub(super) fn of(setting: Setting) -> Self {
        let (references, mistakes) = (References::default(), Vec::new());
        Self {
            roots: setting.roots(),
            offered: setting.offered(),
            run_fields: setting.run_fields(),
            references,
            mistakes,
            repeats: false,
        }
    }
}

/// Walks a syntax tree.
pub(super) struct Names<'a, 'f> {
    pointer: &'f str,
    source: &'a str,
    findings: &'f mut Findings,
    /// What `for`, `set` and `with` named, the innermost last.
    locals: Vec<HashSet<&'a str>>,
}

impl<'a, 'f> Names<'a, 'f> {
    pub(super) fn new(source: &'a str, pointer: &'f str, findings: &'f mut Findings) -> Self {
        Self { pointer, source, findings, locals: vec![HashSet::new()] }
    }

    pub(super) fn statement(&mut self, statement: &Stmt<'a>) {
        // A name that a statement gives can be used often, a loop runs often: what a value costs is no bound any more.
        self.findings.repeats |=
            !matches!(statement, Stmt::Template(_) | Stmt::EmitExpr(_) | Stmt::EmitRaw(_) | Stmt::IfCond(_));
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitExpr(emit) => self.expression(&emit.expr),
            Stmt::EmitRaw(_) => {}
            Stmt::ForLoop(each) => self.for_loop(each),
            Stmt::IfCond(branch) => {
                self.expression(&branch.expr);
                self.statements(&branch.true_body);
                self.statements(&branch.false_body);
            }
            Stmt::Set(set) => {
                self.expression(&set.expr);
                self.assign(&set.target);
            }
            Stmt::SetBlock(set) => {
                self.optional(set.filter.as_ref());
                self.within(|names| names.statements(&set.body));
                self.assign(&set.target);
            }
            Stmt::WithBlock(with) => self.within(|names| {
                for (target, value) in &with.assignments {
                    names.expression(value);
                    names.assign(target);
                }
                names.statements(&with.body);
            }),
            Stmt::FilterBlock(block) => {
                self.expression(&block.filter);
                self.within(|names| names.statements(&block.body));
            }
            Stmt::AutoEscape(block) => self.unsupported("autoescape", block.span()),
            Stmt::Do(block) => self.unsupported("do", block.span()),
        }
    }

    fn statements(&mut self, statements: &[Stmt<'a>]) {
        statements.iter().for_each(|statement| self.statement(statement));
    }

    fn for_loop(&mut self, each: &ast::ForLoop<'a>) {
        self.expression(&each.iter);
        self.within(|names| {
            names.name("loop");
            names.assign(&each.target);
            names.optional(each.filter_expr.as_ref());
            names.statements(&each.body);
        });
        self.within(|names| names.statements(&each.else_body));
    }

    /// A block whose names end with it.
    fn within(&mut self, block: impl FnOnce(&mut Self)) {
        self.locals.push(HashSet::new());
        block(self);
        self.locals.pop();
    }

    fn assign(&mut self, target: &Expr<'a>) {
        match target {
            Expr::Var(variable) if self.is_root(variable.id) => {
                let message = format!("`{}` is taken: it is always the workflow's own", variable.id);
                self.mistake(code::BAD_EXPRESSION, &message, None, variable.span());
            }
            Expr::Var(variable) => self.name(variable.id),
            Expr::List(list) => list.items.iter().for_each(|item| self.assign(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.assign(item)),
            other => self.unsupported("assignment to a part of a value", other.span()),
        }
    }

    fn is_root(&self, name: &str) -> bool {
        self.findings.roots.contains(&name)
    }

    fn name(&mut self, local: &'a str) {
        if let Some(innermost) = self.locals.last_mut() {
            innermost.insert(local);
        }
    }

    fn optional(&mut self, expression: Option<&Expr<'a>>) {
        if let Some(expression) = expression {
            self.expression(expression);
        }
    }

    pub(super) fn expression(&mut self, expression: &Expr<'a>) {
        match expression {
            Expr::Const(_) => {}
            Expr::Var(variable) => self.variable(variable.id, variable.span()),
            Expr::GetAttr(access) => self.access(&access.expr, Some(access.name), access.span()),
            Expr::GetItem(access) => {
                self.access(&access.expr, constant_text(&access.subscript_expr).as_deref(), access.span());
                self.expression(&access.subscript_expr);
            }
            Expr::Filter(filter) => {
                self.known("filter", filter.name, FILTERS, filter.span());
                self.findings.repeats |= REPEATING_FILTERS.contains(&filter.name);
                self.optional(filter.expr.as_ref());
                self.arguments(&filter.args);
            }
            Expr::Test(test) => {
                self.known("test", test.name, TESTS, test.span());
                self.expression(&test.expr);
                self.arguments(&test.args);
            }
            Expr::Call(call) => self.call(call),
            Expr::UnaryOp(operation) => self.expression(&operation.expr),
            Expr::BinOp(operation) => {
                self.findings.repeats |= matches!(operation.op, ast::BinOpKind::Mul);
                self.all([&operation.left, &operation.right]);
            }
            Expr::Compare(comparison) => {
                self.expression(&comparison.expr);
                comparison.ops.iter().for_each(|operation| self.expression(&operation.expr));
            }
            Expr::IfExpr(choice) => {
                self.all([&choice.test_expr, &choice.true_expr]);
                self.optional(choice.false_expr.as_ref());
            }
            Expr::Slice(slice) => {
                self.expression(&slice.expr);
                self.all([&slice.start, &slice.stop, &slice.step].into_iter().flatten());
            }
            Expr::List(list) => self.all(&list.items),
            Expr::Tuple(tuple) => self.all(&tuple.items),
            Expr::Map(map) => self.all(map.keys.iter().chain(&map.values)),
        }
    }

    fn all<'e>(&mut self, expressions: impl IntoIterator<Item = &'e Expr<'a>>)
    where
        'a: 'e,
    {
        expressions.into_iter().for_each(|expression| self.expression(expression));
    }

    fn arguments(&mut self, arguments: &[ast::CallArg<'a>]) {
        for argument in arguments {
            match argument {
                ast::CallArg::Pos(value)
                | ast::CallArg::Kwarg(_, value)
                | ast::CallArg::PosSplat(value)
                | ast::CallArg::KwargSplat(value) => self.expression(value),
            }
        }
    }

    fn call(&mut self, call: &ast::Spanned<ast::Call<'a>>) {
        match &call.expr {
            Expr::Var(function) => self.known("function", function.id, FUNCTIONS, call.span()),
            Expr::GetAttr(access) if is_variable(&access.expr, "loop") => {}
            _ => self.unsupported("a method call (use a filter: `value | filter`)", call.span()),
        }
        self.arguments(&call.args);
    }

    /// A name on its own.
    fn variable(&mut self, name: &'a str, span: Span) {
        match name {
            "nodes" if self.is_root(name) => self.dynamic("nodes", "nodes.<id>.output", span),
            "secret" if self.is_root(name) => self.dynamic("secret", "secret.<NAME>", span),
            _ if self.is_root(name) => {}
            _ if self.is_named(name) => {}
            _ => match self.local_of(name) {
                Some(local) => self.local(local, None),
                None => self.unknown("variable", name, &[self.findings.offered, FUNCTIONS].concat(), span),
            },
        }
    }

    /// Whether a statement around gave this name.
    fn is_named(&self, name: &str) -> bool {
        self.locals.iter().any(|locals| locals.contains(name))
    }

    /// The name as that of something which is there in some places of a run alone.
    fn local_of(&self, name: &str) -> Option<&'static str> {
        LOCALS.iter().find(|local| **local == name).copied().filter(|_| self.is_root("nodes"))
    }

    /// `base.key`, `base["key"]`; without a key what is asked for is known only at run time.
    fn access(&mut self, base: &Expr<'a>, key: Option<&str>, span: Span) {
        let root = match base {
            Expr::Var(root) => Some(root.id).filter(|root| self.is_root(root)),
            _ => None,
        };
        match (root, key) {
            (Some("nodes"), Some(key)) => self.node(key),
            (Some("secret"), Some(key)) => self.secret(key, span),
            (Some("run"), Some(key)) => self.known("field of `run`", key, self.findings.run_fields, span),
            (Some("event"), Some(key)) => self.known("field of `event`", key, EVENT_FIELDS, span),
            (Some("request"), Some(key)) => self.known("field of `request`", key, REQUEST_FIELDS, span),
            (_, Some(key)) if is_node(base) => {
                self.known("field of a node", key, NODE_FIELDS, span);
                self.expression(base);
            }
            (None, Some(key)) => match base {
                Expr::Var(variable) if !self.is_named(variable.id) => match self.local_of(variable.id) {
                    Some(local) => self.local(local, Some(key)),
                    None => self.expression(base),
                },
                _ => self.expression(base),
            },
            _ => self.expression(base),
        }
    }

    fn node(&mut self, node: &str) {
        let reference = NodeReference { pointer: self.pointer.to_owned(), node: node.to_owned() };
        if !self.findings.references.nodes.contains(&reference) {
            self.findings.references.nodes.push(reference);
        }
    }

    fn local(&mut self, name: &'static str, member: Option<&str>) {
        let member = member.map(str::to_owned);
        let reference = LocalReference { pointer: self.pointer.to_owned(), name, member };
        if !self.findings.references.locals.contains(&reference) {
            self.findings.references.locals.push(reference);
        }
    }

    fn secret(&mut self, name: &str, span: Span) {
        match SecretName::new(name) {
            Ok(secret) => {
                let reference = SecretReference { pointer: self.pointer.to_owned(), secret };
                if !self.findings.references.secrets.contains(&reference) {
                    self.findings.references.secrets.push(reference);
                }
            }
            Err(invalid) => self.mistake(code::BAD_NAME, &invalid.to_string(), None, span),
        }
    }

    fn known(&mut self, what: &str, name: &str, known: &[&str], span: Span) {
        if !known.contains(&name) {
            self.unknown(what, name, known, span);
        }
    }

    fn unknown(&mut self, what: &str, name: &str, known: &[&str], span: Span) {
        self.mistake(
            code::UNKNOWN_NAME,
            &format!("unknown {what} `{name}`"),
            Some(spelling::help(name, known)),
            span,
        );
    }

    fn dynamic(&mut self, root: &str, form: &str, span: Span) {
        let message = format!("`{root}` wants the name behind it written out (`{form}`)");
        self.mistake(code::DYNAMIC_NAME, &message, None, span);
    }

    fn unsupported(&mut self, what: &str, span: Span) {
        self.mistake(code::BAD_EXPRESSION, &format!("expressions do not know {what}"), None, span);
    }

    fn mistake(&mut self, code: &str, message: &str, help: Option<String>, span: Span) {
        let place = syntax::place(self.source, span.start_offset as usize);
        let mistake = Mistake::new(self.pointer, code, format!("{message} {place}"));
        self.findings.mistakes.push(Mistake { help, ..mistake });
    }
}

fn constant_text(expression: &Expr<'_>) -> Option<String> {
    match expression {
        Expr::Const(constant) => constant.value.as_str().map(str::to_owned),
        _ => None,
    }
}

fn is_variable(expression: &Expr<'_>, name: &str) -> bool {
    matches!(expression, Expr::Var(variable) if variable.id == name)
}

/// Whether this is `nodes.<id>` or `nodes["<id>"]`.
fn is_node(expression: &Expr<'_>) -> bool {
    match expression {
        Expr::GetAttr(access) => is_variable(&access.expr, "nodes"),
        Expr::GetItem(access) => is_variable(&access.expr, "nodes"),
        _ => false,
    }
}
