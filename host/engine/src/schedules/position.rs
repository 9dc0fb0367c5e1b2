//! Where a schedule stands, as the journal keeps it: a mark under the workflow's name and the trigger's place.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use stepwell_core::id::{RunId, TenantId, WorkflowName};
use stepwell_core::plan::CronTrigger;
use stepwell_store::{Journal, Mark, MarkChange, MarkKind, StoreError};

use super::Scheduled;

/// Where a schedule stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    /// Every fire up to here is dealt with.
    pub(super) at: Timestamp,
    /// The run that it started last.
    pub(super) run: Option<RunId>,
    /// Fires that wait for that run's end.
    pub(super) queued: VecDeque<Timestamp>,
}

/// A mark's body. The run stands here and not in the mark's own field: a mark goes with the run that it names there, and this one must
/// outlive all of its runs.
#[derive(Serialize, Deserialize)]
struct Body {
    schedule: String,
    zone: String,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<RunId>,
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    queued: VecDeque<Timestamp>,
}

impl Position {
    /// That of a schedule which counts from now.
    pub(super) fn starting(now: Timestamp) -> Self {
        Self { at: now, run: None, queued: VecDeque::new() }
    }
}

impl Scheduled {
    /// The mark that says where it stands.
    pub(super) fn mark(&self) -> Mark {
        self.mark_at(&self.position)
    }

    /// The mark that says that it stands there.
    pub(super) fn mark_at(&self, position: &Position) -> Mark {
        let Position { at, run, queued } = position.clone();
        let schedule = &self.trigger.timetable.schedule;
        let body = Body {
            schedule: schedule.line.source().to_owned(),
            zone: schedule.zone.name().to_owned(),
            at,
            run,
            queued,
        };
        #[expect(clippy::expect_used, reason = "an invariant")]
        let body = serde_json::to_value(body).expect("texts, times and ids are JSON");
        Mark { kind: MarkKind::Cron, key: key(&self.workflow, self.index), run: None, due: None, body }
    }

    pub(super) fn removed(&self) -> MarkChange {
        MarkChange::Remove { kind: MarkKind::Cron, key: key(&self.workflow, self.index) }
    }
}

/// Where a trigger's schedule stood. None: it is not known, or was that of another schedule.
pub(super) async fn read(
    journal: &dyn Journal,
    tenant: &TenantId,
    workflow: &WorkflowName,
    index: usize,
    trigger: &CronTrigger,
) -> Result<Option<Position>, StoreError> {
    let Some(mark) = journal.mark(tenant, MarkKind::Cron, &key(workflow, index)).await? else {
        return Ok(None);
    };
    match serde_json::from_value::<Body>(mark.body) {
        Ok(body) => {
            let schedule = &trigger.timetable.schedule;
            let same = body.schedule == schedule.line.source() && body.zone == schedule.zone.name();
            Ok(same.then_some(Position { at: body.at, run: body.run, queued: body.queued }))
        }
        Err(error) => {
            tracing::error!(%workflow, trigger = index, %error, "where a schedule stood cannot be read: it counts from now");
            Ok(None)
        }
    }
}

fn key(workflow: &WorkflowName, index: usize) -> String {
    format!("{workflow}/{index}")
}
