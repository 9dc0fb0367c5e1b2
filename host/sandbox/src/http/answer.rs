//! What comes back of an exchange: the head, and a body that is read whole, made a blob of, or handed on as it comes.
//!
//! Knows nothing of how a request was let through, nor what it carried.

use std::pin::pin;

use bytes::{Bytes, BytesMut};
use futures::FutureExt as _;
use futures::future::{Either, select};
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use stepwell_core::blob::MediaType;
use stepwell_core::failure::Failure;
use url::Url;

use super::exchange::Exchanger;
use super::fault::explain;
use super::hop::Hop;
use super::message::{HttpError, HttpKept, HttpResponse, HttpStream, StreamEnd};
use super::placeholder;
use super::stand_in::Rehearsed;
use super::stream::{Flow, Wanted};

/// What a hop leads to.
pub(super) enum Arrival {
    /// The head of an answer, with its body still to come.
    Wire(reqwest::Response),
    /// All of it.
    StandIn(Rehearsed),
}

/// The beginning of an answer.
pub(super) enum Head {
    /// Without its body, and where that comes from.
    Answer(HttpResponse, Source),
    /// A recorded one, whose body was made a blob then.
    Kept(HttpKept),
}

/// Where a body comes from.
pub(super) enum Source {
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

impl Arrival {
    /// The next hop, if this leads to another.
    pub(super) fn redirects(&self, hop: &Hop, sent: &Url) -> Result<Option<Hop>, HttpError> {
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

impl Exchanger {
    pub(super) async fn pour_body(
        &self,
        hop: &Hop,
        mut source: Source,
        flow: &Flow,
    ) -> Result<StreamEnd, HttpError> {
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

    pub(super) async fn read(
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
    pub(super) async fn keep(
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
    pub(super) fn head(&self, hop: &Hop, arrival: Arrival) -> Result<Head, HttpError> {
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
