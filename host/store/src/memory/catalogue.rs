//! The catalogue in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use semver::Version;
use stepwell_core::digest::Digest;
use stepwell_core::id::{SecretName, StepName, TenantId, WorkflowName};
use stepwell_core::manifest::PublishedStep;

use crate::{ApiKeyRecord, Canary, Catalogue, Release, StoreError, WorkflowSummary, WorkflowVersion};

/// A catalogue that is gone with its value.
#[derive(Debug, Default)]
pub struct MemoryCatalogue(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    steps: BTreeMap<(TenantId, StepName, Version), PublishedStep>,
    components: HashMap<Digest, Vec<u8>>,
    workflows: BTreeMap<(TenantId, WorkflowName, Version), WorkflowVersion>,
    summaries: BTreeMap<(TenantId, WorkflowName), WorkflowSummary>,
    secrets: BTreeMap<(TenantId, SecretName), (SecretString, Timestamp)>,
    keys: BTreeMap<(TenantId, String), ApiKeyRecord>,
}

impl State {
    fn put_step(
        &mut self,
        tenant: &TenantId,
        step: &PublishedStep,
        component: &[u8],
    ) -> Result<bool, StoreError> {
        let (name, version) = (&step.manifest.name, &step.manifest.version);
        let key = (tenant.clone(), name.clone(), version.clone());
        match self.steps.get(&key) {
            Some(before) if before.digest == step.digest => Ok(false),
            Some(_) => Err(StoreError::Conflict(format!(
                "step `{name}@{version}` is published with another component"
            ))),
            None => {
                self.steps.insert(key, step.clone());
                self.components.insert(step.digest, component.to_owned());
                Ok(true)
            }
        }
    }

    fn put_workflow(
        &mut self,
        tenant: &TenantId,
        applied: &WorkflowVersion,
        release: Release,
    ) -> Result<bool, StoreError> {
        let (name, version) = (&applied.name, &applied.version);
        let (key, line) = ((tenant.clone(), name.clone(), version.clone()), (tenant.clone(), name.clone()));
        let before = self.workflows.get(&key);
        if before.is_some_and(|before| before.digest != applied.digest) {
            return Err(StoreError::Conflict(format!(
                "workflow `{name}` has a version {version} with another definition"
            )));
        }
        let is_new = before.is_none();
        if let Some(summary) = WorkflowSummary::after(self.summaries.get(&line).cloned(), applied, release)? {
            self.summaries.insert(line, summary);
        }
        if is_new {
            self.workflows.insert(key, applied.clone());
        }
        Ok(is_new)
    }
}

impl MemoryCatalogue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Catalogue for MemoryCatalogue {
    async fn put_step(
        &self,
        tenant: &TenantId,
        step: &PublishedStep,
        component: &[u8],
    ) -> Result<bool, StoreError> {
        self.state().put_step(tenant, step, component)
    }

    async fn step(
        &self,
        tenant: &TenantId,
        name: &StepName,
        version: &Version,
    ) -> Result<Option<PublishedStep>, StoreError> {
        Ok(self.state().steps.get(&(tenant.clone(), name.clone(), version.clone())).cloned())
    }

    async fn steps(&self, tenant: &TenantId) -> Result<Vec<PublishedStep>, StoreError> {
        let state = self.state();
        let own = state.steps.iter().filter(|((owner, ..), _)| owner == tenant);
        Ok(own.map(|(_, step)| step.clone()).collect())
    }

    async fn step_versions(
        &self,
        tenant: &TenantId,
        name: &StepName,
    ) -> Result<Vec<PublishedStep>, StoreError> {
        let steps = self.steps(tenant).await?;
        Ok(steps.into_iter().filter(|step| step.manifest.name == *name).collect())
    }

    async fn component(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.state().components.get(digest).cloned())
    }

    async fn put_workflow(
        &self,
        tenant: &TenantId,
        version: &WorkflowVersion,
        release: Release,
    ) -> Result<bool, StoreError> {
        self.state().put_workflow(tenant, version, release)
    }

    async fn end_canary(&self, tenant: &TenantId, name: &WorkflowName) -> Result<Option<Canary>, StoreError> {
        let mut state = self.state();
        let summary = state.summaries.get_mut(&(tenant.clone(), name.clone()));
        Ok(summary.and_then(|summary| summary.canary.take()))
    }

    async fn workflow(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
        version: Option<&Version>,
    ) -> Result<Option<WorkflowVersion>, StoreError> {
        let state = self.state();
        let current = || state.summaries.get(&(tenant.clone(), name.clone())).map(|line| &line.current);
        let Some(version) = version.or_else(current) else { return Ok(None) };
        Ok(state.workflows.get(&(tenant.clone(), name.clone(), version.clone())).cloned())
    }

    async fn workflow_summary(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
    ) -> Result<Option<WorkflowSummary>, StoreError> {
        Ok(self.state().summaries.get(&(tenant.clone(), name.clone())).cloned())
    }

    async fn workflows(&self, tenant: &TenantId) -> Result<Vec<WorkflowSummary>, StoreError> {
        let state = self.state();
        let own = state.summaries.iter().filter(|((owner, _), _)| owner == tenant);
        Ok(own.map(|(_, summary)| summary.clone()).collect())
    }

    async fn put_secret(
        &self,
        tenant: &TenantId,
        name: &SecretName,
        value: &SecretString,
    ) -> Result<(), StoreError> {
        self.state().secrets.insert((tenant.clone(), name.clone()), (value.clone(), Timestamp::now()));
        Ok(())
    }

    async fn secret(&self, tenant: &TenantId, name: &SecretName) -> Result<Option<SecretString>, StoreError> {
        Ok(self.state().secrets.get(&(tenant.clone(), name.clone())).map(|(value, _)| value.clone()))
    }

    async fn secrets(&self, tenant: &TenantId) -> Result<Vec<(SecretName, Timestamp)>, StoreError> {
        let state = self.state();
        let own = state.secrets.iter().filter(|((owner, _), _)| owner == tenant);
        Ok(own.map(|((_, name), (_, changed_at))| (name.clone(), *changed_at)).collect())
    }

    async fn put_key(&self, tenant: &TenantId, key: &ApiKeyRecord) -> Result<(), StoreError> {
        self.state().keys.insert((tenant.clone(), key.id.clone()), key.clone());
        Ok(())
    }

    async fn key(&self, tenant: &TenantId, id: &str) -> Result<Option<ApiKeyRecord>, StoreError> {
        Ok(self.state().keys.get(&(tenant.clone(), id.to_owned())).cloned())
    }

    async fn keys(&self, tenant: &TenantId) -> Result<Vec<ApiKeyRecord>, StoreError> {
        let state = self.state();
        let own = state.keys.iter().filter(|((owner, _), _)| owner == tenant);
        let mut keys: Vec<ApiKeyRecord> = own.map(|(_, key)| key.clone()).collect();
        keys.sort_by_key(|key| key.created_at);
        Ok(keys)
    }
}
