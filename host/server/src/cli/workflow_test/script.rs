//! What answers the effects of one take, and what it saw.
//!
//! An effect is answered once: asked again, whether it may be or not, it gets the same answer again, as from a server that
//! honours idempotency keys. It may be asked again only while no answer of it was kept.

use std::collections::{BTreeMap, HashMap};
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::id::RunId;
use stepwell_sandbox::{EffectStandIn, HttpAnswer, HttpAsked};

use super::disruption::{Disruption, EffectName};
use super::fault::Fault;
use super::file::Case;
use super::journal::CutJournal;
use super::stand_in::{self, StandIn};

/// The stand-in of a sandbox in which one take after the other is played.
#[derive(Debug, Default)]
pub(super) struct Prompter(Mutex<Option<Arc<Script>>>);

impl Prompter {
    /// From now on this script answers.
    pub(super) fn follow(&self, script: Arc<Script>) {
        *lock(&self.0) = Some(script);
    }
}

#[async_trait]
impl EffectStandIn for Prompter {
    async fn http(&self, asked: HttpAsked<'_>) -> Result<HttpAnswer, Failure> {
        let script = lock(&self.0).clone();
        match script {
            Some(script) => script.answer(asked).await,
            None => Err(Failure::new(
                FailureKind::Internal,
                "a request came before there was a test to answer it",
            )),
        }
    }
}

/// The script of one take.
#[derive(Debug)]
pub(super) struct Script {
    case: Arc<Case>,
    journal: Arc<CutJournal>,
    /// The effect that fails, if one does.
    fault: Option<(Fault, EffectName)>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    life: u32,
    given: HashMap<Request, Given>,
    asked: Vec<EffectName>,
    counts: BTreeMap<String, u64>,
    uncovered: Vec<String>,
    sent_again: Vec<String>,
}

/// A request, by whose it is and where it went: an effect that is redirected is several.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Request {
    run: RunId,
    effect: EffectName,
    url: String,
}

#[derive(Debug, Clone)]
struct Given {
    life: u32,
    answer: HttpAnswer,
    fault: Option<Fault>,
}

/// What the effects of a take came to.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Each effect that was asked for, in order.
    pub(super) asked: Vec<EffectName>,
    /// How many effects each stand-in answered.
    pub(super) counts: BTreeMap<String, u64>,
    /// Requests that no stand-in covers.
    pub(super) uncovered: Vec<String>,
    /// Effects that were sent again though they had been answered.
    pub(super) sent_again: Vec<String>,
}

impl Script {
    pub(super) fn new(
        case: Arc<Case>,
        journal: Arc<CutJournal>,
        disruption: Option<&Disruption>,
    ) -> Arc<Self> {
        let fault = match disruption {
            Some(Disruption::Fault(fault, effect)) => Some((*fault, effect.clone())),
            Some(Disruption::Crash(_)) | None => None,
        };
        let counts = case.stand_ins.iter().map(|stand_in| (stand_in.name.clone(), 0)).collect();
        let state = Mutex::new(State { counts, ..State::default() });
        Arc::new(Self { case, journal, fault, state })
    }

    /// The engine is gone, and another one takes its place.
    pub(super) fn next_life(&self) {
        self.state().life += 1;
    }

    pub(super) fn effects(&self) -> Effects {
        let state = self.state();
        Effects {
            asked: state.asked.clone(),
            counts: state.counts.clone(),
            uncovered: state.uncovered.clone(),
            sent_again: state.sent_again.clone(),
        }
    }

    async fn answer(&self, asked: HttpAsked<'_>) -> Result<HttpAnswer, Failure> {
        if self.journal.is_down() {
            // The process that asks is dead, and what it sends now was never sent.
            return pending().await;
        }
        let Given { answer, fault, .. } = self.give(&asked)?;
        if let Some(delay) = fault.and_then(Fault::delay) {
            tokio::time::sleep(delay).await;
        }
        Ok(answer)
    }

    fn give(&self, asked: &HttpAsked<'_>) -> Result<Given, Failure> {
        let effect = EffectName(format!("{}.{}.{}", asked.context.node, asked.context.attempt, asked.index));
        let request = Request { run: asked.context.run, effect, url: asked.url.to_string() };
        let mut state = self.state();
        if let Some(given) = state.given.get(&request).cloned() {
            let kept = self.journal.knows(request.run, &request.effect);
            if kept || given.life == state.life {
                let what = format!("effect {} (`{}`)", request.effect.0, asked.summary);
                state.sent_again.push(what);
            }
            return Ok(given);
        }
        let is_first_hop = state.asked.last() != Some(&request.effect);
        if is_first_hop {
            state.asked.push(request.effect.clone());
        }
        let given = self.choose(asked, &request.effect, &mut state)?;
        state.given.insert(request, given.clone());
        Ok(given)
    }

    fn choose(
        &self,
        asked: &HttpAsked<'_>,
        effect: &EffectName,
        state: &mut State,
    ) -> Result<Given, Failure> {
        let is_left = |it: &&StandIn| it.times.is_none_or(|times| state.counts.get(&it.name) < Some(&times));
        let found = self.case.stand_ins.iter().filter(is_left).find(|it| it.covers(asked));
        let Some(stand_in) = found else {
            let what = format!("`{}` of the node `{}`", asked.summary, asked.context.node);
            let failure =
                Failure::new(FailureKind::Permanent, format!("no stand-in of the test covers {what}"));
            state.uncovered.push(what);
            return Err(failure);
        };
        let (intended, own_fault) = stand_in.answer(asked);
        let disturbed = self.fault.as_ref().filter(|(_, disturbed)| disturbed == effect);
        if disturbed.is_none() {
            // An effect that is disturbed uses nothing up: what was to come is still to come.
            state.counts.entry(stand_in.name.clone()).and_modify(|count| *count += 1);
        }
        let fault = disturbed.map(|(fault, _)| *fault).or(own_fault);
        let answer = match fault {
            Some(fault) => fault.strike(intended, &stand_in::host(asked)),
            None => intended,
        };
        Ok(Given { life: state.life, answer, fault })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// Every change under these locks is whole before anything can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
