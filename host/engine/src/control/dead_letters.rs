//! What failed for good: kept until somebody tries it again or lets it be.

use std::collections::BTreeMap;

use stepwell_core::id::{NodeId, Part, RunId, TenantId};
use stepwell_core::run::{Edit, Event, ReopenFrom, RunStatus};
use stepwell_store::{Mark, MarkKind};

use super::reopen::{Reopen, ReopenError};
use crate::{Engine, EngineError, marks};

/// Why nothing was done about a dead letter.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// There is none of this name.
    #[error("there is no dead letter `{0}`: it was retried or discarded, or never was")]
    Unknown(String),
    /// The run does not go on.
    #[error(transparent)]
    Reopen(#[from] ReopenError),
    /// The engine cannot do it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Engine {
    /// A page of the dead letters, by their names, behind one.
    pub async fn dead_letters(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Mark>, EngineError> {
        Ok(self.0.journal.marks(tenant, MarkKind::DeadLetter, after, limit).await?)
    }

    /// One dead letter, and what it is about.
    pub async fn dead_letter(
        &self,
        tenant: &TenantId,
        id: &str,
    ) -> Result<(Mark, RunId, NodeId, Part), DeadLetterError> {
        let unknown = || DeadLetterError::Unknown(id.to_owned());
        let mark = self.0.journal.mark(tenant, MarkKind::DeadLetter, id).await.map_err(EngineError::from)?;
        let mark = mark.ok_or_else(unknown)?;
        let run = mark.run.ok_or_else(unknown)?;
        let node = serde_json::from_value(mark.body["node"].clone()).map_err(|_| unknown())?;
        let part = serde_json::from_value(mark.body["part"].clone()).map_err(|_| unknown())?;
        debug_assert_eq!(id, marks::dead_letter_key(run, &node, part));
        Ok((mark, run, node, part))
    }

    /// Tries it again, with another input or config if that is wanted; gives its run, and how that stands.
    pub async fn retry_dead_letter(
        &self,
        tenant: &TenantId,
        id: &str,
        edit: Edit,
        by: String,
    ) -> Result<(RunId, RunStatus), DeadLetterError> {
        let (_, run, node, part) = self.dead_letter(tenant, id).await?;
        let from = match part {
            Part::Compensation => ReopenFrom::Compensation(node.clone()),
            Part::Whole | Part::Item(_) => ReopenFrom::Failed,
        };
        let edits = if edit == Edit::default() { BTreeMap::new() } else { BTreeMap::from([(node, edit)]) };
        let status = self.reopen(tenant, run, Reopen { from, edits, by }).await?;
        Ok((run, status))
    }

    /// Lets it be; the journal keeps who and why.
    pub async fn discard_dead_letter(
        &self,
        tenant: &TenantId,
        id: &str,
        reason: String,
        by: Option<String>,
    ) -> Result<(), DeadLetterError> {
        let (_, run, node, part) = self.dead_letter(tenant, id).await?;
        let event = Event::DeadLetterDiscarded { node: node.clone(), part, reason, by };
        self.change_ended(tenant, run, |state| {
            if state.dead_letters().contains(&(node.clone(), part)) {
                return Ok(event.clone());
            }
            Err(ReopenError::NothingFailed { run })
        })
        .await?;
        Ok(())
    }
}
