//! What changes from one definition to another: for whoever is asked to agree to it.
//!
//! What a node is newly allowed comes first, and is told by what it means, not by how it is written: a grant that was widened is
//! a gain. Everything else is told by its place, so that a field which this module has never heard of is told too. The
//! version, the canvas (`layout`) and the order of triggers are no differences.
//!
//! This module reads definitions as they were written and resolves nothing: any two JSON values have a difference.

mod authority;
mod places;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::grant::Grants;
use crate::plan::{Lock, Locked};
use crate::pointer;

/// The parts of a definition that are told apart by themselves, or not at all.
const APART: [&str; 4] = ["version", "layout", "nodes", "triggers"];

/// One of the two that are compared.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The definition, YAML read as JSON.
    pub definition: &'a Value,
    /// What its steps are locked to; none of a definition that was not applied: then locks are not compared.
    pub lock: Option<&'a Lock>,
}

/// What changes from one definition to another.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Difference {
    /// What nodes are newly allowed or no longer allowed, by node.
    pub grants: Vec<GrantChange>,
    /// Nodes that are new, gone or different.
    pub nodes: NodeChanges,
    /// Steps and workflows that are locked to something else.
    pub locks: Vec<LockChange>,
    /// Triggers that are new or gone.
    pub triggers: TriggerChanges,
    /// Other fields of the workflow: input, output, budget and so on.
    pub fields: Vec<Change>,
}

/// What a node is newly allowed or no longer allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GrantChange {
    /// The node.
    pub node: String,
    /// What it may do now and might not before.
    pub gained: Grants,
    /// What it might do before and may not now.
    pub lost: Grants,
}

/// Nodes that are new, gone or different.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NodeChanges {
    /// By id, as written.
    #[schema(value_type = BTreeMap<String, Value>)]
    pub added: BTreeMap<String, Value>,
    /// By id, as it was written.
    #[schema(value_type = BTreeMap<String, Value>)]
    pub removed: BTreeMap<String, Value>,
    /// In both, and not the same. What is told under `grants` is not told here again.
    pub changed: Vec<NodeChange>,
}

/// A node that is not the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NodeChange {
    /// The node.
    pub node: String,
    /// What of it, by place.
    pub fields: Vec<Change>,
}

/// A value that is not the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Change {
    /// Where: a JSON pointer into the definition.
    pub pointer: String,
    /// What it was; left out if there was nothing.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schema(value_type = Option<Value>)]
    pub from: Option<Value>,
    /// What it is; left out if there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schema(value_type = Option<Value>)]
    pub to: Option<Value>,
}

/// A step or workflow that is locked to something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LockChange {
    /// Which of the definition's ranges: `classify`, `classify/fallback/0`, `charge/compensate`.
    pub slot: String,
    /// What it was locked to; left out if it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Locked>,
    /// What it is locked to; left out if it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Locked>,
}

/// Triggers that are new or gone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TriggerChanges {
    /// As written.
    pub added: Vec<Value>,
    /// As they were written.
    pub removed: Vec<Value>,
}

impl Difference {
    /// What changes from one to the other.
    #[must_use]
    pub fn between(from: Side<'_>, to: Side<'_>) -> Self {
        let nodes = Pair { from: nodes_of(from.definition), to: nodes_of(to.definition) };
        let grants = nodes.each(authority::change);
        Self {
            nodes: node_changes(&nodes, &grants),
            grants,
            locks: lock_changes(from.lock, to.lock),
            triggers: trigger_changes(from.definition, to.definition),
            fields: field_changes(from.definition, to.definition),
        }
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A JSON value that is there, though it may be `null`.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The nodes of both sides.
struct Pair<'a> {
    from: BTreeMap<&'a str, &'a Value>,
    to: BTreeMap<&'a str, &'a Value>,
}

impl Pair<'_> {
    /// What is said of each node of either side, in the order of their ids.
    fn each<T>(&self, say: impl Fn(&str, Option<&Value>, Option<&Value>) -> Option<T>) -> Vec<T> {
        let ids: BTreeSet<&str> = self.from.keys().chain(self.to.keys()).copied().collect();
        let both = |id| (self.from.get(id).copied(), self.to.get(id).copied());
        ids.into_iter().filter_map(|id| say(id, both(id).0, both(id).1)).collect()
    }
}

fn nodes_of(definition: &Value) -> BTreeMap<&str, &Value> {
    let nodes = definition.get("nodes").and_then(Value::as_object).into_iter().flatten();
    nodes.map(|(id, node)| (id.as_str(), node)).collect()
}

fn node_changes(nodes: &Pair<'_>, grants: &[GrantChange]) -> NodeChanges {
    let only = |mine: &BTreeMap<&str, &Value>, other: &BTreeMap<&str, &Value>| {
        let mine = mine.iter().filter(|(id, _)| !other.contains_key(*id));
        mine.map(|(id, node)| ((*id).to_owned(), (*node).clone())).collect()
    };
    let changed = nodes.each(|id, from, to| {
        let (from, to) = (from?, to?);
        let place = pointer::field("/nodes", id);
        let mut fields = places::changes(&place, Some(from), Some(to));
        if grants.iter().any(|change| change.node == id) {
            let told = authority::places(&place, from).chain(authority::places(&place, to));
            let told: Vec<String> = told.collect();
            fields.retain(|change| !told.iter().any(|place| pointer::is_within(&change.pointer, place)));
        }
        (!fields.is_empty()).then(|| NodeChange { node: id.to_owned(), fields })
    });
    NodeChanges { added: only(&nodes.to, &nodes.from), removed: only(&nodes.from, &nodes.to), changed }
}

fn lock_changes(from: Option<&Lock>, to: Option<&Lock>) -> Vec<LockChange> {
    let (Some(Lock(from)), Some(Lock(to))) = (from, to) else { return Vec::new() };
    let slots: BTreeSet<_> = from.keys().chain(to.keys()).collect();
    let change = |slot| (from.get(slot) != to.get(slot)).then_some(slot);
    let changed = slots.into_iter().filter_map(change);
    changed
        .map(|slot| LockChange {
            slot: slot.to_string(),
            from: from.get(slot).cloned(),
            to: to.get(slot).cloned(),
        })
        .collect()
}

fn trigger_changes(from: &Value, to: &Value) -> TriggerChanges {
    fn triggers(definition: &Value) -> &[Value] {
        definition.get("triggers").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
    fn only(mine: &[Value], other: &[Value]) -> Vec<Value> {
        mine.iter().filter(|trigger| !other.contains(trigger)).cloned().collect()
    }
    let (from, to) = (triggers(from), triggers(to));
    TriggerChanges { added: only(to, from), removed: only(from, to) }
}

fn field_changes(from: &Value, to: &Value) -> Vec<Change> {
    fn rest(definition: &Value) -> Map<String, Value> {
        let fields = definition.as_object().into_iter().flatten();
        let rest = fields.filter(|(name, _)| !APART.contains(&name.as_str()));
        rest.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
    places::of_objects("", &rest(from), &rest(to))
}

#[cfg(test)]
mod tests;
