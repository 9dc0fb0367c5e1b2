//! Blobs in memory. Each has a digest of the right shape that its bytes decide: a counterfeit of SHA-256, enough to tell them apart.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::with;
use crate::blob::{Blob, Error, ErrorKind};

/// A blob that is read, and how far.
#[derive(Debug)]
pub(crate) struct BlobReader {
    bytes: Vec<u8>,
    read: std::cell::Cell<usize>,
}

/// A blob that is written.
#[derive(Debug)]
pub(crate) struct BlobWriter(std::cell::RefCell<Vec<u8>>);

pub(crate) fn keep(bytes: Vec<u8>, media_type: &str) -> Blob {
    let digest = digest(&bytes);
    let blob = Blob::new(digest.clone(), bytes.len() as u64, media_type.into());
    with(|state| state.blobs.insert(digest, bytes));
    blob
}

fn digest(bytes: &[u8]) -> String {
    let quarter = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        (salt, bytes).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    };
    format!("sha256:{}", (0..4).map(quarter).collect::<String>())
}

pub(crate) fn open_blob(digest: &str, offset: u64) -> Result<BlobReader, Error> {
    let bytes = with(|state| state.blobs.get(digest).cloned())
        .ok_or_else(|| Error::new(ErrorKind::Unknown, format!("FakeHost has no blob {digest}")))?;
    let read = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    Ok(BlobReader { bytes, read: read.into() })
}

pub(crate) fn blob_size(reader: &BlobReader) -> u64 {
    reader.bytes.len() as u64
}

pub(crate) fn read_blob(reader: &BlobReader, most: u32) -> Result<Vec<u8>, Error> {
    let from = reader.read.get();
    let to = from.saturating_add(most as usize).min(reader.bytes.len());
    reader.read.set(to);
    Ok(reader.bytes[from..to].to_vec())
}

pub(crate) fn create_blob() -> Result<BlobWriter, Error> {
    Ok(BlobWriter(Vec::new().into()))
}

pub(crate) fn write_blob(writer: &BlobWriter, bytes: &[u8]) -> Result<(), Error> {
    writer.0.borrow_mut().extend_from_slice(bytes);
    Ok(())
}

pub(crate) fn finish_blob(writer: BlobWriter, media_type: &str) -> Result<Blob, Error> {
    Ok(keep(writer.0.into_inner(), media_type))
}
