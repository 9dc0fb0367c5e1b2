//! API keys: how they are made, kept and checked.
//!
//! A key is written `sw_<id>_<secret>`. The id finds its record and is no secret; the secret is 256 random bits. The
//! catalogue keeps the SHA-256 of the whole key: a slow password hash would add nothing to 256 bits that nobody chose.
//! The operator may set one key of their own (the *admin key*); of that one, too, only the hash is held.
//!
//! All live keys of a server fit in memory many times over, so a call is checked without asking the catalogue, and a
//! key that is revoked is refused from the next call on.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use rand::RngCore as _;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use stepwell_core::digest::Digest;
use stepwell_core::id::TenantId;
use stepwell_store::{ApiKeyRecord, Catalogue, StoreError};

/// The id of the key that the operator's configuration sets.
pub(crate) const CONFIGURED_ID: &str = "admin";

/// Every key that opens this server.
pub(crate) struct Keys {
    configured: Option<Digest>,
    live: RwLock<HashMap<String, LiveKey>>,
}

/// A key that opens this server.
struct LiveKey {
    hash: Digest,
    /// What people call it: who calls with it.
    name: Arc<str>,
}

impl From<&ApiKeyRecord> for LiveKey {
    fn from(record: &ApiKeyRecord) -> Self {
        Self { hash: record.hash, name: record.name.as_str().into() }
    }
}

/// A key that was just made: the one time that its secret can be seen.
pub(crate) struct NewKey {
    pub(crate) key: SecretString,
    pub(crate) record: ApiKeyRecord,
}

impl Keys {
    /// Reads the catalogue's keys. With none there and none configured, makes the first one.
    pub(crate) async fn open(
        catalogue: &dyn Catalogue,
        tenant: &TenantId,
        configured: Option<&SecretString>,
    ) -> Result<(Self, Option<SecretString>), StoreError> {
        let records = catalogue.keys(tenant).await?;
        let is_first_start = records.is_empty() && configured.is_none();
        let live = records.into_iter().filter(|record| record.revoked_at.is_none());
        let keys = Self {
            configured: configured.map(|key| hash(key.expose_secret())),
            live: RwLock::new(live.map(|record| (record.id.clone(), LiveKey::from(&record))).collect()),
        };
        if !is_first_start {
            return Ok((keys, None));
        }
        let first = keys.create(catalogue, tenant, "made at the first start".to_owned()).await?;
        Ok((keys, Some(first.key)))
    }

    /// Makes a key and keeps its record.
    pub(crate) async fn create(
        &self,
        catalogue: &dyn Catalogue,
        tenant: &TenantId,
        name: String,
    ) -> Result<NewKey, StoreError> {
        let new = NewKey::generate(name);
        catalogue.put_key(tenant, &new.record).await?;
        self.write().insert(new.record.id.clone(), LiveKey::from(&new.record));
        Ok(new)
    }

    /// Revokes a key for good. A key that was revoked before stays as it was. `None`: there is no such key.
    pub(crate) async fn revoke(
        &self,
        catalogue: &dyn Catalogue,
        tenant: &TenantId,
        id: &str,
    ) -> Result<Option<ApiKeyRecord>, StoreError> {
        let Some(mut record) = catalogue.key(tenant, id).await? else { return Ok(None) };
        if record.revoked_at.is_none() {
            record.revoked_at = Some(Timestamp::now());
            catalogue.put_key(tenant, &record).await?;
        }
        self.write().remove(id);
        Ok(Some(record))
    }

    /// Whose key this is, by its name; none: it opens nothing here.
    pub(crate) fn holder(&self, key: &str) -> Option<Arc<str>> {
        let given = hash(key);
        if self.configured.is_some_and(|configured| same(&configured, &given)) {
            return Some(CONFIGURED_ID.into());
        }
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        live.get(id_of(key)?).filter(|kept| same(&kept.hash, &given)).map(|kept| Arc::clone(&kept.name))
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<String, LiveKey>> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NewKey {
    fn generate(name: String) -> Self {
        let id = random_hex::<8>();
        let key = format!("sw_{id}_{}", random_hex::<32>());
        let record =
            ApiKeyRecord { id, name, hash: hash(&key), created_at: Timestamp::now(), revoked_at: None };
        Self { key: key.into(), record }
    }
}

fn random_hex<const BYTES: usize>() -> String {
    let mut bytes = [0; BYTES];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

/// The id within a key of our own making.
fn id_of(key: &str) -> Option<&str> {
    key.strip_prefix("sw_")?.split_once('_').map(|(id, _)| id)
}

fn hash(key: &str) -> Digest {
    Digest::of(key.as_bytes())
}

/// Takes the same time wherever two digests differ.
fn same(a: &Digest, b: &Digest) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(configured: Option<&str>, live: &[&ApiKeyRecord]) -> Keys {
        let live = live.iter().map(|record| (record.id.clone(), LiveKey::from(*record))).collect();
        Keys { configured: configured.map(hash), live: RwLock::new(live) }
    }

    #[test]
    fn a_key_opens_what_knows_its_hash() {
        let new = NewKey::generate("ci".to_owned());
        let key = new.key.expose_secret();
        assert_eq!(keys(None, &[&new.record]).holder(key).as_deref(), Some("ci"));
        assert!(keys(None, &[]).holder(key).is_none());
        let other_secret = format!("sw_{}_{}", new.record.id, "0".repeat(64));
        assert!(keys(None, &[&new.record]).holder(&other_secret).is_none(), "the id alone opens nothing");
        assert!(keys(None, &[&new.record]).holder("").is_none());
    }

    #[test]
    fn the_configured_key_needs_no_form() {
        let keys = keys(Some("correct horse battery"), &[]);
        assert_eq!(keys.holder("correct horse battery").as_deref(), Some(CONFIGURED_ID));
        assert!(keys.holder("correct horse").is_none());
    }

    #[test]
    fn two_keys_are_never_the_same() {
        let (a, b) = (NewKey::generate(String::new()), NewKey::generate(String::new()));
        assert_ne!(a.record.id, b.record.id);
        assert_ne!(a.record.hash, b.record.hash);
        assert_eq!(a.key.expose_secret().len(), "sw_".len() + 16 + 1 + 64);
    }
}
