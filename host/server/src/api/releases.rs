//! `/v1/workflows/{name}/rollback`, `/canary`, `/promote`, `/diff`: which version new runs get, and what sets versions apart.

use axum::extract::State;
use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use stepwell_core::diff::{Difference, Side};
use stepwell_core::id::WorkflowName;
use stepwell_core::split::Percent;
use stepwell_engine::Released;
use stepwell_store::{Canary, Succession, WorkflowSummary, WorkflowVersion};

use super::App;
use super::extract::{Caller, Json, NoParameters, Path, Query};
use crate::problem::Problem;

/// Where to go back to.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RollbackBody {
    /// A version that was applied; the one that was current before if it is left out.
    #[schema(value_type = Option<String>, example = "1.0.0")]
    version: Option<Version>,
}

/// What to try, and on how many.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CanaryBody {
    /// A version that was applied and is not the current one.
    #[schema(value_type = String, example = "1.1.0")]
    version: Version,
    /// Its share of new runs.
    percent: Percent,
}

/// Which versions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichTwo {
    /// From this one.
    #[param(value_type = String)]
    from: Version,
    /// To this one; the current one if it is left out.
    #[param(value_type = Option<String>)]
    to: Option<Version>,
}

/// Another version is the current one.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReleaseAnswer {
    name: WorkflowName,
    /// The version that new runs get.
    #[schema(value_type = String)]
    current: Version,
    /// The version that they got before; the same if nothing changed.
    #[schema(value_type = String)]
    before: Version,
    /// What changes with it.
    difference: Difference,
}

impl From<Released> for ReleaseAnswer {
    fn from(Released { before, now }: Released) -> Self {
        let difference = Difference::between(side(&before), side(&now));
        Self { name: now.name, current: now.version, before: before.version, difference }
    }
}

/// What new runs get.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RolloutAnswer {
    name: WorkflowName,
    /// The version that new runs get, but for the canary's share.
    #[schema(value_type = String)]
    current: Version,
    #[serde(skip_serializing_if = "Option::is_none")]
    canary: Option<CanaryAnswer>,
}

impl From<WorkflowSummary> for RolloutAnswer {
    fn from(of: WorkflowSummary) -> Self {
        Self { name: of.name, current: of.current, canary: of.canary.map(CanaryAnswer::from) }
    }
}

/// The version that a share of new runs gets.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CanaryAnswer {
    #[schema(value_type = String)]
    version: Version,
    /// Its share.
    percent: Percent,
    /// Since when it has this share.
    since: Timestamp,
}

impl From<Canary> for CanaryAnswer {
    fn from(Canary { version, percent, since }: Canary) -> Self {
        Self { version, percent, since }
    }
}

/// A version became the current one.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SuccessionAnswer {
    #[schema(value_type = String)]
    version: Version,
    at: Timestamp,
    /// `applied`, `rolled-back` or `promoted`.
    reason: &'static str,
}

impl From<Succession> for SuccessionAnswer {
    fn from(Succession { version, at, reason }: Succession) -> Self {
        Self { version, at, reason: reason.as_str() }
    }
}

/// What sets two versions apart.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DifferenceAnswer {
    name: WorkflowName,
    #[schema(value_type = String)]
    from: Version,
    #[schema(value_type = String)]
    to: Version,
    difference: Difference,
}

/// Go back to an older version.
///
/// It becomes the current version as it was kept: with the lock that it was applied with, and with its triggers. Without a
/// version, it is the one that was current before. A canary ends. Runs that were started before keep the version that they
/// have.
#[utoipa::path(
    post, path = "/v1/workflows/{name}/rollback", tag = "workflows",
    params(("name" = String, Path)),
    request_body = Option<RollbackBody>,
    responses(
        (status = 200, body = ReleaseAnswer),
        Problem,
    ),
)]
pub(crate) async fn rollback(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<WorkflowName>,
    Query(NoParameters {}): Query<NoParameters>,
    body: Option<Json<RollbackBody>>,
) -> Result<axum::Json<ReleaseAnswer>, Problem> {
    let to = body.and_then(|Json(body)| body.version);
    let released = app.engine.rollback(&caller.tenant, &name, to.as_ref()).await?;
    Ok(axum::Json(released.into()))
}

/// Try a version on a share of new runs.
///
/// A run that names no version gets the canary or the current version by its id, and says which under `split`. The triggers
/// in force stay those of the current version.
#[utoipa::path(
    put, path = "/v1/workflows/{name}/canary", tag = "workflows",
    params(("name" = String, Path)),
    request_body = CanaryBody,
    responses(
        (status = 200, body = RolloutAnswer),
        Problem,
    ),
)]
pub(crate) async fn set_canary(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<WorkflowName>,
    Query(NoParameters {}): Query<NoParameters>,
    Json(CanaryBody { version, percent }): Json<CanaryBody>,
) -> Result<axum::Json<RolloutAnswer>, Problem> {
    let summary = app.engine.set_canary(&caller.tenant, &name, &version, percent).await?;
    Ok(axum::Json(summary.into()))
}

/// End a canary: every new run gets the current version.
#[utoipa::path(
    delete, path = "/v1/workflows/{name}/canary", tag = "workflows",
    params(("name" = String, Path)),
    responses(
        (status = 200, body = RolloutAnswer),
        Problem,
    ),
)]
pub(crate) async fn end_canary(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<WorkflowName>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<axum::Json<RolloutAnswer>, Problem> {
    let summary = app.engine.end_canary(&caller.tenant, &name).await?;
    Ok(axum::Json(summary.into()))
}

/// Make the canary the current version.
///
/// Every new run gets it, and its triggers come into force.
#[utoipa::path(
    post, path = "/v1/workflows/{name}/promote", tag = "workflows",
    params(("name" = String, Path)),
    responses(
        (status = 200, body = ReleaseAnswer),
        Problem,
    ),
)]
pub(crate) async fn promote(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<WorkflowName>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<axum::Json<ReleaseAnswer>, Problem> {
    let released = app.engine.promote(&caller.tenant, &name).await?;
    Ok(axum::Json(released.into()))
}

/// Compare two versions.
///
/// Permissions that nodes gain and lose are told by what they mean, steps by what they are locked to, everything else by its
/// place. The version, the `layout` and the order of triggers are no differences.
#[utoipa::path(
    get, path = "/v1/workflows/{name}/diff", tag = "workflows",
    params(("name" = String, Path), WhichTwo),
    responses(
        (status = 200, body = DifferenceAnswer),
        Problem,
    ),
)]
pub(crate) async fn diff(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<WorkflowName>,
    Query(WhichTwo { from, to }): Query<WhichTwo>,
) -> Result<axum::Json<DifferenceAnswer>, Problem> {
    let catalogue = app.engine.catalogue();
    let kept = async |version: Option<&Version>| {
        let found = catalogue.workflow(&caller.tenant, &name, version).await?;
        found.ok_or_else(|| Problem::unknown_workflow(&name, version))
    };
    let (from, to) = (kept(Some(&from)).await?, kept(to.as_ref()).await?);
    let difference = Difference::between(side(&from), side(&to));
    let (from, to) = (from.version, to.version);
    Ok(axum::Json(DifferenceAnswer { name, from, to, difference }))
}

fn side(of: &WorkflowVersion) -> Side<'_> {
    Side { definition: &of.definition, lock: Some(&of.lock) }
}
