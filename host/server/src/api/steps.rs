//! `/v1/steps`: publishing components and looking at them.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, LOCATION};
use semver::Version;
use serde::Serialize;
use utoipa::ToSchema;

use stepwell_core::digest::Digest;
use stepwell_core::id::StepName;
use stepwell_core::manifest::PublishedStep;

use super::App;
use super::extract::{BodyLimit, Caller, ContentType, NoParameters, Path, Query, read_body};
use crate::problem::{LimitSetting, Problem};

const WASM: &[&str] = &["application/wasm"];

/// A published step.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepAnswer {
    #[serde(flatten)]
    step: PublishedStep,
    /// Proved by the imports: running it twice cannot be told from running it once.
    effect_free: bool,
}

impl From<PublishedStep> for StepAnswer {
    fn from(step: PublishedStep) -> Self {
        Self { effect_free: step.is_effect_free(), step }
    }
}

/// A step's line in the list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepLine {
    name: StepName,
    #[schema(value_type = String)]
    version: Version,
    /// One line: what it does.
    summary: String,
    digest: Digest,
    /// Proved by the imports: running it twice cannot be told from running it once.
    effect_free: bool,
}

impl From<PublishedStep> for StepLine {
    fn from(step: PublishedStep) -> Self {
        Self {
            effect_free: step.is_effect_free(),
            digest: step.digest,
            name: step.manifest.name,
            version: step.manifest.version,
            summary: step.manifest.summary,
        }
    }
}

/// Every version of every step, by name, then version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepList {
    steps: Vec<StepLine>,
}

impl StepList {
    fn of(steps: Vec<PublishedStep>) -> axum::Json<Self> {
        axum::Json(Self { steps: steps.into_iter().map(StepLine::from).collect() })
    }
}

/// Publish a step.
///
/// The body is a WebAssembly component that exports the `step` world. Its name and version are those that it describes
/// itself with. The same component again changes nothing and is a 200.
#[utoipa::path(
    post, path = "/v1/steps", tag = "steps",
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses(
        (status = 200, body = StepAnswer, description = "It was published before"),
        (status = 201, body = StepAnswer, description = "Published"),
        Problem,
    ),
)]
pub(crate) async fn publish(
    State(app): State<App>,
    caller: Caller,
    Query(NoParameters {}): Query<NoParameters>,
    request: Request,
) -> Result<Response, Problem> {
    let sent = ContentType::of(request.headers());
    if !sent.is(WASM) {
        return Err(sent.refuse(WASM));
    }
    let limit = BodyLimit {
        bytes: app.http.max_component_bytes,
        set_by: LimitSetting::Config("http.max_component_bytes"),
    };
    let component = read_body(request, limit).await?;
    let published = app.engine.publish_step(&caller.tenant, component).await?;

    let status = if published.created { StatusCode::CREATED } else { StatusCode::OK };
    let manifest = &published.step.manifest;
    let location = format!("/v1/steps/{}/{}", manifest.name, manifest.version);
    Ok((status, [(LOCATION, location)], axum::Json(StepAnswer::from(published.step))).into_response())
}

/// List the steps.
#[utoipa::path(
    get, path = "/v1/steps", tag = "steps",
    responses(
        (status = 200, body = StepList),
        Problem,
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<axum::Json<StepList>, Problem> {
    Ok(StepList::of(app.engine.catalogue().steps(&caller.tenant).await?))
}

/// List a step's versions.
#[utoipa::path(
    get, path = "/v1/steps/{name}", tag = "steps",
    params(("name" = String, Path)),
    responses(
        (status = 200, body = StepList),
        Problem,
    ),
)]
pub(crate) async fn versions(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<StepName>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<axum::Json<StepList>, Problem> {
    let versions = app.engine.catalogue().step_versions(&caller.tenant, &name).await?;
    if versions.is_empty() {
        return Err(Problem::UnknownStep(name.to_string()));
    }
    Ok(StepList::of(versions))
}

/// Look at one version of a step.
#[utoipa::path(
    get, path = "/v1/steps/{name}/{version}", tag = "steps",
    params(("name" = String, Path), ("version" = String, Path)),
    responses(
        (status = 200, body = StepAnswer),
        Problem,
    ),
)]
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path((name, version)): Path<(StepName, Version)>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<axum::Json<StepAnswer>, Problem> {
    let step = app.engine.catalogue().step(&caller.tenant, &name, &version).await?;
    let step = step.ok_or_else(|| Problem::UnknownStep(format!("{name}@{version}")))?;
    Ok(axum::Json(step.into()))
}

/// Fetch a step's component.
///
/// The bytes as they were published: what its digest is of.
#[utoipa::path(
    get, path = "/v1/steps/{name}/{version}/component", tag = "steps",
    params(("name" = String, Path), ("version" = String, Path)),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/wasm", description = "The component"),
        Problem,
    ),
)]
pub(crate) async fn component(
    State(app): State<App>,
    caller: Caller,
    Path((name, version)): Path<(StepName, Version)>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Response, Problem> {
    let catalogue = app.engine.catalogue();
    let step = catalogue.step(&caller.tenant, &name, &version).await?;
    let step = step.ok_or_else(|| Problem::UnknownStep(format!("{name}@{version}")))?;
    let component = catalogue.component(&step.digest).await?;
    let component = component.ok_or_else(|| {
        Problem::internal(format!("the component of the published step {name}@{version} is missing"))
    })?;
    Ok(([(CONTENT_TYPE, WASM[0])], component).into_response())
}
