//! The stage: steps published and workflows applied, once for all takes of a test.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use stepwell_core::grant::Grants;
use stepwell_core::id::{SecretName, TenantId, WorkflowName};
use stepwell_core::limits::Limits;
use stepwell_core::mistake::Mistake;
use stepwell_engine::{ApplyError, BlobConfig, Engine, EngineConfig};
use stepwell_sandbox::Sandbox;
use stepwell_store::memory::{MemoryCatalogue, MemoryJournal};
use stepwell_store::{Blobs, Catalogue};

use super::definitions::name_of;
use super::files::Files;
use super::script::Prompter;
use super::take::FOR_EVER;
use crate::cli::CliError;
use crate::cli::offline::OfflineSandbox;

/// Bytes that a blob may have in a test.
const MAX_BLOB_BYTES: u64 = 1 << 30;

/// Where takes are played.
pub(super) struct Stage {
    pub(super) workflow: WorkflowName,
    pub(super) catalogue: Arc<MemoryCatalogue>,
    pub(super) prompter: Arc<Prompter>,
    offline: OfflineSandbox,
    /// What blobs there are from the beginning.
    files: Files,
    /// The bytes of all blobs, those of all takes.
    blobs: Blobs,
}

/// Why there is no stage.
pub(super) enum NoStage {
    /// The definition of this workflow has mistakes.
    Mistakes(String, Vec<Mistake>),
    /// Something else.
    Error(CliError),
}

impl From<CliError> for NoStage {
    fn from(error: CliError) -> Self {
        Self::Error(error)
    }
}

impl Stage {
    /// Publishes components, each under the name that it must have, and applies definitions, in this order. The workflow `tried` is the one
    /// under test.
    pub(super) async fn set(
        tried: &str,
        definitions: &[&Value],
        components: Vec<(String, Vec<u8>)>,
        files: Files,
    ) -> Result<Self, NoStage> {
        let stage = Self::bare(tried, files)?;
        let engine = stage.engine(Arc::<MemoryJournal>::default()).await?;
        for (name, component) in components {
            publish(&engine, &name, component.into()).await?;
        }
        stage.upload_files(&engine).await?;
        for definition in definitions {
            stage.set_secrets(definition).await?;
            apply(&engine, definition).await?;
        }
        engine.shutdown(Duration::ZERO).await;
        Ok(stage)
    }

    fn bare(tried: &str, files: Files) -> Result<Self, CliError> {
        let prompter = Arc::<Prompter>::default();
        let offline = OfflineSandbox::new(prompter.clone(), Limits::default_ceiling())?;
        let (workflow, blobs) = (workflow_name(tried)?, Blobs::in_memory(MAX_BLOB_BYTES));
        Ok(Self { workflow, catalogue: Arc::default(), prompter, offline, files, blobs })
    }

    /// An engine over this journal.
    pub(super) async fn engine(&self, journal: Arc<dyn stepwell_store::Journal>) -> Result<Engine, CliError> {
        let sandbox: Arc<Sandbox> = Arc::clone(&self.offline.sandbox);
        // What starts runs by the clock would start others beside the one that is tried, and nobody puts the clock of a take forward.
        let blobs = BlobConfig { store: self.blobs.clone(), keep_unused: None };
        let config =
            EngineConfig { run_schedules: false, clock_check: FOR_EVER, blobs, ..EngineConfig::default() };
        Engine::open(config, self.catalogue.clone(), journal, sandbox)
            .await
            .map_err(|source| CliError::failed("opening an engine", source))
    }

    /// Gives an engine the blobs that there are from the beginning.
    pub(super) async fn upload_files(&self, engine: &Engine) -> Result<(), CliError> {
        let kept = self.files.upload(engine, &tenant()).await;
        kept.map_err(|source| CliError::failed("keeping the test's files as blobs", source))
    }

    /// Gives every secret that a node is granted a value, so that none is missed. No value leaves the sandbox.
    async fn set_secrets(&self, definition: &Value) -> Result<(), CliError> {
        for name in secrets_of(definition) {
            let value = SecretString::from(format!("the value of {name} in a test"));
            let kept = self.catalogue.put_secret(&tenant(), &name, &value).await;
            kept.map_err(|source| CliError::failed(format!("setting the secret {name}"), source))?;
        }
        Ok(())
    }
}

pub(super) fn tenant() -> TenantId {
    TenantId::default()
}

fn workflow_name(name: &str) -> Result<WorkflowName, CliError> {
    WorkflowName::new(name).map_err(|source| CliError::failed("reading the workflow's name", source))
}

async fn apply(engine: &Engine, definition: &Value) -> Result<(), NoStage> {
    let name = name_of(definition);
    match engine.apply_workflow(&tenant(), &workflow_name(name)?, definition.clone()).await {
        Ok(_) => Ok(()),
        Err(ApplyError::Mistakes(mistakes)) => Err(NoStage::Mistakes(name.to_owned(), mistakes)),
        Err(source) => Err(CliError::failed(format!("applying the workflow {name}"), source).into()),
    }
}

async fn publish(engine: &Engine, name: &str, component: Bytes) -> Result<(), CliError> {
    let published = engine
        .publish_step(&tenant(), component)
        .await
        .map_err(|source| CliError::failed(format!("publishing the step {name}"), source))?;
    let manifest = &published.step.manifest;
    if manifest.name.as_str() == name {
        return Ok(());
    }
    Err(CliError::Usage(format!(
        "the component that the test file gives for the step `{name}` is that of `{}`",
        manifest.name
    )))
}

/// Every secret that a node is granted, or one of its fallbacks, or what compensates it.
fn secrets_of(definition: &Value) -> BTreeSet<SecretName> {
    fn collect(call: &Value, names: &mut BTreeSet<SecretName>) {
        // What cannot be read is a mistake that applying the definition tells.
        names.extend(Grants::deserialize(&call["grants"]).unwrap_or_default().secrets.into_keys());
        let fallbacks = call["fallback"].as_array().into_iter().flatten();
        fallbacks.chain(call.get("compensate")).for_each(|call| collect(call, names));
    }
    let mut names = BTreeSet::new();
    let nodes = definition["nodes"].as_object().into_iter().flat_map(|nodes| nodes.values());
    nodes.for_each(|node| collect(node, &mut names));
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_secret_that_is_granted_has_a_value() {
        let call = |secret: &str| json!({"grants": {"secrets": {secret: ["a.example"]}}});
        let mut node = call("ONE");
        node["fallback"] = json!([call("TWO")]);
        node["compensate"] = call("THREE");
        let definition = json!({"nodes": {"ask": node}});
        let names: Vec<String> = secrets_of(&definition).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["ONE", "THREE", "TWO"]);
    }
}
