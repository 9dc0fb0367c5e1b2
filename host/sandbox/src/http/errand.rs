//! Errands: what a guest waits for in `http`, kept so that it goes on when the guest is dropped.
//!
//! Nothing here knows why a guest is dropped, or who comes back in its place.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use stepwell_core::failure::Failure;

use super::message::{HttpError, HttpResponse};

/// The answers to one call of `http`, in the order of its requests. A failure ends the attempt.
pub(crate) type Answers = Result<Vec<Result<HttpResponse, HttpError>>, Failure>;

/// Answers on their way. They need nothing of the guest that asked.
pub(crate) type UnderWay = Pin<Box<dyn Future<Output = Answers> + Send>>;

/// The errand of one guest: it has one at most, for it waits for each.
#[derive(Default)]
pub(crate) struct Errand(Mutex<State>);

#[derive(Default)]
struct State {
    under_way: Option<UnderWay>,
    /// Counts errands.
    number: u64,
    /// The guest began what nobody else can go on with.
    stays: bool,
}

impl Errand {
    /// Waits for answers, unless they are taken away.
    pub(super) async fn run(&self, answers: impl Future<Output = Answers> + Send + 'static) -> Answers {
        {
            let mut state = self.state();
            state.number += 1;
            state.under_way = Some(Box::pin(answers));
        }
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Answers> {
        let mut state = self.state();
        // Whoever took the answers away drops the guest: it hears of them no more.
        let Some(under_way) = &mut state.under_way else { return Poll::Pending };
        let answers = ready!(under_way.as_mut().poll(context));
        state.under_way = None;
        Poll::Ready(answers)
    }

    /// The guest waits beside its errands, in a way that another could not take up: from now on it is not to be dropped.
    pub(crate) fn stay(&self) {
        self.state().stays = true;
    }

    /// Which errand the guest is on, if it waits for nothing else and may be dropped meanwhile.
    pub(crate) fn number(&self) -> Option<u64> {
        let state = self.state();
        (state.under_way.is_some() && !state.stays).then_some(state.number)
    }

    /// Takes the answers away. The guest is to be dropped.
    pub(crate) fn take(&self) -> Option<UnderWay> {
        self.state().under_way.take()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What panicked is polled no more: its attempt ends with it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
