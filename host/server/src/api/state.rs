//! `/v1/workflows/{name}/state`: what workflows keep from run to run, for operators to look at and to mend.

use axum::extract::State;
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use stepwell_core::id::{RunId, TenantId, WorkflowName};
use stepwell_core::state::StateKey;
use stepwell_engine::KeptState;

use super::App;
use super::extract::{Caller, Json, NoParameters, Path, Query};
use super::{cursor, marks};
use crate::problem::{Place, Problem};

/// Which values.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichState {
    /// Those whose keys begin so alone.
    #[serde(default)]
    prefix: String,
    /// At most so many: 1 to 500, 50 if it is left out.
    limit: Option<usize>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A value that a workflow keeps.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StateValue {
    key: String,
    #[schema(value_type = Object)]
    value: Value,
    /// Differs after each change, and does not come back.
    version: u64,
    changed_at: Option<Timestamp>,
    /// The run that changed it; none: an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    changed_by: Option<RunId>,
    /// When it is forgotten; none: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

impl From<KeptState> for StateValue {
    fn from(kept: KeptState) -> Self {
        let KeptState { key, value, version, changed_at, changed_by, expires_at } = kept;
        Self { key, value, version, changed_at, changed_by, expires_at }
    }
}

/// A page of what a workflow keeps, by key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StateList {
    values: Vec<StateValue>,
    /// The `cursor` of the next page; none on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A value to keep.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StateBody {
    /// Any JSON of at most 64 KiB.
    #[schema(value_type = Object)]
    value: Value,
    /// For so many milliseconds; for ever, if it is left out.
    #[serde(default)]
    ttl_ms: Option<u64>,
}

/// A value was kept.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatePut {
    /// Its version.
    version: u64,
}

/// List what a workflow keeps.
#[utoipa::path(
    get, path = "/v1/workflows/{name}/state", tag = "workflows",
    params(("name" = String, Path), WhichState),
    responses(
        (status = 200, body = StateList),
        Problem,
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<WorkflowName>,
    Query(which): Query<WhichState>,
) -> Result<axum::Json<StateList>, Problem> {
    check_workflow(&app, &caller.tenant, &name).await?;
    let limit = cursor::limit(which.limit)?;
    let after = which.cursor.as_deref().map(marks::decode).transpose()?;
    let page = app.engine.state_page(&caller.tenant, &name, &which.prefix, after.as_deref(), limit).await?;
    let values = page.values.into_iter().map(StateValue::from).collect();
    Ok(axum::Json(StateList { values, next_cursor: page.next.as_deref().map(marks::encode) }))
}

/// Show one value.
#[utoipa::path(
    get, path = "/v1/workflows/{name}/state/{key}", tag = "workflows",
    params(("name" = String, Path), ("key" = String, Path, description = "With `%2F` for each `/`")),
    responses(
        (status = 200, body = StateValue),
        Problem,
    ),
)]
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path((name, key)): Path<(WorkflowName, StateKey)>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<axum::Json<StateValue>, Problem> {
    check_workflow(&app, &caller.tenant, &name).await?;
    let kept = app.engine.state(&caller.tenant, &name, &key).await?;
    kept.map(|kept| axum::Json(kept.into())).ok_or_else(|| unknown(&name, &key))
}

/// Keep a value, in place of an older one.
///
/// The answer comes once it is on disk. Runs that are under way see it at once.
#[utoipa::path(
    put, path = "/v1/workflows/{name}/state/{key}", tag = "workflows",
    params(("name" = String, Path), ("key" = String, Path, description = "With `%2F` for each `/`")),
    request_body = StateBody,
    responses(
        (status = 200, body = StatePut),
        Problem,
    ),
)]
pub(crate) async fn put(
    State(app): State<App>,
    caller: Caller,
    Path((name, key)): Path<(WorkflowName, StateKey)>,
    Query(NoParameters {}): Query<NoParameters>,
    Json(StateBody { value, ttl_ms }): Json<StateBody>,
) -> Result<axum::Json<StatePut>, Problem> {
    check_workflow(&app, &caller.tenant, &name).await?;
    let version = app.engine.put_state(&caller.tenant, &name, &key, value, ttl_ms).await?;
    Ok(axum::Json(StatePut { version }))
}

/// Forget a value.
#[utoipa::path(
    delete, path = "/v1/workflows/{name}/state/{key}", tag = "workflows",
    params(("name" = String, Path), ("key" = String, Path, description = "With `%2F` for each `/`")),
    responses(
        (status = 204, description = "It is forgotten"),
        Problem,
    ),
)]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path((name, key)): Path<(WorkflowName, StateKey)>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<StatusCode, Problem> {
    check_workflow(&app, &caller.tenant, &name).await?;
    match app.engine.delete_state(&caller.tenant, &name, &key).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(unknown(&name, &key)),
    }
}

async fn check_workflow(app: &App, tenant: &TenantId, name: &WorkflowName) -> Result<(), Problem> {
    let known = app.engine.catalogue().workflow_summary(tenant, name).await?;
    known.map(drop).ok_or_else(|| Problem::unknown_workflow(name, None))
}

fn unknown(workflow: &WorkflowName, key: &StateKey) -> Problem {
    Problem::UnknownState(format!(
        "the workflow `{workflow}` keeps nothing under `{key}`: GET /v1/workflows/{workflow}/state lists what it keeps"
    ))
}

impl From<stepwell_engine::PutStateError> for Problem {
    fn from(error: stepwell_engine::PutStateError) -> Self {
        use stepwell_core::state::StateError;
        use stepwell_engine::PutStateError;
        match error {
            PutStateError::Store(error) => error.into(),
            PutStateError::Refused(StateError::TooLarge(message)) => Self::StateTooLarge(message),
            PutStateError::Refused(StateError::InvalidKey(message) | StateError::Denied(message)) => {
                Self::InvalidRequest { place: Place::Path, message }
            }
        }
    }
}
