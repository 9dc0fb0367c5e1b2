//! Runs checked sources in MiniJinja, within bounds.

use std::sync::LazyLock;

use minijinja::value::Value as Jinja;
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use serde_json::Value;

use super::json::{self, Room};
use super::syntax;
use super::vocabulary::FORBIDDEN_BUILTINS;
use crate::failure::{Failure, FailureKind};
use crate::mistake::Mistake;

/// What one expression or text may cost: an operation costs one, and so do 64 bytes that it makes. A few milliseconds.
const FUEL_PER_EXPRESSION: u64 = 500_000;

/// What all expressions of one template may cost together.
const FUEL_PER_TEMPLATE: u64 = 1_500_000;

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
    environment
});

/// Compiled sources, each under the JSON pointer of its place in the definition.
#[derive(Debug)]
pub(super) struct Program(Environment<'static>);

impl Default for Program {
    fn default() -> Self {
        Self(ENVIRONMENT.clone())
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
        self.0
            .add_template_owned(pointer.to_owned(), source)
            .map_err(|error| syntax::mistake(&error, pointer))
    }

    /// The text, with the values put in.
    pub(super) fn render(&self, pointer: &str, root: &Jinja, left: &mut Allowance) -> Result<String, Fault> {
        let rendered = self.0.get_template(pointer)?.render_captured(root.clone())?;
        left.burn(rendered.state())?;
        left.room.take(rendered.output().len())?;
        Ok(rendered.into_output())
    }

    /// The expression's value.
    pub(super) fn evaluate(&self, pointer: &str, root: &Jinja, left: &mut Allowance) -> Result<Value, Fault> {
        let template = self.0.get_template(pointer)?;
        let rendered = template.render_captured(root.clone())?;
        left.burn(rendered.state())?;
        let result = rendered.state().lookup(RESULT).unwrap_or_default();
        json::from_jinja(&result, &mut left.room).map_err(|Fault(fault)| {
            let source = template.source();
            let expression =
                source.strip_prefix(BEFORE).and_then(|rest| rest.strip_suffix(AFTER)).unwrap_or(source);
            Fault(format!("{fault}, in {}", syntax::quote(expression, 0..expression.len())))
        })
    }
}

/// What is left for the expressions of one place in the definition.
pub(super) struct Allowance {
    fuel: u64,
    room: Room,
}

impl Allowance {
    pub(super) fn full() -> Self {
        Self { fuel: FUEL_PER_TEMPLATE, room: Room::full() }
    }

    fn burn(&mut self, state: &State<'_, '_>) -> Result<(), Fault> {
        let burnt = state.fuel_levels().map_or(0, |(burnt, _)| burnt);
        self.fuel = self.fuel.checked_sub(burnt).ok_or_else(|| {
            Fault(format!("the expressions here cost more than {FUEL_PER_TEMPLATE} units of fuel together; do this in a step"))
        })?;
        Ok(())
    }
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
