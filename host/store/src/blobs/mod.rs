//! The bytes of blobs: files of a folder, or objects in a cloud's store, found by the digest of their content.
//!
//! ```text
//! <tenant>/<2 hex>/<62 hex>   a blob
//! .writing/<uuid>             one that is being written: nobody finds it before it is whole
//! .owner                      the data folder whose blobs these are
//! ```
//!
//! Nothing here knows what a blob is for, or how long it is needed: that is the journal's marks to say, and the engine's to judge. Bytes
//! stream: however large a blob is, a part of it is in memory.

#[cfg(feature = "cloud")]
mod cloud;
mod error;
mod location;
mod owner;
mod read;
mod write;

use std::io;
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use stepwell_core::digest::Digest;
use stepwell_core::id::TenantId;
use uuid::Uuid;

use crate::StoreError;
use crate::embedded::files;

pub use error::BlobError;
pub use location::{BlobLocation, BlobUrlError};
pub use read::ByteStream;
pub use write::{NewBlob, SealedBlob};

/// Where blobs are that are not whole.
const WRITING: &str = ".writing";

/// The smallest part that every cloud's store takes.
const PART_BYTES: usize = 5 << 20;
/// On a disk nothing is gained by more.
const LOCAL_PART_BYTES: usize = 1 << 20;

/// The bytes of all blobs. A clone is the same.
#[derive(Debug, Clone)]
pub struct Blobs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Box<dyn ObjectStore>,
    /// What all paths begin with.
    root: Path,
    /// How much is sent at once, and so how much of a blob is in memory while it is written.
    part_bytes: usize,
    /// Bytes that a blob may have.
    max_bytes: u64,
    /// A blob in one part is put in its place at once: the store keeps it whole or not at all. (A disk would leave its beginning there.)
    is_atomic: bool,
}

impl Blobs {
    /// Opens the blobs at a location for the data folder with this id, and removes what a crash left half written. Refuses those of
    /// another data folder.
    pub async fn open(location: &BlobLocation, max_bytes: u64, owner: Uuid) -> Result<Self, StoreError> {
        match location {
            BlobLocation::Folder(path) => {
                let blobs = Self::local(path, max_bytes)?;
                blobs.claim(format!("file://{}", path.display()), owner).await?;
                remove_half_written(path).map_err(|why| unusable(path, why))?;
                Ok(blobs)
            }
            #[cfg(feature = "cloud")]
            BlobLocation::Cloud(bucket) => cloud::open(bucket, max_bytes, owner).await,
        }
    }

    async fn claim(&self, place: String, owner: Uuid) -> Result<(), StoreError> {
        let claimed = owner::claim(&*self.0.store, &self.0.root, owner).await;
        let found = claimed.map_err(|error| {
            StoreError::io(
                format!("cannot use the blobs at `{place}`"),
                io::Error::other(error::words(&error)),
            )
        })?;
        if found == owner.to_string() {
            Ok(())
        } else {
            Err(StoreError::ForeignBlobs { place, found, owner })
        }
    }

    /// Those of a folder, which is made if it is not there.
    fn local(path: &FilePath, max_bytes: u64) -> Result<Self, StoreError> {
        files::create_folder(path).map_err(|why| unusable(path, why))?;
        let store = LocalFileSystem::new_with_prefix(path)
            .map_err(|error| unusable(path, io::Error::other(error)))?
            .with_fsync(true);
        let root = Path::default();
        let part_bytes = LOCAL_PART_BYTES;
        Ok(Self(Arc::new(Shared { store: Box::new(store), root, part_bytes, max_bytes, is_atomic: false })))
    }

    /// None yet, and gone with this process: for tests.
    #[must_use]
    pub fn in_memory(max_bytes: u64) -> Self {
        let (store, root) = (Box::new(InMemory::new()), Path::default());
        Self(Arc::new(Shared { store, root, part_bytes: LOCAL_PART_BYTES, max_bytes, is_atomic: true }))
    }

    /// Bytes that a blob may have.
    #[must_use]
    pub fn max_bytes(&self) -> u64 {
        self.0.max_bytes
    }

    /// Begins a blob.
    #[must_use]
    pub fn create(&self, tenant: &TenantId) -> NewBlob {
        NewBlob::begin(Arc::clone(&self.0), tenant.clone())
    }

    /// How many bytes a blob has; none if there is no such blob.
    pub async fn size(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<u64>, BlobError> {
        match self.0.store.head(&self.0.path(tenant, digest)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(BlobError::unavailable("look for", digest, &error)),
        }
    }

    /// Some of a blob's bytes, which it has to have.
    pub async fn read(
        &self,
        tenant: &TenantId,
        digest: &Digest,
        range: Range<u64>,
    ) -> Result<ByteStream, BlobError> {
        read::read(&*self.0.store, self.0.path(tenant, digest), digest, range).await
    }

    /// Removes a blob, if it is there.
    pub async fn delete(&self, tenant: &TenantId, digest: &Digest) -> Result<(), BlobError> {
        match self.0.store.delete(&self.0.path(tenant, digest)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(BlobError::unavailable("remove", digest, &error)),
        }
    }
}

fn unusable(path: &FilePath, why: io::Error) -> StoreError {
    StoreError::io(format!("cannot use the folder of blobs `{}`", path.display()), why)
}

/// What a crash left.
fn remove_half_written(path: &FilePath) -> io::Result<()> {
    let writing = path.join(WRITING);
    if writing.exists() { std::fs::remove_dir_all(&writing) } else { Ok(()) }
}

impl Shared {
    fn path(&self, tenant: &TenantId, digest: &Digest) -> Path {
        let hex = digest.to_hex();
        let (folder, file) = hex.split_at(2);
        self.root.clone().join(tenant.as_str()).join(folder).join(file)
    }

    fn new_path(&self) -> Path {
        self.root.clone().join(WRITING).join(uuid::Uuid::now_v7().to_string())
    }
}

#[cfg(test)]
mod tests;
