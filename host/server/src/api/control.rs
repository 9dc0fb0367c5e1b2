//! What is done to a run: cancel, pause, resume, signal, retry.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use stepwell_core::id::{NodeId, RunId};
use stepwell_core::run::{ReopenFrom, RunStatus};
use stepwell_engine::{Cancel, CancelOutcome, Reopen};

use super::App;
use super::extract::{Caller, Json, NoParameters, Path, Query};
use super::start::RunAnswer;
use crate::problem::{Place, Problem};

/// The longest grace, in seconds: a day.
const MAX_GRACE: u64 = 24 * 60 * 60;

/// How a run is cancelled.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CancelBody {
    /// In your words; the journal keeps it.
    reason: Option<String>,
    /// What is in flight may go on so many seconds; none: it is dropped.
    grace_seconds: u64,
    /// Whether what succeeded is undone, where its node says how (`compensate`).
    compensate: bool,
}

/// Why a run is paused.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PauseBody {
    /// In your words; the journal keeps it.
    reason: Option<String>,
}

/// A signal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignalBody {
    /// Its name, which a node with `wait` names too.
    name: String,
    /// What comes with it: the node's output.
    #[serde(default)]
    payload: Value,
}

/// From where a run goes on.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RetryBody {
    /// `failed` (what failed, was cancelled or was undone), `start`, or a node: it and all behind it.
    from: Option<String>,
    /// `pinned`: the version that the run has. `latest`: a new run from the start, with the version that new runs get.
    on: Option<RetryOn>,
}

/// With which version of the workflow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RetryOn {
    /// The one that the run has.
    #[default]
    Pinned,
    /// The one that new runs get.
    Latest,
}

/// Cancel a run.
///
/// Without grace and compensation the answer comes once the run's end is on disk, as a 200. With them it comes once the wish is, as a 202,
/// and so it does where an earlier wish wants compensation, or the end takes longer than ten seconds. Of several wishes the shortest
/// grace counts, compensation if anybody wants it, and the latest reason: `cancelling` of the run says what is under way. A paused run goes
/// on to be cancelled. A run that was cancelled before stays so, and that is a 200.
#[utoipa::path(
    post, path = "/v1/runs/{id}/cancel", tag = "runs",
    params(("id" = Uuid, Path)),
    request_body = Option<CancelBody>,
    responses(
        (status = 200, body = RunAnswer, description = "Cancelled"),
        (status = 202, body = RunAnswer, description = "It will be, after grace and compensation"),
        Problem,
    ),
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(run): Path<RunId>,
    Query(NoParameters {}): Query<NoParameters>,
    body: Option<Json<CancelBody>>,
) -> Result<Response, Problem> {
    let CancelBody { reason, grace_seconds, compensate } = body.map(|Json(body)| body).unwrap_or_default();
    if grace_seconds > MAX_GRACE {
        let message = format!("`grace_seconds` is {MAX_GRACE} at most");
        return Err(Problem::InvalidRequest { place: Place::Body("/grace_seconds".to_owned()), message });
    }
    let wish = Cancel {
        reason,
        grace: Duration::from_secs(grace_seconds),
        compensate,
        by: Some(caller.name.to_string()),
    };
    let answer = |status: RunStatus| axum::Json(RunAnswer::bare(run, status));
    match app.engine.cancel(&caller.tenant, run, wish).await? {
        CancelOutcome::Cancelled | CancelOutcome::AlreadyEnded(RunStatus::Cancelled) => {
            Ok(answer(RunStatus::Cancelled).into_response())
        }
        CancelOutcome::Cancelling => Ok((StatusCode::ACCEPTED, answer(RunStatus::Running)).into_response()),
        CancelOutcome::AlreadyEnded(status) => Err(Problem::RunEnded { run, status }),
        CancelOutcome::Unknown => Err(Problem::UnknownRun(run)),
    }
}

/// Pause a run.
///
/// What is in flight ends, and nothing starts until the run is resumed. Times that come meanwhile are made up for then. A run that is being
/// cancelled cannot be paused. The answer comes once that is on disk.
#[utoipa::path(
    post, path = "/v1/runs/{id}/pause", tag = "runs",
    params(("id" = Uuid, Path)),
    request_body = Option<PauseBody>,
    responses(
        (status = 200, body = RunAnswer),
        Problem,
    ),
)]
pub(crate) async fn pause(
    State(app): State<App>,
    caller: Caller,
    Path(run): Path<RunId>,
    Query(NoParameters {}): Query<NoParameters>,
    body: Option<Json<PauseBody>>,
) -> Result<axum::Json<RunAnswer>, Problem> {
    let reason = body.and_then(|Json(body)| body.reason);
    let status = app.engine.pause(&caller.tenant, run, Some(caller.name.to_string()), reason).await?;
    Ok(axum::Json(RunAnswer::bare(run, status)))
}

/// Resume a paused run.
#[utoipa::path(
    post, path = "/v1/runs/{id}/resume", tag = "runs",
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = RunAnswer),
        Problem,
    ),
)]
pub(crate) async fn resume(
    State(app): State<App>,
    caller: Caller,
    Path(run): Path<RunId>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<axum::Json<RunAnswer>, Problem> {
    let status = app.engine.resume(&caller.tenant, run, Some(caller.name.to_string())).await?;
    Ok(axum::Json(RunAnswer::bare(run, status)))
}

/// Send a run a signal.
///
/// A node with `{"wait": {"signal": NAME}}` goes on with it. A signal that no node waits for yet is kept until one does; one that no node of
/// the workflow ever waits for is refused. The answer comes once the signal is on disk.
#[utoipa::path(
    post, path = "/v1/runs/{id}/signals", tag = "runs",
    params(("id" = Uuid, Path)),
    request_body = SignalBody,
    responses(
        (status = 202, body = RunAnswer),
        Problem,
    ),
)]
pub(crate) async fn signal(
    State(app): State<App>,
    caller: Caller,
    Path(run): Path<RunId>,
    Query(NoParameters {}): Query<NoParameters>,
    Json(SignalBody { name, payload }): Json<SignalBody>,
) -> Result<Response, Problem> {
    if name.is_empty() {
        let message = "`name` is empty: say which signal it is, as a node with `wait` does".to_owned();
        return Err(Problem::InvalidRequest { place: Place::Body("/name".to_owned()), message });
    }
    let by = Some(caller.name.to_string());
    let status = app.engine.signal(&caller.tenant, run, &name, payload, by).await?;
    let answer = RunAnswer::bare(run, status);
    Ok((StatusCode::ACCEPTED, axum::Json(answer)).into_response())
}

/// Let a run that has ended go on.
///
/// From what failed unless `from` says otherwise. `on: latest` starts a new run with the same input instead. The answer comes once that
/// is on disk.
#[utoipa::path(
    post, path = "/v1/runs/{id}/retry", tag = "runs",
    params(("id" = Uuid, Path)),
    request_body = Option<RetryBody>,
    responses(
        (status = 202, body = RunAnswer, description = "The run goes on, or a new one was started"),
        Problem,
    ),
)]
pub(crate) async fn retry(
    State(app): State<App>,
    caller: Caller,
    Path(run): Path<RunId>,
    Query(NoParameters {}): Query<NoParameters>,
    body: Option<Json<RetryBody>>,
) -> Result<Response, Problem> {
    let RetryBody { from, on } = body.map(|Json(body)| body).unwrap_or_default();
    let (run, status) = match on.unwrap_or_default() {
        RetryOn::Pinned => {
            let from = read_from(from.as_deref().unwrap_or("failed"))?;
            let wish = Reopen { from, edits: Default::default(), by: caller.name.to_string() };
            (run, app.engine.reopen(&caller.tenant, run, wish).await?)
        }
        RetryOn::Latest if from.as_deref().is_some_and(|from| from != "start") => {
            let message = "another version goes on from the start alone: `\"from\": \"start\"`".to_owned();
            return Err(Problem::InvalidRequest { place: Place::Body("/from".to_owned()), message });
        }
        RetryOn::Latest => {
            let started = app.engine.run_again(&caller.tenant, run).await?;
            (started.run, started.status)
        }
    };
    Ok((StatusCode::ACCEPTED, axum::Json(RunAnswer::bare(run, status))).into_response())
}

fn read_from(from: &str) -> Result<ReopenFrom, Problem> {
    match from {
        "failed" => Ok(ReopenFrom::Failed),
        "start" => Ok(ReopenFrom::Start),
        node => NodeId::new(node).map(ReopenFrom::Node).map_err(|invalid| Problem::InvalidRequest {
            place: Place::Body("/from".to_owned()),
            message: format!("`from` is `failed`, `start` or a node: {invalid}"),
        }),
    }
}
