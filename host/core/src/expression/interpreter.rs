//! Runs checked sources in MiniJinja, within bounds.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::{Arc, LazyLock};

use minijinja::value::Value as Jinja;
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use serde_json::Value;

use super::filters;
use super::json::{self, Room};
use super::path::{Path, Piece};
use super::scope::Scope;
use super::syntax;
use super::vocabulary::FORBIDDEN_BUILTINS;
use crate::failure::{Failure, FailureKind};
use crate::mistake::Mistake;

/// What one expression or text may cost: an operation costs one, and so do 64 bytes that it makes.
const FUEL_PER_EXPRESSION: u64 = 500_000;

/// What all expressions of one template may cost together.
const FUEL_PER_TEMPLATE: u64 = 1_500_000;

/// How much dearer fuel is where an expression can do the same thing again and again. MiniJinja charges one for a
/// comparison, however long the texts are: without repetition they are compared once, with it as often as fuel lasts.
const REPETITION: u64 = 16;

/// With repetition, texts longer than this make fuel dearer still, in proportion.
const LONG_TEXT: usize = 128 << 10;

/// How deep evaluation may nest.
const RECURSION_LIMIT: usize = 64;

/// An expression is run as a template that leaves its value under this name: that way what it cost is known.
const RESULT: &str = "result";
const BEFORE: &str = "{% set result = (";
const AFTER: &str = ") %}";

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_syntax(syntax::config());
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL_PER_EXPRESSION));
    environment.set_recursion_limit(RECURSION_LIMIT);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_formatter(write_as_text);
    // Errors then say which part of the source they mean.
    environment.set_debug(true);
    for name in FORBIDDEN_BUILTINS {
        environment.remove_filter(name);
        environment.remove_global(name);
    }
    filters::install(&mut environment);
    environment
});

/// Compiled sources, each under the JSON pointer of its place in the definition.
#[derive(Debug)]
pub(super) struct Program {
    environment: Environment<'static>,
    /// Whether a source can do the same thing again and again.
    repeats: bool,
}

impl Default for Program {
    fn default() -> Self {
        Self { environment: ENVIRONMENT.clone(), repeats: false }
    }
}

impl Program {
    /// Adds a text with `{{ }}` and `{% %}` in it.
    pub(super) fn add_text(&mut self, pointer: &str, source: &str) -> Result<(), Mistake> {
        self.add(pointer, source.to_owned())
    }

    /// Adds an expression.
    pub(super) fn add_expression(&mut self, pointer: &str, source: &str) -> Result<(), Mistake> {
        self.add(pointer, format!("{BEFORE}{source}{AFTER}"))
    }

    fn add(&mut self, pointer: &str, source: String) -> Result<(), Mistake> {
        self.environment
            .add_template_owned(pointer.to_owned(), source)
            .map_err(|error| syntax::mistake(&error, pointer))
    }

    pub(super) fn set_repeats(&mut self, repeats: bool) {
        self.repeats = repeats;
    }

    /// One evaluation of the sources in a scope, with an allowance for all of them together.
    pub(super) fn start<'p>(&'p self, scope: &'p Scope) -> Evaluation<'p> {
        let fuel_price = if self.repeats { REPETITION * longest_in(scope, LONG_TEXT) } else { 1 };
        let mut environment = Cow::Borrowed(&self.environment);
        if fuel_price > 1 {
            environment.to_mut().set_fuel(Some(FUEL_PER_EXPRESSION / fuel_price));
        }
        Evaluation {
            environment,
            scope,
            root: OnceCell::new(),
            fuel_price,
            fuel: FUEL_PER_TEMPLATE,
            room: Room::full(),
        }
    }
}

/// The longest text of a scope, in whole units and one at least.
fn longest_in(scope: &Scope, unit: usize) -> u64 {
    u64::try_from(scope.longest_text() / unit).unwrap_or(u64::MAX).clamp(1, FUEL_PER_EXPRESSION / REPETITION)
}

/// The sources of one place in the definition, evaluated one by one.
pub(super) struct Evaluation<'p> {
    environment: Cow<'p, Environment<'static>>,
    scope: &'p Scope,
    /// The scope as MiniJinja takes it.
    root: OnceCell<Jinja>,
    fuel_price: u64,
    /// What is left for all of them.
    fuel: u64,
    room: Room,
}

impl Evaluation<'_> {
    /// What the path leads to, if it leads anywhere.
    pub(super) fn found(&mut self, path: &Path) -> Result<Option<Arc<Value>>, Fault> {
        path.value(self.scope, &mut self.room)
    }

    /// The text of these pieces, if all that they name is there.
    pub(super) fn joined(&mut self, pieces: &[Piece]) -> Result<Option<String>, Fault> {
        Piece::join(pieces, self.scope, &mut self.room)
    }

    fn root(&self) -> Jinja {
        self.root.get_or_init(|| self.scope.to_root()).clone()
    }

    /// The text, with the values put in.
    pub(super) fn text(&mut self, pointer: &str) -> Result<String, Fault> {
        let rendered = self.environment.get_template(pointer)?.render_captured(self.root())?;
        burn(&mut self.fuel, self.fuel_price, rendered.state())?;
        self.room.take(rendered.output().len())?;
        Ok(rendered.into_output())
    }

    /// The expression's value.
    pub(super) fn value(&mut self, pointer: &str) -> Result<Value, Fault> {
        let template = self.environment.get_template(pointer)?;
        let rendered = template.render_captured(self.root())?;
        burn(&mut self.fuel, self.fuel_price, rendered.state())?;
        let result = rendered.state().lookup(RESULT).unwrap_or_default();
        json::from_jinja(&result, &mut self.room).map_err(|Fault(fault)| {
            let source = template.source();
            let expression =
                source.strip_prefix(BEFORE).and_then(|rest| rest.strip_suffix(AFTER)).unwrap_or(source);
            Fault(format!("{fault}, in {}", syntax::quote(expression, 0..expression.len())))
        })
    }
}

fn burn(left: &mut u64, price: u64, state: &State<'_, '_>) -> Result<(), Fault> {
    let burnt = state.fuel_levels().map_or(0, |(burnt, _)| burnt.saturating_mul(price));
    *left = left.checked_sub(burnt).ok_or_else(|| {
        Fault("the expressions of this template cost too much fuel together; do this in a step".to_owned())
    })?;
    Ok(())
}

/// Why an evaluation failed, without its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault(pub(super) String);

impl Fault {
    pub(super) fn at(&self, pointer: &str) -> Failure {
        Failure::new(FailureKind::Expression, format!("{pointer}: {}", self.0))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self(match error.kind() {
            ErrorKind::OutOfFuel => {
                format!(
                    "the expression costs more than {FUEL_PER_EXPRESSION} units of fuel; do this in a step"
                )
            }
            _ => syntax::describe(&error),
        })
    }
}

/// Text stays as it is; every other value is written as JSON.
fn write_as_text(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Jinja) -> Result<(), Error> {
    let invalid = |fault: Fault| Error::new(ErrorKind::InvalidOperation, fault.0);
    let unwritable = |_| Error::from(ErrorKind::WriteFailure);
    if let Some(text) = value.as_str() {
        return out.write_str(text).map_err(unwritable);
    }
    let text = json::from_jinja(value, &mut Room::full()).map_err(invalid)?.to_string();
    // Building JSON costs more than copying text.
    state.consume_fuel(text.len() as u64 / 4)?;
    out.write_str(&text).map_err(unwritable)
}
