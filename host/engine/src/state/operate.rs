//! State in operators' hands: looked at, mended, removed.

use jiff::Timestamp;
use serde_json::Value;
use stepwell_core::id::{RunId, TenantId, WorkflowName};
use stepwell_core::state::{StateAnswer, StateCall, StateError, StateKey, check_size, version_of};
use stepwell_store::{Mark, MarkKind, StoreError};

use super::{Place, entry_of, has_passed};
use crate::Engine;

/// A value that a workflow keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptState {
    /// Its key.
    pub key: String,
    /// The value.
    pub value: Value,
    /// Differs after each change, and does not come back.
    pub version: u64,
    /// When it was last changed.
    pub changed_at: Option<Timestamp>,
    /// By which run; none: by an operator.
    pub changed_by: Option<RunId>,
    /// When it is forgotten; none: never.
    pub expires_at: Option<Timestamp>,
}

/// A page of what a workflow keeps, by key.
#[derive(Debug, Clone, PartialEq)]
pub struct StatePage {
    /// Those of the page.
    pub values: Vec<KeptState>,
    /// The key to go on behind; none on the last page.
    pub next: Option<String>,
}

/// Why an operator's value is not kept.
#[derive(Debug, thiserror::Error)]
pub enum PutStateError {
    /// It may not be.
    #[error(transparent)]
    Refused(#[from] StateError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// What a workflow keeps under keys that begin so, behind `after`.
    pub async fn state_page(
        &self,
        tenant: &TenantId,
        workflow: &WorkflowName,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<StatePage, StoreError> {
        let place = Place { engine: &self.0, tenant, workflow };
        let (beginning, own) = (place.beginning() + prefix, place.beginning());
        let mut marks = Vec::new();
        if after.is_none() {
            // A page lies behind its key: the one that is the prefix itself would be missed.
            marks.extend(self.0.journal.mark(tenant, MarkKind::State, &beginning).await?);
        }
        let behind = after.map_or_else(|| beginning.clone(), |after| own.clone() + after);
        marks.extend(self.0.journal.marks(tenant, MarkKind::State, Some(&behind), limit).await?);
        marks.retain(|mark| mark.key.starts_with(&beginning));
        let is_full = marks.len() >= limit;
        marks.truncate(limit);
        let next = marks.last().filter(|_| is_full).and_then(|mark| mark.key.strip_prefix(&own));
        let next = next.map(str::to_owned);
        Ok(StatePage { values: marks.iter().filter_map(|mark| shown(&place, mark)).collect(), next })
    }

    /// What a workflow keeps under a key.
    pub async fn state(
        &self,
        tenant: &TenantId,
        workflow: &WorkflowName,
        key: &StateKey,
    ) -> Result<Option<KeptState>, StoreError> {
        let place = Place { engine: &self.0, tenant, workflow };
        let mark = self.0.journal.mark(tenant, MarkKind::State, &place.mark_key(key)).await?;
        Ok(mark.and_then(|mark| shown(&place, &mark)))
    }

    /// Keeps a value for a workflow; it is on disk when this returns.
    pub async fn put_state(
        &self,
        tenant: &TenantId,
        workflow: &WorkflowName,
        key: &StateKey,
        value: Value,
        ttl_ms: Option<u64>,
    ) -> Result<u64, PutStateError> {
        check_size(value.to_string().len())?;
        let call = StateCall::Set { key: key.clone(), value, ttl_ms };
        let version = version_of(&uuid::Uuid::now_v7().to_string());
        match self.operate(tenant, workflow, call, version).await? {
            StateAnswer::Error(error) => Err(error.into()),
            _ => Ok(version),
        }
    }

    /// Forgets a workflow's value for good; whether there was one.
    pub async fn delete_state(
        &self,
        tenant: &TenantId,
        workflow: &WorkflowName,
        key: &StateKey,
    ) -> Result<bool, StoreError> {
        let answer = self.operate(tenant, workflow, StateCall::Delete { key: key.clone() }, 0).await?;
        Ok(answer == StateAnswer::Deleted(true))
    }

    async fn operate(
        &self,
        tenant: &TenantId,
        workflow: &WorkflowName,
        call: StateCall,
        version: u64,
    ) -> Result<StateAnswer, StoreError> {
        let place = Place { engine: &self.0, tenant, workflow };
        let turn = self.0.states.of(tenant, workflow);
        let mut count = turn.lock().await;
        let (answer, change) = place.decide(call, version, None, &mut count).await?;
        let ticket = change.map(|change| self.0.journal.note(tenant, vec![change]));
        // The others need not wait for the disk.
        drop(count);
        if let Some(ticket) = ticket {
            ticket.durable().await?;
        }
        Ok(answer)
    }
}

fn shown(place: &Place<'_>, mark: &Mark) -> Option<KeptState> {
    if has_passed(mark) {
        return None;
    }
    let entry = entry_of(mark)?;
    let text = |name: &str| mark.body.get(name).and_then(Value::as_str);
    Some(KeptState {
        key: mark.key.strip_prefix(&place.beginning())?.to_owned(),
        value: entry.value,
        version: entry.version,
        changed_at: text("changed_at").and_then(|at| at.parse().ok()),
        changed_by: text("changed_by").and_then(|run| run.parse().ok()),
        expires_at: mark.due,
    })
}
