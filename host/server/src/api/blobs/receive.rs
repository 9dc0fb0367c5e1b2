//! A call's body becomes a blob.

use axum::extract::Request;
use futures::StreamExt as _;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, EXPECT};

use stepwell_core::blob::{BlobRef, MediaType};
use stepwell_core::id::TenantId;
use stepwell_engine::BlobFault;
use stepwell_store::BlobError;

use crate::api::App;
use crate::api::extract::{content_length, discard};
use crate::problem::{Place, Problem};

/// Keeps a body as a blob, of the type that its header says. One that breaks off, or is too large, leaves nothing.
pub(crate) async fn receive(app: &App, tenant: &TenantId, request: Request) -> Result<BlobRef, Problem> {
    let (head, body) = request.into_parts();
    let mut chunks = body.into_data_stream();
    let media_type = media_type(&head.headers)?;
    app.engine.journal().admit()?;
    let limit = app.engine.max_blob_bytes();
    if content_length(&head.headers).is_some_and(|length| length > limit) {
        // A client that waits to be asked for its body is not asked.
        if !head.headers.contains_key(EXPECT) {
            discard(chunks);
        }
        return Err(BlobFault::from(BlobError::TooLarge { limit }).into());
    }
    let mut upload = app.engine.create_blob(tenant);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Problem::InvalidRequest {
            place: Place::Body(String::new()),
            message: format!("the body broke off: {error}"),
        })?;
        if let Err(fault) = upload.write(chunk).await {
            discard(chunks);
            return Err(fault.into());
        }
    }
    Ok(upload.finish(media_type).await?)
}

fn media_type(headers: &HeaderMap) -> Result<MediaType, Problem> {
    let Some(header) = headers.get(CONTENT_TYPE) else { return Ok(MediaType::unknown()) };
    let text = String::from_utf8_lossy(header.as_bytes());
    text.parse().map_err(|error| Problem::header("Content-Type", format!("{error}")))
}
