//! Those who act in a take: they do what the case has them do, each so long after its cue, and again after a crash what nobody
//! acknowledged before it.

use std::fmt;
use std::future::{Future, pending};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use stepwell_core::id::RunId;
use stepwell_core::run::{ApprovalDecision, Entry, Event, RunStatus};
use stepwell_engine::{ApprovalError, CallbackError, ControlError, Engine};

use super::acts::{Act, Deed, Refusal};
use super::file::Case;
use super::journal::CutJournal;
use super::occasion::Occasion;
use super::stage::tenant;
use super::take::End;

/// The cast of one take, through all its lives.
pub(super) struct Cast {
    case: Arc<Case>,
    journal: Arc<CutJournal>,
    /// Of each act, once it was answered.
    answers: Mutex<Vec<Option<Answer>>>,
}

/// How the engine answered an act.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// It is done, and on disk.
    Taken,
    /// It is not to be.
    Refused(Refusal, String),
    /// The engine could not do it.
    Failed(String),
}

/// What became of an act.
#[derive(Debug)]
pub(super) struct Played {
    /// The act, in words.
    pub(super) act: String,
    /// Why it was to be refused, if it was.
    pub(super) refused: Option<Refusal>,
    /// None: it never came to it, for this reason.
    pub(super) answer: Result<Answer, NotPlayed>,
    /// It was taken, and no journal knows of it.
    pub(super) is_lost: bool,
}

/// Why an act was not done.
#[derive(Debug, Clone)]
pub(super) struct NotPlayed {
    cue: String,
    cued: usize,
}

impl fmt::Display for NotPlayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cued {
            0 => write!(f, "that {} did not come to be", self.cue),
            1 => write!(f, "{} once only", self.cue),
            more => write!(f, "{} {more} times only", self.cue),
        }
    }
}

/// The next act, and when it is due.
struct Next {
    index: usize,
    due: Timestamp,
    occasion: Occasion,
}

impl Cast {
    pub(super) fn new(case: Arc<Case>, journal: Arc<CutJournal>) -> Self {
        let answers = Mutex::new(vec![None; case.acts.len()]);
        Self { case, journal, answers }
    }

    /// Acts until the run is over and nobody has anything left to do. Gives how it ended.
    pub(super) async fn play(&self, engine: &Engine, over: impl Future<Output = End>) -> End {
        let mut over = pin!(over);
        let mut end = None;
        let mut news = self.journal.news();
        loop {
            news.borrow_and_update();
            let next = self.next();
            match end {
                Some(End::Ended(_)) if next.is_some() => {}
                Some(end) => return end,
                None => {}
            }
            tokio::select! {
                biased;
                it = &mut over, if end.is_none() => end = Some(it),
                () = has_come(engine, next.as_ref()) => if let Some(next) = next {
                    let answer = self.perform(engine, &next).await;
                    self.answers()[next.index] = Some(answer);
                },
                // The journal, which sends the news, is the cast's own: the wait cannot fail.
                _ = news.changed() => {}
            }
        }
    }

    async fn perform(&self, engine: &Engine, next: &Next) -> Answer {
        let act = &self.case.acts[next.index];
        // As whoever acts knocks until somebody opens.
        engine.ready().await;
        let answer = perform(engine, act, &next.occasion).await;
        match answer {
            // It was done before a crash, which swallowed the answer.
            Answer::Refused(..) if act.refused.is_none() && self.is_kept(act, &next.occasion).await => {
                Answer::Taken
            }
            answer => answer,
        }
    }

    /// Whether the journal has what an act left there.
    async fn is_kept(&self, act: &Act, occasion: &Occasion) -> bool {
        // A journal in memory can be read.
        let kept = self.journal.entries_of(&tenant(), occasion.run).await.unwrap_or_default();
        kept.iter().any(|entry| is_it(act, occasion, entry))
    }

    fn next(&self) -> Option<Next> {
        let (occasions, answers) = (self.journal.occasions(), self.answers());
        let to_come = self.case.acts.iter().enumerate().filter(|(index, _)| answers[*index].is_none());
        let due = to_come.filter_map(|(index, act)| {
            let occasion = act.occasion(&occasions)?.clone();
            let due = occasion.at.saturating_add(act.after).unwrap_or(Timestamp::MAX);
            Some(Next { index, due, occasion })
        });
        due.min_by_key(|next| (next.due, next.index))
    }

    /// What became of every act. To be asked when the take is over.
    pub(super) async fn played(&self) -> Vec<Played> {
        let occasions = self.journal.occasions();
        let answers = self.answers().clone();
        let mut all = Vec::new();
        for (act, answer) in self.case.acts.iter().zip(answers) {
            let is_lost = match (&answer, act.occasion(&occasions)) {
                (Some(Answer::Taken), Some(occasion)) => !self.is_kept(act, occasion).await,
                _ => false,
            };
            let not_played = || NotPlayed { cue: act.cue().to_string(), cued: act.cued(&occasions) };
            let answer = answer.ok_or_else(not_played);
            all.push(Played { act: act.to_string(), refused: act.refused, answer, is_lost });
        }
        all
    }

    fn answers(&self) -> MutexGuard<'_, Vec<Option<Answer>>> {
        // Every change under this lock is whole before anything can panic.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns when it is time for the next act; without one, never.
async fn has_come(engine: &Engine, next: Option<&Next>) {
    let Some(next) = next else { return pending().await };
    let pause = Duration::try_from(next.due.duration_since(engine.now())).unwrap_or_default();
    tokio::time::sleep(pause).await;
}

async fn perform(engine: &Engine, act: &Act, occasion: &Occasion) -> Answer {
    let (tenant, run) = (tenant(), occasion.run);
    match &act.deed {
        Deed::Decide(answer) => {
            let node = act.cue().node().unwrap_or_default();
            of_approval(engine.decide_approval(&tenant, run, node, answer.clone()).await)
        }
        Deed::CallBack(body) => {
            let token = occasion.token.as_deref().unwrap_or_default();
            of_callback(engine.call_back(&tenant, token, body.clone()).await)
        }
        Deed::Signal { name, payload } => {
            of_signal(engine.signal(&tenant, run, name, payload.clone(), Some(act.name.clone())).await)
        }
    }
}

fn of_approval(answered: Result<RunStatus, ApprovalError>) -> Answer {
    let Err(error) = answered else { return Answer::Taken };
    let words = error.to_string();
    match error {
        ApprovalError::NotAllowed { .. } => Answer::Refused(Refusal::NotAllowed, words),
        ApprovalError::Form(violations) => Answer::Refused(Refusal::Form, with_details(words, &violations)),
        ApprovalError::NotWaiting { .. } => Answer::Refused(Refusal::NotWaiting, words),
        ApprovalError::UnknownRun(_) | ApprovalError::UnknownNode { .. } | ApprovalError::Engine(_) => {
            Answer::Failed(words)
        }
    }
}

fn of_callback(answered: Result<(RunId, RunStatus), CallbackError>) -> Answer {
    let Err(error) = answered else { return Answer::Taken };
    let words = error.to_string();
    match error {
        CallbackError::Used => Answer::Refused(Refusal::Used, words),
        CallbackError::Expired { .. } | CallbackError::Closed => Answer::Refused(Refusal::Gone, words),
        CallbackError::Body(violations) => Answer::Refused(Refusal::Body, with_details(words, &violations)),
        CallbackError::Unknown | CallbackError::Engine(_) => Answer::Failed(words),
    }
}

fn of_signal(answered: Result<RunStatus, ControlError>) -> Answer {
    let Err(error) = answered else { return Answer::Taken };
    let words = error.to_string();
    match error {
        ControlError::Ended { .. } => Answer::Refused(Refusal::Ended, words),
        ControlError::UnknownRun(_)
        | ControlError::Cancelling(_)
        | ControlError::UnknownSignal { .. }
        | ControlError::TooManySignals { .. }
        | ControlError::Engine(_) => Answer::Failed(words),
    }
}

fn with_details(words: String, details: &[impl fmt::Display]) -> String {
    details.iter().fold(words, |words, detail| format!("{words}; {detail}"))
}

/// Whether an entry of the journal is what an act, once taken, left there.
fn is_it(act: &Act, occasion: &Occasion, entry: &Entry) -> bool {
    let is_of = |node: &str| act.cue().node() == Some(node);
    entry.seq > occasion.seq
        && match (&act.deed, &entry.event) {
            (Deed::Decide(answer), Event::ApprovalDecided { node, decision }) => {
                let wanted = ApprovalDecision {
                    decision: answer.verdict,
                    by: Some(answer.by.clone()),
                    comment: answer.comment.clone(),
                    form: answer.form.clone(),
                };
                is_of(node.as_str()) && *decision == wanted
            }
            (Deed::CallBack(wanted), Event::CallbackReceived { node, body }) => {
                is_of(node.as_str()) && **body == *wanted
            }
            (Deed::Signal { .. }, Event::SignalReceived { by, .. }) => by.as_ref() == Some(&act.name),
            _ => false,
        }
}
