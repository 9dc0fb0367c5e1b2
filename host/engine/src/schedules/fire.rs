//! What one schedule does when there is something to do: it starts runs, as its policies say.

use jiff::{SignedDuration, Timestamp};
use stepwell_core::id::RunId;
use stepwell_core::plan::Overlap;
use stepwell_core::run::Trigger;
use stepwell_store::{MarkChange, StoreError};

use super::Scheduled;
use super::position::Position;
use crate::meters::Fire;
use crate::start::Once;
use crate::{Engine, StartError, StartRequest};

/// The most fires that wait for a run's end.
const MOST_QUEUED: usize = 1_000;

/// After a start that could not be made, and between looks at a run that others wait for.
const PAUSE: SignedDuration = SignedDuration::from_secs(1);

/// The fire cannot be dealt with now.
enum Stuck {
    Start(StartError),
    Store(StoreError),
}

impl Scheduled {
    /// Whether there is nothing to do.
    pub(super) fn is_quiet(&self, now: Timestamp) -> bool {
        self.position.at <= now && self.wake_at.is_none_or(|at| at > now) && self.position.queued.is_empty()
    }

    /// When to look at it again.
    pub(super) fn look_again(&self, now: Timestamp) -> Option<Timestamp> {
        let soon = now.saturating_add(PAUSE).unwrap_or(Timestamp::MAX);
        if self.stuck {
            return Some(soon);
        }
        match self.position.queued.is_empty() {
            true => self.wake_at,
            false => Some(self.wake_at.map_or(soon, |at| at.min(soon))),
        }
    }

    /// Deals with what is due.
    pub(super) async fn look(&mut self, engine: &Engine, now: Timestamp) {
        match self.deal(engine, now).await {
            Ok(()) => self.stuck = false,
            Err(stuck) => self.complain(&stuck),
        }
        self.wake_at = self.trigger.timetable.next_start(&self.workflow, self.position.at);
    }

    async fn deal(&mut self, engine: &Engine, now: Timestamp) -> Result<(), Stuck> {
        self.drain(engine).await?;
        let due = self.trigger.timetable.due(&self.workflow, self.position.at, now);
        if due.set_back {
            tracing::warn!(workflow = %self.workflow, trigger = self.index, stood = %self.position.at,
                "the clock was put back by more than a day: the schedule counts from now");
        }
        // A start that is tried again finds the same fires missed.
        if due.passed_over && !self.stuck {
            tracing::warn!(workflow = %self.workflow, trigger = self.index, since = %self.position.at,
                "fires were missed, and start nothing");
            engine.0.meters.fired(Fire::Missed);
        }
        for (index, fire) in due.fires.into_iter().enumerate() {
            self.fire(engine, fire, index < due.late).await?;
        }
        if self.position.at != due.position {
            self.stand(engine, Position { at: due.position, ..self.position.clone() }).await?;
        }
        Ok(())
    }

    /// A fire that was missed and is to have its run does not lose it to the run of the one before, which is late as well: it waits.
    async fn fire(&mut self, engine: &Engine, fire: Timestamp, is_late: bool) -> Result<(), Stuck> {
        let dealt_with = Position { at: fire, ..self.position.clone() };
        let held_up = match self.trigger.overlap {
            Overlap::Allow => false,
            Overlap::Skip | Overlap::Queue => {
                !self.position.queued.is_empty() || self.is_running(engine).await?
            }
        };
        if !held_up {
            return self.start(engine, fire, dealt_with).await;
        }
        let mut then = dealt_with;
        let waits = self.trigger.overlap == Overlap::Queue || is_late;
        let is_queued = waits && then.queued.len() < MOST_QUEUED;
        if is_queued {
            then.queued.push_back(fire);
        }
        engine.0.meters.fired(if is_queued { Fire::Queued } else { Fire::Skipped });
        tracing::info!(workflow = %self.workflow, trigger = self.index, %fire, is_queued, "the run before goes on");
        self.stand(engine, then).await
    }

    /// Starts what waited for the run before, if that has ended.
    async fn drain(&mut self, engine: &Engine) -> Result<(), Stuck> {
        while let Some(fire) = self.position.queued.front().copied() {
            if self.is_running(engine).await? {
                return Ok(());
            }
            let mut then = self.position.clone();
            then.queued.pop_front();
            self.start(engine, fire, then).await?;
        }
        Ok(())
    }

    /// Whether the run that it started last goes on.
    async fn is_running(&self, engine: &Engine) -> Result<bool, Stuck> {
        let Some(run) = self.position.run else { return Ok(false) };
        let summary = engine.0.journal.summary(&self.tenant, run).await.map_err(Stuck::Store)?;
        Ok(summary.is_some_and(|summary| !summary.status.is_final()))
    }

    /// Starts a fire's run; in one step with its acceptance, the schedule stands where it then stands.
    async fn start(&mut self, engine: &Engine, fire: Timestamp, then: Position) -> Result<(), Stuck> {
        let at = |run: RunId| Position { run: Some(run), ..then.clone() };
        let request = StartRequest {
            tenant: self.tenant.clone(),
            workflow: self.workflow.clone(),
            version: None,
            input: serde_json::Value::clone(&self.trigger.input),
            trigger: Trigger::Cron {
                schedule: self.trigger.timetable.schedule.line.source().to_owned(),
                at: fire,
            },
            traceparent: String::new(),
            idempotency_key: None,
            wait: None,
            start_at: None,
            priority: None,
        };
        let marks = |run| vec![MarkChange::Put(self.mark_at(&at(run)))];
        // No header holds a line feed: no client can make up this key.
        let key = format!("cron\n{}\n{fire}", self.index);
        match engine.start_once(request, Once { key, marks: &marks }).await {
            Ok(started) if !started.existing => {
                engine.0.meters.fired(Fire::Started);
                self.position = at(started.run);
                Ok(())
            }
            // It was started before, by a life that did not come to say where the schedule stands.
            Ok(started) => self.stand(engine, at(started.run)).await,
            Err(StartError::IdempotencyMismatch { run }) => self.stand(engine, at(run)).await,
            Err(error) if error.is_lasting() => {
                tracing::error!(workflow = %self.workflow, trigger = self.index, %fire, %error, "a fire cannot start its run");
                engine.0.meters.fired(Fire::Failed);
                self.stand(engine, then).await
            }
            Err(error) => Err(Stuck::Start(error)),
        }
    }

    /// Moves on without a run.
    async fn stand(&mut self, engine: &Engine, at: Position) -> Result<(), Stuck> {
        let change = MarkChange::Put(self.mark_at(&at));
        self.position = at;
        engine.0.journal.note(&self.tenant, vec![change]).durable().await.map_err(Stuck::Store)
    }

    fn complain(&mut self, stuck: &Stuck) {
        if !std::mem::replace(&mut self.stuck, true) {
            let error: &dyn std::fmt::Display = match stuck {
                Stuck::Start(error) => error,
                Stuck::Store(error) => error,
            };
            tracing::error!(workflow = %self.workflow, trigger = self.index, %error, "a schedule cannot go on; trying again");
        }
    }
}
