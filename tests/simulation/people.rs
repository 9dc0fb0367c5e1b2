//! People and programs that do something to runs: decide, call back, signal, pause, cancel, let go on. Each by the seed, in their time.
//!
//! They outlive every engine. What was not acknowledged they do again; what was acknowledged must be on the disk from then on.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};
use stepwell_core::id::{NodeId, RunId, TenantId};
use stepwell_core::run::{Entry, Event, ReopenFrom, RunOutcome, RunStatus, Trigger, Verdict};
use stepwell_engine::{
    ApprovalAnswer, ApprovalError, CallbackError, Cancel, CancelOutcome, ControlError, Engine, EngineError,
    Reopen, ReopenError, StartError, StartRequest,
};

use crate::dice::Seed;
use crate::disk::{Disk, Manners};
use crate::outside::{Job, Outside};
use crate::workflows::{MAIN, SIGNAL};

/// Before something is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// Something that fails so often will not succeed.
const TRIES: usize = 300;

/// What was acknowledged, and how it is recognised in the journal of its run.
pub(crate) struct Acknowledged {
    pub(crate) what: String,
    pub(crate) run: RunId,
    pub(crate) is_it: Box<dyn Fn(&Event) -> bool + Send + Sync>,
}

pub(crate) struct People {
    seed: Seed,
    manners: Manners,
    outside: Arc<Outside>,
    done: Mutex<HashSet<String>>,
    acknowledged: Mutex<Vec<Acknowledged>>,
}

/// What is being done.
type Deeds = FuturesUnordered<LocalBoxFuture<'static, ()>>;

/// One life's view: the engine that is there now.
#[derive(Clone)]
struct Present {
    people: Arc<People>,
    engine: Engine,
    disk: Arc<Disk>,
}

/// What became of a deed.
enum Outcome {
    /// It was acknowledged: this must be in the run's journal.
    Acknowledged(RunId, Box<dyn Fn(&Event) -> bool + Send + Sync>),
    /// It came too late or is not to be.
    Moot,
    /// The engine could not do it now.
    Failed(EngineError),
}

impl People {
    pub(crate) fn new(seed: Seed, manners: Manners, outside: Arc<Outside>) -> Arc<Self> {
        Arc::new(Self { seed, manners, outside, done: Mutex::default(), acknowledged: Mutex::default() })
    }

    pub(crate) fn with_acknowledged<T>(&self, look: impl FnOnce(&[Acknowledged]) -> T) -> T {
        look(&self.acknowledged.lock().expect("nobody panics here"))
    }

    /// Reacts to what happens, until nobody has anything left to do and the world is `quiet`.
    pub(crate) async fn live(
        self: &Arc<Self>,
        engine: &Engine,
        disk: &Arc<Disk>,
        quiet: impl AsyncFn() -> bool,
    ) {
        let present = Present { people: Arc::clone(self), engine: engine.clone(), disk: Arc::clone(disk) };
        let mut news = disk.news();
        let mut deeds = Deeds::new();
        let mut jobs = 0;
        deeds.push(Box::pin(present.clone().start()));
        loop {
            tokio::select! {
                biased;
                Some((run, entry)) = news.recv() => present.react(&deeds, run, &entry),
                () = self.outside.more_jobs(jobs) => {
                    let all = self.outside.jobs();
                    for job in all[jobs..].iter().cloned() {
                        deeds.push(Box::pin(present.clone().call_back(job)));
                    }
                    jobs = all.len();
                }
                Some(()) = deeds.next() => {}
                () = tokio::time::sleep(PAUSE) => {
                    if deeds.is_empty() && quiet().await {
                        return;
                    }
                }
            }
        }
    }

    fn is_done(&self, name: &str) -> bool {
        self.done.lock().expect("nobody panics here").contains(name)
    }

    fn do_once(&self, name: &str) -> bool {
        self.done.lock().expect("nobody panics here").insert(name.to_owned())
    }
}

impl Present {
    /// What an entry of a journal makes people do.
    fn react(&self, deeds: &Deeds, run: RunId, entry: &Entry) {
        let name = |what: &str| format!("{what} {run}/{}", entry.seq);
        match &entry.event {
            Event::ApprovalOpened { node, .. } => {
                deeds.push(Box::pin(self.clone().decide(name("decide"), run, node.clone(), entry.seq)));
            }
            Event::WaitStarted { until, .. } => {
                let mut dice = self.people.seed.dice(("signal", entry.seq));
                if until.is_none() || dice.percent(40) {
                    let after = dice.between_ms(100, 40_000);
                    deeds.push(Box::pin(self.clone().signal(name("signal"), run, after)));
                }
            }
            Event::RunAccepted { workflow, .. } if workflow.as_str() == MAIN => {
                deeds.push(Box::pin(self.clone().pause_and_resume(run)));
                deeds.push(Box::pin(self.clone().cancel(run)));
            }
            Event::RunEnded { outcome } if !matches!(outcome, RunOutcome::Succeeded { .. }) => {
                deeds.push(Box::pin(self.clone().reopen(run)));
            }
            _ => {}
        }
    }

    /// Does something after a while, until it is acknowledged or moot.
    async fn deed(&self, name: String, after: Duration, act: impl AsyncFn() -> Outcome) {
        if self.people.is_done(&name) {
            return;
        }
        tokio::time::sleep(after).await;
        for _ in 0..TRIES {
            match act().await {
                Outcome::Acknowledged(run, is_it) => {
                    if !self.disk.keeps(run, &is_it) {
                        self.accuse(format!("`{name}` was acknowledged before it was on the disk"));
                    }
                    let what = name.clone();
                    let acknowledged = Acknowledged { what, run, is_it };
                    self.people.acknowledged.lock().expect("nobody panics here").push(acknowledged);
                    self.people.do_once(&name);
                    return;
                }
                Outcome::Moot => {
                    self.people.do_once(&name);
                    return;
                }
                Outcome::Failed(error) => {
                    if self.people.manners != Manners::Failing || matches!(error, EngineError::Parked) {
                        self.accuse(format!("`{name}` failed: {error}"));
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.accuse(format!("`{name}` could not be done at all"));
    }

    fn accuse(&self, wrong: String) {
        self.people.outside.accuse(wrong);
    }

    async fn start(self) {
        let mut dice = self.people.seed.dice("start");
        let wait = dice.percent(30).then_some(Duration::from_secs(20));
        let later = dice.percent(10).then_some(Duration::from_secs(30));
        let input = json!({"items": ["x", "y", "z"]});
        let request = StartRequest {
            tenant: TenantId::default(),
            workflow: MAIN.parse().expect("a name"),
            version: None,
            input,
            priority: None,
            trigger: Trigger::Api,
            traceparent: String::new(),
            idempotency_key: Some("the start".to_owned()),
            wait,
            start_at: later.map(|later| jiff::Timestamp::UNIX_EPOCH + later),
        };
        let start = async || match self.engine.start(request.clone()).await {
            Ok(started) => {
                let ended = started.ended;
                Outcome::Acknowledged(
                    started.run,
                    Box::new(move |event| match (&ended, event) {
                        (None, Event::RunAccepted { .. }) => true,
                        (Some(ended), Event::RunEnded { outcome }) => ended == outcome,
                        _ => false,
                    }),
                )
            }
            Err(StartError::Engine(error)) => Outcome::Failed(error),
            Err(StartError::Store(error)) => Outcome::Failed(error.into()),
            Err(other) => {
                self.accuse(format!("the start was refused: {other}"));
                Outcome::Moot
            }
        };
        self.deed("start".to_owned(), Duration::ZERO, start).await;
    }

    async fn decide(self, name: String, run: RunId, node: NodeId, seq: u64) {
        let mut dice = self.people.seed.dice(("decide", seq));
        let after = dice.between_ms(100, 25_000);
        let verdict = if dice.percent(75) { Verdict::Approve } else { Verdict::Reject };
        let answer = |by: &str| ApprovalAnswer {
            verdict,
            by: by.to_owned(),
            comment: Some(name.clone()),
            form: Value::Null,
        };
        let tenant = TenantId::default();
        self.deed(name.clone(), after, async || {
            // Eve may decide nothing where somebody is named.
            let by_eve = dice_of(self.people.seed, seq).then(|| answer("eve"));
            if let Some(by_eve) = by_eve {
                match self.engine.decide_approval(&tenant, run, node.as_str(), by_eve).await {
                    Ok(_) | Err(ApprovalError::NotAllowed { .. } | ApprovalError::NotWaiting { .. }) => {}
                    Err(ApprovalError::Engine(error)) => return Outcome::Failed(error),
                    Err(other) => self.accuse(format!("a decision was refused: {other}")),
                }
            }
            match self.engine.decide_approval(&tenant, run, node.as_str(), answer("ann")).await {
                Ok(_) => {
                    let words = name.clone();
                    Outcome::Acknowledged(run, Box::new(move |event| {
                        matches!(event, Event::ApprovalDecided { decision, .. } if decision.comment.as_ref() == Some(&words))
                    }))
                }
                Err(ApprovalError::Engine(error)) => Outcome::Failed(error),
                Err(ApprovalError::NotWaiting { .. }) => Outcome::Moot,
                Err(other) => {
                    self.accuse(format!("a decision was refused: {other}"));
                    Outcome::Moot
                }
            }
        })
        .await;
    }

    async fn signal(self, name: String, run: RunId, after: Duration) {
        self.deed(name.clone(), after, async || {
            let payload = json!({"json": {"go": true}, "name": name});
            let sent = self.engine.signal(&TenantId::default(), run, SIGNAL, payload, None).await;
            let name = name.clone();
            controlled(run, sent, move |event| {
                matches!(event, Event::SignalReceived { payload, .. } if payload["name"] == name.as_str())
            })
        })
        .await;
    }

    async fn pause_and_resume(self, run: RunId) {
        let mut dice = self.people.seed.dice("pause");
        let (happens, after, pause) =
            (dice.percent(20), dice.between_ms(50, 15_000), dice.between_ms(100, 30_000));
        if !happens {
            return;
        }
        let tenant = TenantId::default();
        self.deed("pause".to_owned(), after, async || {
            let paused = self.engine.pause(&tenant, run, Some("ann".to_owned()), None).await;
            controlled(run, paused, |event| matches!(event, Event::RunPaused { .. }))
        })
        .await;
        self.deed("resume".to_owned(), pause, async || {
            let resumed = self.engine.resume(&tenant, run, Some("ann".to_owned())).await;
            controlled(run, resumed, |event| matches!(event, Event::RunResumed { .. }))
        })
        .await;
    }

    async fn cancel(self, run: RunId) {
        let mut dice = self.people.seed.dice("cancel");
        let (happens, after) = (dice.percent(12), dice.between_ms(50, 30_000));
        let grace = dice.pick(&[(1, Duration::ZERO), (1, Duration::from_secs(3))]);
        let compensate = dice.percent(50);
        if !happens {
            return;
        }
        self.deed("cancel".to_owned(), after, async || {
            let wish = Cancel { reason: Some("cancel".to_owned()), grace, compensate, by: None };
            match self.engine.cancel(&TenantId::default(), run, wish).await {
                Ok(CancelOutcome::Cancelled) => Outcome::Acknowledged(
                    run,
                    Box::new(|event| {
                        matches!(event, Event::RunEnded { outcome: RunOutcome::Cancelled { .. } })
                    }),
                ),
                Ok(CancelOutcome::Cancelling) => Outcome::Acknowledged(
                    run,
                    Box::new(|event| matches!(event, Event::CancelRequested { .. })),
                ),
                Ok(CancelOutcome::AlreadyEnded(_)) => Outcome::Moot,
                Ok(CancelOutcome::Unknown) => {
                    self.accuse("a run that is on the disk is unknown".to_owned());
                    Outcome::Moot
                }
                Err(error) => Outcome::Failed(error),
            }
        })
        .await;
    }

    /// Once, and not of every run that failed.
    async fn reopen(self, run: RunId) {
        let mut dice = self.people.seed.dice("reopen");
        let (happens, after) = (dice.percent(40), dice.between_ms(500, 8_000));
        let from = dice.pick(&[(3, ReopenFrom::Failed), (1, ReopenFrom::Start)]);
        if !happens {
            return;
        }
        self.deed("reopen".to_owned(), after, async || {
            let wish = Reopen { from: from.clone(), edits: Default::default(), by: "ann".to_owned() };
            match self.engine.reopen(&TenantId::default(), run, wish).await {
                Ok(_) => Outcome::Acknowledged(
                    run,
                    Box::new(|event| matches!(event, Event::RunReopened { by: Some(by), .. } if by == "ann")),
                ),
                Err(
                    ReopenError::NotEnded { .. }
                    | ReopenError::NothingFailed { .. }
                    | ReopenError::NotUndone { .. },
                ) => Outcome::Moot,
                Err(ReopenError::Engine(error)) => Outcome::Failed(error),
                Err(other) => {
                    self.accuse(format!("a run does not go on: {other}"));
                    Outcome::Moot
                }
            }
        })
        .await;
    }

    async fn call_back(self, job: Job) {
        let tenant = TenantId::default();
        let name = format!("call back {}", job.token);
        if self.people.is_done(&name) {
            return;
        }
        self.deed(name, job.takes, async || {
            match self.engine.call_back(&tenant, &job.token, job.result.clone()).await {
                Ok((run, _)) => {
                    match self.engine.call_back(&tenant, &job.token, json!({})).await {
                        Err(
                            CallbackError::Used
                            | CallbackError::Closed
                            | CallbackError::Expired { .. }
                            | CallbackError::Engine(_),
                        ) => {}
                        other => self.accuse(format!("a second call back was answered with {other:?}")),
                    }
                    Outcome::Acknowledged(
                        run,
                        Box::new(|event| matches!(event, Event::CallbackReceived { .. })),
                    )
                }
                Err(CallbackError::Engine(error)) => Outcome::Failed(error),
                // An earlier call may have been taken without an answer.
                Err(CallbackError::Used | CallbackError::Closed | CallbackError::Expired { .. }) => {
                    Outcome::Moot
                }
                Err(other) => {
                    self.accuse(format!("a call back was refused: {other}"));
                    Outcome::Moot
                }
            }
        })
        .await;
    }
}

fn dice_of(seed: Seed, seq: u64) -> bool {
    seed.dice(("eve", seq)).percent(25)
}

fn controlled(
    run: RunId,
    done: Result<RunStatus, ControlError>,
    is_it: impl Fn(&Event) -> bool + Send + Sync + 'static,
) -> Outcome {
    match done {
        Ok(_) => Outcome::Acknowledged(run, Box::new(is_it)),
        Err(ControlError::Engine(error)) => Outcome::Failed(error),
        Err(
            ControlError::Ended { .. }
            | ControlError::UnknownRun(_)
            | ControlError::Cancelling(_)
            | ControlError::UnknownSignal { .. }
            | ControlError::TooManySignals { .. },
        ) => Outcome::Moot,
    }
}
