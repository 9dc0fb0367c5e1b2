//! Effects: asked once, answered once, also across a crash.
//!
//! Whoever carries out effects reserves a [`Slot`] for each, in the order in which the guest asked, and
//! runs it. An effect that an earlier life of the attempt was answered gets that answer again; a new one waits until
//! all that it depends on is durable, happens, is told to the host, and is kept for lives to come. Slots may run at the same time:
//! the host still hears of them in the order of their indexes.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use stepwell_core::destination::Destination;
use stepwell_core::digest::Digest;
use stepwell_core::effect::Effect;
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::manifest::Capability;

use crate::attempt::{AttemptHost, Exchange, Leave};
use crate::meter::Meter;

/// What an effect asks of the world.
#[derive(Debug, Clone)]
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

/// The effects of one attempt.
pub(crate) struct Effects {
    host: Arc<dyn AttemptHost>,
    meter: Arc<Meter>,
    state: Mutex<State>,
}

struct State {
    /// What earlier lives of the attempt and this one were answered.
    answers: BTreeMap<u32, Effect>,
    /// The index of the next slot.
    next: u32,
    /// The index of the slot that the host hears of next.
    next_told: u32,
    /// Slots that ended before an earlier one did; `None` for those that leave nothing to tell.
    untold: BTreeMap<u32, Option<Effect>>,
}

impl Effects {
    /// Those of a life that begins with what earlier ones were answered.
    pub(crate) fn new(host: Arc<dyn AttemptHost>, meter: Arc<Meter>, answered: Vec<Effect>) -> Arc<Self> {
        let answers = answered.into_iter().map(|effect| (effect.index, effect)).collect();
        let state = State { answers, next: 0, next_told: 0, untold: BTreeMap::new() };
        Arc::new(Self { host, meter, state: Mutex::new(state) })
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

    /// All answers, for the attempt's next life. This one is over.
    pub(crate) fn take_answers(&self) -> Vec<Effect> {
        std::mem::take(&mut self.state().answers).into_values().collect()
    }

    /// Notes how a slot ended and tells the host all that is now in order.
    fn end(&self, index: u32, effect: Option<Effect>) {
        let mut state = self.state();
        state.untold.insert(index, effect);
        loop {
            let next = state.next_told;
            let Some(ended) = state.untold.remove(&next) else { return };
            state.next_told += 1;
            if let Some(effect) = ended {
                state.answers.insert(next, effect.clone());
                self.host.answered(effect);
            }
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
        self.end(Some(Effect {
            index: self.index,
            capability: ask.capability,
            summary: ask.summary,
            request_digest: ask.digest,
            answer: value,
        }));
        Ok(answer)
    }

    fn known<A: Reply>(&self, ask: &Ask) -> Option<Result<A, Failure>> {
        self.effects.state().answers.get(&self.index).map(|known| replayed(ask, known))
    }

    fn end(&mut self, effect: Option<Effect>) {
        self.ended = true;
        self.effects.end(self.index, effect);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.ended {
            self.end(None);
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
        return Err(Failure::new(
            FailureKind::Replay,
            format!(
                "effect {} was `{}` ({}) in an earlier life of the attempt and is `{}` ({}) now: a step must ask the \
                 same again when it is given the same answers",
                known.index, known.summary, known.request_digest, ask.summary, ask.digest
            ),
        ));
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
