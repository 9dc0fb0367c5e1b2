//! `/v1/callbacks/{token}`: where those call back who did a job.
//!
//! Whoever calls has no key: the token is one, good for one call.

use axum::extract::State;
use serde_json::Value;

use stepwell_core::id::TenantId;

use super::App;
use super::extract::{Json, NoParameters, Path, Query};
use super::start::RunAnswer;
use crate::problem::Problem;

/// Call back.
///
/// The body becomes the output of the node that waits; it must match the node's schema. The answer comes once it is on disk. Needs no key:
/// the URL is unguessable, expires, and takes one call.
#[utoipa::path(
    post, path = "/v1/callbacks/{token}", tag = "runs",
    params(("token" = String, Path)),
    request_body = Option<Value>,
    security(()),
    responses(
        (status = 200, body = RunAnswer),
        Problem,
    ),
)]
pub(crate) async fn receive(
    State(app): State<App>,
    Path(token): Path<String>,
    Query(NoParameters {}): Query<NoParameters>,
    body: Option<Json<Value>>,
) -> Result<axum::Json<RunAnswer>, Problem> {
    let body = body.map_or(Value::Null, |Json(body)| body);
    let (run, status) = app.engine.call_back(&TenantId::default(), &token, body).await?;
    Ok(axum::Json(RunAnswer::bare(run, status)))
}
