//! `blob` over the contract.

use super::bindings::stepwell::step::blob as wit;
use crate::blob::{Blob, Error, ErrorKind};

/// A blob that is read, and how far.
#[derive(Debug)]
pub(crate) struct BlobReader(wit::Reader);

/// A blob that is written.
#[derive(Debug)]
pub(crate) struct BlobWriter(wit::Writer);

pub(crate) fn open_blob(digest: &str, offset: u64) -> Result<BlobReader, Error> {
    wit::open(digest, offset).map(BlobReader).map_err(error_from_wit)
}

pub(crate) fn blob_size(reader: &BlobReader) -> u64 {
    reader.0.size()
}

pub(crate) fn read_blob(reader: &BlobReader, most: u32) -> Result<Vec<u8>, Error> {
    reader.0.read(most).map_err(error_from_wit)
}

pub(crate) fn create_blob() -> Result<BlobWriter, Error> {
    wit::create().map(BlobWriter).map_err(error_from_wit)
}

pub(crate) fn write_blob(writer: &BlobWriter, bytes: &[u8]) -> Result<(), Error> {
    writer.0.write(bytes).map_err(error_from_wit)
}

pub(crate) fn finish_blob(writer: BlobWriter, media_type: &str) -> Result<Blob, Error> {
    let blob = wit::Writer::finish(writer.0, media_type).map_err(error_from_wit)?;
    Ok(Blob::new(blob.digest, blob.size, blob.media_type))
}

fn error_from_wit(error: wit::BlobError) -> Error {
    let (kind, message) = match error {
        wit::BlobError::Unknown(message) => (ErrorKind::Unknown, message),
        wit::BlobError::Denied(message) => (ErrorKind::Denied, message),
        wit::BlobError::TooLarge(message) => (ErrorKind::TooLarge, message),
        wit::BlobError::Unavailable(message) => (ErrorKind::Unavailable, message),
    };
    Error::new(kind, message)
}
