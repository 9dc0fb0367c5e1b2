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
use super::stand_in::{self, Asked, StandIn};

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
        let effect = EffectName(format!(
            "{}{}.{}.{}",
            asked.context.node, asked.context.part, asked.context.attempt, asked.index
        ));
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
        let name = self.name_of(asked, &request.effect);
        if !state.asked.contains(&name) {
            state.asked.push(name.clone());
        }
        let given = self.choose(asked, &name, &mut state)?;
        state.given.insert(request, given.clone());
        Ok(given)
    }

    /// What reports call an effect: that of another run than the one that is tried goes by its workflow too.
    fn name_of(&self, asked: &HttpAsked<'_>, effect: &EffectName) -> EffectName {
        let context = asked.context;
        match self.journal.run() {
            Some(run) if run != context.run => EffectName(format!("{}:{}", context.workflow, effect.0)),
            _ => effect.clone(),
        }
    }

    fn choose(
        &self,
        asked: &HttpAsked<'_>,
        effect: &EffectName,
        state: &mut State,
    ) -> Result<Given, Failure> {
        let is_left = |it: &&StandIn| it.times.is_none_or(|times| state.counts.get(&it.name) < Some(&times));
        let found =
            self.case.stand_ins.iter().filter(is_left).find(|it| it.covers(&Asked::by_attempt(asked)));
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
        // There is nothing to spoil where the stand-in gives no answer.
        let spoils_nothing =
            |fault: &Fault| fault.spoils_an_answer() && own_fault.is_some_and(|own| !own.spoils_an_answer());
        let fault = disturbed.map(|(fault, _)| *fault).filter(|fault| !spoils_nothing(fault)).or(own_fault);
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bytes::Bytes;
    use jiff::Timestamp;
    use serde_json::json;
    use stepwell_core::digest::Digest;
    use stepwell_core::effect::Effect;
    use stepwell_core::id::{AttemptNumber, Part, TenantId};
    use stepwell_core::manifest::Capability;
    use stepwell_core::run::{Entry, Event};
    use stepwell_sandbox::AttemptContext;
    use stepwell_store::{Append, Journal as _};
    use url::Url;
    use uuid::Uuid;

    use super::*;
    use crate::cli::workflow_test::file;
    use crate::cli::workflow_test::files::Files;

    fn run() -> RunId {
        RunId(Uuid::from_u128(7))
    }

    fn script(stand_ins: &serde_json::Value, disruption: Option<&Disruption>) -> Arc<Script> {
        let document = json!({"cases": {"one": {"effects": stand_ins, "expect": {}}}});
        let tried = json!({"name": "flow", "nodes": {"ask": {"step": "ask@^1"}}});
        let case =
            file::read(&document, Files::default(), &tried, Path::new("")).ok().unwrap().cases.remove(0);
        Script::new(Arc::new(case), CutJournal::new(None), disruption)
    }

    /// Asks for an effect of the node `ask`; gives the status of its answer.
    async fn ask(script: &Script, index: u32) -> Result<u16, String> {
        let context = AttemptContext {
            run: run(),
            workflow: "flow".parse().unwrap(),
            version: semver::Version::new(1, 0, 0),
            node: "ask".parse().unwrap(),
            part: Part::Whole,
            attempt: AttemptNumber::FIRST,
            started_at: Timestamp::UNIX_EPOCH,
            deadline: Timestamp::UNIX_EPOCH,
            run_traceparent: "".into(),
        };
        let asked = HttpAsked {
            context: &context,
            index,
            digest: Digest::of(b""),
            summary: "POST https://a.example/".to_owned(),
            method: "POST",
            url: &Url::parse("https://a.example/").unwrap(),
            written_url: "https://a.example/".into(),
            headers: Vec::new(),
            body: &Bytes::new(),
        };
        match script.answer(asked).await.map_err(|failure| failure.message)? {
            HttpAnswer::Ok(response) => Ok(response.status),
            HttpAnswer::Stream(stream) => Ok(stream.response.status),
            HttpAnswer::Kept(kept) => Ok(kept.response.status),
            HttpAnswer::Error(error) => Err(error.to_string()),
        }
    }

    /// The journal keeps the answer of an effect.
    fn keep(script: &Script, index: u32) {
        let effect = Effect {
            index,
            capability: Capability::Http,
            summary: String::new(),
            request_digest: Digest::of(b""),
            answer: json!(null),
        };
        let answered = Event::EffectAnswered {
            node: "ask".parse().unwrap(),
            part: Part::Whole,
            attempt: AttemptNumber::FIRST,
            effect,
        };
        let entries = vec![Entry::new(1, Timestamp::UNIX_EPOCH, answered)];
        let kept =
            Append { tenant: TenantId::default(), run: run(), entries, summary: None, marks: Vec::new() };
        assert!(matches!(script.journal.append(kept).outcome(), Some(Ok(()))));
    }

    #[tokio::test]
    async fn an_effect_may_be_sent_again_after_a_crash_only_while_its_answer_is_not_kept() {
        let script = script(&json!([{"answer": {"status": 201}}]), None);
        assert_eq!(ask(&script, 0).await, Ok(201));
        script.next_life();
        assert_eq!(ask(&script, 0).await, Ok(201));
        let effects = script.effects();
        assert_eq!((effects.sent_again.len(), effects.asked.len(), effects.counts["0"]), (0, 1, 1));

        keep(&script, 0);
        script.next_life();
        assert_eq!(ask(&script, 0).await, Ok(201));
        assert_eq!(script.effects().sent_again, ["effect ask.1.0 (`POST https://a.example/`)"]);
    }

    #[tokio::test]
    async fn stand_ins_answer_in_their_order_and_as_often_as_they_may() {
        let stand_ins = json!([{"fault": "500", "times": 1}, {"answer": {"status": 204}, "times": 1}]);
        let script = script(&stand_ins, None);
        assert_eq!((ask(&script, 0).await, ask(&script, 1).await), (Ok(500), Ok(204)));
        assert!(ask(&script, 2).await.unwrap_err().contains("no stand-in of the test covers"));
        assert_eq!(script.effects().uncovered.len(), 1);
    }

    #[tokio::test]
    async fn an_effect_that_is_disturbed_uses_nothing_up() {
        let disturbed = "429@ask.1.0".parse().unwrap();
        let script = script(&json!([{"answer": {}, "times": 1}]), Some(&disturbed));
        assert_eq!((ask(&script, 0).await, ask(&script, 1).await), (Ok(429), Ok(200)));
    }
}
