//! The HTTP API: routes, and what all of them share.
//!
//! A handler is three lines: its extractors have authenticated, parsed and limited the call before it runs; it asks the
//! engine; it shapes the answer. What goes wrong on the way is a [`Problem`]. The handlers' types are the OpenAPI
//! document; `docs/openapi.json` is a copy of it that a test holds.

mod ai;
mod approvals;
mod blobs;
mod callbacks;
mod cloud_events;
mod control;
mod cursor;
mod dead_letters;
mod destinations;
mod edge;
mod events;
mod extract;
mod health;
mod hooks;
mod keys;
mod marks;
mod openapi;
mod preferences;
mod releases;
mod runs;
mod secrets;
mod start;
mod state;
mod steps;
mod workflows;

use std::sync::Arc;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::{any, get};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Uri};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use stepwell_engine::Engine;

use crate::auth::Keys;
use crate::config::HttpConfig;
use crate::problem::{Problem, ProblemBody};

/// What every handler may use.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

/// The parts of an [`App`].
pub(crate) struct Parts {
    pub(crate) engine: Engine,
    pub(crate) keys: Keys,
    pub(crate) http: HttpConfig,
    pub(crate) metrics: PrometheusHandle,
    /// Cancelled when the server stops: what would last for ever ends then.
    pub(crate) closing: CancellationToken,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl std::ops::Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// The whole API, ready to be served.
pub(crate) fn router(app: App) -> Router {
    let (router, document) = routes();
    let document = Bytes::from(to_text(&document));
    router
        .route(
            "/openapi.json",
            get(async || ([(CONTENT_TYPE, "application/json")], document).into_response()),
        )
        .fallback(unknown_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(axum::middleware::from_fn(edge::edge))
        .with_state(app)
}

fn routes() -> (Router<App>, utoipa::openapi::OpenApi) {
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(steps::publish, steps::list))
        .routes(routes!(steps::versions))
        .routes(routes!(steps::show))
        .routes(routes!(steps::component))
        .routes(routes!(workflows::list))
        .routes(routes!(workflows::apply, workflows::show))
        .routes(routes!(releases::diff))
        .routes(routes!(releases::rollback))
        .routes(routes!(releases::set_canary, releases::end_canary))
        .routes(routes!(releases::promote))
        .routes(routes!(state::list))
        .routes(routes!(state::show, state::put, state::delete))
        .routes(routes!(start::start))
        .routes(routes!(cloud_events::receive))
        .routes(routes!(runs::list))
        .routes(routes!(runs::show))
        .routes(routes!(runs::journal))
        .routes(routes!(control::cancel))
        .routes(routes!(control::pause))
        .routes(routes!(control::resume))
        .routes(routes!(control::signal))
        .routes(routes!(control::retry))
        .routes(routes!(blobs::upload))
        .routes(routes!(blobs::download))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::decide))
        .routes(routes!(callbacks::receive))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::show))
        .routes(routes!(dead_letters::retry))
        .routes(routes!(dead_letters::discard))
        .routes(routes!(events::watch))
        .routes(routes!(secrets::list))
        .routes(routes!(secrets::put))
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::revoke))
        .routes(routes!(ai::summary))
        .routes(routes!(destinations::list))
        .routes(routes!(destinations::reset))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .split_for_parts();
    // OpenAPI has no path of many segments: hooks are described by hand.
    (router.route("/hooks/{*path}", any(hooks::hook)), openapi::complete(document))
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Stepwell", description = "Durable, sandboxed AI workflow automation."),
    paths(hooks::hook),
    components(schemas(ProblemBody)),
    security(("api_key" = [])),
    modifiers(&ApiKeyScheme),
    tags(
        (name = "steps", description = "WebAssembly components, published under `name@version`."),
        (name = "workflows", description = "Graphs of steps."),
        (name = "runs", description = "Executions of workflows."),
        (name = "blobs", description = "Values that are not JSON: images, sound, documents."),
        (name = "operation", description = "Secrets, keys, destinations, health."),
    )
)]
struct Document;

struct ApiKeyScheme;

impl utoipa::Modify for ApiKeyScheme {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("api_key", bearer);
    }
}

fn to_text(document: &utoipa::openapi::OpenApi) -> String {
    // A document is maps, lists and texts: it has a JSON form.
    document.to_pretty_json().map(|text| text + "\n").unwrap_or_default()
}

async fn unknown_route(uri: Uri) -> Problem {
    Problem::UnknownRoute(uri.path().to_owned())
}

/// The router adds the `Allow` header itself.
async fn method_not_allowed(method: Method) -> Problem {
    Problem::MethodNotAllowed { method: method.to_string(), allowed: Vec::new() }
}

#[cfg(test)]
mod tests;
