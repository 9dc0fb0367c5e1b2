//! Rendering a JSON template, by the rules of a workflow's own expressions.

use std::cell::OnceCell;
use std::fmt::{Display, Write};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value as Jinja, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, context};
use serde_json::{Map, Value, json};
use stepwell_sdk::StepError;

use crate::path;

/// The template with `input` put in.
pub(crate) fn render(template: Value, input: &Value) -> Result<Value, StepError> {
    let renderer = Renderer { input, plain: OnceCell::new(), full: OnceCell::new(), scope: OnceCell::new() };
    renderer.value(template, &mut String::new())
}

struct Renderer<'v> {
    input: &'v Value,
    /// Without filters, tests and functions: filling their tables costs more than rendering a short text.
    plain: OnceCell<Environment<'static>>,
    /// With them, for the texts that need one.
    full: OnceCell<Environment<'static>>,
    /// The input as MiniJinja takes it.
    scope: OnceCell<Jinja>,
}

impl Renderer<'_> {
    /// `pointer` says where in the template the value stands.
    fn value(&self, template: Value, pointer: &mut String) -> Result<Value, StepError> {
        match template {
            Value::String(text) if has_expression(&text) => match path::render(&text, self.input) {
                Some(rendered) => Ok(rendered),
                None => self.text(&text).map_err(|error| fault(&error, pointer, &text)),
            },
            Value::Array(items) => {
                items.into_iter().enumerate().map(|(index, item)| self.at(index, item, pointer)).collect()
            }
            Value::Object(fields) => {
                let field = |(key, value): (String, Value)| {
                    let value = self.at(escaped(&key), value, pointer)?;
                    Ok((key, value))
                };
                fields.into_iter().map(field).collect::<Result<Map<_, _>, _>>().map(Value::Object)
            }
            literal => Ok(literal),
        }
    }

    fn at(&self, token: impl Display, value: Value, pointer: &mut String) -> Result<Value, StepError> {
        let parent = pointer.len();
        // Writing to a string cannot fail.
        let _ = write!(pointer, "/{token}");
        let value = self.value(value, pointer);
        pointer.truncate(parent);
        value
    }

    fn text(&self, text: &str) -> Result<Value, Error> {
        let plain = self.plain.get_or_init(|| strict(Environment::empty()));
        match self.text_in(plain, text) {
            Err(error) if is_unknown(&error) => {
                self.text_in(self.full.get_or_init(|| strict(Environment::new())), text)
            }
            outcome => outcome,
        }
    }

    fn text_in(&self, environment: &Environment<'static>, text: &str) -> Result<Value, Error> {
        match whole_expression(text).map(|source| environment.compile_expression(source)) {
            // What is no expression between the outer braces is a text with several.
            Some(Ok(expression)) => to_json(&expression.eval(self.scope())?),
            _ => environment.render_str(text, self.scope()).map(Value::String),
        }
    }

    fn scope(&self) -> &Jinja {
        self.scope.get_or_init(|| context! { input => Serde(self.input) })
    }
}

fn strict(mut environment: Environment<'static>) -> Environment<'static> {
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let mut syntax = SyntaxConfig::builder();
    syntax.keep_trailing_newline(true);
    environment.set_syntax(syntax.build().unwrap_or_default());
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(write_as_text);
    environment
}

fn has_expression(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|start| text.contains(start))
}

fn whole_expression(text: &str) -> Option<&str> {
    text.strip_prefix("{{")?.strip_suffix("}}")
}

/// Text stays as it is; every other value is written as JSON.
fn write_as_text(out: &mut Output<'_>, _state: &mut State<'_, '_>, value: &Jinja) -> Result<(), Error> {
    let written = match value.as_str() {
        Some(text) => out.write_str(text),
        None => write!(out, "{}", to_json(value)?),
    };
    written.map_err(|_| Error::from(ErrorKind::WriteFailure))
}

fn to_json(value: &Jinja) -> Result<Value, Error> {
    if value.kind() == ValueKind::Undefined {
        return Err(Error::new(
            ErrorKind::UndefinedError,
            "the value is undefined; give it one with `| default(...)`",
        ));
    }
    serde_json::to_value(value).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
}

/// A template that cannot be read is the workflow's fault; one that fails on this input, the input's.
fn fault(error: &Error, pointer: &str, source: &str) -> StepError {
    let message = format!("{pointer}: {error} (in `{source}`)");
    let error = match error.kind() {
        ErrorKind::SyntaxError
        | ErrorKind::UnknownFilter
        | ErrorKind::UnknownTest
        | ErrorKind::UnknownFunction => StepError::permanent(message),
        _ => StepError::invalid_input(message),
    };
    error.detail(json!({"pointer": pointer, "source": source}))
}

fn is_unknown(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction)
}

/// A key as a token of a JSON pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
