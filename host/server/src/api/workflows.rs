//! `/v1/workflows`: applying definitions and looking at them.

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use stepwell_core::digest::Digest;
use stepwell_core::grant::Grants;
use stepwell_core::id::WorkflowName;
use stepwell_core::plan::Lock;
use stepwell_core::split::Percent;
use stepwell_store::{WorkflowSummary, WorkflowVersion};

use super::App;
use super::extract::{Caller, ContentType, NoParameters, Path, Query, read_json_body};
use super::releases::{CanaryAnswer, SuccessionAnswer};
use crate::document::{self, Format};
use crate::problem::Problem;

const YAML: &[&str] = &["application/yaml", "application/x-yaml", "text/yaml"];
const DEFINITION: &[&str] = &["application/json", "application/yaml"];

/// A workflow that was applied.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AppliedAnswer {
    name: WorkflowName,
    #[schema(value_type = String)]
    version: Version,
    /// Whether this changed anything.
    created: bool,
    /// Of the definition without its `layout`.
    digest: Digest,
    /// What each node's step was resolved to.
    lock: Lock,
    /// What each node is allowed, of those that are allowed anything.
    grants: BTreeMap<String, Grants>,
    applied_at: Timestamp,
    /// Its share of new runs, if it was applied as the canary.
    #[serde(skip_serializing_if = "Option::is_none")]
    canary: Option<Percent>,
}

/// A version of a workflow.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WorkflowAnswer {
    name: WorkflowName,
    #[schema(value_type = String)]
    version: Version,
    /// Of the definition without its `layout`.
    digest: Digest,
    applied_at: Timestamp,
    /// What each node's step was resolved to.
    lock: Lock,
    /// As it was applied; YAML was read as JSON.
    definition: Value,
    /// What new runs of the workflow get, whichever version this is.
    rollout: WorkflowLine,
    /// Which versions were current when, the current one last. The last 50 are remembered.
    history: Vec<SuccessionAnswer>,
}

impl WorkflowAnswer {
    fn new(of: WorkflowVersion, mut summary: WorkflowSummary) -> Self {
        let WorkflowVersion { name, version, definition, digest, lock, applied_at } = of;
        let history = std::mem::take(&mut summary.history).into_iter().map(SuccessionAnswer::from).collect();
        Self { name, version, digest, applied_at, lock, definition, rollout: summary.into(), history }
    }
}

/// A workflow's line in the list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WorkflowLine {
    name: WorkflowName,
    /// The version that new runs get, but for the canary's share.
    #[schema(value_type = String)]
    current: Version,
    /// All versions, oldest first.
    #[schema(value_type = Vec<String>)]
    versions: Vec<Version>,
    /// When the current version became the current one.
    applied_at: Timestamp,
    /// The version that a share of new runs gets instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    canary: Option<CanaryAnswer>,
}

impl From<WorkflowSummary> for WorkflowLine {
    fn from(of: WorkflowSummary) -> Self {
        let WorkflowSummary { name, current, versions, applied_at, canary, history: _ } = of;
        Self { name, current, versions, applied_at, canary: canary.map(CanaryAnswer::from) }
    }
}

/// Every workflow, by name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WorkflowList {
    workflows: Vec<WorkflowLine>,
}

/// Which version.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichVersion {
    /// The current one if it is left out.
    #[param(value_type = Option<String>)]
    version: Option<Version>,
}

/// What becomes of what is applied.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HowApplied {
    /// Apply it as the canary, with this percentage of new runs: 1 to 99. The current version stays what it is.
    #[param(value_type = Option<u8>)]
    canary: Option<Percent>,
}

/// Apply a workflow.
///
/// The definition is JSON or YAML. All of its mistakes are reported at once, each with its JSON pointer. The same
/// definition again changes nothing and is a 200; another definition under the same version is refused.
#[utoipa::path(
    put, path = "/v1/workflows/{name}", tag = "workflows",
    params(("name" = String, Path, description = "The same as the definition's `name`"), HowApplied),
    request_body(content((Value = "application/json"), (String = "application/yaml"))),
    responses(
        (status = 200, body = AppliedAnswer, description = "It was applied before"),
        (status = 201, body = AppliedAnswer, description = "Applied"),
        Problem,
    ),
)]
pub(crate) async fn apply(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<WorkflowName>,
    Query(HowApplied { canary }): Query<HowApplied>,
    request: Request,
) -> Result<Response, Problem> {
    let definition = read_definition(request, &app).await?;
    let applied = match canary {
        Some(percent) => app.engine.apply_canary(&caller.tenant, &name, definition, percent).await?,
        None => app.engine.apply_workflow(&caller.tenant, &name, definition).await?,
    };

    let status = if applied.created { StatusCode::CREATED } else { StatusCode::OK };
    let WorkflowVersion { name, version, definition, digest, lock, applied_at } = applied.version;
    let grants = grants_of(&definition);
    let created = applied.created;
    let answer = AppliedAnswer { name, version, created, digest, lock, grants, applied_at, canary };
    Ok((status, axum::Json(answer)).into_response())
}

async fn read_definition(request: Request, app: &App) -> Result<Value, Problem> {
    let sent = ContentType::of(request.headers());
    let format = match () {
        () if sent.is_json() => Format::Json,
        () if sent.is(YAML) => Format::Yaml,
        () => return Err(sent.refuse(DEFINITION)),
    };
    let text = read_json_body(request, app).await?;
    Ok(document::read(format, &text)?)
}

/// The grants of a definition that was applied, and so is known to be well-formed.
fn grants_of(definition: &Value) -> BTreeMap<String, Grants> {
    let nodes = definition.get("nodes").and_then(Value::as_object).into_iter().flatten();
    nodes
        .filter_map(|(id, node)| Some((id.clone(), Grants::deserialize(node.get("grants")?).ok()?)))
        .filter(|(_, grants)| *grants != Grants::default())
        .collect()
}

/// List the workflows.
#[utoipa::path(
    get, path = "/v1/workflows", tag = "workflows",
    responses(
        (status = 200, body = WorkflowList),
        Problem,
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<axum::Json<WorkflowList>, Problem> {
    let workflows = app.engine.catalogue().workflows(&caller.tenant).await?;
    Ok(axum::Json(WorkflowList { workflows: workflows.into_iter().map(WorkflowLine::from).collect() }))
}

/// Look at a workflow.
#[utoipa::path(
    get, path = "/v1/workflows/{name}", tag = "workflows",
    params(("name" = String, Path), WhichVersion),
    responses(
        (status = 200, body = WorkflowAnswer),
        Problem,
    ),
)]
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<WorkflowName>,
    Query(WhichVersion { version }): Query<WhichVersion>,
) -> Result<axum::Json<WorkflowAnswer>, Problem> {
    let catalogue = app.engine.catalogue();
    let unknown = || Problem::unknown_workflow(&name, version.as_ref());
    let summary = catalogue.workflow_summary(&caller.tenant, &name).await?.ok_or_else(unknown)?;
    let which = version.as_ref().unwrap_or(&summary.current);
    let found = catalogue.workflow(&caller.tenant, &name, Some(which)).await?.ok_or_else(unknown)?;
    Ok(axum::Json(WorkflowAnswer::new(found, summary)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_grants_are_those_of_the_nodes_that_have_any() {
        let definition = json!({"nodes": {
            "free": {"step": "transform@^1"},
            "empty": {"grants": {}},
            "calls": {"grants": {"http": [{"host": "api.example.com"}]}}
        }});
        let grants = grants_of(&definition);
        assert_eq!(grants.keys().collect::<Vec<_>>(), ["calls"]);
        assert_eq!(grants["calls"].http[0].host, "api.example.com");
    }
}
