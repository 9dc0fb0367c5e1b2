//! The catalogue in sled, with the components in files beside it.
//!
//! Writes are rare and go one at a time, so that what a write decides on is still so when it writes.

mod database;
mod keys;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use semver::Version;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stepwell_core::digest::Digest;
use stepwell_core::id::{SecretName, StepName, TenantId, WorkflowName};
use stepwell_core::manifest::PublishedStep;

use self::database::Database;
use super::blocking::blocking;
use super::components::Components;
use super::folder::Folder;
use super::record;
use super::vault::{Binding, Sealed, Vault};
use crate::{ApiKeyRecord, Canary, Catalogue, Release, StoreError, WorkflowSummary, WorkflowVersion};

/// The embedded store's catalogue.
#[derive(Clone)]
pub(crate) struct EmbeddedCatalogue(Arc<Shelves>);

impl EmbeddedCatalogue {
    /// Opens it with the master key that its secrets were encrypted with.
    pub(crate) fn open(folder: &Arc<Folder>, master_key: Option<&SecretString>) -> Result<Self, StoreError> {
        let database = Database::open(Arc::clone(folder))?;
        let components = Components::open(Arc::clone(folder))?;
        let vault = Vault::open(folder, master_key)?;
        let shelves = Shelves { database, components, vault, writing: Mutex::new(()) };
        shelves.check_probe(folder)?;
        Ok(Self(Arc::new(shelves)))
    }

    async fn on_shelves<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shelves) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shelves = Arc::clone(&self.0);
        blocking(move || work(&shelves)).await
    }
}

#[async_trait]
impl Catalogue for EmbeddedCatalogue {
    async fn put_step(
        &self,
        tenant: &TenantId,
        step: &PublishedStep,
        component: &[u8],
    ) -> Result<bool, StoreError> {
        let (tenant, step, component) = (tenant.clone(), step.clone(), component.to_owned());
        self.on_shelves(move |shelves| shelves.put_step(&tenant, &step, &component)).await
    }

    async fn step(
        &self,
        tenant: &TenantId,
        name: &StepName,
        version: &Version,
    ) -> Result<Option<PublishedStep>, StoreError> {
        let key = keys::step(tenant, name, version);
        self.on_shelves(move |shelves| shelves.get(&key)).await
    }

    async fn steps(&self, tenant: &TenantId) -> Result<Vec<PublishedStep>, StoreError> {
        let prefix = keys::steps(tenant);
        self.on_shelves(move |shelves| shelves.steps(&prefix)).await
    }

    async fn step_versions(
        &self,
        tenant: &TenantId,
        name: &StepName,
    ) -> Result<Vec<PublishedStep>, StoreError> {
        let prefix = keys::step_versions(tenant, name);
        self.on_shelves(move |shelves| shelves.steps(&prefix)).await
    }

    async fn component(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let digest = *digest;
        self.on_shelves(move |shelves| shelves.components.get(&digest)).await
    }

    async fn put_workflow(
        &self,
        tenant: &TenantId,
        version: &WorkflowVersion,
        release: Release,
    ) -> Result<bool, StoreError> {
        let (tenant, version) = (tenant.clone(), version.clone());
        self.on_shelves(move |shelves| shelves.put_workflow(&tenant, &version, release)).await
    }

    async fn end_canary(&self, tenant: &TenantId, name: &WorkflowName) -> Result<Option<Canary>, StoreError> {
        let key = keys::summary(tenant, name);
        self.on_shelves(move |shelves| shelves.end_canary(&key)).await
    }

    async fn workflow(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
        version: Option<&Version>,
    ) -> Result<Option<WorkflowVersion>, StoreError> {
        let (tenant, name, version) = (tenant.clone(), name.clone(), version.cloned());
        self.on_shelves(move |shelves| shelves.workflow(&tenant, &name, version)).await
    }

    async fn workflow_summary(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
    ) -> Result<Option<WorkflowSummary>, StoreError> {
        let key = keys::summary(tenant, name);
        self.on_shelves(move |shelves| shelves.get(&key)).await
    }

    async fn workflows(&self, tenant: &TenantId) -> Result<Vec<WorkflowSummary>, StoreError> {
        let prefix = keys::summaries(tenant);
        self.on_shelves(move |shelves| shelves.list(&prefix)).await
    }

    async fn put_secret(
        &self,
        tenant: &TenantId,
        name: &SecretName,
        value: &SecretString,
    ) -> Result<(), StoreError> {
        let (tenant, name, value) = (tenant.clone(), name.clone(), value.clone());
        self.on_shelves(move |shelves| shelves.put_secret(&tenant, &name, &value)).await
    }

    async fn secret(&self, tenant: &TenantId, name: &SecretName) -> Result<Option<SecretString>, StoreError> {
        let (tenant, name) = (tenant.clone(), name.clone());
        self.on_shelves(move |shelves| shelves.secret(&tenant, &name)).await
    }

    async fn secrets(&self, tenant: &TenantId) -> Result<Vec<(SecretName, Timestamp)>, StoreError> {
        let prefix = keys::secrets(tenant);
        self.on_shelves(move |shelves| {
            let secrets: Vec<SecretRecord> = shelves.list(&prefix)?;
            Ok(secrets.into_iter().map(|secret| (secret.name, secret.changed_at)).collect())
        })
        .await
    }

    async fn put_key(&self, tenant: &TenantId, key: &ApiKeyRecord) -> Result<(), StoreError> {
        let (place, key) = (keys::api_key(tenant, &key.id), key.clone());
        self.on_shelves(move |shelves| shelves.put(&place, &key)).await
    }

    async fn key(&self, tenant: &TenantId, id: &str) -> Result<Option<ApiKeyRecord>, StoreError> {
        let place = keys::api_key(tenant, id);
        self.on_shelves(move |shelves| shelves.get(&place)).await
    }

    async fn keys(&self, tenant: &TenantId) -> Result<Vec<ApiKeyRecord>, StoreError> {
        let prefix = keys::api_keys(tenant);
        self.on_shelves(move |shelves| {
            let mut keys: Vec<ApiKeyRecord> = shelves.list(&prefix)?;
            keys.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
            Ok(keys)
        })
        .await
    }
}

/// A secret as it is kept.
#[derive(Serialize, Deserialize)]
struct SecretRecord {
    name: SecretName,
    changed_at: Timestamp,
    sealed: Sealed,
}

/// What the catalogue does, on a thread that may block.
struct Shelves {
    database: Database,
    components: Components,
    vault: Vault,
    /// Held from the first look to the last byte of a write.
    writing: Mutex<()>,
}

impl Shelves {
    /// The probe is the first record that a catalogue gets.
    fn check_probe(&self, folder: &Folder) -> Result<(), StoreError> {
        match self.get(keys::PROBE)? {
            Some(probe) => self.vault.check(&probe),
            None if folder.is_new() => self.put(keys::PROBE, &self.vault.probe()),
            None => Err(StoreError::corrupt("`catalogue`", "its first record is missing")),
        }
    }

    fn put_step(
        &self,
        tenant: &TenantId,
        step: &PublishedStep,
        component: &[u8],
    ) -> Result<bool, StoreError> {
        let _writing = self.writing();
        let (name, version) = (&step.manifest.name, &step.manifest.version);
        let key = keys::step(tenant, name, version);
        let before: Option<PublishedStep> = self.get(&key)?;
        if before.as_ref().is_some_and(|before| before.digest != step.digest) {
            return Err(StoreError::Conflict(format!(
                "step `{name}@{version}` is published with another component: publish this one as another version"
            )));
        }
        self.components.put(&step.digest, component)?;
        match before {
            Some(_) => Ok(false),
            None => self.put(&key, step).map(|()| true),
        }
    }

    fn steps(&self, prefix: &[u8]) -> Result<Vec<PublishedStep>, StoreError> {
        let mut steps: Vec<PublishedStep> = self.list(prefix)?;
        steps.sort_by(|a, b| {
            (&a.manifest.name, &a.manifest.version).cmp(&(&b.manifest.name, &b.manifest.version))
        });
        Ok(steps)
    }

    fn put_workflow(
        &self,
        tenant: &TenantId,
        applied: &WorkflowVersion,
        release: Release,
    ) -> Result<bool, StoreError> {
        let _writing = self.writing();
        let key = keys::workflow(tenant, &applied.name, &applied.version);
        let before: Option<WorkflowVersion> = self.get(&key)?;
        if before.as_ref().is_some_and(|before| before.digest != applied.digest) {
            return Err(StoreError::Conflict(format!(
                "workflow `{}` has a version {} with another definition: apply this one as another version",
                applied.name, applied.version
            )));
        }
        let summary_key = keys::summary(tenant, &applied.name);
        let summary = WorkflowSummary::after(self.get(&summary_key)?, applied, release)?;
        // Before it is listed, or a crash in between would leave a workflow whose current version is not there.
        if before.is_none() {
            self.put(&key, applied)?;
        }
        if let Some(summary) = summary {
            self.put(&summary_key, &summary)?;
        }
        Ok(before.is_none())
    }

    fn end_canary(&self, key: &[u8]) -> Result<Option<Canary>, StoreError> {
        let _writing = self.writing();
        let Some(mut summary) = self.get::<WorkflowSummary>(key)? else { return Ok(None) };
        let Some(canary) = summary.canary.take() else { return Ok(None) };
        self.put(key, &summary)?;
        Ok(Some(canary))
    }

    fn workflow(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
        version: Option<Version>,
    ) -> Result<Option<WorkflowVersion>, StoreError> {
        let version = match version {
            Some(version) => version,
            None => match self.get::<WorkflowSummary>(&keys::summary(tenant, name))? {
                Some(summary) => summary.current,
                None => return Ok(None),
            },
        };
        self.get(&keys::workflow(tenant, name, &version))
    }

    fn put_secret(
        &self,
        tenant: &TenantId,
        name: &SecretName,
        value: &SecretString,
    ) -> Result<(), StoreError> {
        let sealed = self.vault.seal(&Binding::Secret(tenant, name), value.expose_secret().as_bytes());
        let secret = SecretRecord { name: name.clone(), changed_at: Timestamp::now(), sealed };
        self.put(&keys::secret(tenant, name), &secret)
    }

    fn secret(&self, tenant: &TenantId, name: &SecretName) -> Result<Option<SecretString>, StoreError> {
        let Some(secret) = self.get::<SecretRecord>(&keys::secret(tenant, name))? else { return Ok(None) };
        let damaged = || {
            StoreError::corrupt(
                format!("the secret `{name}`"),
                "it cannot be decrypted; setting it again mends it",
            )
        };
        let value = self.vault.unseal(&Binding::Secret(tenant, name), &secret.sealed).ok_or_else(damaged)?;
        String::from_utf8(value).map(|value| Some(value.into())).map_err(|_| damaged())
    }

    fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        self.database.get(key)?.map(|bytes| decode(&bytes, key)).transpose()
    }

    fn list<T: DeserializeOwned>(&self, prefix: &[u8]) -> Result<Vec<T>, StoreError> {
        self.database.values(prefix).map(|bytes| decode(&bytes?, prefix)).collect()
    }

    fn put<T: Serialize>(&self, key: &[u8], value: &T) -> Result<(), StoreError> {
        self.database.write(key, record::encode(value))
    }

    fn writing(&self) -> std::sync::MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn decode<T: DeserializeOwned>(bytes: &[u8], key: &[u8]) -> Result<T, StoreError> {
    record::decode(bytes, || {
        format!("the catalogue's record `{}`", String::from_utf8_lossy(key).replace('\0', "/"))
    })
}
