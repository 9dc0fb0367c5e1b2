//! What goes in comes out, in bounded memory, and what was not finished leaves nothing.

use std::path::Path;

use bytes::Bytes;
use futures::TryStreamExt as _;
use stepwell_core::digest::Digest;
use stepwell_core::id::TenantId;

use super::*;

const MOST: u64 = 32 << 20;

fn tenant() -> TenantId {
    TenantId::default()
}

fn folder() -> (Blobs, tempfile::TempDir) {
    let temp = tempfile::tempdir().unwrap();
    (Blobs::local(&temp.path().join("blobs"), MOST).unwrap(), temp)
}

/// Bytes that no two places have alike.
fn bytes(length: usize) -> Bytes {
    (0..length).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8).collect()
}

async fn put(blobs: &Blobs, bytes: &Bytes, piece: usize) -> Digest {
    let mut new = blobs.create(&tenant());
    for start in (0..bytes.len()).step_by(piece) {
        new.write(bytes.slice(start..bytes.len().min(start + piece))).await.unwrap();
    }
    let sealed = new.seal().await.unwrap();
    let digest = sealed.digest();
    assert_eq!(sealed.size(), bytes.len() as u64);
    sealed.keep().await.unwrap();
    digest
}

async fn get(blobs: &Blobs, digest: &Digest, range: Range<u64>) -> Result<Vec<u8>, BlobError> {
    let pieces: Vec<Bytes> = blobs.read(&tenant(), digest, range).await?.try_collect().await?;
    Ok(pieces.concat())
}

fn files(path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path.display().to_string()),
        }
    }
    found
}

#[tokio::test]
async fn a_blob_comes_back_whole_and_in_ranges() {
    let (local, _temp) = folder();
    for blobs in [local, Blobs::in_memory(MOST)] {
        // Nothing, less than a part, a part, and some parts that no piece ends with.
        for length in [0, 1, LOCAL_PART_BYTES, 3 * LOCAL_PART_BYTES + 17] {
            let all = bytes(length);
            let digest = put(&blobs, &all, 300_001).await;
            assert_eq!(digest, Digest::of(&all));
            assert_eq!(blobs.size(&tenant(), &digest).await, Ok(Some(length as u64)));
            for range in [0..length, length / 3..length / 2, length..length, length.saturating_sub(5)..length]
            {
                let wanted = range.start as u64..range.end as u64;
                assert_eq!(
                    get(&blobs, &digest, wanted).await.unwrap(),
                    all[range.clone()],
                    "{length} {range:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_same_bytes_are_one_blob_and_no_tenant_sees_anothers() {
    let (blobs, temp) = folder();
    let all = bytes(1000);
    let digest = put(&blobs, &all, 1000).await;
    assert_eq!(put(&blobs, &all, 7).await, digest);
    assert_eq!(files(temp.path()).len(), 1, "{:?}", files(temp.path()));
    let other = TenantId::new("other").unwrap();
    assert_eq!(blobs.size(&other, &digest).await, Ok(None));
    let unread = blobs.read(&other, &digest, 0..10).await.err();
    assert_eq!(unread, Some(BlobError::Unknown(digest)));
}

#[tokio::test]
async fn a_blob_that_is_removed_is_gone() {
    let (blobs, temp) = folder();
    let digest = put(&blobs, &bytes(10), 10).await;
    for _ in 0..2 {
        blobs.delete(&tenant(), &digest).await.unwrap();
        assert_eq!(blobs.size(&tenant(), &digest).await, Ok(None));
    }
    assert!(files(temp.path()).is_empty());
}

#[tokio::test]
async fn nobody_finds_a_blob_before_it_is_kept_and_what_is_dropped_leaves_nothing() {
    let (blobs, temp) = folder();
    let all = bytes(2 * LOCAL_PART_BYTES);
    let mut half = blobs.create(&tenant());
    half.write(all.clone()).await.unwrap();
    assert_eq!(files(temp.path()).len(), 1);
    drop(half);

    let mut whole = blobs.create(&tenant());
    whole.write(all.clone()).await.unwrap();
    let sealed = whole.seal().await.unwrap();
    assert_eq!(blobs.size(&tenant(), &sealed.digest()).await, Ok(None));
    drop(sealed);
    // What is dropped is removed beside us.
    while !files(temp.path()).is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_a_crash_left_half_written_goes_at_the_next_start() {
    let (blobs, temp) = folder();
    let digest = put(&blobs, &bytes(10), 10).await;
    let mut half = blobs.create(&tenant());
    half.write(bytes(2 * LOCAL_PART_BYTES)).await.unwrap();
    std::mem::forget(half);
    drop(blobs);
    assert_eq!(files(temp.path()).len(), 2);

    let place = BlobLocation::Folder(temp.path().join("blobs"));
    let blobs = Blobs::open(&place, MOST, Uuid::now_v7()).await.unwrap();
    assert_eq!(files(temp.path()).len(), 2, "the blob and `.owner`");
    assert_eq!(blobs.size(&tenant(), &digest).await, Ok(Some(10)));
}

/// Two journals over the same blobs would each remove what only the other needs.
#[tokio::test]
async fn blobs_of_another_data_folder_are_left_alone() {
    let temp = tempfile::tempdir().unwrap();
    let place = BlobLocation::Folder(temp.path().to_owned());
    let (one, another) = (Uuid::now_v7(), Uuid::now_v7());
    let blobs = Blobs::open(&place, MOST, one).await.unwrap();
    let mut half = blobs.create(&tenant());
    half.write(bytes(2 * LOCAL_PART_BYTES)).await.unwrap();

    let refused = Blobs::open(&place, MOST, another).await.unwrap_err();
    assert!(matches!(refused, StoreError::ForeignBlobs { owner, .. } if owner == another), "{refused}");
    half.seal().await.unwrap().keep().await.unwrap();
    assert!(Blobs::open(&place, MOST, one).await.is_ok());
}

#[tokio::test]
async fn a_blob_that_is_too_large_is_refused_as_soon_as_it_is() {
    let (blobs, temp) = folder();
    let mut new = blobs.create(&tenant());
    let piece = bytes(LOCAL_PART_BYTES);
    for _ in 0..MOST as usize / LOCAL_PART_BYTES {
        new.write(piece.clone()).await.unwrap();
    }
    assert_eq!(new.write(Bytes::from_static(b"x")).await, Err(BlobError::TooLarge { limit: MOST }));
    drop(new);
    while !files(temp.path()).is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_part_of_a_blob_is_in_memory_while_it_is_written() {
    let (blobs, _temp) = folder();
    let mut new = blobs.create(&tenant());
    let piece = bytes(100_000);
    for _ in 0..200 {
        new.write(piece.clone()).await.unwrap();
        assert!(new.buffered() < LOCAL_PART_BYTES);
    }
}
