//! What runs did with AI, all together: for people who ask where the money goes and how good the answers are.
//!
//! Each run that did anything has a mark that says so (see [`crate::marks`]); runs that were purged are not counted any more.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use stepwell_core::id::{NodeId, RunId, TenantId, WorkflowName};
use stepwell_core::run::{AiWork, NodeAi};
use stepwell_store::{Mark, MarkKind};
use uuid::Uuid;

use crate::{Engine, EngineError};

/// Marks that are read at once.
const PAGE: usize = 500;

/// Which runs to ask about.
#[derive(Debug, Clone, Default)]
pub struct AiQuery {
    /// Of this workflow alone.
    pub workflow: Option<WorkflowName>,
    /// Accepted at this time or later.
    pub from: Option<Timestamp>,
    /// Accepted before this time.
    pub until: Option<Timestamp>,
}

/// What those runs did with AI.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AiReport {
    /// How many of them did anything.
    pub runs: u64,
    /// What they did, by workflow and node.
    pub nodes: BTreeMap<(WorkflowName, NodeId), NodeAi>,
}

/// What a run's mark says.
#[derive(Deserialize)]
struct Marked {
    workflow: WorkflowName,
    nodes: AiWork,
}

impl Engine {
    /// What runs did with AI, all together.
    pub async fn ai_report(&self, tenant: &TenantId, query: &AiQuery) -> Result<AiReport, EngineError> {
        let mut report = AiReport::default();
        // A run's id begins with the time of its acceptance, and so its mark's key does.
        let mut after = query.from.map(before);
        loop {
            let page = self.0.journal.marks(tenant, MarkKind::Ai, after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(report) };
            after = Some(last.key.clone());
            for mark in &page {
                if query.until.is_some_and(|until| mark.run.is_some_and(|run| accepted_at(run) >= until)) {
                    return Ok(report);
                }
                report.add(mark, query.workflow.as_ref());
            }
        }
    }
}

impl AiReport {
    fn add(&mut self, mark: &Mark, wanted: Option<&WorkflowName>) {
        let Marked { workflow, nodes } = match Marked::deserialize(&mark.body) {
            Ok(marked) => marked,
            Err(error) => {
                tracing::error!(key = mark.key, %error, "what a run did with AI cannot be read");
                return;
            }
        };
        if wanted.is_some_and(|wanted| *wanted != workflow) {
            return;
        }
        self.runs += 1;
        for (node, did) in nodes.0 {
            self.nodes.entry((workflow.clone(), node)).or_default().add_all(&did);
        }
    }
}

/// A key before those of all runs that were accepted at this time or later.
fn before(at: Timestamp) -> String {
    let ms = u128::try_from(at.as_millisecond()).unwrap_or(0);
    RunId(Uuid::from_u128(ms << 80)).to_string()
}

fn accepted_at(run: RunId) -> Timestamp {
    let ms = i64::try_from(run.0.as_u128() >> 80).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_in_the_order_of_time() {
        let at = Timestamp::from_millisecond(1_700_000_000_123).unwrap();
        let run = RunId("018bcfe5-687b-7000-8000-000000000000".parse().unwrap());
        assert_eq!(accepted_at(run), at);
        assert!(before(at) < run.to_string());
        let later = Timestamp::from_millisecond(1_700_000_000_124).unwrap();
        assert!(before(later) > run.to_string());
    }
}
