//! Starting a run: what `POST /v1/workflows/{name}/runs` and the hooks have in common.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::LOCATION;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use stepwell_core::failure::Failure;
use stepwell_core::id::{NodeId, RunId, TenantId, WorkflowName};
use stepwell_core::priority::Priority;
use stepwell_core::run::{RunOutcome, RunStatus, Trigger};
use stepwell_engine::{StartRequest, Started};

use super::App;
use super::edge::Traceparent;
use super::extract::{Caller, Json, NoParameters, Path, Query};
use super::preferences::StartPreferences;
use crate::problem::Problem;

/// On the answer to a start that had been made before, under the same `Idempotency-Key`.
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// What to start a run with.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StartBody {
    /// The run's input; an empty object if it is left out.
    input: Option<Value>,
    /// The workflow's version; if it is left out, the current one, or the canary if that is this run's share.
    #[schema(value_type = Option<String>, example = "1.0.0")]
    version: Option<Version>,
    /// Begin then, and not at once (RFC 3339).
    #[serde(deserialize_with = "read_time")]
    start_at: Option<Timestamp>,
    /// How urgent it is, where not all can run at once; what the workflow says if it is left out.
    priority: Option<Priority>,
}

fn read_time<'de, D: Deserializer<'de>>(time: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(time)? else { return Ok(None) };
    let wrong = |_| {
        let problem = format!("`{text}` is no time in RFC 3339 form, such as `2026-12-24T18:00:00Z`");
        serde::de::Error::custom(problem)
    };
    text.parse().map(Some).map_err(wrong)
}

/// A run that was started, and how it ended if that is known already.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunAnswer {
    /// The run.
    run_id: RunId,
    /// Where it stands.
    status: RunStatus,
    /// Where to look further.
    status_url: String,
    /// The run's output, of one that succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    output: Option<Arc<Value>>,
    /// Why it failed, of one that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    /// The node that failed first, of a run that failed with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_node: Option<NodeId>,
    /// What succeeded, by node, of a run that failed and tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    partial: Option<Arc<Value>>,
}

impl RunAnswer {
    /// A run of which no more is known than where it stands.
    pub(crate) fn bare(run_id: RunId, status: RunStatus) -> Self {
        let status_url = format!("/v1/runs/{run_id}");
        Self { run_id, status, status_url, output: None, failure: None, failed_node: None, partial: None }
    }

    fn ended(run: RunId, outcome: RunOutcome) -> Self {
        let bare = Self::bare(run, outcome.status());
        match outcome {
            RunOutcome::Succeeded { output } => Self { output: Some(output), ..bare },
            RunOutcome::Failed { failure, node, partial } => {
                Self { failure: Some(failure), failed_node: node, partial, ..bare }
            }
            RunOutcome::Cancelled { .. } => bare,
        }
    }
}

/// Start a run.
///
/// With `Prefer: wait=SECONDS` the answer waits for the run's end, and is a 200 if it comes in time. A run that failed
/// is a 200 as well: the call was served, and `status` says what became of the run. With an `Idempotency-Key`, the same
/// start sent again is answered with the run that it started first. Where the workflow bounds how many of its runs are under
/// way at once, the run may be `queued`, or refused with a 429.
#[utoipa::path(
    post, path = "/v1/workflows/{name}/runs", tag = "runs",
    params(
        ("name" = String, Path, description = "The workflow"),
        ("Prefer" = Option<String>, Header, description = "`wait=10`: wait up to ten seconds for the run's end"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters"),
    ),
    request_body = Option<StartBody>,
    responses(
        (status = 200, body = RunAnswer, description = "The run ended in time"),
        (status = 202, body = RunAnswer, description = "The run is accepted, and that is on disk"),
        Problem,
    ),
)]
pub(crate) async fn start(
    State(app): State<App>,
    caller: Caller,
    traceparent: Traceparent,
    preferences: StartPreferences,
    Path(workflow): Path<WorkflowName>,
    Query(NoParameters {}): Query<NoParameters>,
    body: Option<Json<StartBody>>,
) -> Result<Response, Problem> {
    let StartBody { input, version, start_at, priority } = body.map(|Json(body)| body).unwrap_or_default();
    let start = Start {
        tenant: caller.tenant,
        workflow,
        version,
        input,
        start_at,
        priority,
        trigger: Trigger::Api,
        traceparent,
        preferences,
    };
    start.run(&app).await
}

/// A start, whoever asked for it.
pub(crate) struct Start {
    pub(crate) tenant: TenantId,
    pub(crate) workflow: WorkflowName,
    pub(crate) version: Option<Version>,
    pub(crate) input: Option<Value>,
    pub(crate) start_at: Option<Timestamp>,
    pub(crate) priority: Option<Priority>,
    pub(crate) trigger: Trigger,
    pub(crate) traceparent: Traceparent,
    pub(crate) preferences: StartPreferences,
}

impl Start {
    /// Starts the run and answers: 200 with how it ended, or 202.
    pub(crate) async fn run(self, app: &App) -> Result<Response, Problem> {
        self.run_and_answer(app, |_| Ok(None)).await
    }

    /// Starts the run and answers as `answer` does; where that gives none, with how the run ended, or a 202.
    pub(crate) async fn run_and_answer(
        self,
        app: &App,
        answer: impl FnOnce(&Started) -> Result<Option<Response>, Problem>,
    ) -> Result<Response, Problem> {
        let applied = self.preferences.applied();
        let started = app.engine.start(self.into_request()).await?;
        let existing = started.existing;
        let mut response = match answer(&started)? {
            Some(response) => response,
            None => describe(started),
        };
        response.headers_mut().extend(applied);
        mark_replayed(existing, response.headers_mut());
        Ok(response)
    }

    fn into_request(self) -> StartRequest {
        StartRequest {
            tenant: self.tenant,
            workflow: self.workflow,
            version: self.version,
            input: self.input.unwrap_or_else(|| Value::Object(Map::new())),
            priority: self.priority,
            trigger: self.trigger,
            traceparent: self.traceparent.as_str().to_owned(),
            wait: self.preferences.patience(),
            idempotency_key: self.preferences.idempotency_key,
            start_at: self.start_at,
        }
    }
}

fn describe(started: Started) -> Response {
    let (status, answer) = match started.ended {
        Some(outcome) => (StatusCode::OK, RunAnswer::ended(started.run, outcome)),
        None => (StatusCode::ACCEPTED, RunAnswer::bare(started.run, started.status)),
    };
    let location = HeaderValue::from_str(&answer.status_url);
    let mut response = (status, axum::Json(answer)).into_response();
    response.headers_mut().extend(location.ok().map(|url| (LOCATION, url)));
    response
}

fn mark_replayed(existing: bool, headers: &mut HeaderMap) {
    if existing {
        headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
}
