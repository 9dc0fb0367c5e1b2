//! The API as a client meets it, over a real engine and store and without a network. What needs guests is in the tests of
//! the whole program.

use std::path::Path;

use axum::body::{Body, to_bytes};
use axum::response::Response;
use http::Request;
use http::request::Builder;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use stepwell_core::id::TenantId;
use stepwell_engine::EngineConfig;
use stepwell_sandbox::{Sandbox, SandboxConfig};
use stepwell_store::{EmbeddedStore, OpenOptions};

use super::*;

const ADMIN: &str = "an admin key of the tests";

struct Api {
    router: Router,
    _folder: TempDir,
    /// The engine's clock is the process's.
    _clock: tokio::sync::MutexGuard<'static, ()>,
}

impl Api {
    async fn open() -> Self {
        let (clock, folder) = (crate::cli::ONE_CLOCK.lock().await, TempDir::new().unwrap());
        let store = EmbeddedStore::open(&OpenOptions::new(folder.path().join("data"))).unwrap();
        let sandbox_config = SandboxConfig {
            cache_dir: folder.path().join("compiled"),
            max_live: 2,
            ..SandboxConfig::default()
        };
        let sandbox = Arc::new(Sandbox::new(sandbox_config).unwrap());
        let engine =
            Engine::open(EngineConfig::default(), store.catalogue(), store.journal(), sandbox).await.unwrap();
        engine.ready().await;
        let admin = Some(ADMIN.into());
        let (keys, _) = Keys::open(engine.catalogue(), &TenantId::default(), admin.as_ref()).await.unwrap();
        let http = HttpConfig { max_json_bytes: 1_000, max_component_bytes: 2_000, ..HttpConfig::default() };
        let (metrics, closing) = (crate::telemetry::metrics().unwrap(), CancellationToken::new());
        Self {
            router: router(App::new(Parts { engine, keys, http, metrics, closing })),
            _folder: folder,
            _clock: clock,
        }
    }

    async fn send(&self, request: Builder, body: impl Into<Body>) -> Response {
        self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap()
    }

    async fn json(&self, request: Builder, body: &Value) -> (u16, Value) {
        let request = request.header("content-type", "application/json");
        read(self.send(request, body.to_string()).await).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        read(self.send(call("GET", path), "").await).await
    }
}

/// A call with the admin key.
fn call(method: &str, path: &str) -> Builder {
    Request::builder().method(method).uri(path).header("authorization", format!("Bearer {ADMIN}"))
}

async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

fn slug(problem: &Value) -> &str {
    problem["type"].as_str().and_then(|uri| uri.rsplit('/').next()).unwrap_or_default()
}

/// The document in the repository is what a reader of the repository and a generator of clients go by.
#[test]
fn the_document_in_the_repository_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let served = to_text(&routes().1);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &served).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == served,
        "docs/openapi.json is not what the handlers say: run `UPDATE=1 cargo test --release -p stepwell --lib the_document`, \
         and read the difference before you keep it"
    );
}

/// Without either a generator of clients refuses the document.
#[test]
fn every_operation_has_a_name_of_its_own_and_every_answer_a_description() {
    let document: Value = serde_json::from_str(&to_text(&routes().1)).unwrap();
    let mut ids = std::collections::BTreeSet::new();
    let paths = document["paths"].as_object().unwrap();
    for (method, operation) in paths.values().flat_map(|path| path.as_object().unwrap()) {
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {operation:#}");
        for (status, answer) in operation["responses"].as_object().unwrap() {
            assert!(
                answer["description"].is_string() || answer["$ref"].is_string(),
                "{status}: {operation:#}"
            );
        }
    }
}

#[tokio::test]
async fn nothing_but_health_and_the_document_is_open() {
    let api = Api::open().await;
    for open in ["/healthz", "/readyz", "/openapi.json"] {
        let response = api.send(Request::builder().uri(open), "").await;
        assert_eq!(response.status(), 200, "{open}");
    }
    let (_, document) = read(api.send(Request::builder().uri("/openapi.json"), "").await).await;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let needs_no_key = ["/healthz", "/readyz"].contains(&path.as_str())
            || path.starts_with("/hooks")
            || path.starts_with("/v1/callbacks/");
        if needs_no_key {
            continue;
        }
        let path = path
            .replace("{id}", "01936b2e-8f0a-7cc3-a2cf-5f7d3a1a9e11")
            .replace("{name}", "x")
            .replace("{host}", "a.example")
            .replace("{version}", "1.0.0");
        for method in operations.as_object().unwrap().keys() {
            let request = Request::builder().method(method.to_uppercase().as_str()).uri(&path);
            let response = api.send(request, "").await;
            assert_eq!(response.status(), 401, "{method} {path}");
            assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"stepwell\"");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_like_any_other() {
    let api = Api::open().await;
    for (path, expected) in [
        ("/v1/nothing", "unknown-route"),
        ("/", "unknown-route"),
        ("/v1/steps/ghost", "unknown-step"),
        ("/v1/steps/ghost/1.0.0", "unknown-step"),
        ("/v1/workflows/ghost", "unknown-workflow"),
        ("/v1/workflows/ghost?version=1.0.0", "unknown-workflow"),
        ("/v1/runs/01936b2e-8f0a-7cc3-a2cf-5f7d3a1a9e11", "unknown-run"),
        ("/v1/runs/01936b2e-8f0a-7cc3-a2cf-5f7d3a1a9e11/journal", "unknown-run"),
        ("/v1/runs/01936b2e-8f0a-7cc3-a2cf-5f7d3a1a9e11/events", "unknown-run"),
        ("/hooks/ghost", "unknown-hook"),
    ] {
        let (status, problem) = api.get(path).await;
        assert_eq!((status, slug(&problem)), (404, expected), "{path}");
    }
    let (status, problem) = api.json(call("POST", "/v1/workflows/ghost/runs"), &json!({})).await;
    assert_eq!((status, slug(&problem)), (404, "unknown-workflow"));
    let (status, problem) =
        read(api.send(call("POST", "/v1/destinations/ghost.example/reset"), "").await).await;
    assert_eq!((status, slug(&problem)), (404, "unknown-destination"));
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let api = Api::open().await;
    let response = api.send(call("PATCH", "/v1/steps"), "").await;
    let allowed = response.headers()["allow"].to_str().unwrap().to_owned();
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
    let (status, problem) = read(response).await;
    assert_eq!((status, slug(&problem)), (405, "method-not-allowed"));
}

#[tokio::test]
async fn what_is_unknown_in_a_request_is_named() {
    let api = Api::open().await;
    for (path, word) in [
        ("/v1/steps?nmae=x", "nmae"),
        ("/v1/runs?stauts=failed", "stauts"),
        ("/v1/runs?limit=0", "limit"),
        ("/v1/runs?cursor=x", "cursor"),
        ("/v1/runs?status=odd", "odd"),
        ("/v1/runs/not-a-run", "not-a-run"),
        ("/v1/steps/Upper", "Upper"),
    ] {
        let (status, problem) = api.get(path).await;
        assert_eq!((status, slug(&problem)), (400, "invalid-request"), "{path}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
    }
    let (status, problem) = api.json(call("POST", "/v1/keys"), &json!({"name": "ci", "colour": 1})).await;
    assert_eq!((status, &problem["pointer"]), (400, &json!("/colour")), "{problem}");
}

#[tokio::test]
async fn a_body_of_another_kind_or_size_is_refused() {
    let api = Api::open().await;
    let form = call("POST", "/v1/keys").header("content-type", "application/x-www-form-urlencoded");
    let (status, problem) = read(api.send(form, "name=ci").await).await;
    assert_eq!((status, slug(&problem)), (415, "unsupported-media-type"));
    assert_eq!(problem["wanted"], json!(["application/json"]));

    let (status, problem) = api.json(call("POST", "/v1/keys"), &json!({"name": "x".repeat(1_000)})).await;
    assert_eq!((status, &problem["limit"]), (413, &json!(1_000)), "{problem}");

    let component = call("POST", "/v1/steps").header("content-type", "application/wasm");
    let (status, problem) = read(api.send(component, "no component").await).await;
    assert_eq!((status, slug(&problem)), (422, "invalid-component"), "{problem}");
}

#[tokio::test]
async fn a_definition_is_read_from_json_or_yaml_and_all_its_mistakes_are_told() {
    let api = Api::open().await;
    let yaml = "name: other\nversion: x\nnodes:\n  a: {step: 'ghost@^1'}\n";
    let request = call("PUT", "/v1/workflows/triage").header("content-type", "application/yaml");
    let (status, problem) = read(api.send(request, yaml).await).await;
    assert_eq!((status, slug(&problem)), (422, "invalid-definition"), "{problem}");
    let pointers: Vec<_> =
        problem["mistakes"].as_array().unwrap().iter().map(|m| m["pointer"].as_str().unwrap()).collect();
    assert!(
        ["/name", "/version", "/nodes/a/step"].iter().all(|place| pointers.contains(place)),
        "{pointers:?}"
    );

    let request = call("PUT", "/v1/workflows/triage").header("content-type", "application/yaml");
    let (status, problem) = read(api.send(request, "a: [").await).await;
    assert_eq!((status, slug(&problem)), (400, "malformed-body"), "{problem}");
}

#[tokio::test]
async fn a_key_opens_until_it_is_revoked() {
    let api = Api::open().await;
    let (status, made) = api.json(call("POST", "/v1/keys"), &json!({"name": "ci"})).await;
    assert_eq!(status, 201);
    let key = made["key"].as_str().unwrap().to_owned();
    let with_it = || Request::builder().uri("/v1/keys").header("authorization", format!("Bearer {key}"));
    let (status, list) = read(api.send(with_it(), "").await).await;
    assert_eq!((status, &list["keys"][0]["name"]), (200, &json!("ci")));
    assert!(!list.to_string().contains(&key), "a key is shown once");

    let path = format!("/v1/keys/{}", made["id"].as_str().unwrap());
    let (status, revoked) = read(api.send(call("DELETE", &path), "").await).await;
    assert!(status == 200 && revoked["revoked_at"].is_string(), "{revoked}");
    assert_eq!(api.send(with_it(), "").await.status(), 401);

    assert_eq!(read(api.send(call("DELETE", "/v1/keys/ghost"), "").await).await.0, 404);
    let (status, problem) = read(api.send(call("DELETE", "/v1/keys/admin"), "").await).await;
    assert_eq!((status, slug(&problem)), (409, "configured-key"));
}

#[tokio::test]
async fn a_secret_goes_in_and_never_comes_out() {
    let api = Api::open().await;
    let (status, _) =
        api.json(call("PUT", "/v1/secrets/OPENAI_API_KEY"), &json!({"value": "sk-very-secret"})).await;
    assert_eq!(status, 204);
    let (_, list) = api.get("/v1/secrets").await;
    assert_eq!(list["secrets"][0]["name"], "OPENAI_API_KEY");
    assert!(!list.to_string().contains("sk-very"), "{list}");
    let (status, problem) = api.json(call("PUT", "/v1/secrets/X"), &json!({"value": 7})).await;
    assert_eq!((status, &problem["pointer"]), (400, &json!("/value")));
}

#[tokio::test]
async fn every_answer_carries_its_trace() {
    let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let api = Api::open().await;
    for path in ["/healthz", "/v1/nothing", "/v1/runs"] {
        let response = api.send(Request::builder().uri(path).header("traceparent", given), "").await;
        assert_eq!(response.headers()["traceparent"], given, "{path}");
    }
}
