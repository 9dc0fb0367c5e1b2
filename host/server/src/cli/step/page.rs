//! `stepwell step page`: a step's documentation, made of what its component says of itself, its example and its author's prose.

mod table;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::limits::Limits;
use stepwell_core::manifest::PublishedStep;
use stepwell_sandbox::{EffectStandIn, HttpAnswer, HttpAsked};

use self::table::{Table, Told};
use crate::cli::lint::Source;
use crate::cli::offline::OfflineSandbox;
use crate::cli::{CliError, Screen};

/// Beside the step's sources: a workflow that uses it, and prose that goes below the tables.
const EXAMPLE: &str = "example/workflow.json";
const PROSE: &str = "about.md";

/// Writes the page of the step in a folder, which is built first.
pub(super) async fn page(folder: &Path, output: Option<&PathBuf>, screen: &Screen) -> Result<(), CliError> {
    let component = super::build_folder(folder.to_owned(), screen).await?;
    let step = described(component.bytes).await?;
    let page =
        write(&step, example(folder, step.manifest.name.as_str())?.as_ref(), prose(folder)?.as_deref());
    match output {
        None => screen.line(page.trim_end()),
        Some(path) => std::fs::write(path, page).map_err(|source| CliError::file("write", path, source)),
    }
}

/// What a component says of itself, and what its imports prove.
async fn described(component: Vec<u8>) -> Result<PublishedStep, CliError> {
    let offline = OfflineSandbox::new(Arc::new(NothingLeaves), Limits::default_ceiling())?;
    let described = offline.sandbox.publish(component.into()).await;
    described.map_err(|source| CliError::failed("asking the step what it is", source))
}

/// A step that describes itself has no effects.
#[derive(Debug)]
struct NothingLeaves;

#[async_trait]
impl EffectStandIn for NothingLeaves {
    async fn http(&self, _: HttpAsked<'_>) -> Result<HttpAnswer, Failure> {
        Err(Failure::new(FailureKind::Permanent, "a step that describes itself asks nothing of the world"))
    }
}

/// The node of the folder's example that shows the step: its id, and its text as it stands in the file.
fn example(folder: &Path, step: &str) -> Result<Option<(String, String)>, CliError> {
    let path = folder.join(EXAMPLE);
    if !path.is_file() {
        return Ok(None);
    }
    let source = Source::read(&path)?;
    let nothing = Map::new();
    let nodes = source.definition()["nodes"].as_object().unwrap_or(&nothing);
    let uses = |node: &Value| node["step"].as_str().is_some_and(|it| it.split('@').next() == Some(step));
    let Some((id, node)) = nodes.iter().find(|(_, node)| uses(node)) else {
        return Err(CliError::Usage(format!("`{}` has no node that uses the step {step}", path.display())));
    };
    let text = source.text_of(&format!("/nodes/{id}")).map_or_else(|| format!("{node:#}"), moved_left);
    Ok(Some((id.clone(), text)))
}

/// A text without the space that all of its lines but the first begin with.
fn moved_left(text: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let least = text.lines().skip(1).filter(|line| !line.trim().is_empty()).map(indent).min().unwrap_or(0);
    let lines = text.lines().enumerate();
    let lines =
        lines.map(|(index, line)| if index == 0 { line } else { line.get(least..).unwrap_or_default() });
    lines.collect::<Vec<_>>().join("\n")
}

fn prose(folder: &Path) -> Result<Option<String>, CliError> {
    let path = folder.join(PROSE);
    if !path.is_file() {
        return Ok(None);
    }
    std::fs::read_to_string(&path).map(Some).map_err(|source| CliError::file("read", &path, source))
}

/// The page.
fn write(step: &PublishedStep, example: Option<&(String, String)>, prose: Option<&str>) -> String {
    let manifest = &step.manifest;
    let mut page = vec![
        "<!-- Made by `stepwell step page` from the step's own manifest, example and about.md: change those. -->".to_owned(),
        format!("# `{}`: {}", manifest.name, first_letter_small(&manifest.summary)),
        format!("Version {}. {}", manifest.version, authority(step)),
    ];
    if let Some((id, node)) = example {
        page.push(format!("```json\n\"{id}\": {node}\n```"));
        page.push(format!(
            "The whole workflow is [its example](../../steps/{0}/example/workflow.json); `stepwell workflow test steps/{0}/example/workflow.json` runs it.",
            manifest.name
        ));
    }
    let parts = [
        ("Config", &manifest.config_schema, Told::Read),
        ("Input", &manifest.input_schema, Told::Read),
        ("Output", &manifest.output_schema, Told::Written),
    ];
    for (title, schema, told) in parts {
        page.push(format!("## {title}"));
        page.push(Table::of(schema, told).to_markdown());
    }
    page.extend(prose.map(|prose| prose.trim().to_owned()));
    page.join("\n\n") + "\n"
}

/// What the step can do to the world, and why it wants to.
fn authority(step: &PublishedStep) -> String {
    if step.is_effect_free() {
        return "Free of effects, as its imports prove.".to_owned();
    }
    let needs = step.manifest.capabilities.iter();
    let needs: Vec<_> =
        needs.map(|need| format!("`{}`: {}", need.capability.as_str(), need.reason)).collect();
    format!("It wants to be granted {}.", needs.join("; "))
}

fn first_letter_small(text: &str) -> String {
    let mut letters = text.chars();
    // An abbreviation stays one.
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}
