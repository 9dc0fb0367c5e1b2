//! What workflows keep from run to run: read and changed by attempts, as effects, and by operators.
//!
//! A value is a mark, and is written in the same batch as the event that tells of its change. Changes to one workflow's state are made
//! one after the other: each reads what is kept, decides, records, and hands over to the journal before the next one reads; and the
//! journal shows what was handed over. What was read may not be on disk yet; but batches reach the disk in their order, so nothing that follows
//! from it can get there first.

mod operate;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use stepwell_core::effect::{Effect, EffectAsked};
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::id::{RunId, TenantId, WorkflowName};
use stepwell_core::run::Event;
use stepwell_core::state::{StateAnswer, StateCall, StateChange, StateEntry, StateError, StateKey};
use stepwell_store::{Mark, MarkChange, MarkKind, StoreError};

use crate::attempt::internal;
use crate::ledger::Happened;
use crate::live::{Interjected, LiveRun, lock};
use crate::{Shared, clock};

pub use operate::{KeptState, PutStateError, StatePage};

/// Marks that are read at once.
const PAGE: usize = 500;

/// Held while a workflow's state is changed.
type Turn = Arc<tokio::sync::Mutex<Count>>;

/// Every workflow's turn to change its state.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<(TenantId, WorkflowName), Turn>>);

/// How many keys a workflow has; none before somebody counted. Some may have passed since: it is never less than there are.
#[derive(Debug, Default)]
struct Count(Option<usize>);

impl Turns {
    fn of(&self, tenant: &TenantId, workflow: &WorkflowName) -> Turn {
        Arc::clone(lock(&self.0).entry((tenant.clone(), workflow.clone())).or_default())
    }
}

/// One workflow's state.
#[derive(Clone, Copy)]
struct Place<'a> {
    engine: &'a Shared,
    tenant: &'a TenantId,
    workflow: &'a WorkflowName,
}

/// Answers an effect, and records it with what it changes. `version` is that of the value that it keeps, if it keeps one.
pub(crate) async fn answer(
    engine: &Shared,
    run: &LiveRun,
    call: StateCall,
    effect: EffectAsked,
    (version, event): (u64, impl FnOnce(Effect) -> Event),
) -> Result<Effect, Failure> {
    let place = Place { engine, tenant: &run.tenant, workflow: &run.plan.name };
    let turn = engine.states.of(place.tenant, place.workflow);
    let mut count = turn.lock().await;
    let decided = place.decide(call, version, Some(run.id), &mut count).await;
    let (answer, change) = decided.map_err(|error| internal(format!("the state cannot be read: {error}")))?;
    let effect = effect.answered(json!(answer));
    let happened = Happened { event: event(effect.clone()), marks: change.into_iter().collect() };
    match run.interject(happened) {
        Ok(Interjected::Yes) => Ok(effect),
        Ok(Interjected::Ended | Interjected::Left) => {
            Err(Failure::new(FailureKind::Cancelled, "the run has ended"))
        }
        Err(error) => Err(internal(format!("an answer of the state does not follow from what was: {error}"))),
    }
}

impl Place<'_> {
    /// What comes of a call as things stand. Whoever asks has the workflow's turn until the change is with the journal.
    async fn decide(
        &self,
        call: StateCall,
        version: u64,
        by: Option<RunId>,
        count: &mut Count,
    ) -> Result<(StateAnswer, Option<MarkChange>), StoreError> {
        let key = call.key().clone();
        let mark = self.engine.journal.mark(self.tenant, MarkKind::State, &self.mark_key(&key)).await?;
        let kept = mark.as_ref().filter(|mark| !has_passed(mark)).and_then(entry_of);
        let is_new = kept.is_none();
        let (answer, change) = call.decide(kept, version);
        match change {
            None => Ok((answer, None)),
            Some(StateChange::Forget) => {
                count.0 = count.0.map(|keys| keys.saturating_sub(1));
                Ok((answer, Some(MarkChange::Remove { kind: MarkKind::State, key: self.mark_key(&key) })))
            }
            Some(StateChange::Keep { entry, ttl_ms }) => {
                if is_new && let Some(full) = self.take_place(count).await? {
                    return Ok((StateAnswer::Error(full), None));
                }
                Ok((answer, Some(MarkChange::Put(self.mark(&key, &entry, ttl_ms, by)))))
            }
        }
    }

    /// One key more, if there may be one.
    async fn take_place(&self, count: &mut Count) -> Result<Option<StateError>, StoreError> {
        let most = self.engine.config.max_state_keys;
        // Some of those that were counted may have passed.
        let known = count.0.filter(|keys| *keys < most);
        let keys = match known {
            Some(keys) => keys,
            None => self.count().await?,
        };
        count.0 = Some(keys.saturating_add(1).min(most));
        let full = || {
            StateError::TooLarge(format!(
                "the workflow `{}` keeps {most} keys already, and may keep no more: delete some, keep them for a time alone, or raise \
                 `engine.max_state_keys` in the server's configuration",
                self.workflow
            ))
        };
        Ok((keys >= most).then(full))
    }

    async fn count(&self) -> Result<usize, StoreError> {
        let mut keys = 0;
        let mut after = self.beginning();
        loop {
            let page = self.engine.journal.marks(self.tenant, MarkKind::State, Some(&after), PAGE).await?;
            let own: Vec<_> = page.iter().filter(|mark| mark.key.starts_with(&self.beginning())).collect();
            keys += own.iter().filter(|mark| !has_passed(mark)).count();
            match page.last() {
                Some(last) if own.len() == PAGE => after.clone_from(&last.key),
                _ => return Ok(keys),
            }
        }
    }

    fn mark(&self, key: &StateKey, entry: &StateEntry, ttl_ms: Option<u64>, by: Option<RunId>) -> Mark {
        Mark {
            kind: MarkKind::State,
            key: self.mark_key(key),
            // What a run has kept outlives it.
            run: None,
            due: ttl_ms.map(|ms| {
                let ttl = SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
                clock::now().saturating_add(ttl).unwrap_or(Timestamp::MAX)
            }),
            body: json!({
                "value": entry.value, "version": entry.version, "changed_at": clock::now(), "changed_by": by,
            }),
        }
    }

    fn mark_key(&self, key: &StateKey) -> String {
        self.beginning() + key.as_str()
    }

    /// Of the keys of all its marks. No workflow's name holds a `/`.
    fn beginning(&self) -> String {
        format!("{}/", self.workflow)
    }
}

/// A mark in which a workflow keeps a value from the beginning: for tests of workflows.
#[must_use]
pub fn state_mark(workflow: &WorkflowName, key: &StateKey, value: &Value) -> Mark {
    Mark {
        kind: MarkKind::State,
        key: format!("{workflow}/{key}"),
        run: None,
        due: None,
        body: json!({
            "value": value, "version": stepwell_core::state::version_of(key.as_str()), "changed_at": clock::now(), "changed_by": null,
        }),
    }
}

fn has_passed(mark: &Mark) -> bool {
    mark.due.is_some_and(|due| due <= clock::now())
}

fn entry_of(mark: &Mark) -> Option<StateEntry> {
    Some(StateEntry { value: mark.body.get("value")?.clone(), version: mark.body.get("version")?.as_u64()? })
}
