//! The stage: steps published and the workflow applied, once for all takes of a test.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use stepwell_core::grant::Grants;
use stepwell_core::id::{TenantId, WorkflowName};
use stepwell_core::limits::Limits;
use stepwell_core::mistake::Mistake;
use stepwell_engine::{ApplyError, Engine, EngineConfig};
use stepwell_sandbox::Sandbox;
use stepwell_store::Catalogue;
use stepwell_store::memory::{MemoryCatalogue, MemoryJournal};

use super::script::Prompter;
use crate::cli::CliError;
use crate::cli::offline::OfflineSandbox;

/// The wait before each further attempt, whatever the workflow says: a test waits for nothing but the computer.
const RETRY_DELAY: &str = "1ms";

/// Where takes are played.
pub(super) struct Stage {
    pub(super) workflow: WorkflowName,
    pub(super) catalogue: Arc<MemoryCatalogue>,
    pub(super) prompter: Arc<Prompter>,
    offline: OfflineSandbox,
}

/// Why there is no stage.
pub(super) enum NoStage {
    /// The definition has mistakes.
    Mistakes(Vec<Mistake>),
    /// Something else.
    Error(CliError),
}

impl From<CliError> for NoStage {
    fn from(error: CliError) -> Self {
        Self::Error(error)
    }
}

impl Stage {
    /// Publishes components, each under the name that it must have, and applies the definition.
    pub(super) async fn set(definition: &Value, components: Vec<(String, Vec<u8>)>) -> Result<Self, NoStage> {
        let name = definition["name"].as_str().unwrap_or_default();
        let workflow = WorkflowName::new(name)
            .map_err(|source| CliError::failed("reading the workflow's name", source))?;
        let prompter = Arc::<Prompter>::default();
        let offline = OfflineSandbox::new(prompter.clone(), Limits::default_ceiling())?;
        let stage = Self { workflow, catalogue: Arc::default(), prompter, offline };
        let engine = stage.engine(Arc::<MemoryJournal>::default()).await?;
        for (name, component) in components {
            publish(&engine, &name, component.into()).await?;
        }
        stage.set_secrets(definition).await?;
        let applied = engine.apply_workflow(&tenant(), &stage.workflow, hurried(definition)).await;
        engine.shutdown(Duration::ZERO).await;
        match applied {
            Ok(_) => Ok(stage),
            Err(ApplyError::Mistakes(mistakes)) => Err(NoStage::Mistakes(mistakes)),
            Err(source) => Err(CliError::failed("applying the workflow", source).into()),
        }
    }

    /// An engine over this journal.
    pub(super) async fn engine(&self, journal: Arc<dyn stepwell_store::Journal>) -> Result<Engine, CliError> {
        let sandbox: Arc<Sandbox> = Arc::clone(&self.offline.sandbox);
        Engine::open(EngineConfig::default(), self.catalogue.clone(), journal, sandbox)
            .await
            .map_err(|source| CliError::failed("opening an engine", source))
    }

    /// Gives every secret that a node is granted a value, so that none is missed. No value leaves the sandbox.
    async fn set_secrets(&self, definition: &Value) -> Result<(), CliError> {
        for node in definition["nodes"].as_object().into_iter().flat_map(|nodes| nodes.values()) {
            // What cannot be read is a mistake that applying the definition tells.
            let grants = Grants::deserialize(&node["grants"]).unwrap_or_default();
            for name in grants.secrets.keys() {
                let value = SecretString::from(format!("the value of {name} in a test"));
                let kept = self.catalogue.put_secret(&tenant(), name, &value).await;
                kept.map_err(|source| CliError::failed(format!("setting the secret {name}"), source))?;
            }
        }
        Ok(())
    }
}

pub(super) fn tenant() -> TenantId {
    TenantId::default()
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

/// The definition with its retries due at once.
fn hurried(definition: &Value) -> Value {
    let mut definition = definition.clone();
    let nodes = definition["nodes"].as_object_mut().into_iter().flat_map(|nodes| nodes.values_mut());
    for retry in nodes.filter_map(|node| node.get_mut("retry")?.as_object_mut()) {
        retry.insert("delay".to_owned(), json!(RETRY_DELAY));
        retry.insert("cap".to_owned(), json!(RETRY_DELAY));
    }
    definition
}
