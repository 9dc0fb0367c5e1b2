//! Expressions that are nothing but paths (`input.subject`, `nodes.classify.output.labels[0]`), and texts with no others in them.
//!
//! Most are. They are looked up in the JSON itself: no interpreter, no other form of the values, and a whole value is
//! shared and not copied. What a path does not find it leaves to the interpreter, which has the words for it.

use std::fmt::Write;
use std::sync::Arc;

use minijinja::machinery::ast::{Expr, Stmt};
use serde_json::Value;

use super::interpreter::Fault;
use super::json::Room;
use super::scope::Scope;
use crate::id::NodeId;

/// A way through JSON that a scope shows.
#[derive(Debug)]
pub(super) struct Path {
    root: Root,
    turns: Vec<Turn>,
}

#[derive(Debug)]
enum Root {
    Input,
    Event,
    Output(NodeId),
    Local(String),
}

#[derive(Debug)]
enum Turn {
    Field(String),
    Item(usize),
}

/// A piece of a text.
#[derive(Debug)]
pub(super) enum Piece {
    Literal(String),
    Path(Path),
}

impl Path {
    /// The expression as a path, if it is one.
    pub(super) fn of(expression: &Expr<'_>) -> Option<Self> {
        let mut turns = Vec::new();
        let mut rest = expression;
        loop {
            rest = match rest {
                Expr::Var(variable) => {
                    turns.reverse();
                    return Self::from(variable.id, turns);
                }
                Expr::GetAttr(attribute) => {
                    turns.push(Turn::Field(attribute.name.to_owned()));
                    &attribute.expr
                }
                Expr::GetItem(item) => {
                    turns.push(Turn::of(&item.subscript_expr)?);
                    &item.expr
                }
                _ => return None,
            };
        }
    }

    fn from(root: &str, mut turns: Vec<Turn>) -> Option<Self> {
        match root {
            "input" => Some(Self { root: Root::Input, turns }),
            "event" => Some(Self { root: Root::Event, turns }),
            "nodes" => {
                let further = turns.split_off(turns.len().min(2));
                let [Turn::Field(node), Turn::Field(part)] = turns.as_slice() else { return None };
                let root = Root::Output(NodeId::new(node).ok().filter(|_| part == "output")?);
                Some(Self { root, turns: further })
            }
            // What else there is has other forms than JSON.
            "run" | "secret" | "null" => None,
            local => Some(Self { root: Root::Local(local.to_owned()), turns }),
        }
    }

    /// The value, if it is there.
    pub(super) fn value(&self, scope: &Scope, room: &mut Room) -> Result<Option<Arc<Value>>, Fault> {
        let Some((root, found)) = self.find(scope) else { return Ok(None) };
        room.take_value(found)?;
        let is_whole = self.turns.is_empty();
        Ok(Some(if is_whole { Arc::clone(root) } else { Arc::new(found.clone()) }))
    }

    fn find<'s>(&self, scope: &'s Scope) -> Option<(&'s Arc<Value>, &'s Value)> {
        let root = match &self.root {
            Root::Input => scope.input(),
            Root::Event => scope.event()?,
            Root::Output(node) => scope.output(node)?,
            Root::Local(name) => scope.local(name)?,
        };
        let found = self.turns.iter().try_fold(&**root, |value, turn| match turn {
            Turn::Field(name) => value.as_object()?.get(name),
            Turn::Item(index) => value.as_array()?.get(*index),
        });
        Some((root, found?))
    }
}

impl Turn {
    fn of(subscript: &Expr<'_>) -> Option<Self> {
        let Expr::Const(constant) = subscript else { return None };
        match constant.value.as_str() {
            Some(name) => Some(Self::Field(name.to_owned())),
            None => constant.value.as_usize().filter(|_| constant.value.is_integer()).map(Self::Item),
        }
    }
}

impl Piece {
    /// The pieces of a text whose expressions are all paths.
    pub(super) fn all_of(text: &Stmt<'_>) -> Option<Vec<Self>> {
        let Stmt::Template(template) = text else { return None };
        let piece = |statement: &Stmt<'_>| match statement {
            Stmt::EmitRaw(raw) => Some(Self::Literal(raw.raw.to_owned())),
            Stmt::EmitExpr(emit) => Path::of(&emit.expr).map(Self::Path),
            _ => None,
        };
        template.children.iter().map(piece).collect()
    }

    /// The text, if all that it names is there.
    pub(super) fn join(pieces: &[Self], scope: &Scope, room: &mut Room) -> Result<Option<String>, Fault> {
        // Each piece is paid for as it is added: a short source can name a large value thousands of times. Of a text that the
        // interpreter has to make after all, nothing is paid here.
        let (mut text, mut left) = (String::new(), room.clone());
        for piece in pieces {
            let before = text.len();
            match piece {
                Self::Literal(literal) => text.push_str(literal),
                Self::Path(path) => match path.find(scope) {
                    Some((_, Value::String(found))) => text.push_str(found),
                    // Writing to a string cannot fail.
                    Some((_, found)) => _ = write!(text, "{found}"),
                    None => return Ok(None),
                },
            }
            left.take(text.len() - before)?;
        }
        *room = left;
        Ok(Some(text))
    }
}

#[cfg(test)]
mod tests {
    use minijinja::machinery::{parse, parse_expr};
    use serde_json::json;

    use super::super::{Expression, RunScope, Template, syntax};
    use super::*;
    use crate::id::{RunId, WorkflowName};

    fn scope() -> Scope {
        let run = RunScope {
            id: RunId(uuid::Uuid::nil()),
            workflow: WorkflowName::new("test").unwrap(),
            version: semver::Version::new(1, 0, 0),
            started_at: jiff::Timestamp::UNIX_EPOCH,
        };
        let value = json!({
            "text": "Gr\u{fc}\u{df}e", "n": 1.0, "big": u64::MAX, "small": i64::MIN, "tiny": 1e-7, "minus": -0.0, "none": null,
            "yes": true, "list": [[1, 2], {"deep": ["x"]}], "map": {"b": 1, "a": [], "0": {}}, "a b": 2, "items": 3,
        });
        let mut scope = Scope::new(run, &Arc::new(value.clone()));
        scope.set_node(&NodeId::new("done").unwrap(), "succeeded", Some(&Arc::new(value)), None);
        scope.set_node(&NodeId::new("begun").unwrap(), "running", None, None);
        scope
    }

    const PATHS: [&str; 22] = [
        "input",
        "input.text",
        "input.n",
        "input.big",
        "input.small",
        "input.tiny",
        "input.minus",
        "input.none",
        "input.yes",
        "input.list",
        "input.list[0]",
        "input.list[1].deep[0]",
        "input['a b']",
        "input.map",
        "input.map['0']",
        "input.items",
        "(input.map).a",
        "nodes.done.output",
        "nodes['done'].output.text",
        "nodes.done['output'].list[1]",
        "nodes.done.output.map.b",
        "nodes.done.output.items",
    ];

    /// Whoever writes a path must not have to know that it is looked up by other means.
    #[test]
    fn a_path_leads_where_the_interpreter_does() {
        let scope = scope();
        for source in PATHS {
            assert!(Path::of(&parse_expr(source).unwrap()).is_some(), "{source}");
            let text = format!("{{{{ {source} }}}}");
            let found = Template::parse(&json!(text), "/t").unwrap().render(&scope).unwrap();
            assert_eq!(
                *found,
                Expression::parse(source, "/e").unwrap().evaluate(&scope).unwrap(),
                "{source}"
            );
            let text = |emit: &str| format!("<{emit}> {{{{- input.text -}}}} \n");
            let (short, long) =
                (text(&format!("{{{{{source}}}}}")), text(&format!("{{{{{source} | default}}}}")));
            assert!(Piece::all_of(&parse(&short, "", syntax::config()).unwrap()).is_some(), "{short}");
            assert!(Piece::all_of(&parse(&long, "", syntax::config()).unwrap()).is_none(), "{long}");
            let rendered =
                |text: String| Template::parse(&json!(text), "/t").unwrap().render(&scope).unwrap();
            assert_eq!(rendered(short), rendered(long), "{source}");
        }
    }

    #[test]
    fn what_is_more_than_a_path_is_left_to_the_interpreter() {
        for source in [
            "input.list[-1]",
            "input.list[0:1]",
            "input.list[input.n]",
            "input.text | upper",
            "input.n + 1",
            "run.id",
            "nodes.done.status",
            "nodes.done",
            "nodes",
            "secret.KEY",
            "null",
            "'text'",
            "input.items()",
        ] {
            assert!(Path::of(&parse_expr(source).unwrap()).is_none(), "{source}");
        }
    }

    /// The interpreter says what is wrong, in the same words as ever.
    #[test]
    fn a_path_that_leads_nowhere_is_the_interpreters_to_report() {
        for source in
            ["input.nmae", "input.text.x", "input.list[2]", "nodes.begun.output", "nodes.begun.output.x"]
        {
            for text in [format!("{{{{ {source} }}}}"), format!("text {{{{ {source} }}}}")] {
                let failure = Template::parse(&json!(text), "/t").unwrap().render(&scope()).unwrap_err();
                assert!(failure.message.contains("undefined"), "{text}: {}", failure.message);
            }
        }
    }

    #[test]
    fn a_path_is_bounded_as_every_expression_is() {
        let mut scope = scope();
        let large = Arc::new(json!("x".repeat(1 << 20)));
        scope.set_node(&NodeId::new("done").unwrap(), "succeeded", Some(&large), None);
        // All pieces of the last one together would be three gigabytes: it is refused at the first.
        let often = "{{nodes.done.output}}".repeat(3_000);
        for text in ["{{ nodes.done.output }}", "<{{ nodes.done.output }}>", &often] {
            let failure = Template::parse(&json!(text), "/t").unwrap().render(&scope).unwrap_err();
            assert!(failure.message.contains("larger than"), "{}", failure.message);
        }
    }
}
