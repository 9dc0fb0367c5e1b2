//! The world outside: services that answer effects, each in its time and by the seed, and that call back once their job is done.
//!
//! It outlives every engine, and notes what must not happen: an effect that is sent before what it depends on is on the disk, and one that
//! is sent again though it was answered and the answer kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use stepwell_core::failure::Failure;
use stepwell_core::id::RunId;
use stepwell_core::run::Event;
use stepwell_sandbox::{EffectStandIn, HttpAnswer, HttpAsked, HttpError, HttpResponse};
use tokio::sync::watch;

use crate::dice::{Dice, Seed};
use crate::disk::{Disk, EffectKey, effect_key};

/// Stands where the network would; the world behind it changes.
#[derive(Debug, Default)]
pub(crate) struct Network(Mutex<Option<Arc<Outside>>>);

impl Network {
    pub(crate) fn lead_to(&self, outside: &Arc<Outside>) {
        *self.0.lock().expect("nobody panics here") = Some(Arc::clone(outside));
    }
}

#[async_trait]
impl EffectStandIn for Network {
    async fn http(&self, asked: HttpAsked<'_>) -> Result<HttpAnswer, Failure> {
        let outside = self.0.lock().expect("nobody panics here").clone();
        outside.expect("there is a world before anything is asked").answer(asked).await
    }
}

/// What one seed's world consists of beside the engine and its disk.
pub(crate) struct Outside {
    seed: Seed,
    state: Mutex<State>,
    /// How many jobs were taken.
    jobs: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    disk: Option<Arc<Disk>>,
    /// The idempotency key under which each effect was sent.
    sent: HashMap<EffectKey, String>,
    jobs: Vec<Job>,
    wrongs: Vec<String>,
}

/// A job that somebody does, and then posts the result to a URL.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) token: String,
    pub(crate) takes: Duration,
    pub(crate) result: Value,
}

impl std::fmt::Debug for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Outside").field(&self.seed).finish()
    }
}

impl Outside {
    pub(crate) fn new(seed: Seed) -> Arc<Self> {
        Arc::new(Self { seed, state: Mutex::default(), jobs: watch::Sender::default() })
    }

    /// From now on what is sent comes from an engine over this disk.
    pub(crate) fn face(&self, disk: &Arc<Disk>) {
        self.state().disk = Some(Arc::clone(disk));
    }

    /// Something happened that must not.
    pub(crate) fn accuse(&self, wrong: impl Into<String>) {
        self.state().wrongs.push(wrong.into());
    }

    pub(crate) fn wrongs(&self) -> Vec<String> {
        self.state().wrongs.clone()
    }

    /// The jobs that were taken so far.
    pub(crate) fn jobs(&self) -> Vec<Job> {
        self.state().jobs.clone()
    }

    /// Returns once more than so many jobs were taken.
    pub(crate) async fn more_jobs(&self, than: usize) {
        self.jobs.subscribe().wait_for(|jobs| *jobs > than).await.expect("the world is here");
    }

    async fn answer(&self, asked: HttpAsked<'_>) -> Result<HttpAnswer, Failure> {
        let disk = self.state().disk.clone().expect("an engine faces the world");
        if disk.is_down() {
            // Whoever asks is dead, and what it sends now was never sent.
            return std::future::pending().await;
        }
        self.judge(&disk, &asked);
        let context = asked.context;
        let about = (
            context.workflow.as_str(),
            context.node.as_str(),
            context.part.to_string(),
            context.attempt.0,
            asked.index,
        );
        let mut dice = self.seed.dice(("answer", about, asked.url.path()));
        tokio::time::sleep(dice.pick(&[
            (8, Duration::from_millis(40)),
            (4, Duration::from_millis(700)),
            (1, Duration::from_secs(12)),
        ]))
        .await;
        if asked.url.host_str() == Some("jobs.example") {
            self.take_job(&asked, &mut dice);
        }
        Ok(outcome(&asked, &mut dice))
    }

    /// Notes what is wrong with a request.
    fn judge(&self, disk: &Disk, asked: &HttpAsked<'_>) {
        let context = asked.context;
        let key = effect_key(context.run, &context.node, context.part, context.attempt, asked.index);
        let started = |event: &Event| {
            matches!(event, Event::AttemptStarted { node, part, attempt, .. }
                if (node, *part, *attempt) == (&context.node, context.part, context.attempt))
        };
        if !disk.keeps(context.run, started) {
            self.accuse(format!("{key:?} was sent before the start of its attempt was on the disk"));
        }
        if disk.told_answer(&key) || answered(disk, context.run, &key) {
            self.accuse(format!("{key:?} was sent again though its answer was kept"));
        }
        let is_over = |event: &Event| matches!(event, Event::RunEnded { .. });
        let goes_on = |event: &Event| matches!(event, Event::RunReopened { .. });
        if disk.keeps(context.run, is_over) && !disk.keeps(context.run, goes_on) {
            self.accuse(format!("{key:?} was sent after the end of its run"));
        }
        let sent_as = asked.headers.iter().find(|(name, _)| *name == "idempotency-key");
        let sent_as = sent_as.map(|(_, value)| (*value).to_owned()).unwrap_or_default();
        let first = self.state().sent.entry(key.clone()).or_insert_with(|| sent_as.clone()).clone();
        if sent_as.is_empty() || first != sent_as {
            self.accuse(format!("{key:?} was sent as `{first}` and then as `{sent_as}`"));
        }
    }

    fn take_job(&self, asked: &HttpAsked<'_>, dice: &mut Dice) {
        let body: Value = serde_json::from_slice(asked.body).unwrap_or_default();
        let url = body["answer_to"].as_str().unwrap_or_default();
        let Some((_, token)) = url.rsplit_once('/') else {
            return self.accuse(format!("a job came without a URL to call back: {body}"));
        };
        let takes = dice.pick(&[
            (6, Duration::from_secs(2)),
            (2, Duration::from_millis(1)),
            (1, Duration::from_secs(60)),
        ]);
        let job = Job { token: token.to_owned(), takes, result: json!({"json": {"go": true}}) };
        let mut state = self.state();
        if state.jobs.iter().all(|known| known.token != job.token) {
            state.jobs.push(job);
        }
        self.jobs.send_replace(state.jobs.len());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with the world in hand")
    }
}

/// Whether the answer of an effect was handed over, and not lost.
fn answered(disk: &Disk, run: RunId, key: &EffectKey) -> bool {
    disk.seen(run).iter().any(|entry| match &entry.event {
        Event::EffectAnswered { node, part, attempt, effect } => {
            effect_key(run, node, *part, *attempt, effect.index) == *key
        }
        _ => false,
    })
}

fn outcome(asked: &HttpAsked<'_>, dice: &mut Dice) -> HttpAnswer {
    let status = dice.pick(&[(80, 200), (7, 429), (7, 500), (2, 404), (4, 0)]);
    if status == 0 {
        return HttpAnswer::Error(HttpError::Connection("the connection was cut".to_owned()));
    }
    let body = json!({"go": dice.percent(80), "path": asked.url.path()});
    HttpAnswer::Ok(HttpResponse {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: Bytes::from(body.to_string()),
        url: asked.url.to_string(),
    })
}
