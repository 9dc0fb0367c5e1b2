//! The attempts of one run that are in flight.
//!
//! One alone runs in the run's own task: to hand it to another would cost more than many a guest does. Others that join it get
//! tasks of their own, so that parallel nodes are parallel.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::Shared;
use crate::attempt::{self, Order};
use crate::ledger::Happened;
use crate::live::{Departure, LiveRun};

#[derive(Default)]
pub(crate) struct Attempts {
    here: Option<Pin<Box<dyn Future<Output = Happened> + Send>>>,
    elsewhere: JoinSet<Happened>,
}

impl Attempts {
    /// Starts an attempt.
    pub(crate) fn start(&mut self, engine: &Arc<Shared>, run: &Arc<LiveRun>, order: Order) {
        let attempt = attempt::perform(Arc::clone(engine), Arc::clone(run), order);
        if self.is_empty() {
            self.here = Some(Box::pin(attempt));
        } else {
            self.elsewhere.spawn(attempt);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.here.is_none() && self.elsewhere.is_empty()
    }

    /// The outcomes of those that end next: of one at least, and of all that have ended by then, so that one turn and one
    /// batch take them. Does not return while there is none. Nothing is lost if it is dropped.
    pub(crate) async fn ended(&mut self) -> Result<Vec<Happened>, Departure> {
        let mut outcomes = Vec::new();
        tokio::select! {
            biased;
            outcome = outcome_of(&mut self.here) => {
                self.here = None;
                outcomes.push(outcome);
            }
            Some(outcome) = self.elsewhere.join_next() => {
                // It panics in no case, and only the end of the process aborts it.
                outcomes.push(outcome.map_err(|_| Departure::Stopped)?);
            }
        }
        while let Some(Ok(outcome)) = self.elsewhere.try_join_next() {
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }
}

async fn outcome_of(attempt: &mut Option<Pin<Box<dyn Future<Output = Happened> + Send>>>) -> Happened {
    match attempt {
        Some(attempt) => attempt.await,
        None => pending().await,
    }
}
