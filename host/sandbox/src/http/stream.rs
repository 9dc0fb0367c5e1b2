//! An answer on its way: what came of it so far, and the exchange that brings more.
//!
//! The exchange is moved by whoever wants more of the answer, and rests while nobody does: so no more is in memory than was asked
//! for. What came is kept, cut as it came, for another guest that takes up where one left.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, ready};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use stepwell_core::failure::{Failure, FailureKind};

use super::message::{Answer, HttpError, HttpKept, HttpResponse, HttpStream, StreamEnd};
use crate::effects::{Ask, Unended};

/// The whole effect, from the gates to the journal.
pub(super) type Exchange = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// One answer that comes piece by piece.
pub(crate) struct Stream {
    /// What was asked.
    pub(super) ask: Ask,
    flow: Arc<Flow>,
    /// None once it is over.
    exchange: tokio::sync::Mutex<Option<Exchange>>,
}

/// What came so far, and how much is wanted.
#[derive(Default)]
pub(super) struct Flow(Mutex<State>);

#[derive(Default)]
struct State {
    /// Without a body.
    head: Option<HttpResponse>,
    pieces: Vec<Bytes>,
    wanted: usize,
    given_up: bool,
    end: Option<End>,
}

enum End {
    /// The whole body came, or nobody wants the rest of it.
    Whole,
    /// There is no more.
    Error(HttpError),
    /// The attempt is over.
    Failure(Failure),
}

impl End {
    fn of(end: &StreamEnd) -> Self {
        match end {
            StreamEnd::Whole | StreamEnd::Dropped => Self::Whole,
            StreamEnd::Broken(error) => Self::Error(error.clone()),
        }
    }
}

/// What is wanted of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The next piece.
    More,
    /// Nothing any more.
    Nothing,
}

impl Stream {
    /// That which an exchange feeds.
    pub(super) fn new(ask: Ask, flow: Arc<Flow>, exchange: Exchange) -> Self {
        Self { ask, flow, exchange: tokio::sync::Mutex::new(Some(exchange)) }
    }

    /// That of an answer which is known.
    pub(super) fn known(ask: Ask, answer: Answer) -> Self {
        let flow = Flow::default();
        flow.recall(answer);
        Self { ask, flow: Arc::new(flow), exchange: tokio::sync::Mutex::new(None) }
    }

    /// Waits for the head: the answer, without its body.
    pub(super) async fn head(&self) -> Result<Result<HttpResponse, HttpError>, Failure> {
        self.go_on(|state| state.head.is_some()).await?;
        let state = self.flow.state();
        match (&state.head, &state.end) {
            (Some(head), _) => Ok(Ok(head.clone())),
            (None, Some(End::Error(error))) => Ok(Err(error.clone())),
            (None, Some(End::Failure(failure))) => Err(failure.clone()),
            (None, Some(End::Whole) | None) => Err(headless()),
        }
    }

    /// Waits for a piece of the body, counted from 0; none if the body has fewer.
    pub(super) async fn piece(&self, number: usize) -> Result<Result<Option<Bytes>, HttpError>, Failure> {
        self.flow.want(number + 1);
        self.go_on(|state| state.pieces.len() > number).await?;
        let state = self.flow.state();
        match (state.pieces.get(number), &state.end) {
            (Some(piece), _) => Ok(Ok(Some(piece.clone()))),
            (None, Some(End::Error(error))) => Ok(Err(error.clone())),
            (None, Some(End::Failure(failure))) => Err(failure.clone()),
            (None, Some(End::Whole) | None) => Ok(Ok(None)),
        }
    }

    /// What has come so far counts so much toward the bytes that an attempt may receive.
    pub(super) fn size(&self) -> u64 {
        let state = self.flow.state();
        let pieces: usize = state.pieces.iter().map(Bytes::len).sum();
        state.head.as_ref().map_or(0, HttpResponse::size) + pieces as u64
    }

    /// Nobody wants the rest: ends the exchange, which has its answer so.
    pub(super) fn give_up(&self) -> Result<(), Failure> {
        self.flow.state().given_up = true;
        // An exchange that nobody wants anything of ends when it is next looked at.
        self.go_on(|_| false).now_or_never().unwrap_or(Ok(()))
    }

    /// Moves the exchange until so much came of it, or to its end.
    async fn go_on(&self, is_enough: impl Fn(&State) -> bool) -> Result<(), Failure> {
        if is_enough(&self.flow.state()) {
            return Ok(());
        }
        let mut exchange = self.exchange.lock().await;
        poll_fn(|context| {
            let Some(under_way) = exchange.as_mut() else { return Poll::Ready(Ok(())) };
            let polled = under_way.as_mut().poll(context);
            if polled.is_pending() && is_enough(&self.flow.state()) {
                return Poll::Ready(Ok(()));
            }
            let over = ready!(polled);
            *exchange = None;
            if let Err(failure) = &over {
                self.flow.end(End::Failure(failure.clone()));
            }
            Poll::Ready(over)
        })
        .await
    }
}

impl Unended for Stream {
    fn finish(self: Arc<Self>) -> BoxFuture<'static, Result<(), Failure>> {
        self.flow.want(usize::MAX);
        async move { self.go_on(|_| false).await }.boxed()
    }
}

impl Flow {
    /// The head of the answer has come.
    pub(super) fn begin(&self, head: HttpResponse) {
        self.state().head = Some(head);
    }

    /// A piece has come.
    pub(super) fn push(&self, piece: Bytes) {
        if !piece.is_empty() {
            self.state().pieces.push(piece);
        }
    }

    /// Returns once more is wanted than has come, or nothing any more. Whoever wants it wakes the exchange.
    pub(super) async fn wanted(&self) -> Wanted {
        poll_fn(|_| {
            let state = self.state();
            match state.given_up {
                true => Poll::Ready(Wanted::Nothing),
                false if state.wanted > state.pieces.len() => Poll::Ready(Wanted::More),
                false => Poll::Pending,
            }
        })
        .await
    }

    /// Returns once nothing is wanted any more.
    pub(super) async fn given_up(&self) {
        poll_fn(|_| if self.state().given_up { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// The answer is over: gives it as the journal keeps it.
    pub(super) fn close(&self, how: StreamEnd) -> Answer {
        let mut state = self.state();
        state.end = Some(End::of(&how));
        match (&state.head, how) {
            (Some(head), end) => Answer::Stream(HttpStream {
                response: HttpResponse { body: state.pieces.concat().into(), ..head.clone() },
                end,
                cuts: state.pieces.iter().rev().skip(1).rev().map(Bytes::len).collect(),
            }),
            (None, StreamEnd::Broken(error)) => Answer::Error(error),
            (None, StreamEnd::Whole | StreamEnd::Dropped) => Answer::Error(gone()),
        }
    }

    fn recall(&self, answer: Answer) {
        let stream = match answer {
            Answer::Ok(response) | Answer::Kept(HttpKept { response, .. }) => HttpStream::whole(response),
            Answer::Stream(stream) => stream,
            Answer::Error(error) => return self.end(End::Error(error)),
        };
        stream.pieces().into_iter().for_each(|piece| self.push(piece));
        self.begin(HttpResponse { body: Bytes::new(), ..stream.response });
        self.end(End::of(&stream.end));
    }

    fn want(&self, pieces: usize) {
        let mut state = self.state();
        state.wanted = state.wanted.max(pieces);
    }

    fn end(&self, end: End) {
        self.state().end.get_or_insert(end);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under this lock is whole before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The guest ended before the head had come: it hears of it no more.
fn gone() -> HttpError {
    HttpError::Connection("the step ended before the answer began".to_owned())
}

fn headless() -> Failure {
    Failure::new(FailureKind::Internal, "an answer ended without a head and without an error")
}
