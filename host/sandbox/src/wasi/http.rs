//! `wasi:http`: what `fetch` calls in JavaScript, through the same gate as the contract's own `http`.
//!
//! Its errors are codes, most without words. So the words go to the attempt's log.

use std::future::{Future, ready};
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use serde_json::Map;
use stepwell_core::attempt::{LogLevel, LogLine};
use stepwell_core::failure::Failure;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::effects::Slot;
use crate::guest::{GuestState, Phase};
use crate::http::{Errand, HttpError, HttpRequest, HttpResponse, HttpSession};
use crate::log::Log;
use crate::meter::Meter;

/// Work that goes on after the answer's head: there is none, an answer is whole.
type Rest = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// The way out of one guest; `None` while it describes itself.
pub(super) struct HttpGate(Option<Arc<Way>>);

struct Way {
    session: Arc<HttpSession>,
    errand: Arc<Errand>,
    meter: Arc<Meter>,
    log: Arc<Log>,
}

impl HttpGate {
    pub(super) fn new(state: &GuestState) -> Self {
        let Phase::Run(work) = &state.phase else { return Self(None) };
        let way = |session| Way {
            session,
            errand: Arc::clone(&state.errand),
            meter: Arc::clone(&state.meter),
            log: Arc::clone(&state.log),
        };
        Self(work.http.clone().map(way).map(Arc::new))
    }
}

impl WasiHttpHooks for HttpGate {
    /// The client sets it from the URL.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _written: Rest,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Rest), Error>> + Send> {
        let Some(way) = self.0.clone() else { return Box::new(ready(Err(Error::HttpRequestDenied))) };
        // The request ends with its guest, which may wait for it beside others.
        way.errand.stay();
        // The guest goes on before the request is whole: its place in the order is taken now.
        let slot = way.session.reserve();
        Box::new(async move {
            let response = way.send(slot, request, options).await?;
            Ok((response, Box::new(ready(Ok(()))) as Rest))
        })
    }
}

impl Way {
    async fn send(
        &self,
        slot: Slot,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<Response<WasiBody>, Error> {
        let request = whole(request, options, self.meter.sent.left()).await?;
        match self.session.send_at(slot, request).await {
            Ok(Ok(response)) => answer(response),
            Ok(Err(error)) => Err(self.tell(&error)),
            Err(failure) => Err(self.end(failure)),
        }
    }

    /// The code for the guest, the words for the log.
    fn tell(&self, error: &HttpError) -> Error {
        let message = error.to_string();
        let line = LogLine { level: LogLevel::Warn, message: message.clone(), fields: Map::new() };
        match self.log.write(line) {
            Ok(()) => code(error, message),
            Err(failure) => self.end(failure),
        }
    }

    /// The attempt is over; the guest hears of it no more.
    fn end(&self, failure: Failure) -> Error {
        let message = failure.message.clone();
        self.meter.end(failure);
        Error::InternalError(Some(message))
    }
}

/// The request with all of its body.
async fn whole(
    request: Request<WasiBody>,
    options: Option<RequestOptions>,
    limit: u64,
) -> Result<HttpRequest, Error> {
    let (head, body) = request.into_parts();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let body = Limited::new(body, limit).collect().await;
    let body = body.map_err(|error| Error::InternalError(Some(error.to_string())))?.to_bytes();
    // The length is that of the body that we have: the client says it.
    let kept = head.headers.iter().filter(|(name, _)| **name != CONTENT_LENGTH);
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| match value.to_str() {
        Ok(value) => Ok((name.as_str().to_owned(), value.to_owned())),
        Err(_) => Err(Error::HttpRequestHeaderSize { field_name: Some(name.to_string()), field_size: None }),
    };
    Ok(HttpRequest {
        method: head.method.to_string(),
        url: head.uri.to_string(),
        headers: kept.map(header).collect::<Result<_, _>>()?,
        body,
        timeout_ms: options.and_then(|options| options.first_byte_timeout).map(millis),
        max_redirects: 0,
        parts: Vec::new(),
        keep: false,
    })
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn answer(response: HttpResponse) -> Result<Response<WasiBody>, Error> {
    let mut builder = Response::builder().status(response.status);
    for (name, value) in response.headers {
        builder = builder.header(name, value);
    }
    let body = Full::<Bytes>::new(response.body).map_err(|never| match never {}).boxed_unsync();
    builder.body(body).map_err(|error| Error::InternalError(Some(error.to_string())))
}

fn code(error: &HttpError, message: String) -> Error {
    match error {
        HttpError::Denied(_) => Error::HttpRequestDenied,
        HttpError::Dns(_) => Error::DnsError { rcode: Some(message), info_code: None },
        HttpError::Connection(_) => Error::ConnectionRefused,
        HttpError::Tls(_) => Error::TlsCertificateError,
        HttpError::Timeout(_) => Error::HttpResponseTimeout,
        HttpError::TooLarge(_) => Error::HttpResponseBodySize(None),
        HttpError::Protocol(_) => Error::HttpProtocolError,
        HttpError::InvalidRequest(_) => Error::InternalError(Some(message)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use stepwell_core::effect::Effect;
    use stepwell_core::failure::FailureKind;
    use stepwell_core::manifest::Capability;

    use super::*;
    use crate::attempt::AttemptHost;
    use crate::blob;
    use crate::guest::Work;
    use crate::http::{HttpClient, NetworkPolicy, prepare};
    use crate::lives::Past;
    use crate::tests::{Witness, attempt};

    /// A guest that may send nothing, and has answers from an earlier life.
    fn guest(replay: Vec<Effect>) -> GuestState {
        let attempt = attempt("null");
        let host: Arc<dyn AttemptHost> = Arc::<Witness>::default();
        let past = Past::new(&host, &attempt.limits, replay);
        let state = GuestState::new(host, &attempt.limits, past);
        let client = Arc::new(HttpClient::new(NetworkPolicy::default()).expect("a client"));
        let blobs = Arc::new(blob::prepare(&*state.host, &attempt));
        let shared = (Arc::clone(&state.effects), Arc::clone(&state.meter));
        let session = prepare(client, &attempt, shared, Arc::clone(&blobs));
        state.at_work(
            Work { context: attempt.context, http: Some(Arc::new(session)), blobs: Some(blobs) },
            &attempt.grants,
        )
    }

    fn post() -> Request<WasiBody> {
        let body = Full::<Bytes>::new("hello".into()).map_err(|never| match never {}).boxed_unsync();
        let request =
            Request::post("https://example.com/hooks?key=1").header("x-a", "b").header(CONTENT_LENGTH, 5);
        request.body(body).expect("a request")
    }

    /// The same request, as the gate puts it to the session.
    fn asked() -> HttpRequest {
        HttpRequest {
            method: "POST".to_owned(),
            url: "https://example.com/hooks?key=1".to_owned(),
            headers: vec![("x-a".to_owned(), "b".to_owned())],
            body: "hello".into(),
            timeout_ms: None,
            max_redirects: 0,
            parts: Vec::new(),
            keep: false,
        }
    }

    async fn send(state: &GuestState) -> Result<Response<WasiBody>, Error> {
        let sent = HttpGate::new(state).send_request(post(), None, Box::new(ready(Ok(()))));
        Box::into_pin(sent).await.map(|(response, _)| response)
    }

    #[tokio::test]
    async fn a_request_without_a_grant_is_denied_and_the_log_says_how_to_allow_it() {
        let state = guest(Vec::new());
        assert!(matches!(send(&state).await, Err(Error::HttpRequestDenied)));
        let [line] = &state.log.take()[..] else { panic!("one line") };
        assert_eq!(line.level, LogLevel::Warn);
        assert!(line.message.contains(r#""grants": {"http": [{"#), "{}", line.message);
        assert_eq!(state.effects.count(), 1);
    }

    #[tokio::test]
    async fn an_answer_comes_back_whole() {
        let state = guest(vec![Effect {
            index: 0,
            capability: Capability::Http,
            summary: "POST https://example.com/hooks".to_owned(),
            request_digest: asked().digest(),
            answer: json!({"ok": {"status": 201, "headers": [["x-c", "d"]], "body": "done", "url": "https://example.com/"}}),
        }]);
        let response = send(&state).await.expect("an answer");
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["x-c"], "d");
        assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "done");
    }

    /// The guest is told of an error that it could go on from: but the attempt is over.
    #[tokio::test]
    async fn a_failure_of_the_host_ends_the_attempt() {
        let state = guest(vec![Effect {
            index: 0,
            capability: Capability::Http,
            summary: "POST https://example.com/other".to_owned(),
            request_digest: stepwell_core::digest::Digest::of(b"another request"),
            answer: json!(null),
        }]);
        assert!(matches!(send(&state).await, Err(Error::InternalError(_))));
        assert_eq!(state.meter.ended().expect("an end").kind, FailureKind::Replay);
    }

    #[tokio::test]
    async fn a_guest_that_describes_itself_sends_nothing() {
        let host: Arc<dyn AttemptHost> = Arc::<Witness>::default();
        let limits = attempt("null").limits;
        let past = Past::new(&host, &limits, Vec::new());
        let state = GuestState::new(host, &limits, past);
        assert!(matches!(send(&state).await, Err(Error::HttpRequestDenied)));
    }
}
