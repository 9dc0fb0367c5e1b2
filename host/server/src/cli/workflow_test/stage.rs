//! The stage: steps published and the workflow applied, once for all takes of a test.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use stepwell_core::grant::Grants;
use stepwell_core::id::{SecretName, TenantId, WorkflowName};
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
        // What starts runs by the clock would start others beside the one that is tried.
        let config = EngineConfig { run_schedules: false, ..EngineConfig::default() };
        Engine::open(config, self.catalogue.clone(), journal, sandbox)
            .await
            .map_err(|source| CliError::failed("opening an engine", source))
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

/// The definition with each further attempt due at once.
fn hurried(definition: &Value) -> Value {
    fn hurry(call: &mut Value) {
        if let Some(that) = call.get("until").filter(|until| until.is_string()).cloned() {
            call["until"] = json!({"that": that});
        }
        for again in ["retry", "until"] {
            if let Some(policy) = call.get_mut(again).and_then(Value::as_object_mut) {
                policy.insert("delay".to_owned(), json!(RETRY_DELAY));
                policy.insert("cap".to_owned(), json!(RETRY_DELAY));
            }
        }
        call.get_mut("fallback").and_then(Value::as_array_mut).into_iter().flatten().for_each(hurry);
        call.get_mut("compensate").into_iter().for_each(hurry);
    }
    let mut definition = definition.clone();
    let nodes = definition.get_mut("nodes").and_then(Value::as_object_mut);
    nodes.into_iter().flat_map(|nodes| nodes.values_mut()).for_each(hurry);
    definition
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> Value {
        let call = |secret: &str| json!({"retry": {"delay": "1h"}, "grants": {"secrets": {secret: ["a.example"]}}, "input": {"retry": {"delay": "kept"}}});
        let mut node = call("ONE");
        node["fallback"] = json!([call("TWO")]);
        node["compensate"] = call("THREE");
        node["until"] = json!("output.done");
        json!({"nodes": {"ask": node, "wait": {"wait": {"until": "{{ input.time }}"}}}})
    }

    #[test]
    fn no_step_is_waited_for_wherever_it_is_called() {
        let hurried = hurried(&definition());
        for place in ["/retry", "/until", "/fallback/0/retry", "/compensate/retry"] {
            assert_eq!(hurried.pointer(&format!("/nodes/ask{place}/delay")).unwrap(), RETRY_DELAY, "{place}");
        }
        assert_eq!(hurried["nodes"]["ask"]["input"]["retry"]["delay"], "kept");
        assert_eq!(hurried["nodes"]["wait"], definition()["nodes"]["wait"]);
    }

    #[test]
    fn every_secret_that_is_granted_has_a_value() {
        let names: Vec<String> = secrets_of(&definition()).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["ONE", "THREE", "TWO"]);
    }
}
