//! A definition as it was written: read into a draft, with every mistake of its shape noted.
//!
//! This module knows what may stand where. Whether nodes, steps and grants fit together is for [`crate::plan`].

mod bounds;
mod call;
mod concurrency;
mod cursor;
mod limits;
mod node;
mod trigger;
mod work;

use semver::Version;
use serde_json::Value;

use crate::digest::Digest;
use crate::expression::{Setting, Template};
use crate::id::{InvalidName, WorkflowName};
use crate::mistake::{Mistake, code};
use crate::plan::{Budget, Concurrency, OnFailure};
use crate::priority::Priority;
use crate::schema::{InvalidSchema, Schema};

pub(crate) use self::call::CallDraft;
pub use self::cursor::{Cursor, Fields, Mistakes};
pub(crate) use self::node::{NodeDraft, OnErrorDraft};
pub(crate) use self::trigger::TriggerDraft;
pub(crate) use self::work::{StepDraft, WorkDraft};

/// The most nodes of one workflow.
pub const MAX_NODES: usize = 1_000;

const FIELDS: &[&str] = &[
    "name",
    "version",
    "summary",
    "input",
    "triggers",
    "budget",
    "on_failure",
    "priority",
    "concurrency",
    "nodes",
    "output",
    "layout",
];

/// The digest of a definition without its `layout`: the same for definitions that mean the same text.
#[must_use]
pub fn digest_of(definition: &Value) -> Digest {
    let mut meaning = definition.clone();
    if let Some(fields) = meaning.as_object_mut() {
        fields.remove("layout");
    }
    // Equal values then have equal texts, whichever map `serde_json` was built with.
    meaning.sort_all_objects();
    Digest::of(meaning.to_string().as_bytes())
}

/// What could be read. A part that is `None` or missing has a mistake noted, or was not written.
#[derive(Default)]
pub(crate) struct Draft<'a> {
    pub(crate) name: Option<WorkflowName>,
    pub(crate) version: Option<Version>,
    pub(crate) input: Option<Schema>,
    pub(crate) triggers: Vec<TriggerDraft>,
    pub(crate) budget: Budget,
    pub(crate) on_failure: OnFailure,
    pub(crate) priority: Priority,
    pub(crate) concurrency: Option<Concurrency>,
    pub(crate) nodes: Vec<NodeDraft<'a>>,
    pub(crate) output: Option<Template>,
}

/// Reads all that can be read.
pub(crate) fn read<'a>(definition: &'a Value, mistakes: &'a Mistakes) -> Draft<'a> {
    if let Err(mistake) = bounds::check(definition) {
        mistakes.add(mistake);
        return Draft::default();
    }
    let Some(fields) = Cursor::new(definition, "", mistakes).fields(FIELDS) else { return Draft::default() };
    if let Some(summary) = fields.get("summary") {
        summary.text();
    }
    Draft {
        name: fields
            .require("name", "give the workflow a name: `\"name\": \"my-workflow\"`")
            .and_then(|it| it.parse(code::BAD_NAME, |_, invalid: InvalidName| invalid.to_string())),
        version: fields.require("version", "start with `\"version\": \"1.0.0\"`").and_then(|it| {
            it.parse(code::BAD_VERSION, |text, error| {
                format!("`{text}` is no version such as 1.0.0: {error}")
            })
        }),
        input: fields.get("input").and_then(|it| read_schema(&it, mistakes)),
        triggers: fields.get("triggers").map(|it| trigger::read_all(&it, mistakes)).unwrap_or_default(),
        budget: fields.get("budget").and_then(|it| limits::read_budget(&it)).unwrap_or_default(),
        on_failure: fields.get("on_failure").and_then(|it| limits::read_on_failure(&it)).unwrap_or_default(),
        priority: fields
            .get("priority")
            .and_then(|it| it.word(&Priority::ALL.map(|priority| (priority.as_str(), priority))))
            .unwrap_or_default(),
        concurrency: fields.get("concurrency").and_then(|it| concurrency::read(&it, mistakes)),
        nodes: fields
            .require("nodes", "a workflow has one node at least")
            .map(|it| read_nodes(&it, mistakes))
            .unwrap_or_default(),
        output: fields
            .get("output")
            .map(|it| mistakes.note(Template::examine(it.value, &it.pointer, Setting::Run))),
    }
}

fn read_schema(schema: &Cursor<'_>, mistakes: &Mistakes) -> Option<Schema> {
    let note = |invalid: InvalidSchema| {
        let place = format!("{}{}", schema.pointer, invalid.pointer);
        mistakes.add(Mistake::new(place, code::BAD_SCHEMA, invalid.to_string()));
    };
    Schema::compile(schema.value).map_err(note).ok()
}

fn read_nodes<'a>(nodes: &Cursor<'a>, mistakes: &'a Mistakes) -> Vec<NodeDraft<'a>> {
    let entries = nodes.entries();
    if entries.is_empty() && nodes.value.is_object() {
        nodes.wrong(code::MISSING_FIELD, "a workflow has one node at least");
    }
    if entries.len() > MAX_NODES {
        nodes.wrong(
            code::TOO_LARGE,
            format!("{} nodes are more than {MAX_NODES}; split the workflow", entries.len()),
        );
        return Vec::new();
    }
    entries.into_iter().map(|(id, node)| node::read(id, &node, mistakes)).collect()
}
