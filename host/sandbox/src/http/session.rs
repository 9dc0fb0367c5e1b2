//! The requests of one attempt as effects: asked in order, answered once, also across a crash.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use stepwell_core::failure::Failure;
use stepwell_core::manifest::Capability;

use super::client::{Exchanger, HttpClient};
use super::errand::Answers;
use super::grant::HttpGrants;
use super::message::{Answer, HttpError, HttpRequest, HttpResponse};
use super::secret::Secrets;
use super::stand_in::Rehearsal;
use crate::attempt::Attempt;
use crate::effects::{Ask, Effects, Slot};
use crate::meter::Meter;

/// Requests of one `send-all` that are under way at the same time.
const AT_ONCE: usize = 16;

/// One attempt's HTTP.
pub(crate) struct HttpSession {
    exchanger: Exchanger,
    effects: Arc<Effects>,
    meter: Arc<Meter>,
}

/// Makes what one attempt needs to send requests.
pub(crate) fn prepare(
    client: Arc<HttpClient>,
    attempt: &Attempt,
    effects: Arc<Effects>,
    meter: Arc<Meter>,
) -> HttpSession {
    let rehearsal = |stand_in| Rehearsal { stand_in, context: attempt.context.clone() };
    let exchanger = Exchanger {
        rehearsal: client.stand_in.clone().map(rehearsal),
        client,
        grants: HttpGrants::new(&attempt.grants.http),
        secrets: Secrets::new(&attempt.grants, attempt.secrets.clone()),
        meter: Arc::clone(&meter),
        traceparent: attempt.context.traceparent(),
        idempotency_key: attempt.context.idempotency_key(),
    };
    HttpSession { exchanger, effects, meter }
}

impl HttpSession {
    /// Sends one request and waits for its whole answer. A failure ends the attempt.
    pub(crate) async fn send(
        &self,
        request: HttpRequest,
    ) -> Result<Result<HttpResponse, HttpError>, Failure> {
        self.send_at(self.reserve(), request).await
    }

    /// Takes the place of a request that is not whole yet.
    pub(crate) fn reserve(&self) -> Slot {
        self.effects.reserve()
    }

    /// Sends a request in its place.
    pub(crate) async fn send_at(
        &self,
        slot: Slot,
        request: HttpRequest,
    ) -> Result<Result<HttpResponse, HttpError>, Failure> {
        self.meter.sent.take(request.size())?;
        self.answer(slot, request).await
    }

    /// Sends several at once; the answers stand in the order of the requests.
    pub(crate) async fn send_all(&self, requests: Vec<HttpRequest>) -> Answers {
        for request in &requests {
            self.meter.sent.take(request.size())?;
        }
        // All places in the order are taken before the first request leaves.
        let asked: Vec<_> = requests.into_iter().map(|request| (self.effects.reserve(), request)).collect();
        let answers = asked.into_iter().map(|(slot, request)| self.answer(slot, request));
        stream::iter(answers).buffered(AT_ONCE).try_collect().await
    }

    async fn answer(
        &self,
        slot: Slot,
        request: HttpRequest,
    ) -> Result<Result<HttpResponse, HttpError>, Failure> {
        let ask = Ask {
            capability: Capability::Http,
            summary: request.summary(),
            digest: request.digest(),
            destination: self.exchanger.destination(&request),
        };
        let index = slot.index();
        let is_new = AtomicBool::new(false);
        let act = || async {
            is_new.store(true, Ordering::Relaxed);
            Answer::from(self.exchanger.exchange(&request, index).await)
        };
        let answer: Result<HttpResponse, HttpError> = slot.run(ask, act).await?.into();
        if let (Ok(response), false) = (&answer, is_new.into_inner()) {
            self.meter.received.take(response.size())?;
        }
        Ok(answer)
    }
}
