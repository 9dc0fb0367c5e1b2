//! Effects: asked once, answered once, also across a crash.
//!
//! Whoever carries out effects reserves a [`Slot`] for each, in the order in which the guest asked, and
//! runs it. An effect that an earlier life of the attempt was answered gets that answer again; a new one waits until
//! all that it depends on is durable, happens, is told to the host, and is kept for lives to come. Slots may run at the same time:
//! the host still hears of them in the order of their indexes.
//!
//! An effect may go on while its guest does ([`Effects::goes_on`]). It is brought to its end before a later one leaves, which may
//! depend on what the guest learned of it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stepwell_core::destination::Destination;
use stepwell_core::digest::Digest;
use stepwell_core::effect::{Effect, EffectAsked};
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::manifest::Capability;
use tokio::sync::Notify;

use crate::attempt::{AttemptHost, Exchange, Leave};
use crate::meter::Meter;

/// What an effect asks of the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    /// Through which capability.
    pub(crate) capability: Capability,
    /// For a person: `POST https://api.openai.com/v1/chat/completions`.
    pub(crate) summary: String,
    /// Of the whole request as the guest made it.
    pub(crate) digest: Digest,
    /// Where it goes; none if it will not leave.
    pub(crate) destination: Option<Destination>,
}

/// What answers an effect, in the capability's own JSON shape. It must read what it writes.
pub(crate) trait Reply: Serialize + DeserializeOwned {
    /// What it says about the destination.
    fn exchange(&self) -> Exchange;
}

/// An effect that its host answered.
pub(crate) enum Answered {
    /// The host has recorded it.
    Recorded(Effect),
    /// The host does not know of it yet.
    New(Effect),
}

impl Answered {
    fn effect(&self) -> &Effect {
        match self {
            Self::Recorded(effect) | Self::New(effect) => effect,
        }
    }
}

/// How a slot ended.
enum Ended {
    /// It leaves nothing to tell.
    Silent,
    New(Effect),
    /// The host has recorded it.
    Known(Effect),
}

/// An effect that goes on while its guest does.
pub(crate) trait Unended: Send + Sync {
    /// Brings it to its end. A failure ends the attempt.
    fn finish(self: Arc<Self>) -> BoxFuture<'static, Result<(), Failure>>;
}

/// The effects of one attempt, over all its lives in this process.
pub(crate) struct Effects {
    host: Arc<dyn AttemptHost>,
    meter: Arc<Meter>,
    state: Mutex<State>,
    /// Wakes who waits for its turn to be told.
    told: Notify,
}

struct State {
    /// What earlier lives of the attempt and this one were answered.
    answers: BTreeMap<u32, Effect>,
    /// The index of the next slot.
    next: u32,
    /// The index of the slot that the host hears of next.
    next_told: u32,
    /// Slots that ended before an earlier one did.
    untold: BTreeMap<u32, Ended>,
    /// Those that go on while the guest does. What they are made of holds these effects: so these do not hold them.
    unended: BTreeMap<u32, Weak<dyn Unended>>,
}

impl Effects {
    /// Those of an attempt that begins with what it was answered before a crash.
    pub(crate) fn new(host: Arc<dyn AttemptHost>, meter: Arc<Meter>, answered: Vec<Effect>) -> Arc<Self> {
        let answers = answered.into_iter().map(|effect| (effect.index, effect)).collect();
        let state =
            State { answers, next: 0, next_told: 0, untold: BTreeMap::new(), unended: BTreeMap::new() };
        Arc::new(Self { host, meter, state: Mutex::new(state), told: Notify::new() })
    }

    /// Another guest takes the place of the last one, and asks for everything again.
    pub(crate) fn begin_again(&self) {
        self.state().next = 0;
    }

    /// An effect goes on while its guest does.
    pub(crate) fn goes_on(&self, index: u32, effect: Weak<dyn Unended>) {
        self.state().unended.insert(index, effect);
    }

    /// Brings to their end all effects before this one that still go on.
    async fn settle(&self, before: u32) -> Result<(), Failure> {
        let earlier: Vec<_> =
            self.state().unended.range(..before).map(|(_, effect)| effect.clone()).collect();
        for effect in earlier.iter().filter_map(Weak::upgrade) {
            effect.finish().await?;
        }
        Ok(())
    }

    /// Takes the next place in the order of effects.
    pub(crate) fn reserve(self: &Arc<Self>) -> Slot {
        let mut state = self.state();
        let index = state.next;
        state.next += 1;
        Slot { effects: Arc::clone(self), index, ended: false }
    }

    /// How many were asked for.
    pub(crate) fn count(&self) -> u32 {
        self.state().next
    }

    /// The guest is done: it must have asked again for all that it had been answered.
    pub(crate) fn check_all_asked(&self) -> Result<(), Failure> {
        let state = self.state();
        match state.answers.range(state.next..).next() {
            None => Ok(()),
            Some((index, left)) => Err(Failure::new(
                FailureKind::Replay,
                format!(
                    "effect {index} was `{}` in an earlier life of the attempt and was not asked for again: a step must \
                     ask the same again when it is given the same answers",
                    left.summary
                ),
            )),
        }
    }

    /// Notes how a slot ended and tells the host all that is now in order.
    fn end(&self, index: u32, ended: Ended) {
        let mut state = self.state();
        if index < state.next_told {
            // The host heard of it from an earlier guest.
            return;
        }
        state.untold.insert(index, ended);
        loop {
            let next = state.next_told;
            let Some(ended) = state.untold.remove(&next) else { break };
            state.next_told += 1;
            match ended {
                Ended::Silent => {}
                Ended::Known(effect) => _ = state.answers.insert(next, effect),
                Ended::New(effect) => {
                    state.answers.insert(next, effect.clone());
                    self.host.answered(effect);
                }
            }
        }
        drop(state);
        self.told.notify_waiters();
    }

    /// Returns once the host has heard of all effects before this one.
    async fn turn(&self, index: u32) {
        loop {
            let mut told = pin!(self.told.notified());
            told.as_mut().enable();
            if self.state().next_told >= index {
                return;
            }
            told.await;
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Every change under this lock is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the order of an attempt's effects. Dropped without having run, it leaves the order whole.
pub(crate) struct Slot {
    effects: Arc<Effects>,
    index: u32,
    ended: bool,
}

impl Slot {
    /// Counts the attempt's effects from 0.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// Answers what is asked: from the replay if it is known, else by `act`.
    pub(crate) async fn run<A, F>(mut self, ask: Ask, act: impl FnOnce() -> F) -> Result<A, Failure>
    where
        A: Reply,
        F: Future<Output = A>,
    {
        if let Some(known) = self.known(&ask) {
            return known;
        }
        self.effects.settle(self.index).await?;
        let leave = self.effects.host.before_effect(ask.destination.as_ref()).await?;
        let under_way = UnderWay { leave: Some(leave), meter: &self.effects.meter };
        let answer = act().await;
        under_way.ended(answer.exchange());
        let value = serde_json::to_value(&answer).map_err(|error| {
            Failure::new(
                FailureKind::Internal,
                format!("the answer of `{}` can't be kept: {error}", ask.summary),
            )
        })?;
        let effect = self.asked(ask).answered(value);
        self.end(Ended::New(effect));
        Ok(answer)
    }

    /// Answers what is asked of the host itself: from the replay if it is known, else by `act`, in its turn.
    pub(crate) async fn record<A, F>(
        mut self,
        ask: Ask,
        act: impl FnOnce(EffectAsked) -> F,
    ) -> Result<A, Failure>
    where
        A: Reply,
        F: Future<Output = Result<Answered, Failure>>,
    {
        if let Some(known) = self.known(&ask) {
            return known;
        }
        self.effects.settle(self.index).await?;
        self.effects.turn(self.index).await;
        let answered = act(self.asked(ask.clone())).await?;
        let answer = replayed(&ask, answered.effect());
        self.end(match answered {
            Answered::Recorded(effect) => Ended::Known(effect),
            Answered::New(effect) => Ended::New(effect),
        });
        answer
    }

    fn asked(&self, ask: Ask) -> EffectAsked {
        let Ask { capability, summary, digest: request_digest, destination: _ } = ask;
        EffectAsked { index: self.index, capability, summary, request_digest }
    }

    /// What an earlier life of the attempt was answered, if it was.
    pub(crate) fn known<A: Reply>(&self, ask: &Ask) -> Option<Result<A, Failure>> {
        self.effects.state().answers.get(&self.index).map(|known| replayed(ask, known))
    }

    /// Leaves the place to the slot of an earlier guest, whose effect goes on if it is the same.
    pub(crate) fn yield_to(mut self, earlier: &Ask, now: &Ask) -> Result<(), Failure> {
        if earlier != now {
            return Err(asked_otherwise(self.index, (&earlier.summary, &earlier.digest), now));
        }
        self.ended = true;
        Ok(())
    }

    fn end(&mut self, ended: Ended) {
        self.ended = true;
        self.effects.end(self.index, ended);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Ended::Silent);
        }
    }
}

/// An effect that has left. One that its attempt's time overtook is its destination's fault: nobody else has the answer.
struct UnderWay<'a> {
    leave: Option<Box<dyn Leave>>,
    meter: &'a Meter,
}

impl UnderWay<'_> {
    fn ended(mut self, how: Exchange) {
        if let Some(leave) = self.leave.take() {
            leave.ended(how);
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let overtaken = self.meter.ended().filter(|failure| failure.kind == FailureKind::Timeout);
        if let (Some(failure), Some(leave)) = (overtaken, self.leave.take()) {
            leave.ended(Exchange::Fault { why: format!("no answer came in time: {}", failure.message) });
        }
    }
}

/// The known answer, if it answers this question.
fn replayed<A: DeserializeOwned>(ask: &Ask, known: &Effect) -> Result<A, Failure> {
    if known.capability != ask.capability || known.request_digest != ask.digest {
        return Err(asked_otherwise(known.index, (&known.summary, &known.request_digest), ask));
    }
    A::deserialize(&known.answer).map_err(|error| {
        Failure::new(
            FailureKind::Internal,
            format!(
                "the journalled answer of effect {} (`{}`) can't be read: {error}",
                known.index, known.summary
            ),
        )
    })
}

fn asked_otherwise(index: u32, (summary, digest): (&str, &Digest), now: &Ask) -> Failure {
    Failure::new(
        FailureKind::Replay,
        format!(
            "effect {index} was `{summary}` ({digest}) in an earlier life of the attempt and is `{}` ({}) now: a step must \
             ask the same again when it is given the same answers",
            now.summary, now.digest
        ),
    )
}
