//! What expressions may name: nodes that are sure to have ended before, secrets that are granted.

use super::graph::Graph;
use crate::definition::Mistakes;
use crate::expression::{LocalReference, NodeReference, References};
use crate::grant::Grants;
use crate::mistake::{Mistake, code};
use crate::spelling;

/// Where an expression stands.
#[derive(Clone, Copy)]
pub(super) enum Reader {
    /// In this node.
    Node(usize),
    /// In the workflow's output, when every node has ended.
    Output,
}

/// Notes every node that is named and not there, or not sure to have ended.
pub(super) fn check_nodes(references: &References, reader: Reader, graph: &Graph<'_>, mistakes: &Mistakes) {
    mistakes.add_all(references.nodes.iter().filter_map(|reference| check_node(reference, reader, graph)));
}

fn check_node(reference: &NodeReference, reader: Reader, graph: &Graph<'_>) -> Option<Mistake> {
    let Some(named) = graph.find(&reference.node) else {
        let message = format!("`nodes.{0}`: there is no node `{0}`", reference.node);
        let help = unknown_node_help(&reference.node, graph.names());
        return Some(Mistake::new(&reference.pointer, code::UNKNOWN_NODE, message).with_help(help));
    };
    let Reader::Node(node) = reader else { return None };
    if graph.is_ancestor(named, node) != Some(false) {
        return None;
    }
    let reader = graph.names()[node];
    if named == node {
        let message = format!("`{reader}` cannot see itself");
        return Some(Mistake::new(&reference.pointer, code::NOT_AN_ANCESTOR, message));
    }
    let message = format!("`nodes.{}`: `{reader}` does not wait for it", reference.node);
    let help = format!("add \"{}\" to the `needs` of `{reader}`", reference.node);
    Some(Mistake::new(&reference.pointer, code::NOT_AN_ANCESTOR, message).with_help(help))
}

/// A name with a hyphen is taken for a subtraction unless it stands in brackets.
fn unknown_node_help(name: &str, known: &[&str]) -> String {
    let cut = format!("{name}-");
    match known.iter().find(|known| known.starts_with(&cut)) {
        Some(hyphened) => format!("write a name with `-` in brackets: `nodes[\"{hyphened}\"]`"),
        None => spelling::help(name, known),
    }
}

/// Notes every name that is there in other places alone.
pub(super) fn check_locals(references: &References, allowed: &[&str], mistakes: &Mistakes) {
    let (known, strange): (Vec<_>, Vec<_>) =
        references.locals.iter().partition(|local| allowed.contains(&local.name));
    mistakes.add_all(strange.into_iter().map(not_there));
    known.into_iter().filter_map(check_member).for_each(|mistake| mistakes.add_futile(mistake));
}

/// Notes every name that is there in other places alone: here is none of them.
pub(super) fn refuse_locals(references: &References, mistakes: &Mistakes) {
    references.locals.iter().map(not_there).for_each(|mistake| mistakes.add_futile(mistake));
}

fn not_there(local: &LocalReference) -> Mistake {
    let message = format!("`{}` is not there: it stands {}", local.name, place_of(local.name));
    Mistake::new(&local.pointer, code::UNKNOWN_NAME, message)
}

fn check_member(local: &LocalReference) -> Option<Mistake> {
    let (known, member) = (members_of(local.name)?, local.member.as_deref()?);
    if known.contains(&member) {
        return None;
    }
    let message = format!("unknown field of `{}` `{member}`", local.name);
    let mistake = Mistake::new(&local.pointer, code::UNKNOWN_NAME, message);
    Some(mistake.with_help(spelling::help(member, known)))
}

/// What there is of it; none: that is up to a step.
fn members_of(local: &str) -> Option<&'static [&'static str]> {
    match local {
        "original" => Some(&["input", "output"]),
        "callback" => Some(&["url"]),
        _ => None,
    }
}

fn place_of(local: &str) -> &'static str {
    match local {
        "item" | "index" => "in the `input`, `gate` and `until` of a node with `map`",
        "output" => "in `gate` and `until`",
        "original" => "in the `input` of a `compensate`",
        "callback" => "in the `input` of a node with `callback`",
        _ => "elsewhere",
    }
}

/// Notes every secret that is named and not granted.
pub(super) fn check_secrets(references: &References, grants: &Grants, mistakes: &Mistakes) {
    let missing =
        references.secrets.iter().filter(|reference| !grants.secrets.contains_key(&reference.secret));
    mistakes.add_all(missing.map(|reference| {
        let message = format!("the secret `{}` is not granted to this node", reference.secret);
        let help = format!(r#"grant it toward the host that may see it: "grants": {{"secrets": {{"{}": ["api.example.com"]}}}}"#, reference.secret);
        Mistake::new(&reference.pointer, code::SECRET_NOT_GRANTED, message).with_help(help)
    }));
}

/// Notes every secret: here none may stand.
pub(super) fn refuse_secrets(references: &References, mistakes: &Mistakes) {
    mistakes.add_all(references.secrets.iter().map(|reference| {
        let message =
            format!("the secret `{}` cannot stand here: only in the `input` of a node", reference.secret);
        Mistake::new(&reference.pointer, code::SECRET_NOT_GRANTED, message)
    }));
}

/// Notes every node: here none may stand, because none has run.
pub(super) fn refuse_nodes(references: &References, mistakes: &Mistakes) {
    mistakes.add_all(references.nodes.iter().map(|reference| {
        let message =
            format!("`nodes.{}` cannot stand here: no node has run when this is evaluated", reference.node);
        Mistake::new(&reference.pointer, code::NOT_AN_ANCESTOR, message).with_help("use `input` alone")
    }));
}
