//! For whoever keeps the server alive: `/healthz`, `/readyz`, `/metrics`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::extract::Caller;
use crate::problem::Problem;
use crate::telemetry;

const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All is well.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    #[schema(value_type = String, example = "ok")]
    status: &'static str,
}

const OK: axum::Json<Health> = axum::Json(Health { status: "ok" });

/// Whether the process lives: if not, restart it.
#[utoipa::path(get, path = "/healthz", tag = "operation", security(()), responses((status = 200, body = Health)))]
pub(crate) async fn healthz() -> axum::Json<Health> {
    OK
}

/// Whether it takes work: if not, send the work elsewhere for now.
#[utoipa::path(
    get, path = "/readyz", tag = "operation", security(()),
    responses(
        (status = 200, body = Health),
        Problem,
    ),
)]
pub(crate) async fn readyz(State(app): State<App>) -> Result<axum::Json<Health>, Problem> {
    if app.closing.is_cancelled() {
        return Err(Problem::ShuttingDown);
    }
    if !app.engine.is_ready() {
        return Err(Problem::NotReady);
    }
    app.engine.journal().admit()?;
    Ok(OK)
}

/// Metrics, as Prometheus reads them. Needs a key unless the configuration says `http.metrics_open`.
#[utoipa::path(
    get, path = "/metrics", tag = "operation",
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        Problem,
    ),
)]
pub(crate) async fn metrics(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    if !app.http.metrics_open {
        Caller::authenticate(&app, &headers)?;
    }
    let text = telemetry::render(&app.metrics, &app.engine);
    Ok(([(CONTENT_TYPE, PROMETHEUS_TEXT)], text).into_response())
}
