//! Reading a blob, piece by piece.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResultPayload, ObjectStore};
use stepwell_core::digest::Digest;

use super::BlobError;

/// Bytes as they come.
pub type ByteStream = BoxStream<'static, Result<Bytes, BlobError>>;

/// What is read of a file at once.
const PIECE_BYTES: u64 = 256 << 10;

pub(super) async fn read(
    store: &dyn ObjectStore,
    path: Path,
    digest: &Digest,
    range: Range<u64>,
) -> Result<ByteStream, BlobError> {
    // There is no way to ask for no bytes.
    let nothing = range.is_empty();
    let wanted = (!nothing).then_some(GetRange::Bounded(range.clone()));
    let options = GetOptions { range: wanted, head: nothing, ..GetOptions::default() };
    let found = store.get_opts(&path, options).await.map_err(|error| match error {
        object_store::Error::NotFound { .. } => BlobError::Unknown(*digest),
        other => BlobError::unavailable("read", digest, &other),
    })?;
    if nothing {
        return Ok(stream::empty().boxed());
    }
    let digest = *digest;
    match found.payload {
        GetResultPayload::File(file, _) => Ok(file_stream(file, found.range, digest)),
        GetResultPayload::Stream(bytes) => {
            Ok(bytes.map_err(move |error| BlobError::unavailable("read", &digest, &error)).boxed())
        }
    }
}

fn file_stream(file: File, range: Range<u64>, digest: Digest) -> ByteStream {
    stream::try_unfold((file, range), move |(file, range)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let failed = |why: String| BlobError::Unavailable { what: format!("read {digest}"), why };
        let read = tokio::task::spawn_blocking(move || read_piece(file, range)).await;
        let (piece, rest) =
            read.map_err(|panic| failed(panic.to_string()))?.map_err(|why| failed(why.to_string()))?;
        Ok(Some((piece, rest)))
    })
    .boxed()
}

fn read_piece(mut file: File, range: Range<u64>) -> io::Result<(Bytes, (File, Range<u64>))> {
    let length = (range.end - range.start).min(PIECE_BYTES);
    let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
    file.seek(SeekFrom::Start(range.start))?;
    file.read_exact(&mut piece)?;
    Ok((piece.into(), (file, range.start + length..range.end)))
}
