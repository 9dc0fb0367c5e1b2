//! The names that an expression sees.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use minijinja::value::{Object, Serde, Value as Jinja};
use semver::Version;
use serde::Serialize;
use serde_json::Value;

use crate::failure::Failure;
use crate::id::{NodeId, RunId, SecretName, WorkflowName};

/// `run` in an expression.
#[derive(Debug, Clone, Serialize)]
pub struct RunScope {
    /// The run.
    pub id: RunId,
    /// Its workflow.
    pub workflow: WorkflowName,
    /// Its workflow's version.
    pub version: Version,
    /// When it was accepted; in RFC 3339 form.
    pub started_at: Timestamp,
}

/// What expressions of one run see: `input`, `run` and `nodes`. A clone costs three counters, however large the values are.
#[derive(Debug, Clone)]
pub struct Scope {
    input: Jinja,
    run: Jinja,
    nodes: Arc<Nodes>,
    /// Bytes of the longest text that was ever shown.
    longest_text: usize,
}

impl Scope {
    /// The scope of a run that has done nothing yet.
    #[must_use]
    pub fn new(run: RunScope, input: &Value) -> Self {
        Self {
            input: Jinja::from(Serde(input)),
            run: Jinja::from(Serde(run)),
            nodes: Arc::default(),
            longest_text: longest_text(input),
        }
    }

    /// Shows a node, in place of what was shown of it before. What is `None` is undefined in expressions.
    pub fn set_node(&mut self, id: &NodeId, status: &str, output: Option<&Value>, error: Option<&Failure>) {
        let shown = [
            Some(("status", Jinja::from(status))),
            output.map(|output| ("output", Jinja::from(Serde(output)))),
            error.map(|error| ("error", Jinja::from(Serde(error)))),
        ];
        self.longest_text = self.longest_text.max(output.map_or(0, longest_text));
        Arc::make_mut(&mut self.nodes).0.insert(id.clone(), Jinja::from_pairs(shown.into_iter().flatten()));
    }

    pub(super) fn longest_text(&self) -> usize {
        self.longest_text
    }

    /// The scope as the interpreter takes it.
    pub(super) fn to_root(&self) -> Jinja {
        Jinja::from_object(self.clone())
    }
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        match key.as_str()? {
            "input" => Some(self.input.clone()),
            "run" => Some(self.run.clone()),
            "nodes" => Some(Jinja::from_dyn_object(Arc::clone(&self.nodes))),
            "secret" => Some(Jinja::from_object(Secrets)),
            // JSON's word for what the language calls `none`.
            "null" => Some(Jinja::from(())),
            _ => None,
        }
    }
}

fn longest_text(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(longest_text).max().unwrap_or(0),
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| name.len().max(longest_text(field))).max().unwrap_or(0)
        }
        _ => 0,
    }
}

#[derive(Debug, Clone, Default)]
struct Nodes(BTreeMap<NodeId, Jinja>);

impl Object for Nodes {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.0.get(key.as_str()?).cloned()
    }
}

/// `secret.NAME` gives the placeholder, never the value: the host puts the value in when the request leaves.
#[derive(Debug)]
struct Secrets;

impl Object for Secrets {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let name = SecretName::new(key.as_str()?).ok()?;
        Some(Jinja::from(format!("{{{{secret.{name}}}}}")))
    }
}
