//! What a handler takes: each extractor reads one part of a call, and refuses it with a [`Problem`] that says which part
//! and how to mend it. Nothing that is unknown is passed over in silence.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::{
    FromRequest, FromRequestParts, OptionalFromRequest, Path as AxumPath, Query as AxumQuery, Request,
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http::request::Parts;
use serde::de::DeserializeOwned;

use stepwell_core::id::TenantId;

use super::App;
use super::edge::Traceparent;
use crate::document::json_error;
use crate::problem::{LimitSetting, Place, Problem};

/// Whoever calls, with a key that is known. A handler learns its tenant from here alone, so that none can be reached
/// without a key.
pub(crate) struct Caller {
    pub(crate) tenant: TenantId,
    /// The name of the key: who calls.
    pub(crate) name: Arc<str>,
}

impl Caller {
    /// Reads `Authorization: Bearer KEY`.
    pub(crate) fn authenticate(app: &App, headers: &HeaderMap) -> Result<Self, Problem> {
        let given = headers.get(AUTHORIZATION).ok_or(Problem::Unauthorized(
            "this call needs an API key: send it as `Authorization: Bearer KEY`",
        ))?;
        let key = given
            .to_str()
            .ok()
            .and_then(bearer)
            .ok_or(Problem::Unauthorized("the `Authorization` header is not of the form `Bearer KEY`"))?;
        let unknown = Problem::Unauthorized("the API key is not known here, or it was revoked");
        let name = app.keys.holder(key).ok_or(unknown)?;
        Ok(Self { tenant: TenantId::default(), name })
    }
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, key) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Self::authenticate(app, &parts.headers)
    }
}

impl<S: Sync> FromRequestParts<S> for Traceparent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let missing = || Problem::internal("a call did not pass the edge, which gives it its traceparent");
        parts.extensions.get::<Self>().cloned().ok_or_else(missing)
    }
}

/// The names in the path.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match AxumPath::from_request_parts(parts, app).await {
            Ok(AxumPath(names)) => Ok(Self(names)),
            Err(rejection) => {
                Err(Problem::InvalidRequest { place: Place::Path, message: rejection.body_text() })
            }
        }
    }
}

/// The query's parameters. `T` denies what it does not know.
pub(crate) struct Query<T>(pub(crate) T);

/// The query of a call that takes no parameters.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoParameters {}

impl<T: DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        match AxumQuery::try_from_uri(&parts.uri) {
            Ok(AxumQuery(parameters)) => Ok(Self(parameters)),
            Err(rejection) => {
                Err(Problem::InvalidRequest { place: Place::Query, message: rejection.body_text() })
            }
        }
    }
}

/// A JSON body. `T` denies what it does not know. `Option<Json<T>>` takes a call without a body as well.
pub(crate) struct Json<T>(pub(crate) T);

/// The content types that [`Json`] takes, for its refusal.
const JSON: &[&str] = &["application/json"];

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let sent = ContentType::of(request.headers());
        if !sent.is_json() {
            return Err(sent.refuse(JSON));
        }
        let bytes = read_json_body(request, app).await?;
        parse(&bytes).map(Self)
    }
}

impl<T: DeserializeOwned> OptionalFromRequest<App> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Option<Self>, Problem> {
        let sent = ContentType::of(request.headers());
        if sent.0.is_some() {
            return <Self as FromRequest<App>>::from_request(request, app).await.map(Some);
        }
        if read_json_body(request, app).await?.is_empty() { Ok(None) } else { Err(sent.refuse(JSON)) }
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| explain::<T>(bytes, &error))
}

/// Reads a refused body again, slower, to learn where it does not fit.
fn explain<T: DeserializeOwned>(bytes: &[u8], error: &serde_json::Error) -> Problem {
    let at = json_error(error);
    if !error.is_data() {
        return Problem::MalformedBody {
            format: at.format,
            message: at.message,
            line: at.line,
            column: at.column,
        };
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let pointer = serde_path_to_error::deserialize::<_, T>(&mut deserializer)
        .err()
        .map(|error| pointer_of(error.path()))
        .unwrap_or_default();
    // What is missing at the top has no place of its own.
    let place = if pointer.is_empty() { String::new() } else { format!(" at `{pointer}`") };
    let message =
        format!("the body does not fit{place}: {} (line {}, column {})", at.message, at.line, at.column);
    Problem::InvalidRequest { place: Place::Body(pointer), message }
}

/// A path as a JSON pointer (RFC 6901).
fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            Segment::Enum { variant } => Some(format!("/{variant}")),
            Segment::Unknown => None,
        })
        .collect()
}

/// The content type of a body, without parameters, in lower case.
pub(crate) struct ContentType(Option<String>);

impl ContentType {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let header = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
        Self(header.map(|text| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()))
    }

    pub(crate) fn is_json(&self) -> bool {
        self.0.as_deref().is_some_and(|kind| kind == "application/json" || kind.ends_with("+json"))
    }

    pub(crate) fn is(&self, kinds: &[&str]) -> bool {
        self.0.as_deref().is_some_and(|kind| kinds.contains(&kind))
    }

    pub(crate) fn starts_with(&self, beginning: &str) -> bool {
        self.0.as_deref().is_some_and(|kind| kind.starts_with(beginning))
    }

    /// Says what was sent and what is taken.
    pub(crate) fn refuse(self, wanted: &'static [&'static str]) -> Problem {
        Problem::UnsupportedMediaType { sent: self.0, wanted }
    }
}

/// Reads a body that may be as large as JSON may be.
pub(crate) async fn read_json_body(request: Request, app: &App) -> Result<Bytes, Problem> {
    read_body(
        request,
        BodyLimit { bytes: app.http.max_json_bytes, set_by: LimitSetting::Config("http.max_json_bytes") },
    )
    .await
}

/// How large a body may be, and who says so.
#[derive(Clone, Copy)]
pub(crate) struct BodyLimit {
    pub(crate) bytes: usize,
    pub(crate) set_by: LimitSetting,
}

/// Reads a body; one that is too large is refused as soon as that is known, and never held.
pub(crate) async fn read_body(request: Request, limit: BodyLimit) -> Result<Bytes, Problem> {
    let (head, body) = request.into_parts();
    let announced = content_length(&head.headers);
    if announced.is_some_and(|length| length > limit.bytes as u64) {
        // A client that waits to be asked for its body is not asked.
        if !head.headers.contains_key(EXPECT) {
            discard(body.into_data_stream());
        }
        return Err(limit.exceeded());
    }
    collect(body, limit).await
}

async fn collect(body: Body, limit: BodyLimit) -> Result<Bytes, Problem> {
    let mut chunks = body.into_data_stream();
    let mut bytes = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Problem::InvalidRequest {
            place: Place::Body(String::new()),
            message: format!("the body broke off: {error}"),
        })?;
        if bytes.len() + chunk.len() > limit.bytes {
            discard(chunks);
            return Err(limit.exceeded());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

impl BodyLimit {
    pub(crate) fn exceeded(self) -> Problem {
        Problem::TooLarge { limit: self.bytes, set_by: self.set_by }
    }
}

pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Lets the rest of a refused body run into the sand for a moment: a connection that is closed while its client still
/// sends is reset, and the client never reads why.
pub(crate) fn discard(mut rest: BodyDataStream) {
    const PATIENCE: Duration = Duration::from_secs(5);
    tokio::spawn(tokio::time::timeout(PATIENCE, async move { while let Some(Ok(_)) = rest.next().await {} }));
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only whether it can be read is tested")]
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only whether it can be read is tested")]
        number: u8,
    }

    fn refusal(body: &str) -> Problem {
        parse::<Outer>(body.as_bytes()).unwrap_err()
    }

    #[test]
    fn json_that_cannot_be_read_is_malformed_with_its_place() {
        let Problem::MalformedBody { line, column, .. } = refusal("{\n \"inner\": [,") else { panic!() };
        assert_eq!((line, column), (2, 12));
        assert!(matches!(refusal(""), Problem::MalformedBody { .. }));
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_pointer() {
        for (body, pointer) in [
            (json!({"inner": [{"number": 1}, {"number": 300}]}), "/inner/1/number"),
            (json!({"inner": [{"number": 1, "colour": 2}]}), "/inner/0/colour"),
            (json!({"inner": [], "a/b": 1}), "/a~1b"),
            (json!({}), ""),
        ] {
            let Problem::InvalidRequest { place, message } = refusal(&body.to_string()) else {
                panic!("{body}")
            };
            assert_eq!(place, Place::Body(pointer.to_owned()), "{message}");
            assert!(!message.contains("``"), "{message}");
        }
    }

    #[tokio::test]
    async fn a_body_is_refused_once_it_is_too_large_whether_it_was_announced_or_not() {
        let limit = BodyLimit { bytes: 10, set_by: LimitSetting::Config("http.max_json_bytes") };
        let announced = Request::builder().header(CONTENT_LENGTH, 11).body(Body::empty()).unwrap();
        assert!(matches!(read_body(announced, limit).await, Err(Problem::TooLarge { limit: 10, .. })));
        let endless = Body::from_stream(futures::stream::repeat_with(|| Ok::<_, std::io::Error>("four")));
        let refused =
            tokio::time::timeout(Duration::from_secs(5), read_body(Request::new(endless), limit)).await;
        assert!(matches!(refused, Ok(Err(Problem::TooLarge { limit: 10, .. }))));
        let fits = read_body(Request::new(Body::from("0123456789")), limit).await;
        assert_eq!(fits.unwrap(), "0123456789");
    }

    #[test]
    fn a_content_type_is_read_without_its_parameters() {
        let of = |text: &str| ContentType::of(&HeaderMap::from_iter([(CONTENT_TYPE, text.parse().unwrap())]));
        assert!(of("Application/JSON; charset=utf-8").is_json());
        assert!(of("application/cloudevents+json").is_json());
        assert!(!of("text/plain").is_json());
        assert!(of("application/wasm").is(&["application/wasm"]));
    }

    #[test]
    fn a_bearer_is_found_in_any_case() {
        assert_eq!(bearer("bearer  k"), Some("k"));
        assert_eq!(bearer("Basic k"), None);
    }
}
