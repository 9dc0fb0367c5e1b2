//! One node, as it was written: what all kinds of nodes have in common.

use super::call::{self, CallDraft, Source, read_template};
use super::cursor::{Cursor, Mistakes};
use super::work::{self, WorkDraft};
use crate::expression::{Expression, Setting, Template};
use crate::id::NodeId;
use crate::mistake::code;
use crate::plan::Join;

/// A node, as far as it could be read.
pub(crate) struct NodeDraft<'a> {
    /// As written, good or not.
    pub(crate) name: &'a str,
    /// The name, if it is good.
    pub(crate) id: Option<NodeId>,
    /// The node's place.
    pub(crate) pointer: String,
    pub(crate) needs: Vec<Need<'a>>,
    pub(crate) when: Option<Expression>,
    pub(crate) join: Join,
    pub(crate) on_error: OnErrorDraft<'a>,
    pub(crate) compensate: Option<CallDraft>,
    /// None: what is written is no node.
    pub(crate) work: Option<WorkDraft>,
}

/// A node that another one needs, as written.
pub(crate) struct Need<'a> {
    pub(crate) node: &'a str,
    pub(crate) pointer: String,
}

/// What a node's failure means, as written.
#[derive(Default)]
pub(crate) enum OnErrorDraft<'a> {
    #[default]
    Fail,
    Continue(Box<Template>),
    GoTo(Need<'a>),
}

/// The fields of every node.
const COMMON: [&str; 4] = ["needs", "when", "join", "on_error"];

/// Reads a node.
pub(super) fn read<'a>(name: &'a str, node: &Cursor<'a>, mistakes: &'a Mistakes) -> NodeDraft<'a> {
    let id = NodeId::new(name).map_err(|invalid| node.wrong(code::BAD_NAME, invalid.to_string())).ok();
    let kind = work::kind_of(node);
    let mut known: Vec<&str> = COMMON.iter().chain(work::fields_of(kind)).copied().collect();
    // Of a second kind it is said that it is one too many, not that it is unknown.
    known.extend(work::kinds_named(node).filter(|name| !work::fields_of(kind).contains(name)));
    let fields = node.fields(&known);
    let field = |name: &str| fields.as_ref().and_then(|fields| fields.get(name));
    NodeDraft {
        name,
        id,
        pointer: node.pointer.clone(),
        needs: field("needs").map(|it| read_needs(&it)).unwrap_or_default(),
        when: field("when")
            .and_then(|it| mistakes.note(Expression::examine(it.text()?, &it.pointer, Setting::Run))),
        join: field("join")
            .and_then(|it| it.word(&[("all", Join::All), ("any", Join::Any)]))
            .unwrap_or_default(),
        on_error: field("on_error").and_then(|it| read_on_error(&it, mistakes)).unwrap_or_default(),
        compensate: field("compensate").and_then(|it| read_compensation(&it, mistakes)),
        work: fields.as_ref().and_then(|fields| work::read(kind, fields, mistakes)),
    }
}

fn read_needs<'a>(needs: &Cursor<'a>) -> Vec<Need<'a>> {
    let mut known: Vec<Need<'a>> = Vec::new();
    for need in needs.items() {
        let Some(node) = need.text() else { continue };
        if known.iter().any(|other| other.node == node) {
            need.wrong(code::DUPLICATE, format!("`{node}` stands here twice"));
            continue;
        }
        known.push(Need { node, pointer: need.pointer });
    }
    known
}

const ON_ERROR: &str = "`\"fail\"`, `\"continue\"` or an object";

const ON_ERROR_FORM: &str =
    "write `\"fail\"`, `\"continue\"`, `{\"continue\": what to go on with}` or `{\"go_to\": \"a-node\"}`";

fn read_on_error<'a>(on_error: &Cursor<'a>, mistakes: &Mistakes) -> Option<OnErrorDraft<'a>> {
    if on_error.value.is_string() {
        let words = [("fail", true), ("continue", false)];
        return Some(match on_error.word(&words)? {
            true => OnErrorDraft::Fail,
            false => OnErrorDraft::Continue(Box::new(Template::literal(serde_json::Value::Null))),
        });
    }
    let fields = on_error.fields_wanting(ON_ERROR, &["continue", "go_to"])?;
    match (fields.get("continue"), fields.get("go_to")) {
        (Some(output), None) => Some(OnErrorDraft::Continue(Box::new(read_template(&output, mistakes)))),
        (None, Some(node)) => {
            let name = node.text()?;
            Some(OnErrorDraft::GoTo(Need { node: name, pointer: node.pointer }))
        }
        _ => {
            on_error.wrong_with_help(
                code::BAD_VALUE,
                "one of `continue` and `go_to` is wanted here",
                ON_ERROR_FORM,
            );
            None
        }
    }
}

fn read_compensation(compensate: &Cursor<'_>, mistakes: &Mistakes) -> Option<CallDraft> {
    let fields = compensate.fields(&call::FIELDS)?;
    Some(call::read(&Source { own: &fields, inherited: None }, mistakes))
}
