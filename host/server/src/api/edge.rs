//! The outermost layer: what every call gets, whatever becomes of it.
//!
//! A trace (W3C Trace Context: the one that came along, or a new one) on its log lines and its answer, a measurement,
//! and an answer even if its handler panicked.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tracing::Instrument as _;

use stepwell_core::trace::is_traceparent;

use crate::problem::{Problem, Untold};
use crate::telemetry;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The `traceparent` of a call.
#[derive(Debug, Clone)]
pub(crate) struct Traceparent(String);

impl Traceparent {
    /// As the header says it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn given_or_made(headers: &HeaderMap) -> Self {
        let given = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
        given.filter(|text| is_traceparent(text)).map_or_else(Self::make, |text| Self(text.to_owned()))
    }

    fn make() -> Self {
        // An id of nothing but zeros is not valid: one bit is set for certain.
        let (trace, span) = (rand::random::<u128>() | 1, rand::random::<u64>() | 1);
        Self(format!("00-{trace:032x}-{span:016x}-01"))
    }
}

/// Runs a call.
pub(crate) async fn edge(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let traceparent = Traceparent::given_or_made(request.headers());
    let method = method_label(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let uri = request.uri().clone();
    // Not at `info`: made for every call, it costs more than many a call does. What fails is logged with the same fields.
    let span = tracing::debug_span!("call", method, path = uri.path(), traceparent = traceparent.as_str());
    let header = HeaderValue::from_str(traceparent.as_str());
    request.extensions_mut().insert(traceparent.clone());

    let handled = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span.clone()).await;
    let mut response = handled.unwrap_or_else(|panic| panicked(panic.as_ref()));
    if let Some(Untold(error)) = response.extensions_mut().remove() {
        tracing::error!(
            method,
            path = uri.path(),
            traceparent = traceparent.as_str(),
            error,
            "a call failed"
        );
    }

    if let Ok(header) = header {
        response.headers_mut().insert(TRACEPARENT, header);
    }
    let elapsed = started.elapsed();
    tracing::debug!(parent: &span, status = response.status().as_u16(), ?elapsed, "answered");
    let route = route.as_ref().map_or("", MatchedPath::as_str);
    telemetry::record_request(method, route, response.status(), elapsed);
    response
}

fn panicked(panic: &(dyn Any + Send)) -> Response {
    let words = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words");
    Problem::internal(format!("panicked: {words}")).into_response()
}

/// A method as a label: a stranger must not be able to make up labels.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    async fn call(path: &str, traceparent: &str) -> Response {
        let app = Router::new()
            .route("/fine", get(async || "fine"))
            .route("/panics", get(async || -> &str { panic!("an invariant broke") }))
            .layer(axum::middleware::from_fn(edge));
        let request = Request::builder().uri(path).header("traceparent", traceparent).body(Body::empty());
        app.oneshot(request.unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn an_answer_carries_the_trace_that_was_given() {
        assert_eq!(call("/fine", GIVEN).await.headers()["traceparent"], GIVEN);
        assert_eq!(call("/nowhere", GIVEN).await.headers()["traceparent"], GIVEN);
    }

    #[tokio::test]
    async fn an_answer_carries_a_new_trace_if_none_was_given_or_it_was_malformed() {
        for bad in [
            "",
            "00-0-0-0",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            &GIVEN.replace('4', "0G"),
        ] {
            let response = call("/fine", bad).await;
            let made = response.headers()["traceparent"].to_str().unwrap();
            assert!(is_traceparent(made) && made != bad, "{bad} gave {made}");
        }
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_and_not_a_broken_connection() {
        let response = call("/panics", GIVEN).await;
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["traceparent"], GIVEN);
    }
}
