//! Templates: any JSON whose strings may hold expressions.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::interpreter::{Evaluation, Program};
use super::names::{Findings, References, Setting};
use super::path::{Path, Piece};
use super::scope::Scope;
use super::syntax::{self, Shape};
use crate::failure::Failure;
use crate::mistake::Mistake;
use crate::pointer;

/// JSON whose strings may hold `{{ expressions }}`. A string that is one expression and nothing else keeps the
/// expression's type; any other is text. Keys are taken as they are.
#[derive(Debug)]
pub struct Template {
    root: Part,
    program: Program,
    references: References,
}

/// A piece of a template.
#[derive(Debug)]
pub(crate) enum Part {
    /// The same for every run, all the way down.
    Literal(Arc<Value>),
    /// Some item is not a literal.
    List(Vec<Part>),
    /// Some value is not a literal.
    Object(Vec<(String, Part)>),
    /// A text with expressions in it.
    Text(Text),
    /// A whole expression, of any type.
    Whole(Whole),
}

/// A text, compiled under a pointer; its pieces, if all of its expressions are paths.
#[derive(Debug)]
pub(crate) struct Text {
    pointer: String,
    pieces: Option<Vec<Piece>>,
}

/// An expression, compiled under a pointer; the path, if it is one.
#[derive(Debug)]
pub(crate) struct Whole {
    pointer: String,
    path: Option<Path>,
}

impl Template {
    /// Parses and checks a template; `pointer` says where in the definition it stands.
    pub fn parse(value: &Value, pointer: &str) -> Result<Self, Vec<Mistake>> {
        match Self::examine(value, pointer, Setting::Run) {
            (template, mistakes) if mistakes.is_empty() => Ok(template),
            (_, mistakes) => Err(mistakes),
        }
    }

    /// The template and all that is wrong with it. With mistakes it is good for checks alone.
    pub(crate) fn examine(value: &Value, pointer: &str, setting: Setting) -> (Self, Vec<Mistake>) {
        let mut parser = Parser { program: Program::default(), findings: Findings::of(setting) };
        let root = parser.part(value, pointer);
        let Parser { mut program, findings } = parser;
        program.set_repeats(findings.repeats);
        (Self { root, program, references: findings.references }, findings.mistakes)
    }

    /// A template without expressions, whatever its strings look like.
    pub(crate) fn literal(value: Value) -> Self {
        Self {
            root: Part::Literal(Arc::new(value)),
            program: Program::default(),
            references: References::default(),
        }
    }

    /// The JSON that the template gives in a scope.
    pub fn render(&self, scope: &Scope) -> Result<Arc<Value>, Failure> {
        match &self.root {
            Part::Literal(value) => Ok(Arc::clone(value)),
            Part::Whole(whole) => whole.value(&mut self.program.start(scope)),
            other => render(other, &mut self.program.start(scope)).map(Arc::new),
        }
    }

    /// What its expressions name.
    #[must_use]
    pub fn references(&self) -> &References {
        &self.references
    }

    /// Whether it gives a text for certain.
    pub(crate) fn is_text(&self) -> bool {
        match &self.root {
            Part::Literal(value) => value.is_string(),
            Part::Text(_) => true,
            Part::List(_) | Part::Object(_) | Part::Whole(_) => false,
        }
    }

    /// What is known before any run.
    pub(crate) fn root(&self) -> &Part {
        &self.root
    }
}

struct Parser {
    program: Program,
    findings: Findings,
}

impl Parser {
    fn part(&mut self, value: &Value, pointer: &str) -> Part {
        match value {
            Value::String(text) => self.text(text, pointer),
            Value::Array(items) => self.list(items, pointer),
            Value::Object(object) => self.object(object, pointer),
            other => Part::Literal(Arc::new(other.clone())),
        }
    }

    fn list(&mut self, items: &[Value], pointer: &str) -> Part {
        let parts: Vec<Part> = items
            .iter()
            .enumerate()
            .map(|(index, item)| self.part(item, &pointer::item(pointer, index)))
            .collect();
        if parts.iter().all(Part::is_literal) {
            return Part::Literal(Arc::new(Value::Array(items.to_vec())));
        }
        Part::List(parts)
    }

    fn object(&mut self, object: &Map<String, Value>, pointer: &str) -> Part {
        let parts: Vec<(String, Part)> = object
            .iter()
            .map(|(key, value)| (key.clone(), self.part(value, &pointer::field(pointer, key))))
            .collect();
        if parts.iter().all(|(_, part)| part.is_literal()) {
            return Part::Literal(Arc::new(Value::Object(object.clone())));
        }
        Part::Object(parts)
    }

    fn text(&mut self, text: &str, pointer: &str) -> Part {
        self.compile(text, pointer).unwrap_or_else(|mistake| {
            self.findings.mistakes.push(mistake);
            // Of what cannot be read nothing is known.
            Part::Whole(Whole { pointer: pointer.to_owned(), path: None })
        })
    }

    fn compile(&mut self, text: &str, pointer: &str) -> Result<Part, Mistake> {
        match syntax::check_text(text, pointer, &mut self.findings)? {
            Shape::Literal => Ok(Part::Literal(Arc::new(Value::String(text.to_owned())))),
            Shape::Text { pieces } => {
                self.program.add_text(pointer, text)?;
                Ok(Part::Text(Text { pointer: pointer.to_owned(), pieces }))
            }
            Shape::Whole { source, path } => {
                self.program.add_expression(pointer, source)?;
                Ok(Part::Whole(Whole { pointer: pointer.to_owned(), path }))
            }
        }
    }
}

impl Part {
    fn is_literal(&self) -> bool {
        matches!(self, Self::Literal(_))
    }
}

fn render(part: &Part, evaluation: &mut Evaluation<'_>) -> Result<Value, Failure> {
    match part {
        Part::Literal(value) => Ok(Value::clone(value)),
        Part::List(parts) => parts.iter().map(|part| render(part, evaluation)).collect(),
        Part::Object(parts) => {
            let fields = parts.iter().map(|(key, part)| Ok((key.clone(), render(part, evaluation)?)));
            fields.collect::<Result<_, _>>().map(Value::Object)
        }
        Part::Text(text) => text.render(evaluation).map(Value::String),
        Part::Whole(whole) => whole.value(evaluation).map(Arc::unwrap_or_clone),
    }
}

impl Text {
    fn render(&self, evaluation: &mut Evaluation<'_>) -> Result<String, Failure> {
        let Self { pointer, pieces } = self;
        let joined = pieces.as_ref().map_or(Ok(None), |pieces| evaluation.joined(pieces));
        match joined {
            Ok(Some(text)) => Ok(text),
            Ok(None) => evaluation.text(pointer).map_err(|fault| fault.at(pointer)),
            Err(fault) => Err(fault.at(pointer)),
        }
    }
}

impl Whole {
    fn value(&self, evaluation: &mut Evaluation<'_>) -> Result<Arc<Value>, Failure> {
        let Self { pointer, path } = self;
        let found = path.as_ref().map_or(Ok(None), |path| evaluation.found(path));
        match found {
            Ok(Some(value)) => Ok(value),
            Ok(None) => evaluation.value(pointer).map(Arc::new).map_err(|fault| fault.at(pointer)),
            Err(fault) => Err(fault.at(pointer)),
        }
    }
}
