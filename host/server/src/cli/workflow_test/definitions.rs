//! The definitions that are applied for a test: that of the workflow under test, and those of others that it runs, or that hear of its
//! events. And what of them a test file may name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use stepwell_core::definition::Cursor;
use stepwell_core::mistake::code;

use crate::cli::CliError;
use crate::cli::lint::Source;

/// A definition and the file that it stands in.
pub(super) struct Written {
    pub(super) path: PathBuf,
    pub(super) source: Source,
}

impl Written {
    pub(super) fn read(path: PathBuf) -> Result<Self, CliError> {
        Ok(Self { source: Source::read(&path)?, path })
    }

    pub(super) fn definition(&self) -> &Value {
        self.source.definition()
    }

    pub(super) fn name(&self) -> &str {
        name_of(self.definition())
    }

    /// Reads those that a test file names beside that of the workflow `tried`. `beside` is where the test file is.
    pub(super) fn read_others(workflows: &Cursor<'_>, tried: &str, beside: &Path) -> Vec<Self> {
        let entries = workflows.entries();
        entries.iter().filter_map(|(name, path)| Self::read_other(name, path, tried, beside)).collect()
    }

    fn read_other(name: &str, path: &Cursor<'_>, tried: &str, beside: &Path) -> Option<Self> {
        if name == tried {
            path.wrong(code::DUPLICATE, format!("`{name}` is the workflow under test, and is there already"));
            return None;
        }
        let written = Self::read(beside.join(path.text()?));
        let written = written.map_err(|error| path.wrong(code::BAD_VALUE, error.to_string())).ok()?;
        if written.name() != name {
            let found = written.name();
            path.wrong(
                code::BAD_NAME,
                format!("the workflow in this file is called `{found}`, not `{name}`"),
            );
        }
        Some(written)
    }
}

/// Each behind those that it runs, and the last one given at the end.
pub(super) fn in_order<'a>(all: &[&'a Value]) -> Vec<&'a Value> {
    fn visit<'a>(
        definition: &'a Value,
        all: &[&'a Value],
        begun: &mut BTreeSet<&'a str>,
        ordered: &mut Vec<&'a Value>,
    ) {
        // A circle ends here, and is told of when they are applied.
        if begun.insert(name_of(definition)) {
            let others = all.iter().filter(|other| runs(definition, name_of(other)));
            others.for_each(|other| visit(other, all, begun, ordered));
            ordered.push(definition);
        }
    }
    let (mut begun, mut ordered) = (BTreeSet::new(), Vec::new());
    all.iter().for_each(|definition| visit(definition, all, &mut begun, &mut ordered));
    ordered
}

fn runs(definition: &Value, name: &str) -> bool {
    let named = |node: &Value| node["workflow"].as_str().map(|it| it.split('@').next() == Some(name));
    nodes_of(definition).any(|(_, node)| named(node) == Some(true))
}

/// What a definition's workflow is called.
pub(super) fn name_of(definition: &Value) -> &str {
    definition["name"].as_str().unwrap_or_default()
}

fn nodes_of(definition: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let nodes = definition["nodes"].as_object().into_iter().flatten();
    nodes.map(|(name, node)| (name.as_str(), node))
}

/// What a test file may name.
pub(super) struct Names<'a> {
    /// The workflow under test.
    pub(super) tried: &'a str,
    definitions: BTreeMap<&'a str, &'a Value>,
}

impl<'a> Names<'a> {
    pub(super) fn new(tried: &'a Value, others: impl IntoIterator<Item = &'a Value>) -> Self {
        let all = others.into_iter().chain([tried]);
        Self { tried: name_of(tried), definitions: all.map(|it| (name_of(it), it)).collect() }
    }

    /// A workflow that a test file names, if it is there.
    pub(super) fn workflow(&self, named: &Cursor<'a>) -> Option<&'a str> {
        let name = named.text()?;
        if self.definitions.contains_key(name) {
            return Some(name);
        }
        let known: Vec<&str> = self.definitions.keys().copied().collect();
        let message = format!("there is no workflow `{name}` here; there are: {}", known.join(", "));
        named.wrong_with_help(code::UNKNOWN_WORKFLOW, message, "name its file in `workflows`");
        None
    }

    /// A node that a test file names: of this workflow, or of any. What is none is noted.
    pub(super) fn node(&self, named: &Cursor<'a>, workflow: Option<&str>) -> Option<&'a str> {
        self.node_with(named, workflow, "node", |_| true)
    }

    /// One of this kind, which is also the field by which it is known.
    pub(super) fn node_of_kind(
        &self,
        named: &Cursor<'a>,
        workflow: &str,
        kind: &'static str,
    ) -> Option<&'a str> {
        self.node_with(named, Some(workflow), kind, |node| !node[kind].is_null())
    }

    fn node_with(
        &self,
        named: &Cursor<'a>,
        workflow: Option<&str>,
        what: &str,
        is_one: impl Fn(&Value) -> bool,
    ) -> Option<&'a str> {
        let name = named.text()?;
        let among = self.definitions.iter().filter(|(it, _)| workflow.is_none_or(|named| named == **it));
        let nodes = among.flat_map(|(_, definition)| nodes_of(definition)).filter(|(_, node)| is_one(node));
        let known: Vec<&str> = nodes.map(|(name, _)| name).collect();
        if known.contains(&name) {
            return Some(name);
        }
        named.wrong(code::UNKNOWN_NODE, unknown(workflow.unwrap_or(self.tried), what, name, &known));
        None
    }

    /// Notes an entry that is named after no node of the workflow under test.
    pub(super) fn check_entry(&self, name: &str, entry: &Cursor<'_>) -> bool {
        let nodes = self.definitions.get(self.tried).into_iter().flat_map(|tried| nodes_of(tried));
        let known: Vec<&str> = nodes.map(|(name, _)| name).collect();
        let is_known = known.contains(&name);
        if !is_known {
            entry.wrong(code::UNKNOWN_NODE, unknown(self.tried, "node", name, &known));
        }
        is_known
    }

    /// Notes an entry that is named after no event that any of these workflows tells of.
    pub(super) fn check_event(&self, name: &str, entry: &Cursor<'_>) {
        let nodes = self.definitions.values().flat_map(|definition| nodes_of(definition));
        let known: Vec<&str> = nodes.filter_map(|(_, node)| node["emit"]["type"].as_str()).collect();
        if !known.iter().any(|known| *known == name || known.contains("{{")) {
            let message = format!("no node tells of an event of type `{name}`; types: {}", list(&known));
            entry.wrong(code::BAD_NAME, message);
        }
    }
}

fn unknown(workflow: &str, what: &str, name: &str, known: &[&str]) -> String {
    format!("the workflow `{workflow}` has no {what} `{name}`; it has: {}", list(known))
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_workflow_is_applied_behind_those_that_it_runs() {
        let workflow = |name: &str, runs: &str| json!({"name": name, "nodes": {"a": {"workflow": format!("{runs}@^1")}}});
        let all = [workflow("a", "b"), workflow("b", "c"), workflow("c", "none"), workflow("d", "a")];
        let all: Vec<&Value> = all.iter().collect();
        let names: Vec<&str> = in_order(&all).into_iter().map(name_of).collect();
        assert_eq!(names, ["c", "b", "a", "d"]);
        let circle = [workflow("a", "b"), workflow("b", "a")];
        assert_eq!(in_order(&circle.iter().collect::<Vec<_>>()).len(), 2);
    }
}
