//! Whose blobs are at a location. Which of them are needed is for one data folder's journal to say: another one, over the same place,
//! would remove what it does not know.

use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use uuid::Uuid;

/// Names the data folder.
const FILE: &str = ".owner";

/// Makes a place this owner's, unless it is somebody's already; gives whose it is now.
pub(super) async fn claim(store: &dyn ObjectStore, root: &Path, owner: Uuid) -> object_store::Result<String> {
    let file = root.clone().join(FILE);
    if let Some(found) = read(store, &file).await? {
        return Ok(found);
    }
    let new = PutOptions::from(PutMode::Create);
    match store.put_opts(&file, owner.to_string().into(), new).await {
        Ok(_) => Ok(owner.to_string()),
        // Somebody was quicker.
        Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {
            Ok(read(store, &file).await?.unwrap_or_default())
        }
        Err(error) => Err(error),
    }
}

async fn read(store: &dyn ObjectStore, file: &Path) -> object_store::Result<Option<String>> {
    match store.get(file).await {
        Ok(found) => Ok(Some(String::from_utf8_lossy(&found.bytes().await?).trim().to_owned())),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
