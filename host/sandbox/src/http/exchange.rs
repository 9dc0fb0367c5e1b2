//! The exchange: one request of a guest, through every gate, to one whole answer.
//!
//! Knows nothing of journals and indexes; what an effect is, is [`super::session`]'s to say.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use stepwell_core::destination::Destination;
use stepwell_core::failure::{Failure, FailureKind};
use tokio::time::timeout;
use url::Url;

use super::answer::{Arrival, Head, Source};
use super::body::{self, Outgoing};
use super::client::HttpClient;
use super::fault::explain;
use super::grant::HttpGrants;
use super::hop::Hop;
use super::message::{Answer, HttpError, HttpRequest, StreamEnd, address, shown};
use super::secret::Secrets;
use super::stand_in::{self, Rehearsal};
use super::stream::Flow;
use crate::blob::{BlobError, BlobSession};
use crate::meter::Meter;

/// Redirects that are followed at most, whatever a guest asks for.
const MOST_REDIRECTS: u32 = 20;

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
    pub(super) async fn without_blob(&self, error: BlobError) -> HttpError {
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
