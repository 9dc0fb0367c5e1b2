//! The requests of one attempt as effects: asked in order, answered once, also across a crash.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use stepwell_core::failure::Failure;
use stepwell_core::manifest::Capability;

use super::client::HttpClient;
use super::exchange::Exchanger;
use super::grant::HttpGrants;
use super::message::{Answer, HttpError, HttpRequest, HttpResponse};
use super::secret::Secrets;
use super::stand_in::Rehearsal;
use super::stream::{Flow, Stream};
use crate::attempt::Attempt;
use crate::blob::BlobSession;
use crate::effects::{Ask, Effects, Slot, Unended};
use crate::meter::Meter;

/// Requests of one `send-all` that are under way at the same time.
const AT_ONCE: usize = 16;

/// The answers to one call of `http`, in the order of its requests. A failure ends the attempt.
pub(crate) type Answers = Result<Vec<Result<HttpResponse, HttpError>>, Failure>;

/// One attempt's HTTP, over all its lives in this process.
pub(crate) struct HttpSession {
    exchanger: Arc<Exchanger>,
    effects: Arc<Effects>,
    meter: Arc<Meter>,
    /// Answers that came piece by piece in this process, by the indexes of their effects: another guest in the place of the one that
    /// opened them gets the same pieces.
    streams: Mutex<BTreeMap<u32, Arc<Stream>>>,
}

/// Makes what one attempt needs to send requests.
pub(crate) fn prepare(
    client: Arc<HttpClient>,
    attempt: &Attempt,
    (effects, meter): (Arc<Effects>, Arc<Meter>),
    blobs: Arc<BlobSession>,
) -> HttpSession {
    let rehearsal = |stand_in| Rehearsal { stand_in, context: attempt.context.clone() };
    let exchanger = Exchanger {
        rehearsal: client.stand_in.clone().map(rehearsal),
        client,
        blobs,
        grants: HttpGrants::new(&attempt.grants.http),
        secrets: Secrets::new(&attempt.grants, attempt.secrets.clone()),
        meter: Arc::clone(&meter),
        traceparent: attempt.context.traceparent(),
        idempotency_key: attempt.context.idempotency_key(),
    };
    HttpSession { exchanger: Arc::new(exchanger), effects, meter, streams: Mutex::default() }
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
        self.answer(slot, request).await.map(Answer::into)
    }

    /// Sends one request, whose body or whose answer's may be blobs, and waits for its whole answer. A failure ends the attempt.
    pub(crate) async fn exchange(&self, request: HttpRequest) -> Result<Answer, Failure> {
        self.meter.sent.take(request.size())?;
        let answer = self.answer(self.reserve(), request).await?;
        if let Answer::Kept(kept) = &answer {
            // As one that was kept before a crash: this process does not know yet that it is the attempt's own.
            self.exchanger.blobs.give(kept.blob.digest);
        }
        Ok(answer)
    }

    /// Sends several at once; the answers stand in the order of the requests.
    pub(crate) async fn send_all(&self, requests: Vec<HttpRequest>) -> Answers {
        for request in &requests {
            self.meter.sent.take(request.size())?;
        }
        // All places in the order are taken before the first request leaves.
        let asked: Vec<_> = requests.into_iter().map(|request| (self.effects.reserve(), request)).collect();
        let answers = asked.into_iter().map(|(slot, request)| self.answer(slot, request));
        let answers: Vec<Answer> = stream::iter(answers).buffered(AT_ONCE).try_collect().await?;
        Ok(answers.into_iter().map(Answer::into).collect())
    }

    /// Sends one request, whose answer is to come piece by piece. A failure ends the attempt.
    pub(crate) fn open(&self, request: HttpRequest) -> Result<Arc<Stream>, Failure> {
        self.meter.sent.take(request.size())?;
        let slot = self.effects.reserve();
        let ask = self.ask(&request);
        let index = slot.index();
        if let Some(stream) = self.streams().get(&index).cloned() {
            slot.yield_to(&stream.ask, &ask)?;
            return self.count(stream);
        }
        if let Some(known) = slot.known(&ask) {
            return self.count(Arc::new(Stream::known(ask, known?)));
        }
        let stream = self.begin(slot, ask, request);
        self.streams().insert(index, Arc::clone(&stream));
        Ok(stream)
    }

    /// The guest has ended: nobody wants what is still to come of its answers.
    pub(crate) fn give_up_streams(&self) -> Result<(), Failure> {
        let streams = std::mem::take(&mut *self.streams());
        streams.into_values().try_for_each(|stream| stream.give_up())
    }

    fn begin(&self, slot: Slot, ask: Ask, request: HttpRequest) -> Arc<Stream> {
        let (exchanger, flow) = (Arc::clone(&self.exchanger), Arc::new(Flow::default()));
        let (index, asked, fed) = (slot.index(), ask.clone(), Arc::clone(&flow));
        let exchange = async move {
            let act = || exchanger.stream(&request, index, &fed);
            slot.run::<Answer, _>(asked, act).await.map(drop)
        };
        let stream = Arc::new(Stream::new(ask, flow, Box::pin(exchange)));
        let unended: Arc<dyn Unended> = Arc::clone(&stream) as _;
        self.effects.goes_on(index, Arc::downgrade(&unended));
        stream
    }

    /// What came for an earlier guest counts as if it had come for this one.
    fn count(&self, stream: Arc<Stream>) -> Result<Arc<Stream>, Failure> {
        self.meter.received.take(stream.size())?;
        Ok(stream)
    }

    fn streams(&self) -> MutexGuard<'_, BTreeMap<u32, Arc<Stream>>> {
        // Every change under this lock is whole before anything can panic.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, request: &HttpRequest) -> Ask {
        Ask {
            capability: Capability::Http,
            summary: request.summary(),
            digest: request.digest(),
            destination: self.exchanger.destination(request),
        }
    }

    async fn answer(&self, slot: Slot, request: HttpRequest) -> Result<Answer, Failure> {
        let ask = self.ask(&request);
        let index = slot.index();
        let is_new = AtomicBool::new(false);
        let act = || async {
            is_new.store(true, Ordering::Relaxed);
            self.exchanger.exchange(&request, index).await
        };
        let answer: Answer = slot.run(ask, act).await?;
        if !is_new.into_inner() {
            self.meter.received.take(answer.size())?;
        }
        Ok(answer)
    }
}
