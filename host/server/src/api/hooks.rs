//! `/hooks/*`: HTTP triggers, as workflows declare them.
//!
//! Whoever calls a hook is often not one of us: a form, another company's webhook. So the query is not ours to judge,
//! and the body as a whole is the run's input: as JSON, or kept as a blob, whatever it is.

use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use http::HeaderMap;
use http::header::CONTENT_DISPOSITION;
use serde_json::Value;

use stepwell_core::blob::{BlobName, BlobRef};
use stepwell_core::plan::TriggerBody;
use stepwell_core::run::Trigger;
use stepwell_engine::{Hook, HookLookup};

use super::edge::Traceparent;
use super::extract::{Caller, Json};
use super::preferences::StartPreferences;
use super::start::{RunAnswer, Start};
use super::{App, blobs};
use crate::problem::Problem;

const PREFIX: &str = "/hooks";

/// Start a run by its workflow's HTTP trigger.
///
/// The body is the run's input; without a body it is an empty object. A trigger with `"body": "blob"` takes any body, keeps it as a blob, and
/// the reference to that is the input. A trigger may take other methods than POST, and
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
    let input = match hook.body {
        TriggerBody::Json => {
            let body = <Option<Json<Value>> as FromRequest<App>>::from_request(request, &app).await?;
            body.map(|Json(input)| input)
        }
        TriggerBody::Blob => {
            let name = file_name(request.headers());
            let blob = blobs::receive(&app, &hook.tenant, request).await?;
            Some(BlobRef { name, ..blob }.to_json())
        }
    };
    let start = Start {
        tenant: hook.tenant,
        workflow: hook.workflow,
        version: None,
        input,
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
