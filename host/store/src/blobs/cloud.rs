//! Blobs in a cloud's store. Credentials come from the environment, as each cloud's own tools name them.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt as _;
use jiff::Timestamp;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, RetryConfig};

use super::error::words;
use super::location::{Bucket, CloudKind};
use super::{Blobs, PART_BYTES, Shared, WRITING};
use crate::StoreError;

/// What was being written so long ago is not written any more, by whichever server.
const ABANDONED_AFTER: i64 = 24 * 3600;
/// Whoever waits for a blob waits for no more than this.
const RETRY_FOR: Duration = Duration::from_secs(20);

/// Opens a bucket. That it can be read is tried, so that a wrong name or missing credentials stop a start and not a run.
pub(super) async fn open(bucket: &Bucket, max_bytes: u64) -> Result<Blobs, StoreError> {
    let failed = |error: object_store::Error| unusable(bucket, &error);
    let store = build(bucket).map_err(failed)?;
    let root = Path::from_url_path(bucket.url.path())
        .map_err(|error| failed(object_store::Error::InvalidPath { source: error }))?;
    remove_abandoned(&*store, &root).await.map_err(failed)?;
    Ok(Blobs(Arc::new(Shared { store, root, part_bytes: PART_BYTES, max_bytes, is_atomic: true })))
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

/// Removes what a crash left half written. Another server may be writing: what is young stays.
async fn remove_abandoned(store: &dyn ObjectStore, root: &Path) -> object_store::Result<()> {
    let oldest = Timestamp::now().as_second() - ABANDONED_AFTER;
    let mut found = store.list(Some(&root.clone().join(WRITING)));
    while let Some(object) = found.try_next().await? {
        if object.last_modified.timestamp() < oldest {
            store.delete(&object.location).await?;
        }
    }
    Ok(())
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
