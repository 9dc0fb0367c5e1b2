//! The exchange: one request of a guest, through every gate, to one whole answer.
//!
//! Knows nothing of journals and indexes; what an effect is, is [`super::session`]'s to say.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::FutureExt as _;
use futures::future::{Either, select};
use http::header::{CONTENT_LENGTH, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use rustls::RootCertStore;
use stepwell_core::blob::MediaType;
use stepwell_core::destination::Destination;
use stepwell_core::failure::{Failure, FailureKind};
use tokio::time::timeout;
use url::Url;

use super::body::{self, Outgoing};
use super::dial;
use super::fault::{blocked, explain};
use super::grant::HttpGrants;
use super::hop::Hop;
use super::message::{
    self, Answer, HttpError, HttpKept, HttpRequest, HttpResponse, HttpStream, StreamEnd, address, shown,
};
use super::network::NetworkPolicy;
use super::oauth2::Tokens;
use super::placeholder;
use super::secret::Secrets;
use super::stand_in::{self, EffectStandIn, Rehearsal, Rehearsed};
use super::stream::{Flow, Wanted};
use crate::blob::{BlobError, BlobSession};
use crate::meter::Meter;

/// Redirects that are followed at most, whatever a guest asks for.
const MOST_REDIRECTS: u32 = 20;
/// Tells who answers in a host's place which host it was meant for.
const FORWARDED_HOST: &str = "x-forwarded-host";

/// The connections of all attempts.
pub(crate) struct HttpClient {
    inner: reqwest::Client,
    policy: Arc<NetworkPolicy>,
    /// Of the secrets that are OAuth2 clients.
    pub(super) tokens: Tokens,
    pub(super) stand_in: Option<Arc<dyn EffectStandIn>>,
}

impl HttpClient {
    /// A client that keeps to the operator's policy.
    pub(crate) fn new(policy: NetworkPolicy) -> Result<Self, reqwest::Error> {
        Self::trusting(dial::trusted_roots(), policy)
    }

    /// The same, with certificate authorities of one's own.
    pub(super) fn trusting(roots: RootCertStore, policy: NetworkPolicy) -> Result<Self, reqwest::Error> {
        let policy = Arc::new(policy);
        Ok(Self {
            inner: dial::client(Arc::clone(&policy), roots)?,
            policy,
            tokens: Tokens::default(),
            stand_in: None,
        })
    }

    /// Everything that the operator's policy can say of a URL before there is a connection.
    pub(super) fn allow(&self, url: &Url) -> Result<(), HttpError> {
        self.allow_host(url)?;
        self.check_literal(url)
    }

    fn allow_host(&self, url: &Url) -> Result<(), HttpError> {
        if self.policy.allows_host(url) {
            return Ok(());
        }
        Err(HttpError::Denied(format!(
            "this server's operator does not let steps reach `{}`: it is not in `allow_hosts` in the server's \
             configuration",
            message::host(url)
        )))
    }

    fn check_literal(&self, url: &Url) -> Result<(), HttpError> {
        let dialled = self.policy.route(url);
        dial::check_literal(&self.policy, dialled.as_ref().unwrap_or(url))
            .map_err(|_| blocked(&message::host(url)))
    }

    /// A request toward a URL, or where the operator has such requests sent.
    pub(super) fn request(
        &self,
        method: Method,
        url: &Url,
        mut headers: HeaderMap,
    ) -> reqwest::RequestBuilder {
        let routed = self.policy.route(url);
        if let (true, Ok(host)) = (routed.is_some(), HeaderValue::from_str(&message::host(url))) {
            // In place of what a guest wrote: who stands there goes by it.
            headers.insert(FORWARDED_HOST, host);
        }
        self.inner.request(method, routed.unwrap_or_else(|| url.clone())).headers(headers)
    }

    /// The same, but that a stand-in answers where there is one.
    pub(crate) fn answered_by(self, stand_in: Option<Arc<dyn EffectStandIn>>) -> Self {
        Self { stand_in, ..self }
    }
}

/// What one attempt may send, and how it is known to those that it calls.
pub(crate) struct Exchanger {
    pub(super) client: Arc<HttpClient>,
    pub(super) grants: HttpGrants,
    pub(super) secrets: Secrets,
    pub(super) blobs: Arc<BlobSession>,
    pub(super) meter: Arc<Meter>,
    /// W3C Trace Context of the attempt.
    pub(super) traceparent: String,
    /// `<run>.<node>.<attempt>`
    pub(super) idempotency_key: String,
    /// Where a stand-in answers.
    pub(super) rehearsal: Option<Rehearsal>,
}

/// What a hop leads to.
enum Arrival {
    /// The head of an answer, with its body still to come.
    Wire(reqwest::Response),
    /// All of it.
    StandIn(Rehearsed),
}

/// The beginning of an answer.
enum Head {
    /// Without its body, and where that comes from.
    Answer(HttpResponse, Source),
    /// A recorded one, whose body was made a blob then.
    Kept(HttpKept),
}

/// Where a body comes from.
enum Source {
    Wire(reqwest::Response),
    StandIn(std::vec::IntoIter<Bytes>, StreamEnd),
}

impl Source {
    /// The next piece; none at the end.
    async fn next(&mut self, hop: &Hop) -> Result<Option<Bytes>, HttpError> {
        match self {
            Self::Wire(response) => response.chunk().await.map_err(|error| explain(&error, &hop.host())),
            Self::StandIn(pieces, end) => match (pieces.find(|piece| !piece.is_empty()), end) {
                (None, StreamEnd::Broken(error)) => Err(error.clone()),
                (piece, _) => Ok(piece),
            },
        }
    }

    /// What it says that nothing more comes. A recorded answer may be of a step that wanted no more.
    fn end(self) -> StreamEnd {
        match self {
            Self::StandIn(_, StreamEnd::Dropped) => StreamEnd::Dropped,
            Self::Wire(_) | Self::StandIn(..) => StreamEnd::Whole,
        }
    }
}

impl Exchanger {
    /// Sends a request, the attempt's effect of this index, and waits for its whole answer. What comes back holds no secret.
    pub(super) async fn exchange(&self, request: &HttpRequest, index: u32) -> Answer {
        self.whole(request, index).await.unwrap_or_else(|mut error| {
            self.secrets.redact_error(&mut error);
            Answer::Error(error)
        })
    }

    /// The same, but that what comes back is handed on as it comes.
    pub(super) async fn stream(&self, request: &HttpRequest, index: u32, flow: &Flow) -> Answer {
        let mut poured = self.pour(request, index, flow).await;
        if let Err(error) = &mut poured {
            self.secrets.redact_error(error);
        }
        flow.close(poured.unwrap_or_else(StreamEnd::Broken))
    }

    async fn whole(&self, request: &HttpRequest, index: u32) -> Result<Answer, HttpError> {
        let hop = self.begin(request, index)?;
        let host = hop.host();
        let whole = async {
            let (hop, arrival) = self.follow(hop, request, index).await?;
            match self.head(&hop, arrival)? {
                Head::Kept(kept) => Ok(Answer::Kept(kept)),
                Head::Answer(head, source) if request.keep && (200..300).contains(&head.status) => {
                    self.keep(&hop, head, source).await.map(Answer::Kept)
                }
                Head::Answer(head, source) => self.read(&hop, head, source).await.map(Answer::Ok),
            }
        };
        in_time(request, &host, whole).await
    }

    async fn pour(&self, request: &HttpRequest, index: u32, flow: &Flow) -> Result<StreamEnd, HttpError> {
        let mut hop = self.begin(request, index)?;
        // What is packed comes when a whole block is full.
        hop.default_header("accept-encoding", || "identity".to_owned());
        let host = hop.host();
        let poured = async {
            let (hop, arrival) = self.follow(hop, request, index).await?;
            let (mut head, source) = match self.head(&hop, arrival)? {
                Head::Answer(head, source) => (head, source),
                Head::Kept(kept) => {
                    (kept.response, Source::StandIn(Vec::new().into_iter(), StreamEnd::Whole))
                }
            };
            self.secrets.redact(&mut head);
            flow.begin(head);
            self.pour_body(&hop, source, flow).await
        };
        in_time(request, &host, poured).await
    }

    async fn pour_body(&self, hop: &Hop, mut source: Source, flow: &Flow) -> Result<StreamEnd, HttpError> {
        let mut seam = self.secrets.seam();
        loop {
            let next = match flow.wanted().await {
                Wanted::More => match select(pin!(source.next(hop)), pin!(flow.given_up())).await {
                    Either::Left((piece, _)) => Some(piece),
                    Either::Right(_) => None,
                },
                // What has come already may be all there is.
                Wanted::Nothing => source.next(hop).now_or_never(),
            };
            match next {
                Some(piece) => match piece? {
                    Some(piece) => {
                        self.receive(hop, piece.len() as u64)?;
                        flow.push(seam.pass(piece));
                    }
                    None => {
                        flow.push(seam.rest());
                        return Ok(source.end());
                    }
                },
                None => return Ok(StreamEnd::Dropped),
            }
        }
    }

    fn begin(&self, request: &HttpRequest, index: u32) -> Result<Hop, HttpError> {
        let mut hop = Hop::first(request)?;
        hop.default_header("idempotency-key", || format!("{}.{index}", self.idempotency_key));
        hop.default_header("traceparent", || self.traceparent.clone());
        Ok(hop)
    }

    /// Sends a request and follows where its answer leads, to the last answer's head.
    async fn follow(
        &self,
        mut hop: Hop,
        request: &HttpRequest,
        index: u32,
    ) -> Result<(Hop, Arrival), HttpError> {
        let most = request.max_redirects.min(MOST_REDIRECTS);
        let mut left = most;
        loop {
            let (sent, arrival) = self.send(&hop, request, index).await?;
            let next = if most == 0 { None } else { arrival.redirects(&hop, &sent)? };
            let Some(next) = next else { return Ok((hop, arrival)) };
            if next.url.origin() != sent.origin() && self.secrets.stand_in(next.url.as_str()) {
                return Err(HttpError::Denied(format!(
                    "`{}` redirected to `{}` with the value of a secret in the URL",
                    hop.host(),
                    next.host()
                )));
            }
            left = left.checked_sub(1).ok_or_else(|| {
                HttpError::Protocol(format!(
                    "redirected more than {most} times, the last time by `{}`",
                    hop.host()
                ))
            })?;
            self.resend(&next)?;
            hop = next;
        }
    }

    /// A redirect may send the body once more; the first time was counted with the request. Blobs count each time that they are opened.
    fn resend(&self, next: &Hop) -> Result<(), HttpError> {
        self.meter.sent.take(next.body_size()).map_err(|failure| {
            HttpError::TooLarge(format!(
                "the redirect to `{}` sends the body again: {}",
                next.host(),
                failure.message
            ))
        })
    }

    /// Sends one hop; gives the URL as it left.
    async fn send(&self, hop: &Hop, request: &HttpRequest, index: u32) -> Result<(Url, Arrival), HttpError> {
        self.admit(hop)?;
        self.secrets.fetch(&self.client, hop).await?;
        let (url, headers) = (self.url(hop)?, self.headers(hop)?);
        if let Some(rehearsal) = &self.rehearsal {
            let body = match body::gather(hop, &self.blobs).await {
                Ok(body) => body,
                Err(error) => return Err(self.without_blob(error).await),
            };
            let answer = rehearsal.answer((hop, &body), request, index, &self.meter).await?;
            return Ok((url, Arrival::StandIn(answer)));
        }
        let request = self.client.request(hop.method.clone(), &url, headers);
        let response = self.send_body(hop, request).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.secrets.withdraw(&self.client, hop);
        }
        Ok((url, Arrival::Wire(response)))
    }

    async fn send_body(
        &self,
        hop: &Hop,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, HttpError> {
        let (outgoing, of_blobs) = match body::open(hop, &self.blobs).await {
            Ok(Some(opened)) => opened,
            Ok(None) => return request.send().await.map_err(|error| explain(&error, &hop.host())),
            Err(error) => return Err(self.without_blob(error).await),
        };
        self.meter.sent.take(of_blobs).map_err(|failure| {
            HttpError::TooLarge(format!("the request to `{}` is too large: {}", hop.host(), failure.message))
        })?;
        let Outgoing { body, length, fault } = outgoing;
        match request.header(CONTENT_LENGTH, length).body(body).send().await {
            Ok(response) => Ok(response),
            Err(error) => match fault.get() {
                Some(fault) => Err(self.without_blob(fault.clone()).await),
                None => Err(explain(&error, &hop.host())),
            },
        }
    }

    /// What the guest is told of a blob that cannot be read or written. It is not told of a store that fails: the attempt ends.
    async fn without_blob(&self, error: BlobError) -> HttpError {
        match error {
            BlobError::Unknown(message) => HttpError::InvalidRequest(message),
            BlobError::Denied(message) => HttpError::Denied(message),
            BlobError::TooLarge(message) => HttpError::TooLarge(message),
            BlobError::Unavailable(message) => {
                stand_in::end(&self.meter, Failure::new(FailureKind::Internal, message)).await
            }
        }
    }

    /// Where a request goes first, if it is well-formed and granted.
    pub(super) fn destination(&self, request: &HttpRequest) -> Option<Destination> {
        let hop = Hop::first(request).ok().filter(|hop| self.permit(hop).is_ok())?;
        Destination::new(&hop.host()).ok()
    }

    /// Every gate that can be asked before there is a connection.
    fn admit(&self, hop: &Hop) -> Result<(), HttpError> {
        self.permit(hop)?;
        self.client.check_literal(&hop.url)
    }

    /// What the node is granted, within what the operator allows at all.
    fn permit(&self, hop: &Hop) -> Result<(), HttpError> {
        self.grants.check(hop.method.as_str(), &hop.url)?;
        self.client.allow_host(&hop.url)
    }

    /// Where it leaves to, its secrets filled in. They may lead out of what the node is granted.
    fn url(&self, hop: &Hop) -> Result<Url, HttpError> {
        let Some(filled) = self.secrets.fill_url(&hop.url)? else { return Ok(hop.url.clone()) };
        self.grants.check(hop.method.as_str(), &filled).map_err(|_| {
            HttpError::Denied(format!(
                "with the value of the secret in it, no grant of this node covers {} {}: grant all paths that begin as this one \
                 does before the secret, or set the secret again",
                hop.method,
                shown(&address(&hop.url))
            ))
        })?;
        Ok(filled)
    }

    fn headers(&self, hop: &Hop) -> Result<HeaderMap, HttpError> {
        let mut headers = HeaderMap::with_capacity(hop.headers.len());
        for (name, value) in &hop.headers {
            headers.append(name, self.secrets.fill(name.as_str(), value, &hop.url)?);
        }
        Ok(headers)
    }

    async fn read(
        &self,
        hop: &Hop,
        mut answer: HttpResponse,
        mut source: Source,
    ) -> Result<HttpResponse, HttpError> {
        let mut body = BytesMut::new();
        while let Some(piece) = source.next(hop).await? {
            self.receive(hop, piece.len() as u64)?;
            body.extend_from_slice(&piece);
        }
        answer.body = body.freeze();
        self.secrets.redact(&mut answer);
        Ok(answer)
    }

    /// Makes a blob of the body, as it comes.
    async fn keep(
        &self,
        hop: &Hop,
        mut head: HttpResponse,
        mut source: Source,
    ) -> Result<HttpKept, HttpError> {
        self.secrets.redact(&mut head);
        let mut sink = match self.blobs.create().await {
            Ok(sink) => sink,
            Err(error) => return Err(self.without_blob(error).await),
        };
        let mut seam = self.secrets.seam();
        while let Some(piece) = source.next(hop).await? {
            self.receive(hop, piece.len() as u64)?;
            if let Err(error) = sink.write(seam.pass(piece)).await {
                return Err(self.without_blob(error).await);
            }
        }
        let finished = match sink.write(seam.rest()).await {
            Ok(()) => sink.finish(media_type(&head)).await,
            Err(error) => Err(error),
        };
        match finished {
            Ok(blob) => Ok(HttpKept { response: head, blob }),
            Err(error) => Err(self.without_blob(error).await),
        }
    }

    /// The answer without its body, and where that comes from.
    fn head(&self, hop: &Hop, arrival: Arrival) -> Result<Head, HttpError> {
        let (head, source) = match arrival {
            Arrival::Wire(response) => {
                if response.content_length().unwrap_or(0) > self.meter.received.left() {
                    return Err(too_large(hop, &self.meter.received.failure()));
                }
                let head = HttpResponse {
                    status: response.status().as_u16(),
                    headers: readable(response.headers()),
                    body: Bytes::new(),
                    url: placeholder::written(&hop.url).into_owned(),
                };
                (head, Source::Wire(response))
            }
            Arrival::StandIn(Rehearsed::Kept(kept)) => {
                self.receive(hop, kept.response.size() + kept.blob.size)?;
                self.blobs.give(kept.blob.digest);
                return Ok(Head::Kept(kept));
            }
            Arrival::StandIn(Rehearsed::Stream(stream)) => {
                let pieces = stream.pieces().into_iter();
                (HttpResponse { body: Bytes::new(), ..stream.response }, Source::StandIn(pieces, stream.end))
            }
        };
        self.receive(hop, head.size())?;
        Ok(Head::Answer(head, source))
    }

    /// Counts what came in, after content codings are undone: a small answer can't unfold beyond the limit.
    fn receive(&self, hop: &Hop, bytes: u64) -> Result<(), HttpError> {
        self.meter.received.take(bytes).map_err(|failure| too_large(hop, &failure))
    }
}

impl Arrival {
    /// The next hop, if this leads to another.
    fn redirects(&self, hop: &Hop, sent: &Url) -> Result<Option<Hop>, HttpError> {
        match self {
            Self::Wire(response) => {
                let location = response.headers().get(LOCATION).map(HeaderValue::as_bytes);
                hop.redirected(sent, response.status(), location)
            }
            Self::StandIn(Rehearsed::Kept(_)) => Ok(None),
            Self::StandIn(Rehearsed::Stream(HttpStream { response: answer, .. })) => {
                let location = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("location"));
                let status = StatusCode::from_u16(answer.status);
                let Ok(status) = status else { return Ok(None) };
                hop.redirected(sent, status, location.map(|(_, value)| value.as_bytes()))
            }
        }
    }
}

/// A request's own time. Without it, the request ends with its attempt: that clock is not kept here.
async fn in_time<T>(
    request: &HttpRequest,
    host: &str,
    work: impl Future<Output = Result<T, HttpError>>,
) -> Result<T, HttpError> {
    let Some(ms) = request.timeout_ms else { return work.await };
    timeout(Duration::from_millis(ms), work)
        .await
        .unwrap_or_else(|_| Err(HttpError::Timeout(format!("no whole answer from `{host}` in {ms} ms"))))
}

fn too_large(hop: &Hop, failure: &Failure) -> HttpError {
    HttpError::TooLarge(format!("the answer of `{}` is too large: {}", hop.host(), failure.message))
}

/// What the answer says that its body is.
fn media_type(head: &HttpResponse) -> MediaType {
    let written = head.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    written.and_then(|(_, value)| value.parse().ok()).unwrap_or_else(MediaType::unknown)
}

fn readable(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}
