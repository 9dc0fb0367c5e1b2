//! The embedded store: a data folder on a local disk, for one process.

mod blocking;
mod catalogue;
mod components;
pub(crate) mod files;
mod folder;
mod journal;
mod panics;
mod record;
mod vault;

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;
use uuid::Uuid;

use self::catalogue::EmbeddedCatalogue;
use self::folder::Folder;
use self::journal::EmbeddedJournal;
use crate::{Catalogue, Journal, StoreError};

/// Kept free for running work unless the operator says otherwise: 64 MiB.
pub const DEFAULT_RESERVE_BYTES: u64 = 64 << 20;

/// How to open an embedded store.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// The data folder. It is made if it is not there.
    pub path: PathBuf,
    /// Encrypts the secrets: 32 bytes in base64. None: the key in the data folder's `master.key`, which is made at the first start.
    pub master_key: Option<SecretString>,
    /// With less than this free on the disk, no new run is admitted, so that running ones can still write.
    pub reserve_bytes: u64,
}

impl OpenOptions {
    /// This folder, and the defaults.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), master_key: None, reserve_bytes: DEFAULT_RESERVE_BYTES }
    }
}

/// An open data folder. It is free for others once this, its catalogue and its journal are dropped.
#[derive(Clone)]
pub struct EmbeddedStore {
    id: Uuid,
    catalogue: Arc<EmbeddedCatalogue>,
    journal: Arc<EmbeddedJournal>,
}

impl EmbeddedStore {
    /// Opens a data folder. Blocks while it reads what a crash left behind.
    pub fn open(options: &OpenOptions) -> Result<Self, StoreError> {
        let folder = Arc::new(Folder::open(&options.path, options.reserve_bytes)?);
        let catalogue = Arc::new(EmbeddedCatalogue::open(&folder, options.master_key.as_ref())?);
        let journal = Arc::new(EmbeddedJournal::open(Arc::clone(&folder))?);
        let id = folder.id()?;
        folder.mark_complete()?;
        Ok(Self { id, catalogue, journal })
    }

    /// What tells this data folder from all others, as long as it lives.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// What people wrote.
    #[must_use]
    pub fn catalogue(&self) -> Arc<dyn Catalogue> {
        Arc::clone(&self.catalogue) as Arc<dyn Catalogue>
    }

    /// What runs did.
    #[must_use]
    pub fn journal(&self) -> Arc<dyn Journal> {
        Arc::clone(&self.journal) as Arc<dyn Journal>
    }
}
