//! The workflows that a definition runs, as they are applied now, and what those run in turn.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use semver::Version;
use serde_json::Value;
use stepwell_core::id::{TenantId, WorkflowName};
use stepwell_core::plan::{Locked, LockedWorkflow, PublishedWorkflow};
use stepwell_core::schema::Schema;
use stepwell_store::{Catalogue, StoreError, WorkflowVersion};

use crate::ApplyError;
use crate::surroundings::AppliedWorkflow;

/// Every version of every workflow that a definition names, which may have mistakes.
pub(crate) async fn published(
    tenant: &TenantId,
    definition: &Value,
    catalogue: &dyn Catalogue,
) -> Result<HashMap<WorkflowName, AppliedWorkflow>, ApplyError> {
    let named = named(definition);
    if named.is_empty() {
        return Ok(HashMap::new());
    }
    let mut found = HashMap::new();
    for workflow in catalogue.workflows(tenant).await.map_err(ApplyError::Store)? {
        if !named.contains(&workflow.name) {
            continue;
        }
        let mut versions = BTreeMap::new();
        for version in &workflow.versions {
            let stored = catalogue.workflow(tenant, &workflow.name, Some(version)).await;
            if let Some(stored) = stored.map_err(ApplyError::Store)? {
                versions.insert(version.clone(), describe(tenant, &stored, catalogue).await?);
            }
        }
        found.insert(workflow.name, AppliedWorkflow { current: workflow.current, versions });
    }
    Ok(found)
}

/// The workflows that nodes of a definition run.
fn named(definition: &Value) -> BTreeSet<WorkflowName> {
    let nodes = definition.get("nodes").and_then(Value::as_object).into_iter().flatten();
    nodes.filter_map(|(_, node)| node.get("workflow")?.as_str()?.split('@').next()?.parse().ok()).collect()
}

async fn describe(
    tenant: &TenantId,
    stored: &WorkflowVersion,
    catalogue: &dyn Catalogue,
) -> Result<PublishedWorkflow, ApplyError> {
    Ok(PublishedWorkflow {
        locked: LockedWorkflow {
            workflow: stored.name.clone(),
            version: stored.version.clone(),
            digest: stored.digest,
        },
        // It was a schema when the version was applied.
        input: stored
            .definition
            .get("input")
            .and_then(|schema| Schema::compile(schema).ok())
            .unwrap_or_else(Schema::any),
        reaches: reach(tenant, stored, catalogue).await.map_err(ApplyError::Store)?,
    })
}

/// Every workflow that a version runs, by whatever way, each with the one that runs it. The nearest come first, so a way back by
/// them is a short one.
async fn reach(
    tenant: &TenantId,
    stored: &WorkflowVersion,
    catalogue: &dyn Catalogue,
) -> Result<BTreeMap<WorkflowName, WorkflowName>, StoreError> {
    let mut reached = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut open = VecDeque::from([stored.clone()]);
    while let Some(runner) = open.pop_front() {
        for (name, version) in runs(&runner) {
            if !seen.insert((name.clone(), version.clone())) {
                continue;
            }
            if name != stored.name {
                reached.entry(name.clone()).or_insert_with(|| runner.name.clone());
            }
            open.extend(catalogue.workflow(tenant, &name, Some(&version)).await?);
        }
    }
    Ok(reached)
}

fn runs(stored: &WorkflowVersion) -> Vec<(WorkflowName, Version)> {
    let locked = stored.lock.0.values().filter_map(Locked::workflow);
    locked.map(|locked| (locked.workflow.clone(), locked.version.clone())).collect()
}
