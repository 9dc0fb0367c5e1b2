//! The exchange: one request of a guest, through every gate, to one whole answer.
//!
//! Knows nothing of journals and indexes; what an effect is, is [`super::session`]'s to say.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use rustls::RootCertStore;
use stepwell_core::destination::Destination;
use stepwell_core::failure::Failure;
use tokio::time::timeout;

use super::dial;
use super::fault::{blocked, explain};
use super::grant::HttpGrants;
use super::hop::Hop;
use super::message::{HttpError, HttpRequest, HttpResponse};
use super::network::NetworkPolicy;
use super::secret::Secrets;
use super::stand_in::{EffectStandIn, Rehearsal};
use crate::meter::Meter;

/// Redirects that are followed at most, whatever a guest asks for.
const MOST_REDIRECTS: u32 = 20;

/// The connections of all attempts.
pub(crate) struct HttpClient {
    inner: reqwest::Client,
    policy: Arc<NetworkPolicy>,
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
        Ok(Self { inner: dial::client(Arc::clone(&policy), roots)?, policy, stand_in: None })
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
    StandIn(HttpResponse),
}

impl Exchanger {
    /// Sends a request, the attempt's effect of this index, and waits for its whole answer. What comes back holds no secret.
    pub(super) async fn exchange(
        &self,
        request: &HttpRequest,
        index: u32,
    ) -> Result<HttpResponse, HttpError> {
        let mut result = self.follow(request, index).await;
        self.secrets.redact(&mut result);
        result
    }

    async fn follow(&self, request: &HttpRequest, index: u32) -> Result<HttpResponse, HttpError> {
        let mut hop = Hop::first(request)?;
        hop.default_header("idempotency-key", || format!("{}.{index}", self.idempotency_key));
        hop.default_header("traceparent", || self.traceparent.clone());
        let host = hop.host();
        let whole = self.follow_redirects(hop, request, index);
        // Without a timeout of its own, the request ends with its attempt: that clock is not kept here.
        let Some(ms) = request.timeout_ms else { return whole.await };
        timeout(Duration::from_millis(ms), whole)
            .await
            .unwrap_or_else(|_| Err(HttpError::Timeout(format!("no whole answer from `{host}` in {ms} ms"))))
    }

    async fn follow_redirects(
        &self,
        mut hop: Hop,
        request: &HttpRequest,
        index: u32,
    ) -> Result<HttpResponse, HttpError> {
        let most = request.max_redirects.min(MOST_REDIRECTS);
        let mut left = most;
        loop {
            let arrival = self.send(&hop, request, index).await?;
            let next = if most == 0 { None } else { arrival.redirects(&hop)? };
            let Some(next) = next else { return self.read(&hop, arrival).await };
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

    /// A redirect may send the body once more; the first time was counted with the request.
    fn resend(&self, next: &Hop) -> Result<(), HttpError> {
        self.meter.sent.take(next.body.len() as u64).map_err(|failure| {
            HttpError::TooLarge(format!(
                "the redirect to `{}` sends the body again: {}",
                next.host(),
                failure.message
            ))
        })
    }

    async fn send(&self, hop: &Hop, request: &HttpRequest, index: u32) -> Result<Arrival, HttpError> {
        self.admit(hop)?;
        let headers = self.headers(hop)?;
        if let Some(rehearsal) = &self.rehearsal {
            return rehearsal.answer(hop, request, index, &self.meter).await.map(Arrival::StandIn);
        }
        let mut request = self.client.inner.request(hop.method.clone(), hop.url.clone()).headers(headers);
        if !hop.body.is_empty() {
            request = request.body(hop.body.clone());
        }
        request.send().await.map(Arrival::Wire).map_err(|error| explain(&error, &hop.host()))
    }

    /// Where a request goes first, if it is well-formed and granted.
    pub(super) fn destination(&self, request: &HttpRequest) -> Option<Destination> {
        let hop = Hop::first(request).ok().filter(|hop| self.permit(hop).is_ok())?;
        Destination::new(&hop.host()).ok()
    }

    /// Every gate that can be asked before there is a connection.
    fn admit(&self, hop: &Hop) -> Result<(), HttpError> {
        self.permit(hop)?;
        dial::check_literal(&self.client.policy, &hop.url).map_err(|_| blocked(&hop.host()))
    }

    /// What the node is granted, within what the operator allows at all.
    fn permit(&self, hop: &Hop) -> Result<(), HttpError> {
        self.grants.check(hop.method.as_str(), &hop.url)?;
        if self.client.policy.allows_host(&hop.url) {
            return Ok(());
        }
        Err(HttpError::Denied(format!(
            "this server's operator does not let steps reach `{}`: it is not in `allow_hosts` in the server's \
             configuration",
            hop.host()
        )))
    }

    fn headers(&self, hop: &Hop) -> Result<HeaderMap, HttpError> {
        let mut headers = HeaderMap::with_capacity(hop.headers.len());
        for (name, value) in &hop.headers {
            headers.append(name, self.secrets.fill(name.as_str(), value, &hop.url)?);
        }
        Ok(headers)
    }

    async fn read(&self, hop: &Hop, arrival: Arrival) -> Result<HttpResponse, HttpError> {
        match arrival {
            Arrival::Wire(response) => self.read_wire(hop, response).await,
            Arrival::StandIn(answer) => self.receive(hop, answer.size()).map(|()| answer),
        }
    }

    async fn read_wire(&self, hop: &Hop, mut response: reqwest::Response) -> Result<HttpResponse, HttpError> {
        let announced = response.content_length().unwrap_or(0);
        if announced > self.meter.received.left() {
            return Err(too_large(hop, &self.meter.received.failure()));
        }
        let mut answer = HttpResponse {
            status: response.status().as_u16(),
            headers: readable(response.headers()),
            body: Bytes::new(),
            url: hop.url.to_string(),
        };
        self.receive(hop, answer.size())?;
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| explain(&error, &hop.host()))? {
            self.receive(hop, chunk.len() as u64)?;
            body.extend_from_slice(&chunk);
        }
        answer.body = body.freeze();
        Ok(answer)
    }

    /// Counts what came in, after content codings are undone: a small answer can't unfold beyond the limit.
    fn receive(&self, hop: &Hop, bytes: u64) -> Result<(), HttpError> {
        self.meter.received.take(bytes).map_err(|failure| too_large(hop, &failure))
    }
}

impl Arrival {
    /// The next hop, if this leads to another.
    fn redirects(&self, hop: &Hop) -> Result<Option<Hop>, HttpError> {
        match self {
            Self::Wire(response) => {
                let location = response.headers().get(LOCATION).map(HeaderValue::as_bytes);
                hop.redirected(response.status(), location)
            }
            Self::StandIn(answer) => {
                let location = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("location"));
                let status = StatusCode::from_u16(answer.status);
                let Ok(status) = status else { return Ok(None) };
                hop.redirected(status, location.map(|(_, value)| value.as_bytes()))
            }
        }
    }
}

fn too_large(hop: &Hop, failure: &Failure) -> HttpError {
    HttpError::TooLarge(format!("the answer of `{}` is too large: {}", hop.host(), failure.message))
}

fn readable(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}
