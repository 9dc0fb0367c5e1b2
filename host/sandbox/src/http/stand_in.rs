//! Stand-ins: what answers a request in the network's place.
//!
//! A stand-in stands behind every gate: a request that no grant covers never reaches it, and secrets stay the placeholders
//! that the guest wrote. What it answers is counted and journalled as if it had come over the wire. Tests of workflows and
//! replays of runs bring their own; a server has none.

use std::borrow::Cow;
use std::fmt;
use std::future::pending;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use stepwell_core::digest::Digest;
use stepwell_core::failure::Failure;
use url::Url;

use super::hop::Hop;
use super::message::{Answer, HttpError, HttpKept, HttpRequest, HttpStream};
use super::placeholder;
use crate::attempt::AttemptContext;
use crate::meter::Meter;

/// Answers effects, so that none of them leaves the machine.
#[async_trait]
pub trait EffectStandIn: fmt::Debug + Send + Sync + 'static {
    /// Answers one request: with a response, or with what goes wrong on the wire. A failure says that this request should not
    /// have been made; it ends the attempt, and nothing of the request is journalled.
    async fn http(&self, asked: HttpAsked<'_>) -> Result<Answer, Failure>;
}

/// A request that passed every gate.
#[derive(Debug)]
pub struct HttpAsked<'a> {
    /// The attempt that asks.
    pub context: &'a AttemptContext,
    /// Which of the attempt's effects this is, from 0.
    pub index: u32,
    /// Of the request as the guest made it: what the journal keeps.
    pub digest: Digest,
    /// What the guest asked, for a person.
    pub summary: String,
    /// In upper case.
    pub method: &'a str,
    /// Where to: for a redirect's follower not where the guest asked.
    pub url: &'a Url,
    /// The same with the placeholders of secrets as the guest wrote them, which a [`Url`] encodes.
    pub written_url: Cow<'a, str>,
    /// As they would leave, but with the placeholders of secrets. Names in lower case.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The body, with the bytes of the blobs that are part of it.
    pub body: &'a Bytes,
}

/// What a stand-in answered.
pub(super) enum Rehearsed {
    Stream(HttpStream),
    /// A recorded answer, whose body is a blob of then.
    Kept(HttpKept),
}

/// Ends the attempt from where no failure can be returned.
pub(super) async fn end<T>(meter: &Meter, failure: Failure) -> T {
    meter.end(failure);
    // Whoever runs the guest looks at the meter each time that this was polled, and drops it.
    pending().await
}

/// The requests of one attempt, with a stand-in to answer them.
pub(super) struct Rehearsal {
    pub(super) stand_in: Arc<dyn EffectStandIn>,
    pub(super) context: AttemptContext,
}

impl Rehearsal {
    /// Asks the stand-in about a hop of the guest's request.
    pub(super) async fn answer(
        &self,
        (hop, body): (&Hop, &Bytes),
        request: &HttpRequest,
        index: u32,
        meter: &Meter,
    ) -> Result<Rehearsed, HttpError> {
        let asked = HttpAsked {
            context: &self.context,
            index,
            digest: request.digest(),
            summary: request.summary(),
            method: hop.method.as_str(),
            url: &hop.url,
            written_url: placeholder::written(&hop.url),
            headers: hop.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            body,
        };
        match self.stand_in.http(asked).await {
            Ok(Answer::Ok(response)) => Ok(Rehearsed::Stream(HttpStream::whole(response))),
            Ok(Answer::Stream(stream)) => Ok(Rehearsed::Stream(stream)),
            Ok(Answer::Kept(kept)) => Ok(Rehearsed::Kept(kept)),
            Ok(Answer::Error(error)) => Err(error),
            Err(failure) => end(meter, failure).await,
        }
    }
}
