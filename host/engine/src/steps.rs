//! The published steps in memory, for resolving ranges: read from the catalogue once, and again after a publication.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use semver::{Version, VersionReq};
use stepwell_core::id::{StepName, TenantId};
use stepwell_core::manifest::PublishedStep;
use stepwell_core::plan::Resolution;
use stepwell_store::{Catalogue, StoreError};
use tokio::sync::Mutex;

/// Every tenant's shelf. The lock is held while a shelf is read, so that a shelf which was read before a publication
/// cannot be put up after it.
#[derive(Default)]
pub(crate) struct Shelves(Mutex<HashMap<TenantId, Arc<Shelf>>>);

impl Shelves {
    pub(crate) async fn of(
        &self,
        tenant: &TenantId,
        catalogue: &dyn Catalogue,
    ) -> Result<Arc<Shelf>, StoreError> {
        let mut shelves = self.0.lock().await;
        if let Some(shelf) = shelves.get(tenant) {
            return Ok(Arc::clone(shelf));
        }
        let shelf = Arc::new(Shelf::new(catalogue.steps(tenant).await?));
        shelves.insert(tenant.clone(), Arc::clone(&shelf));
        Ok(shelf)
    }

    /// A step was published: the shelf is to be read again.
    pub(crate) async fn forget(&self, tenant: &TenantId) {
        self.0.lock().await.remove(tenant);
    }
}

/// One tenant's steps, by name and version.
pub(crate) struct Shelf(HashMap<StepName, BTreeMap<Version, Arc<PublishedStep>>>);

impl Shelf {
    fn new(steps: Vec<PublishedStep>) -> Self {
        let mut shelf: HashMap<_, BTreeMap<_, _>> = HashMap::new();
        for step in steps {
            let versions = shelf.entry(step.manifest.name.clone()).or_default();
            versions.insert(step.manifest.version.clone(), Arc::new(step));
        }
        Self(shelf)
    }

    /// The newest version in the range. A pre-release only where the range names a pre-release of the same version.
    pub(crate) fn resolve(&self, name: &StepName, range: &VersionReq) -> Resolution {
        let Some(versions) = self.0.get(name) else { return Resolution::Missing(Vec::new()) };
        match versions.iter().rev().find(|(version, _)| range.matches(version)) {
            Some((_, step)) => Resolution::Found(Arc::clone(step)),
            None => Resolution::Missing(versions.keys().cloned().collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;
    use stepwell_core::digest::Digest;
    use stepwell_core::manifest::Manifest;

    use super::*;

    fn step(version: &str) -> PublishedStep {
        PublishedStep {
            manifest: Manifest {
                name: "echo".parse().unwrap(),
                version: version.parse().unwrap(),
                summary: String::new(),
                input_schema: json!({}),
                config_schema: json!({}),
                output_schema: json!({}),
                capabilities: Vec::new(),
            },
            digest: Digest::of(version.as_bytes()),
            imports: BTreeSet::new(),
            effects: BTreeSet::new(),
            size: 0,
        }
    }

    fn resolved(range: &str) -> Option<String> {
        let shelf = Shelf::new(["1.0.0", "1.10.0", "1.9.0", "2.0.0-rc.1"].map(step).to_vec());
        match shelf.resolve(&"echo".parse().unwrap(), &range.parse().unwrap()) {
            Resolution::Found(step) => Some(step.manifest.version.to_string()),
            Resolution::Missing(_) | Resolution::Offline => None,
        }
    }

    #[test]
    fn the_newest_version_in_the_range_wins_and_a_pre_release_must_be_named() {
        assert_eq!(resolved("^1").as_deref(), Some("1.10.0"));
        assert_eq!(resolved("~1.9").as_deref(), Some("1.9.0"));
        assert_eq!(resolved("*").as_deref(), Some("1.10.0"));
        assert_eq!(resolved("^2").as_deref(), None);
        assert_eq!(resolved("^2.0.0-rc.0").as_deref(), Some("2.0.0-rc.1"));
    }
}
