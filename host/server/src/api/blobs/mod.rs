//! `/v1/blobs`: values that are not JSON. Bytes stream in and out; a part of a blob is in memory, however large it is.
//!
//! What somebody uploaded is a stranger's word: it is given back as a download, under a type that no browser guesses at, so
//! that nothing of it runs in the API's origin.

mod range;
mod receive;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, IF_RANGE, LOCATION, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use serde::Deserialize;

use stepwell_core::blob::{BlobName, BlobRef};
use stepwell_core::digest::Digest;
use stepwell_engine::BlobInfo;

use self::range::Wanted;
use super::App;
use super::extract::{Caller, NoParameters, Path, Query};
use crate::problem::Problem;

pub(crate) use receive::receive;

/// What an upload may say beside its bytes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UploadParameters {
    name: Option<BlobName>,
}

/// Upload a blob.
///
/// The body is its bytes, as they are; `Content-Type` says what they are (without one: `application/octet-stream`). The answer is the
/// reference to put into a run's input. It is on disk when the answer comes. The same bytes again are the same blob. A blob that no
/// run and no workflow names is removed after a while (`blobs.keep_unused`).
#[utoipa::path(
    post, path = "/v1/blobs", tag = "blobs",
    params(("name" = Option<String>, Query, description = "What people call it: a file's name. It is kept in the reference alone")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 201, body = BlobRef, description = "Kept"),
        Problem,
    ),
)]
pub(crate) async fn upload(
    State(app): State<App>,
    caller: Caller,
    Query(UploadParameters { name }): Query<UploadParameters>,
    request: Request,
) -> Result<Response, Problem> {
    let blob = BlobRef { name, ..receive(&app, &caller.tenant, request, None).await? };
    let location = format!("/v1/blobs/{}", blob.digest);
    Ok((StatusCode::CREATED, [(LOCATION, location)], axum::Json(blob)).into_response())
}

/// Download a blob.
///
/// Takes one range (`Range: bytes=0-99`, `bytes=100-`, `bytes=-100`), and `If-None-Match`: a blob never changes. `HEAD` tells its size
/// and type.
#[utoipa::path(
    get, path = "/v1/blobs/{digest}", tag = "blobs",
    params(
        ("digest" = Digest, Path, description = "`sha256:` and 64 hexadecimal digits"),
        ("Range" = Option<String>, Header, description = "`bytes=0-99`: the first hundred bytes"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of what the client has"),
    ),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/octet-stream", description = "All of it, as the type that it was uploaded with"),
        (status = 206, body = Vec<u8>, content_type = "application/octet-stream", description = "The range"),
        (status = 304, description = "The client has it"),
        Problem,
    ),
)]
pub(crate) async fn download(
    State(app): State<App>,
    caller: Caller,
    method: Method,
    Path(digest): Path<Digest>,
    Query(NoParameters {}): Query<NoParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let info = app.engine.blob(&caller.tenant, &digest).await?.ok_or(Problem::UnknownBlob(digest))?;
    let etag = format!("\"{digest}\"");
    if has_already(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response());
    }
    let wanted = match headers.get(IF_RANGE) {
        // RFC 9110 section 14.2: a range is for GET alone.
        _ if method == Method::HEAD => Wanted::All,
        // The rest of another blob is no use.
        Some(of) if of.as_bytes() != etag.as_bytes() => Wanted::All,
        _ => Wanted::of(headers.get(RANGE), info.size),
    };
    let (status, bytes, content_range) = match wanted {
        Wanted::All => (StatusCode::OK, 0..info.size, None),
        Wanted::Part(part) => {
            let content_range = format!("bytes {}-{}/{}", part.start, part.end - 1, info.size);
            (StatusCode::PARTIAL_CONTENT, part, Some(content_range))
        }
        Wanted::Nothing => return Err(Problem::RangeNotSatisfiable { size: info.size }),
    };
    let described = describe(&info, etag, bytes.end - bytes.start);
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        let bytes = app.engine.read_blob(&caller.tenant, &digest, bytes).await?;
        Body::from_stream(bytes.inspect(move |piece| {
            if let Err(error) = piece {
                tracing::warn!(%digest, %error, "a download broke off");
            }
        }))
    };
    Ok((status, described, content_range.map(|range| [(CONTENT_RANGE, range)]), body).into_response())
}

fn describe(info: &BlobInfo, etag: String, length: u64) -> [(HeaderName, String); 7] {
    [
        (CONTENT_TYPE, info.media_type.to_string()),
        (CONTENT_LENGTH, length.to_string()),
        (ETAG, etag),
        (ACCEPT_RANGES, "bytes".to_owned()),
        (CACHE_CONTROL, "private, immutable, max-age=31536000".to_owned()),
        (CONTENT_DISPOSITION, "attachment".to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ]
}

fn has_already(headers: &HeaderMap, etag: &str) -> bool {
    let named = headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|header| header.to_str().ok());
    named.flat_map(|header| header.split(',')).any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
    })
}
