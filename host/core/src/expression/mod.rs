//! Expressions: the `{{ ... }}` of a definition, parsed and checked once, evaluated often, and bounded in what they cost.
//!
//! The language is MiniJinja without its ways out: no includes, no macros, no filters but those of a list. It is
//! strict (an undefined name is an error) and knows nothing but its [`Scope`]. What an expression may cost is bounded
//! three times: its source when it is parsed, its work by fuel when it is evaluated, its result by size.

mod filters;
mod interpreter;
mod json;
mod names;
mod path;
mod scope;
mod syntax;
mod template;
pub(crate) mod vocabulary;

use serde_json::Value;

pub use self::names::{LocalReference, NodeReference, References, SecretReference, Setting};
pub use self::scope::{RunScope, Scope};
pub use self::template::Template;

pub(crate) use self::template::Part;

use self::interpreter::Program;
use self::names::Findings;
use crate::failure::{Failure, FailureKind};
use crate::mistake::Mistake;

/// An expression on its own, without braces: a `when`.
#[derive(Debug)]
pub struct Expression {
    pointer: String,
    source: String,
    program: Program,
    references: References,
}

impl Expression {
    /// Parses and checks an expression; `pointer` says where in the definition it stands.
    pub fn parse(source: &str, pointer: &str) -> Result<Self, Vec<Mistake>> {
        match Self::examine(source, pointer, Setting::Run) {
            (Some(expression), mistakes) if mistakes.is_empty() => Ok(expression),
            (_, mistakes) => Err(mistakes),
        }
    }

    /// The expression, if it has the form of one, and all that is wrong with it. With mistakes it is good for its
    /// references alone.
    pub(crate) fn examine(source: &str, pointer: &str, setting: Setting) -> (Option<Self>, Vec<Mistake>) {
        let mut findings = Findings::of(setting);
        let mut program = Program::default();
        let added = syntax::check_expression(source, pointer, &mut findings)
            .and_then(|()| program.add_expression(pointer, source));
        let Findings { references, repeats, mut mistakes, .. } = findings;
        program.set_repeats(repeats);
        let expression = match added {
            Ok(()) => {
                Some(Self { pointer: pointer.to_owned(), source: source.to_owned(), program, references })
            }
            Err(mistake) => {
                mistakes.push(mistake);
                None
            }
        };
        (expression, mistakes)
    }

    /// The expression's value.
    pub fn evaluate(&self, scope: &Scope) -> Result<Value, Failure> {
        self.program.start(scope).value(&self.pointer).map_err(|fault| fault.at(&self.pointer))
    }

    /// The expression's value, which must be true or false.
    pub fn is_true(&self, scope: &Scope) -> Result<bool, Failure> {
        match self.evaluate(scope)? {
            Value::Bool(truth) => Ok(truth),
            other => Err(Failure::new(
                FailureKind::Expression,
                format!(
                    "{}: `{}` gives {}, where true or false is wanted; compare it with something (`... != null`, `... | length > 0`)",
                    self.pointer,
                    self.source,
                    json::describe(&other),
                ),
            )),
        }
    }

    /// The expression as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it names.
    #[must_use]
    pub fn references(&self) -> &References {
        &self.references
    }
}

#[cfg(test)]
mod tests;
