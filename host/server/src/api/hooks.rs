//! `/hooks/*`: HTTP triggers, as workflows declare them.
//!
//! Whoever calls a hook is often not one of us: a form, another company's webhook. So the query is not ours to judge,
//! and the body as a whole is the run's input.

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::Value;

use stepwell_core::run::Trigger;
use stepwell_engine::{Hook, HookLookup};

use super::App;
use super::edge::Traceparent;
use super::extract::{Caller, Json};
use super::preferences::StartPreferences;
use super::start::{RunAnswer, Start};
use crate::problem::Problem;

const PREFIX: &str = "/hooks";

/// Start a run by its workflow's HTTP trigger.
///
/// The body is the run's input; without a body it is an empty object. A trigger may take other methods than POST, and
/// may be declared `open`: then no key is needed. The answer, `Prefer` and `Idempotency-Key` are those of starting a run.
#[utoipa::path(
    post, path = "/hooks/{path}", tag = "runs",
    params(
        ("path" = String, Path, description = "As the workflow declares it; may hold slashes"),
        ("Prefer" = Option<String>, Header, description = "`wait=10`: wait up to ten seconds for the run's end"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters"),
    ),
    request_body = Option<Value>,
    responses(
        (status = 200, body = RunAnswer, description = "The run ended in time"),
        (status = 202, body = RunAnswer, description = "The run is accepted, and that is on disk"),
        Problem,
    ),
)]
pub(crate) async fn hook(
    State(app): State<App>,
    traceparent: Traceparent,
    preferences: StartPreferences,
    request: Request,
) -> Result<Response, Problem> {
    let hook = find(&app, &request)?;
    if !hook.open {
        let caller = Caller::authenticate(&app, request.headers())?;
        if caller.tenant != hook.tenant {
            return Err(Problem::UnknownHook(hook.path));
        }
    }
    let body = <Option<Json<Value>> as axum::extract::FromRequest<App>>::from_request(request, &app).await?;
    let start = Start {
        tenant: hook.tenant,
        workflow: hook.workflow,
        version: None,
        input: body.map(|Json(input)| input),
        start_at: None,
        priority: None,
        trigger: Trigger::Http { path: hook.path },
        traceparent,
        preferences,
    };
    start.run(&app).await
}

fn find(app: &App, request: &Request) -> Result<Hook, Problem> {
    let path = request.uri().path().strip_prefix(PREFIX).unwrap_or_default();
    let method = request.method().as_str();
    match app.engine.find_hook(path, method) {
        HookLookup::Found(hook) => Ok(hook),
        HookLookup::WrongMethod(allowed) => {
            Err(Problem::MethodNotAllowed { method: method.to_owned(), allowed })
        }
        HookLookup::Unknown => Err(Problem::UnknownHook(path.to_owned())),
    }
}
