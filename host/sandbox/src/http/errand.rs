//! Errands: what a guest waits for in `http`, kept so that it goes on when the guest is dropped.
//!
//! Nothing here knows why a guest is dropped, or who comes back in its place.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use stepwell_core::failure::{Failure, FailureKind};
use tokio::sync::oneshot;

/// An answer on its way, until it is there. It needs nothing of the guest that asked. A failure ends the attempt.
pub(crate) type UnderWay = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// The errand of one guest: it has one at most, for it waits for each.
#[derive(Default)]
pub(crate) struct Errand(Mutex<State>);

#[derive(Default)]
struct State {
    under_way: Option<UnderWay>,
    /// Counts errands.
    number: u64,
    /// How long the wait is at least before the guest is better gone.
    patience: Duration,
    /// The guest began what nobody else can go on with.
    stays: bool,
}

impl Errand {
    /// Waits for an answer, unless it is taken away. A failure ends the attempt.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        patience: Duration,
        answer: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        let (tell, mut told) = oneshot::channel();
        {
            let mut state = self.state();
            state.number += 1;
            state.patience = patience;
            state.under_way = Some(Box::pin(async move {
                // Where the guest has gone there is nobody to tell: another one will ask again.
                let _ = tell.send(answer.await?);
                Ok(())
            }));
        }
        poll_fn(|context| self.poll(context)).await?;
        told.try_recv()
            .map_err(|_| Failure::new(FailureKind::Internal, "a request came back without an answer"))
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let mut state = self.state();
        // Whoever took the answer away drops the guest: it hears of it no more.
        let Some(under_way) = &mut state.under_way else { return Poll::Pending };
        let answered = ready!(under_way.as_mut().poll(context));
        state.under_way = None;
        Poll::Ready(answered)
    }

    /// The guest waits beside its errands, in a way that another could not take up: from now on it is not to be dropped.
    pub(crate) fn stay(&self) {
        self.state().stays = true;
    }

    /// Which errand the guest is on, if it waits for nothing else and may be dropped meanwhile; and how long it stays at least.
    pub(crate) fn current(&self) -> Option<(u64, Duration)> {
        let state = self.state();
        (state.under_way.is_some() && !state.stays).then_some((state.number, state.patience))
    }

    /// Takes the answer away. The guest is to be dropped.
    pub(crate) fn take(&self) -> Option<UnderWay> {
        self.state().under_way.take()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What panicked is polled no more: its attempt ends with it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
