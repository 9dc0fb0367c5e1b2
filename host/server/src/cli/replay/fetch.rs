//! What a replay needs of a run, fetched whole before anything runs.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use stepwell_core::digest::Digest;
use stepwell_core::id::NodeId;
use stepwell_core::manifest::PublishedStep;
use stepwell_core::mistake::Mistake;
use stepwell_core::plan::{Lock, LockSlot, Locked, LockedWorkflow, Plan};
use stepwell_core::run::{self, RunView};
use stepwell_engine::replay;
use stepwell_sandbox::Sandbox;

use crate::cli::workflow::escape;
use crate::cli::{CliError, Client};

/// The most entries that a page of a journal has.
const PAGE: usize = 500;

/// A run and all that it ran on.
pub(super) struct Fetched {
    pub(super) run: RunView,
    pub(super) entries: Vec<run::Entry>,
    pub(super) plan: Arc<Plan>,
    definition: Value,
    steps: HashMap<LockSlot, Arc<PublishedStep>>,
    workflows: HashMap<LockSlot, LockedWorkflow>,
    components: HashMap<Digest, Bytes>,
}

#[derive(Deserialize)]
struct Workflow {
    definition: Value,
    lock: Lock,
}

#[derive(Deserialize)]
struct JournalPage {
    entries: Vec<run::Entry>,
    next_cursor: Option<String>,
}

impl Fetched {
    /// Fetches a run with its journal, the version of its workflow, and that version's steps.
    pub(super) async fn run(client: &Client, id: &str) -> Result<Self, CliError> {
        let path = format!("/v1/runs/{}", escape(id));
        let run: RunView = read("the run", client.get(&path).await?)?;
        let entries = journal(client, &path).await?;
        let workflow = format!("/v1/workflows/{}", run.workflow);
        let version = client.get_with(&workflow, &[("version", run.version.to_string())]).await?;
        let Workflow { definition, lock } = read("the workflow", version)?;

        let (mut steps, mut workflows, mut components) = (HashMap::new(), HashMap::new(), HashMap::new());
        for (slot, locked) in lock.0 {
            let locked = match locked {
                Locked::Step(step) => step,
                Locked::Workflow(workflow) => {
                    workflows.insert(slot, workflow);
                    continue;
                }
            };
            let path = format!("/v1/steps/{}/{}", locked.name, locked.version);
            let step: PublishedStep = read("a step", client.get(&path).await?)?;
            if let Entry::Vacant(place) = components.entry(step.digest) {
                let bytes = component(client, locked.name.as_str(), &locked.version.to_string()).await?;
                place.insert(Bytes::from(bytes));
            }
            steps.insert(slot, Arc::new(step));
        }
        let plan = replay::plan(&definition, steps.clone(), workflows.clone())
            .map_err(|mistakes| CliError::failed("planning the workflow", list(&mistakes)))?;
        Ok(Self { run, entries, plan: Arc::new(plan), definition, steps, workflows, components })
    }

    /// The node of this name.
    pub(super) fn node(&self, name: &str) -> Result<NodeId, CliError> {
        let found = self.plan.nodes.keys().find(|id| id.as_str() == name);
        found.cloned().ok_or_else(|| {
            let known: BTreeSet<&str> = self.plan.nodes.keys().map(NodeId::as_str).collect();
            let known: Vec<&str> = known.into_iter().collect();
            let nodes = known.join(", ");
            CliError::Usage(format!("the run's workflow has no node `{name}`; its nodes: {nodes}"))
        })
    }

    /// Puts another step in a node's place. The rest of the workflow stays as it was.
    pub(super) async fn replace_step(
        &mut self,
        node: &NodeId,
        component: Vec<u8>,
        sandbox: &Sandbox,
    ) -> Result<(), CliError> {
        let component = Bytes::from(component);
        let step = sandbox
            .publish(component.clone())
            .await
            .map_err(|source| CliError::failed("looking at the step that is to be tried", source))?;
        let name = format!("{}@{}", step.manifest.name, step.manifest.version);
        self.components.insert(step.digest, component);
        self.steps.insert(LockSlot::node(node), Arc::new(step));
        let plan = replay::plan(&self.definition, self.steps.clone(), self.workflows.clone());
        let plan = plan.map_err(|mistakes| {
            CliError::failed(format!("{name} does not fit the node `{node}`"), list(&mistakes))
        })?;
        self.plan = Arc::new(plan);
        Ok(())
    }

    pub(super) fn component(&self, digest: &Digest) -> Result<Bytes, CliError> {
        let found = self.components.get(digest).cloned();
        found.ok_or_else(|| CliError::failed("replaying", format!("the component {digest} was not fetched")))
    }
}

/// A published step's component.
pub(super) async fn component(client: &Client, name: &str, version: &str) -> Result<Vec<u8>, CliError> {
    client.get_bytes(&format!("/v1/steps/{}/{}/component", escape(name), escape(version))).await
}

async fn journal(client: &Client, run: &str) -> Result<Vec<run::Entry>, CliError> {
    let path = format!("{run}/journal");
    let mut query = vec![("limit", PAGE.to_string())];
    let mut entries = Vec::new();
    loop {
        let page: JournalPage = read("the journal", client.get_with(&path, &query).await?)?;
        entries.extend(page.entries);
        let Some(cursor) = page.next_cursor else { return Ok(entries) };
        query.truncate(1);
        query.push(("cursor", cursor));
    }
}

fn read<T: DeserializeOwned>(what: &str, value: Value) -> Result<T, CliError> {
    serde_json::from_value(value)
        .map_err(|source| CliError::failed(format!("reading {what} that the server gave"), source))
}

fn list(mistakes: &[Mistake]) -> String {
    let lines = mistakes.iter().map(|it| format!("\n  {}: {}", it.pointer, it.message));
    lines.collect()
}
