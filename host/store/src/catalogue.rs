//! The catalogue: what people wrote. Written rarely; a write that returned is on disk.

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stepwell_core::digest::Digest;
use stepwell_core::id::{SecretName, StepName, TenantId, WorkflowName};
use stepwell_core::manifest::PublishedStep;
use stepwell_core::plan::Lock;

use crate::{Canary, Release, StoreError, WorkflowSummary};

/// One version of a workflow, as applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkflowVersion {
    /// The workflow.
    pub name: WorkflowName,
    /// The version.
    pub version: Version,
    /// The definition as it was given, YAML read as JSON.
    pub definition: Value,
    /// Of the definition without its `layout`.
    pub digest: Digest,
    /// The digest that each step range was resolved to.
    pub lock: Lock,
    /// When it was applied.
    pub applied_at: Timestamp,
}

/// An API key as it is kept: never the key itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyRecord {
    /// Public part, by which it is found and revoked.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// SHA-256 of the key. (A key has 256 random bits, so a slow password hash would add nothing.)
    pub hash: Digest,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// Steps, workflows, secrets and keys. Every write is on disk when it returns.
#[async_trait]
pub trait Catalogue: Send + Sync + 'static {
    /// Keeps a step and its component. The same step again changes nothing and gives `false`; the same name and version with another
    /// digest is a [`StoreError::Conflict`].
    async fn put_step(
        &self,
        tenant: &TenantId,
        step: &PublishedStep,
        component: &[u8],
    ) -> Result<bool, StoreError>;
    /// One version of a step.
    async fn step(
        &self,
        tenant: &TenantId,
        name: &StepName,
        version: &Version,
    ) -> Result<Option<PublishedStep>, StoreError>;
    /// Every version of every step, by name, then version.
    async fn steps(&self, tenant: &TenantId) -> Result<Vec<PublishedStep>, StoreError>;
    /// Every version of one step, oldest version first.
    async fn step_versions(
        &self,
        tenant: &TenantId,
        name: &StepName,
    ) -> Result<Vec<PublishedStep>, StoreError>;
    /// A component's bytes, checked against their digest.
    async fn component(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError>;

    /// Keeps a version of a workflow and gives it to new runs as the release says; its `applied_at` is the moment of the release.
    /// The same version with the same digest again, even if another became current in between, is released again and gives
    /// `false`: what is kept of it, its lock included, stays as it was. The same version with another digest is a
    /// [`StoreError::Conflict`], as is a canary without a current version that is another one.
    async fn put_workflow(
        &self,
        tenant: &TenantId,
        version: &WorkflowVersion,
        release: Release,
    ) -> Result<bool, StoreError>;
    /// Lets every new run have the current version; gives the canary that there was.
    async fn end_canary(&self, tenant: &TenantId, name: &WorkflowName) -> Result<Option<Canary>, StoreError>;
    /// One version of a workflow, the current one if none is named.
    async fn workflow(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
        version: Option<&Version>,
    ) -> Result<Option<WorkflowVersion>, StoreError>;
    /// One workflow's line in the list.
    async fn workflow_summary(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
    ) -> Result<Option<WorkflowSummary>, StoreError>;
    /// Every workflow, by name.
    async fn workflows(&self, tenant: &TenantId) -> Result<Vec<WorkflowSummary>, StoreError>;

    /// Encrypts and keeps a secret, in place of an older value.
    async fn put_secret(
        &self,
        tenant: &TenantId,
        name: &SecretName,
        value: &SecretString,
    ) -> Result<(), StoreError>;
    /// A secret's value, for the host alone.
    async fn secret(&self, tenant: &TenantId, name: &SecretName) -> Result<Option<SecretString>, StoreError>;
    /// The names of all secrets with the time of their last change.
    async fn secrets(&self, tenant: &TenantId) -> Result<Vec<(SecretName, Timestamp)>, StoreError>;

    /// Keeps an API key's record, in place of an older one with the same id.
    async fn put_key(&self, tenant: &TenantId, key: &ApiKeyRecord) -> Result<(), StoreError>;
    /// One key's record.
    async fn key(&self, tenant: &TenantId, id: &str) -> Result<Option<ApiKeyRecord>, StoreError>;
    /// Every key's record, oldest first.
    async fn keys(&self, tenant: &TenantId) -> Result<Vec<ApiKeyRecord>, StoreError>;
}
