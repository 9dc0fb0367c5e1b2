//! `/v1/runs`: looking at runs.

use axum::extract::State;
use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use stepwell_core::id::{RunId, WorkflowName};
use stepwell_core::run::{Entry, RunStatus, RunView};
use stepwell_store::{Cursor, RunPage, RunQuery, RunSummary};

use super::App;
use super::cursor;
use super::extract::{Caller, NoParameters, Path, Query};
use crate::problem::Problem;

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichRuns {
    /// Of this workflow alone.
    workflow: Option<WorkflowName>,
    /// With this status alone.
    status: Option<RunStatus>,
    /// At most so many: 1 to 500, 50 if it is left out.
    limit: Option<usize>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A run's line in the list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunLine {
    id: RunId,
    workflow: WorkflowName,
    #[schema(value_type = String)]
    version: Version,
    status: RunStatus,
    accepted_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
}

impl From<RunSummary> for RunLine {
    fn from(of: RunSummary) -> Self {
        let RunSummary { id, workflow, version, status, accepted_at, ended_at } = of;
        Self { id, workflow, version, status, accepted_at, ended_at }
    }
}

/// A page of runs, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunList {
    runs: Vec<RunLine>,
    /// The `cursor` of the next page; none on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl From<RunPage> for RunList {
    fn from(page: RunPage) -> Self {
        Self {
            runs: page.runs.into_iter().map(RunLine::from).collect(),
            next_cursor: page.next.map(|Cursor(RunId(last))| cursor::encode(last.as_u128())),
        }
    }
}

/// Which part of a journal.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichEntries {
    /// At most so many: 1 to 500, 50 if it is left out.
    limit: Option<usize>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of a run's journal, oldest entry first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JournalPage {
    entries: Vec<Entry>,
    /// The `cursor` of the next page; none on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// List the runs.
#[utoipa::path(
    get, path = "/v1/runs", tag = "runs",
    params(WhichRuns),
    responses(
        (status = 200, body = RunList),
        Problem,
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(which): Query<WhichRuns>,
) -> Result<axum::Json<RunList>, Problem> {
    let after = which.cursor.as_deref().map(cursor::decode).transpose()?;
    let query = RunQuery {
        workflow: which.workflow,
        status: which.status,
        limit: cursor::limit(which.limit)?,
        cursor: after.map(|last| Cursor(RunId(Uuid::from_u128(last)))),
    };
    let page = app.engine.journal().list(&caller.tenant, query).await?;
    Ok(axum::Json(page.into()))
}

/// Look at a run.
#[utoipa::path(
    get, path = "/v1/runs/{id}", tag = "runs",
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = RunView),
        Problem,
    ),
)]
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(run): Path<RunId>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<axum::Json<RunView>, Problem> {
    let view = app.engine.run(&caller.tenant, run).await?;
    view.map(axum::Json).ok_or(Problem::UnknownRun(run))
}

/// Read a run's journal.
#[utoipa::path(
    get, path = "/v1/runs/{id}/journal", tag = "runs",
    params(("id" = Uuid, Path), WhichEntries),
    responses(
        (status = 200, body = JournalPage),
        Problem,
    ),
)]
pub(crate) async fn journal(
    State(app): State<App>,
    caller: Caller,
    Path(run): Path<RunId>,
    Query(which): Query<WhichEntries>,
) -> Result<axum::Json<JournalPage>, Problem> {
    let limit = cursor::limit(which.limit)?;
    let from = which.cursor.as_deref().map(cursor::decode).transpose()?.unwrap_or_default();
    let from = u64::try_from(from).unwrap_or(u64::MAX);
    let journal = app.engine.journal();
    if journal.summary(&caller.tenant, run).await?.is_none() {
        return Err(Problem::UnknownRun(run));
    }
    let entries = journal.read(&caller.tenant, run, from, limit).await?;
    let next_cursor = entries
        .last()
        .filter(|_| entries.len() == limit)
        .map(|last| cursor::encode(u128::from(last.seq) + 1));
    Ok(axum::Json(JournalPage { entries, next_cursor }))
}
