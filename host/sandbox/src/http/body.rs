//! The body of a request as it leaves: bytes that are there, and blobs that are read meanwhile.

use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};

use super::hop::Hop;
use super::message::Part;
use crate::blob::{BlobError, BlobSession};

type Pieces = BoxStream<'static, Result<Bytes, BlobError>>;

/// A body that is ready to leave.
pub(super) struct Outgoing {
    pub(super) body: reqwest::Body,
    /// In bytes.
    pub(super) length: u64,
    /// Why a blob could not be read to its end, if that is why the request broke off.
    pub(super) fault: Arc<OnceLock<BlobError>>,
}

/// Opens a body; none if there is none. `blob_bytes` is told how much of it was not in memory.
pub(super) async fn open(hop: &Hop, blobs: &BlobSession) -> Result<Option<(Outgoing, u64)>, BlobError> {
    let fault = Arc::<OnceLock<BlobError>>::default();
    if hop.parts.is_empty() {
        let whole = || Outgoing { body: hop.body.clone().into(), length: hop.body.len() as u64, fault };
        return Ok((!hop.body.is_empty()).then(|| (whole(), 0)));
    }
    let mut pieces: Vec<Pieces> = vec![at_hand(&hop.body)];
    let (mut length, mut of_blobs) = (hop.body.len() as u64, 0);
    for part in &hop.parts {
        match part {
            Part::Bytes(bytes) => {
                length += bytes.len() as u64;
                pieces.push(at_hand(bytes));
            }
            Part::Blob(digest) => {
                let blob = blobs.open(digest, 0).await?;
                length += blob.size;
                of_blobs += blob.size;
                pieces.push(blob.bytes);
            }
        }
    }
    let told = Arc::clone(&fault);
    let all = stream::iter(pieces).flatten().inspect_err(move |error| {
        // Only the first matters, and there is no second.
        let _ = told.set(error.clone());
    });
    Ok(Some((Outgoing { body: reqwest::Body::wrap_stream(all), length, fault }, of_blobs)))
}

/// All of a body, for a stand-in. Where there are no blobs, as in a replay, it is shown without what they hold.
pub(super) async fn gather(hop: &Hop, blobs: &BlobSession) -> Result<Bytes, BlobError> {
    if hop.parts.is_empty() {
        return Ok(hop.body.clone());
    }
    let mut all = BytesMut::from(&hop.body[..]);
    for part in &hop.parts {
        match part {
            Part::Bytes(bytes) => all.extend_from_slice(bytes),
            Part::Blob(digest) => match blobs.open(digest, 0).await {
                Ok(mut blob) => {
                    while let Some(piece) = blob.bytes.next().await {
                        all.extend_from_slice(&piece?);
                    }
                }
                Err(BlobError::Unavailable(_)) => {}
                Err(error) => return Err(error),
            },
        }
    }
    Ok(all.freeze())
}

fn at_hand(bytes: &Bytes) -> Pieces {
    let bytes = bytes.clone();
    stream::iter((!bytes.is_empty()).then_some(Ok(bytes))).boxed()
}
