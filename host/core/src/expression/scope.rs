//! The names that an expression sees.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

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

/// What expressions of one run see: `input`, `run` and `nodes`; before there is a run, `event` alone. A clone costs a few counters, however large the values are.
#[derive(Debug, Clone)]
pub struct Scope {
    input: Arc<Shown>,
    run: Option<Arc<ShownRun>>,
    event: Option<Arc<Shown>>,
    nodes: Arc<Nodes>,
    /// What is there in some places alone: `item`, `output`, ...
    locals: Vec<(&'static str, Arc<Shown>)>,
    /// Bytes of the longest text that was ever shown.
    longest_text: usize,
}

impl Scope {
    /// The scope of a run that has done nothing yet.
    #[must_use]
    pub fn new(run: RunScope, input: &Arc<Value>) -> Self {
        Self {
            input: Arc::new(Shown::new(input)),
            run: Some(Arc::new(ShownRun { run, jinja: OnceLock::new() })),
            event: None,
            nodes: Arc::default(),
            locals: Vec::new(),
            longest_text: longest_text(input),
        }
    }

    /// The scope of a trigger that looks at an event.
    #[must_use]
    pub fn of_event(event: &Arc<Value>) -> Self {
        Self {
            input: Arc::new(Shown::new(&Arc::default())),
            run: None,
            event: Some(Arc::new(Shown::new(event))),
            nodes: Arc::default(),
            locals: Vec::new(),
            longest_text: longest_text(event),
        }
    }

    /// The scope of a trigger that looks at a request.
    #[must_use]
    pub fn of_request(request: &Arc<Value>) -> Self {
        Self { event: None, ..Self::of_event(&Arc::default()) }.with("request", request)
    }

    /// The scope of a trigger whose run has succeeded. `run` has `id` and `workflow`.
    #[must_use]
    pub fn of_answer(request: &Arc<Value>, run: &Arc<Value>, output: &Arc<Value>) -> Self {
        Self::of_request(request).with("run", run).with("output", output)
    }

    /// Shows a node, in place of what was shown of it before. What is `None` is undefined in expressions.
    pub fn set_node(
        &mut self,
        id: &NodeId,
        status: &'static str,
        output: Option<&Arc<Value>>,
        error: Option<&Failure>,
    ) {
        self.longest_text = self.longest_text.max(output.map_or(0, |output| longest_text(output)));
        let shown = Arc::new(ShownNode {
            status,
            output: output.map(Shown::new),
            error: error.cloned(),
            jinja: OnceLock::new(),
        });
        let nodes = &mut Arc::make_mut(&mut self.nodes).0;
        match nodes.get_mut(id) {
            Some(before) => *before = shown,
            None => _ = nodes.insert(id.clone(), shown),
        }
    }

    /// The same scope with one more name.
    #[must_use]
    pub fn with(&self, name: &'static str, value: &Arc<Value>) -> Self {
        let mut scope = self.clone();
        scope.longest_text = scope.longest_text.max(longest_text(value));
        scope.locals.push((name, Arc::new(Shown::new(value))));
        scope
    }

    /// What has this name here alone.
    pub(super) fn local(&self, name: &str) -> Option<&Arc<Value>> {
        self.shown_local(name).map(|shown| &shown.json)
    }

    fn shown_local(&self, name: &str) -> Option<&Arc<Shown>> {
        self.locals.iter().find(|(local, _)| *local == name).map(|(_, shown)| shown)
    }

    /// The run's input.
    pub(super) fn input(&self) -> &Arc<Value> {
        &self.input.json
    }

    /// The event, in a trigger.
    pub(super) fn event(&self) -> Option<&Arc<Value>> {
        Some(&self.event.as_ref()?.json)
    }

    /// A node's output, if it has one.
    pub(super) fn output(&self, node: &NodeId) -> Option<&Arc<Value>> {
        Some(&self.nodes.0.get(node)?.output.as_ref()?.json)
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
            "input" => Some(self.input.jinja()),
            "run" if self.run.is_some() => self.run.as_ref().map(|shown| shown.jinja()),
            "event" => self.event.as_ref().map(|shown| shown.jinja()),
            "nodes" => Some(Jinja::from_dyn_object(Arc::clone(&self.nodes))),
            "secret" => Some(Jinja::from_object(Secrets)),
            // JSON's word for what the language calls `none`.
            "null" => Some(Jinja::from(())),
            local => self.shown_local(local).map(|shown| shown.jinja()),
        }
    }
}

/// A value, and its form for the interpreter once that is asked for.
#[derive(Debug)]
struct Shown {
    json: Arc<Value>,
    jinja: OnceLock<Jinja>,
}

impl Shown {
    fn new(json: &Arc<Value>) -> Self {
        Self { json: Arc::clone(json), jinja: OnceLock::new() }
    }

    fn jinja(&self) -> Jinja {
        self.jinja.get_or_init(|| Jinja::from(Serde(&self.json))).clone()
    }
}

#[derive(Debug)]
struct ShownRun {
    run: RunScope,
    jinja: OnceLock<Jinja>,
}

impl ShownRun {
    fn jinja(&self) -> Jinja {
        self.jinja.get_or_init(|| Jinja::from(Serde(&self.run))).clone()
    }
}

#[derive(Debug)]
struct ShownNode {
    status: &'static str,
    output: Option<Shown>,
    error: Option<Failure>,
    jinja: OnceLock<Jinja>,
}

impl ShownNode {
    fn jinja(&self) -> Jinja {
        let make = || {
            let fields = [
                Some(("status", Jinja::from(self.status))),
                self.output.as_ref().map(|output| ("output", output.jinja())),
                self.error.as_ref().map(|error| ("error", Jinja::from(Serde(error)))),
            ];
            Jinja::from_pairs(fields.into_iter().flatten())
        };
        self.jinja.get_or_init(make).clone()
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
struct Nodes(BTreeMap<NodeId, Arc<ShownNode>>);

impl Object for Nodes {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        Some(self.0.get(key.as_str()?)?.jinja())
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
