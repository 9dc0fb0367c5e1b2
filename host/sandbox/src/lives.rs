//! The lives of one attempt.
//!
//! A guest that only waits for an answer of `http` may go, and its instance with it. The request goes on without it; once it is
//! answered, another guest begins, is given all that the first was answered, and so comes to where that one was. To its host it
//! is one attempt: nothing is sent, said or counted twice, and its time goes on.
//!
//! A crash of the host is the same from inside, but that what was under way is lost then: [`Past`] is what both leave.

use std::sync::Arc;

use stepwell_core::attempt::Account;
use stepwell_core::effect::Effect;
use stepwell_core::failure::Failure;
use stepwell_core::limits::Limits;

use crate::attempt::{Attempt, AttemptHost, AttemptReport};
use crate::blob;
use crate::call::{Guest, Time, bounded};
use crate::effects::Effects;
use crate::guest::{GuestState, Work};
use crate::http;
use crate::meter::Meter;
use crate::room::{Room, Rooms};
use crate::sandbox::Sandbox;
use crate::step::Step;

/// What the lives of an attempt so far leave to the next one.
pub(crate) struct Past {
    /// What they were answered.
    pub(crate) effects: Arc<Effects>,
    pub(crate) meter: Arc<Meter>,
    /// What the host heard of them.
    pub(crate) said: Said,
}

impl Past {
    /// That of an attempt which begins with what it was answered before a crash.
    pub(crate) fn new(host: &Arc<dyn AttemptHost>, limits: &Limits, answered: Vec<Effect>) -> Self {
        let meter = Arc::new(Meter::new(limits));
        let effects = Effects::new(Arc::clone(host), Arc::clone(&meter), answered);
        Self { effects, meter, said: Said::default() }
    }

    /// Another guest begins where the last one did.
    fn begin_again(effects: Arc<Effects>, meter: Arc<Meter>, said: Said) -> Self {
        effects.begin_again();
        meter.begin_again();
        Self { effects, meter, said }
    }
}

/// How much the host heard from a guest. A later life of the attempt says it again, and the host does not hear it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Said {
    /// Lines of the log.
    pub(crate) lines: usize,
    /// Calls of AI models.
    pub(crate) calls: usize,
    /// Chunks of progress.
    pub(crate) chunks: usize,
}

/// How a life ended.
pub(crate) enum LifeEnd {
    /// With the attempt.
    Done(AttemptReport),
    /// The guest is gone, and what it waited for is not.
    Away(Absence),
}

/// An attempt without a guest.
pub(crate) struct Absence {
    pub(crate) under_way: http::UnderWay,
    pub(crate) effects: Arc<Effects>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) said: Said,
    /// Of the guest that went.
    pub(crate) account: Account,
}

impl Sandbox {
    /// Runs one attempt. However the guest behaves, this returns within the attempt's time, once there was room for an instance.
    pub async fn run(&self, step: &Step, mut attempt: Attempt, host: Arc<dyn AttemptHost>) -> AttemptReport {
        let mut past = Past::new(&host, &attempt.limits, std::mem::take(&mut attempt.replay));
        let work = self.prepare(step, &attempt, &host, &past);
        let mut room = self.rooms().enter(&*host).await;
        let time = Time::begin(&attempt.limits);
        loop {
            let absence = match self.live(step, &attempt, (&host, work.clone()), past, time).await {
                LifeEnd::Done(report) => return report,
                LifeEnd::Away(absence) => absence,
            };
            drop(room);
            (room, past) = match absence.end(self.rooms(), &*host, time).await {
                Ok(back) => back,
                Err(report) => return report,
            };
        }
    }

    async fn live(
        &self,
        step: &Step,
        attempt: &Attempt,
        (host, work): (&Arc<dyn AttemptHost>, Work),
        past: Past,
        time: Time,
    ) -> LifeEnd {
        let state = GuestState::new(Arc::clone(host), &attempt.limits, past).at_work(work, &attempt.grants);
        match Guest::new(self.engine(), state, attempt.limits, time) {
            // Apart, so that an attempt which is away takes up no room for it.
            Ok(guest) => Box::pin(guest.live(step, &attempt.input, &attempt.config, self.rooms())).await,
            Err(failure) => {
                LifeEnd::Done(AttemptReport { result: Err(failure), account: Account::default() })
            }
        }
    }

    /// What all lives of an attempt share.
    fn prepare(&self, step: &Step, attempt: &Attempt, host: &Arc<dyn AttemptHost>, past: &Past) -> Work {
        let blobs = step.uses_blobs().then(|| Arc::new(blob::prepare(&**host, attempt)));
        let http = blobs.as_ref().filter(|_| step.sends_http()).map(|blobs| {
            let shared = (Arc::clone(&past.effects), Arc::clone(&past.meter));
            Arc::new(http::prepare(self.http(), attempt, shared, Arc::clone(blobs)))
        });
        Work { context: attempt.context.clone(), http, blobs }
    }
}

impl Absence {
    /// Waits until the guest would have been answered, and for room for another one; or tells how the attempt ended meanwhile.
    async fn end<'a>(
        self,
        rooms: &'a Rooms,
        host: &dyn AttemptHost,
        time: Time,
    ) -> Result<(Room<'a>, Past), AttemptReport> {
        let Self { under_way, effects, meter, said, account } = self;
        let back = async {
            {
                let _away = rooms.go_away();
                under_way.await?;
            }
            Ok::<_, Failure>(rooms.enter(host).await)
        };
        match bounded(back, &meter, time).await {
            Ok(room) => Ok((room, Past::begin_again(effects, meter, said))),
            Err(failure) => Err(AttemptReport { result: Err(failure), account: time.spent_by(account) }),
        }
    }
}
