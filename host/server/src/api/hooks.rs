//! `/hooks/*`: HTTP triggers, as workflows declare them.
//!
//! Whoever calls a hook is often not one of us: a form, another company's webhook. So the query is not ours to judge, and what a
//! trigger makes of the request is the workflow's own affair.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CONTENT_DISPOSITION, COOKIE, PROXY_AUTHORIZATION};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use stepwell_core::blob::{BlobName, BlobRef};
use stepwell_core::id::TenantId;
use stepwell_core::plan::{Respond, TriggerBody};
use stepwell_core::run::{RunOutcome, Trigger};
use stepwell_engine::{Hook, HookLookup, Started};

use super::edge::Traceparent;
use super::extract::{BodyLimit, Caller, Json};
use super::preferences::StartPreferences;
use super::start::{RunAnswer, Start};
use super::{App, blobs};
use crate::problem::{LimitSetting, Problem};

const PREFIX: &str = "/hooks";

/// What a run need not see of a request: it is between the caller and this server.
const CONFIDENTIAL: [http::HeaderName; 3] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION];

/// Start a run by its workflow's HTTP trigger.
///
/// The body is the run's input; without a body it is an empty object. A trigger with `"body": "blob"` takes any body, keeps it as a blob, and the
/// reference to that stands for it. A trigger may take other methods than POST, may be declared `open`: then no key is needed; and may make
/// another input of the request. The answer, `Prefer` and `Idempotency-Key` are those of starting a run, unless the trigger says how it
/// responds: then the answer is what the workflow makes it.
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
    let (hook, params) = find(&app, &request)?;
    if !hook.trigger.open {
        let caller = Caller::authenticate(&app, request.headers())?;
        if caller.tenant != hook.tenant {
            return Err(Problem::UnknownHook(hook.trigger.path.to_string()));
        }
    }
    let shown = Arc::new(show(&app, &hook, request, params).await?);
    let input =
        hook.trigger.input(&shown).map_err(|failure| Problem::UnfitRequest { message: failure.message })?;
    let preferences = match &hook.trigger.respond {
        Some(respond) => preferences.or_waiting(respond.wait.min(app.http.max_wait)),
        None => preferences,
    };
    let start = Start {
        tenant: hook.tenant.clone(),
        workflow: hook.workflow.clone(),
        version: None,
        input: Some(Arc::unwrap_or_clone(input)),
        start_at: None,
        priority: None,
        trigger: Trigger::Http { path: hook.trigger.path.to_string() },
        traceparent,
        preferences,
    };
    match &hook.trigger.respond {
        None => start.run(&app).await,
        Some(respond) => start.run_and_answer(&app, |started| answer(&hook, respond, &shown, started)).await,
    }
}

fn find(app: &App, request: &Request) -> Result<(Hook, BTreeMap<String, String>), Problem> {
    let path = request.uri().path().strip_prefix(PREFIX).unwrap_or_default();
    let method = request.method().as_str();
    match app.engine.find_hook(path, method) {
        HookLookup::Found { hook, params } => Ok((hook, params)),
        HookLookup::WrongMethod(allowed) => {
            Err(Problem::MethodNotAllowed { method: method.to_owned(), allowed })
        }
        HookLookup::Unknown => Err(Problem::UnknownHook(path.to_owned())),
    }
}

/// The request as expressions see it.
async fn show(
    app: &App,
    hook: &Hook,
    request: Request,
    params: BTreeMap<String, String>,
) -> Result<Value, Problem> {
    let (parts, body) = request.into_parts();
    let Parts { method, uri, headers, .. } = parts.clone();
    let request = Request::from_parts(parts, body);
    let body = match hook.trigger.body {
        TriggerBody::Json => {
            let body = <Option<Json<Value>> as FromRequest<App>>::from_request(request, app).await?;
            body.map(|Json(body)| body)
        }
        TriggerBody::Blob { max_bytes } => Some(keep(app, &hook.tenant, request, max_bytes).await?.to_json()),
    };
    Ok(json!({
        "method": method.as_str(),
        "path": uri.path().strip_prefix(PREFIX).unwrap_or_default(),
        "params": params,
        "query": query(uri.query().unwrap_or_default()),
        "headers": readable(&headers),
        "body": body,
    }))
}

/// The body as a blob, called as its sender says.
async fn keep(
    app: &App,
    tenant: &TenantId,
    request: Request,
    max_bytes: Option<u64>,
) -> Result<BlobRef, Problem> {
    let name = file_name(request.headers());
    let bound = max_bytes.map(|bytes| BodyLimit {
        bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        set_by: LimitSetting::Trigger,
    });
    let blob = blobs::receive(app, tenant, request, bound).await?;
    Ok(BlobRef { name, ..blob })
}

/// By name; of a name that comes more than once, the last.
fn query(query: &str) -> Map<String, Value> {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))).collect()
}

fn readable(headers: &HeaderMap) -> Map<String, Value> {
    let shown = headers.iter().filter(|(name, _)| !CONFIDENTIAL.contains(name));
    shown
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), Value::String(value))
        })
        .collect()
}

/// What the workflow makes of the run's end; none if it has not ended in time.
fn answer(
    hook: &Hook,
    respond: &Respond,
    request: &Arc<Value>,
    started: &Started,
) -> Result<Option<Response>, Problem> {
    let Some(outcome) = &started.ended else { return Ok(None) };
    let RunOutcome::Succeeded { output } = outcome else { return Err(failed(hook, started, outcome)) };
    let run = Arc::new(json!({"id": started.run, "workflow": hook.workflow}));
    let (status, body) = respond.answer(request, &run, output).map_err(|failure| {
        Problem::internal(format!("{} cannot answer: {}", hook.trigger.path, failure.message))
    })?;
    let status = StatusCode::from_u16(status).map_err(Problem::internal)?;
    Ok(Some((status, axum::Json(&*body)).into_response()))
}

/// Strangers are not told why.
fn failed(hook: &Hook, started: &Started, outcome: &RunOutcome) -> Problem {
    let failure = match outcome {
        RunOutcome::Failed { failure, .. } if !hook.trigger.open => Some(failure.clone()),
        _ => None,
    };
    Problem::RunFailed { run: started.run, status: outcome.status(), failure }
}

/// What the body is called, where its sender says so: `Content-Disposition: attachment; filename="invoice.pdf"`.
fn file_name(headers: &HeaderMap) -> Option<BlobName> {
    let header = headers.get(CONTENT_DISPOSITION)?.to_str().ok()?;
    let parameters = header.split(';').skip(1).filter_map(|parameter| parameter.trim().split_once('='));
    let (_, name) = { parameters }.find(|(key, _)| key.eq_ignore_ascii_case("filename"))?;
    name.trim().trim_matches('"').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_called_as_its_sender_says() {
        let of = |text: &str| {
            let headers = HeaderMap::from_iter([(CONTENT_DISPOSITION, text.parse().unwrap())]);
            file_name(&headers).map(|name| name.to_string())
        };
        assert_eq!(of("attachment; filename=\"an invoice.pdf\"").as_deref(), Some("an invoice.pdf"));
        assert_eq!(of("attachment; FileName=a.png").as_deref(), Some("a.png"));
        assert_eq!(of("inline"), None);
        assert_eq!(of("attachment; filename=\"\""), None);
    }
}
