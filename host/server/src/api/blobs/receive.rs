//! A call's body becomes a blob.

use axum::extract::Request;
use futures::StreamExt as _;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, EXPECT};

use crate::api::App;
use crate::api::extract::{BodyLimit, content_length, discard};
use crate::problem::{LimitSetting, Place, Problem};
use stepwell_core::blob::{BlobRef, MediaType};
use stepwell_core::id::TenantId;

/// Keeps a body as a blob, of the type that its header says. One that breaks off, or is too large, leaves nothing. `bound` is a limit
/// within that of all blobs.
pub(crate) async fn receive(
    app: &App,
    tenant: &TenantId,
    request: Request,
    bound: Option<BodyLimit>,
) -> Result<BlobRef, Problem> {
    let (head, body) = request.into_parts();
    let mut chunks = body.into_data_stream();
    let media_type = media_type(&head.headers)?;
    app.engine.journal().admit()?;
    let limit = limit(app, bound);
    if content_length(&head.headers).is_some_and(|length| length > limit.bytes as u64) {
        // A client that waits to be asked for its body is not asked.
        if !head.headers.contains_key(EXPECT) {
            discard(chunks);
        }
        return Err(limit.exceeded());
    }
    let mut left = limit.bytes;
    let mut upload = app.engine.create_blob(tenant);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Problem::InvalidRequest {
            place: Place::Body(String::new()),
            message: format!("the body broke off: {error}"),
        })?;
        left = match left.checked_sub(chunk.len()) {
            Some(left) => left,
            None => {
                discard(chunks);
                return Err(limit.exceeded());
            }
        };
        if let Err(fault) = upload.write(chunk).await {
            discard(chunks);
            return Err(fault.into());
        }
    }
    Ok(upload.finish(media_type).await?)
}

/// The narrower one.
fn limit(app: &App, bound: Option<BodyLimit>) -> BodyLimit {
    let bytes = usize::try_from(app.engine.max_blob_bytes()).unwrap_or(usize::MAX);
    let of_blobs = BodyLimit { bytes, set_by: LimitSetting::Config("blobs.max_bytes") };
    bound.filter(|bound| bound.bytes < bytes).unwrap_or(of_blobs)
}

fn media_type(headers: &HeaderMap) -> Result<MediaType, Problem> {
    let Some(header) = headers.get(CONTENT_TYPE) else { return Ok(MediaType::unknown()) };
    let text = String::from_utf8_lossy(header.as_bytes());
    text.parse().map_err(|error| Problem::header("Content-Type", format!("{error}")))
}
