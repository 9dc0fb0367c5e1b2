//! Where the components of a workflow under test come from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use semver::Version;
use serde_json::Value;
use stepwell_core::definition::Cursor;
use stepwell_core::mistake::code;

use crate::cli::workflow::escape;
use crate::cli::{CliError, Client, Connection, Screen, standard_steps, step};

const FORM: &str = "write \"standard\", {\"folder\": \"../my-step\"}, {\"file\": \"my-step.wasm\"} or {\"server\": \"1.2.0\"}";

/// Where one step's component comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// It is one of the standard steps, built from this checkout.
    Standard,
    /// A folder with its sources, beside the test file.
    Folder(PathBuf),
    /// A component, beside the test file.
    File(PathBuf),
    /// A server on which this version of it is published.
    Server(Version),
}

impl Source {
    pub(super) fn read(source: &Cursor<'_>) -> Option<Self> {
        if source.value.is_string() {
            return source.word(&[("standard", ())]).map(|()| Self::Standard);
        }
        let fields = source.fields(&["folder", "file", "server"])?;
        match (fields.get("folder"), fields.get("file"), fields.get("server")) {
            (Some(folder), None, None) => Some(Self::Folder(folder.text()?.into())),
            (None, Some(file), None) => Some(Self::File(file.text()?.into())),
            (None, None, Some(version)) => version
                .parse(code::BAD_VERSION, |text, error| {
                    format!("`{text}` is no version such as 1.0.0: {error}")
                })
                .map(Self::Server),
            _ => {
                source.wrong_with_help(code::BAD_VALUE, "a step comes from one place", FORM);
                None
            }
        }
    }
}

/// The components of these steps, by name. `beside` is where the test file is.
pub(super) async fn gather(
    names: &BTreeSet<String>,
    sources: &BTreeMap<String, Source>,
    beside: &Path,
    connection: &Connection,
    screen: &Screen,
) -> Result<Vec<(String, Vec<u8>)>, CliError> {
    let mut components = Vec::new();
    let mut standard = Vec::new();
    let known = standard_steps::names();
    for name in names {
        let is_known = known.as_ref().is_ok_and(|known| known.contains(name));
        let component = match (sources.get(name), is_known) {
            (None | Some(Source::Standard), true) => {
                standard.push(name);
                continue;
            }
            (Some(Source::Folder(folder)), _) => step::build_folder(beside.join(folder), screen).await?.bytes,
            (Some(Source::File(file)), _) => step::read(&beside.join(file))?,
            (Some(Source::Server(version)), _) => fetch(connection, name, version).await?,
            (None | Some(Source::Standard), false) => return Err(unknown(name, &known?)),
        };
        components.push((name.clone(), component));
    }
    if !standard.is_empty() {
        let built = standard_steps::build_all(&standard, screen).await?;
        components.extend(built.into_iter().map(|it| (it.name, it.bytes)));
    }
    Ok(components)
}

async fn fetch(connection: &Connection, name: &str, version: &Version) -> Result<Vec<u8>, CliError> {
    let path = format!("/v1/steps/{}/{version}/component", escape(name));
    Client::new(connection)?.get_bytes(&path).await
}

fn unknown(name: &str, known: &[String]) -> CliError {
    CliError::Usage(format!(
        "where does the step `{name}` come from? It is none of the standard steps ({}): say so in the test file, \
         under `steps`: `\"{name}\": ...`; {FORM}",
        known.join(", ")
    ))
}

/// The names of all steps that a definition's nodes use.
pub(super) fn used(definition: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for node in definition["nodes"].as_object().into_iter().flat_map(|nodes| nodes.values()) {
        collect(node, &mut names);
    }
    names
}

/// A node's step, and those of the nodes within it. What a node hands to its step is not the workflow's.
fn collect(node: &Value, names: &mut BTreeSet<String>) {
    match node {
        Value::Object(fields) => {
            for (field, value) in fields {
                match (field.as_str(), value) {
                    ("config" | "input", _) => {}
                    ("step", Value::String(step)) => {
                        names.extend(step.split_once('@').map(|(name, _)| name.to_owned()));
                    }
                    (_, value) => collect(value, names),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_workflows_steps_are_found_wherever_a_node_names_them() {
        let definition = json!({"nodes": {
            "a": {"step": "one@^1", "config": {"step": "not@1"}, "input": {"step": "nor@1"}},
            "b": {"step": "two@^1", "fallback": [{"step": "three@^1"}]}
        }});
        assert_eq!(used(&definition), BTreeSet::from(["one", "three", "two"].map(str::to_owned)));
    }
}
