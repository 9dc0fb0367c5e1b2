//! Blobs in a cloud's store. Credentials come from the environment, as each cloud's own tools name them.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, RetryConfig};
use uuid::Uuid;

use super::error::words;
use super::location::{Bucket, CloudKind};
use super::{Blobs, PART_BYTES, Shared, WRITING};
use crate::StoreError;

/// Whoever waits for a blob waits for no more than this.
const RETRY_FOR: Duration = Duration::from_secs(20);

/// Opens a bucket. That it can be read is tried, so that a wrong name or missing credentials stop a start and not a run.
pub(super) async fn open(bucket: &Bucket, max_bytes: u64, owner: Uuid) -> Result<Blobs, StoreError> {
    let failed = |error: object_store::Error| unusable(bucket, &error);
    let store = build(bucket).map_err(failed)?;
    let root = Path::from_url_path(bucket.url.path())
        .map_err(|error| failed(object_store::Error::InvalidPath { source: error }))?;
    // Whether it can be read is told by this.
    let half_written = half_written(&*store, &root).await.map_err(failed)?;
    let blobs = Blobs(Arc::new(Shared { store, root, part_bytes: PART_BYTES, max_bytes, is_atomic: true }));
    blobs.claim(bucket.url.to_string(), owner).await?;
    for path in half_written {
        blobs.0.store.delete(&path).await.map_err(failed)?;
    }
    Ok(blobs)
}

fn build(bucket: &Bucket) -> object_store::Result<Box<dyn ObjectStore>> {
    let retry = RetryConfig { max_retries: 5, retry_timeout: RETRY_FOR, ..RetryConfig::default() };
    let url = bucket.url.as_str();
    Ok(match bucket.kind {
        CloudKind::S3 => Box::new(AmazonS3Builder::from_env().with_url(url).with_retry(retry).build()?),
        CloudKind::Google => {
            Box::new(GoogleCloudStorageBuilder::from_env().with_url(url).with_retry(retry).build()?)
        }
        CloudKind::Azure => {
            Box::new(MicrosoftAzureBuilder::from_env().with_url(url).with_retry(retry).build()?)
        }
    })
}

/// What a crash left.
async fn half_written(store: &dyn ObjectStore, root: &Path) -> object_store::Result<Vec<Path>> {
    store.list(Some(&root.clone().join(WRITING))).map_ok(|object| object.location).try_collect().await
}

fn unusable(bucket: &Bucket, error: &object_store::Error) -> StoreError {
    StoreError::io(
        format!(
            "cannot use the blobs at `{}` (`blobs.url`): check the name, and the credentials in the environment",
            bucket.url
        ),
        std::io::Error::other(words(error)),
    )
}
