//! The API's manners: problems that help, pages that end, streams that go on where they broke.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::guests;
use crate::support::server::{KEY, Server, http_client};
use crate::support::workflows::{request_node, workflow};
use crate::support::world::World;

#[tokio::test]
async fn a_step_is_published_from_its_bytes_and_found_again() {
    let server = Server::start().await;
    let step = server.publish(&guests::standard("transform")).await;
    assert_eq!(
        (step["name"].as_str(), step["effect_free"].as_bool()),
        (Some("transform"), Some(true)),
        "{step:#}"
    );
    let again = server.publish(&guests::standard("transform")).await;
    assert_eq!(again["digest"], step["digest"]);
    let courier = server.publish(&guests::test("courier")).await;
    assert_eq!(courier["effect_free"], false, "{courier:#}");
    let (_, list) = server.get("/v1/steps").await;
    assert!(list.to_string().contains("courier"), "{list:#}");
    let version = step["version"].as_str().unwrap();
    let (status, manifest) = server.get(&format!("/v1/steps/transform/{version}")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(manifest["input_schema"].is_object(), "{manifest:#}");
}

#[tokio::test]
async fn without_a_key_or_with_a_wrong_one_nothing_is_told() {
    let server = Server::start().await;
    let http = http_client();
    for request in [
        http.get(format!("{}/v1/runs", server.url)),
        http.get(format!("{}/v1/runs", server.url)).bearer_auth("nope"),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.headers().contains_key("www-authenticate"));
        let problem: Value = response.json().await.unwrap();
        assert!(problem["type"].as_str().unwrap().contains("/errors/"), "{problem:#}");
    }
    for open in ["/healthz", "/readyz", "/openapi.json"] {
        assert_eq!(
            http.get(format!("{}{open}", server.url)).send().await.unwrap().status(),
            StatusCode::OK,
            "{open}"
        );
    }
}

#[tokio::test]
async fn keys_can_be_made_and_revoked() {
    let server = Server::start().await;
    let (status, key) = server.post("/v1/keys", &json!({"name": "ci"})).await;
    assert_eq!(status, StatusCode::CREATED, "{key:#}");
    let with_it =
        || http_client().get(format!("{}/v1/runs", server.url)).bearer_auth(key["key"].as_str().unwrap());
    assert_eq!(with_it().send().await.unwrap().status(), StatusCode::OK);
    let (_, list) = server.get("/v1/keys").await;
    assert!(!list.to_string().contains(key["key"].as_str().unwrap()), "keys are shown once");
    let path = format!("/v1/keys/{}", key["id"].as_str().unwrap());
    let revoked = server.request(Method::DELETE, &path).send().await.unwrap();
    assert!(revoked.status().is_success());
    assert_eq!(with_it().send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn events_go_on_behind_the_last_one_that_was_seen() {
    let (world, server) = (World::start().await, Server::start().await);
    server.publish(&guests::standard("http-request")).await;
    server.apply(&workflow("one", json!({"one": request_node(&world, "/one")}))).await;
    let run = server.run_to_end("one", &json!({})).await;
    let path = format!("/v1/runs/{}/events", run["id"].as_str().unwrap());
    let all = server.request(Method::GET, &path).send().await.unwrap().text().await.unwrap();
    let ids: Vec<u64> = ids(&all);
    assert_eq!(ids, (0..ids.len() as u64).collect::<Vec<_>>(), "{all}");
    assert!(all.contains("event: run-ended"), "{all}");
    let rest = server
        .request(Method::GET, &path)
        .header("last-event-id", "1")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(self::ids(&rest), ids[2..]);
}

fn ids(stream: &str) -> Vec<u64> {
    stream.lines().filter_map(|line| line.strip_prefix("id:")?.trim().parse().ok()).collect()
}

#[tokio::test]
async fn pages_of_runs_hold_every_run_once() {
    let server = Server::start().await;
    server.publish(&guests::standard("transform")).await;
    let node = json!({"step": "transform@^1", "config": {"template": {"n": "{{ input.n }}"}}, "input": {"n": "{{ input.n }}"}});
    server.apply(&workflow("tiny", json!({"tiny": node}))).await;
    let mut started = Vec::new();
    for n in 0..23 {
        started.push(server.run_to_end("tiny", &json!({"n": n})).await["id"].as_str().unwrap().to_owned());
    }
    started.reverse();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) =
            server.get(&format!("/v1/runs?workflow=tiny&status=succeeded&limit=5{cursor}")).await;
        assert_eq!(status, StatusCode::OK, "{page:#}");
        seen.extend(
            page["runs"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, started, "newest first, each once");
}

#[tokio::test]
async fn a_definition_with_many_mistakes_gets_all_of_them_with_their_places() {
    let server = Server::start().await;
    let definition = json!({
        "name": "wrong", "version": "one",
        "triggers": [{"http": {"path": "no-slash", "method": "POST"}}],
        "budget": {"time": "soon"},
        "nodes": {
            "a": {"step": "nowhere@^1", "needs": ["b", "ghost"]},
            "b": {"step": "nowhere@x.y", "needs": ["a"]},
            "c": {"step": "nowhere@^1", "input": {"x": "{{ 1 + }}"}, "retry": {"attempts": 0}, "tiemout": "1s"},
            "d": {"step": "nowhere@^1", "when": "nodes.c.output.x"},
        },
        "outptu": {},
    });
    let (status, problem) = server.put("/v1/workflows/wrong", &definition).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem:#}");
    let places: Vec<&str> = problem["mistakes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mistake| mistake["pointer"].as_str().unwrap())
        .collect();
    for place in [
        "/version",
        "/triggers/0/http/path",
        "/budget/time",
        "/nodes/a/step",
        "/nodes/a/needs/1",
        "/nodes/b/step",
        "/nodes/d/when",
        "/nodes/c/input/x",
        "/nodes/c/retry/attempts",
        "/nodes/c/tiemout",
        "/outptu",
    ] {
        assert!(places.contains(&place), "{place} is missing in {places:?}");
    }
    assert!(problem.to_string().contains("cycle"), "{problem:#}");
}

#[tokio::test]
async fn an_input_that_fails_the_schema_is_refused_with_its_place() {
    let server = Server::start().await;
    server.publish(&guests::standard("transform")).await;
    let node = json!({"step": "transform@^1", "config": {"template": {}}, "input": {}});
    let mut definition = workflow("strict", json!({"node": node}));
    definition["input"] =
        json!({"type": "object", "required": ["count"], "properties": {"count": {"type": "integer"}}});
    definition["triggers"] = json!([{"http": {"path": "/strict", "method": "POST"}}]);
    server.apply(&definition).await;
    let (status, problem) =
        server.post("/v1/workflows/strict/runs", &json!({"input": {"count": "three"}})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem:#}");
    assert_eq!(problem["violations"][0]["pointer"], "/count", "{problem:#}");
    let (status, problem) = server.post("/hooks/strict", &json!({})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem:#}");
    let (_, runs) = server.get("/v1/runs").await;
    assert_eq!(runs["runs"], json!([]), "nothing was started");

    let form = server
        .request(Method::POST, "/hooks/strict")
        .header("content-type", "application/x-www-form-urlencoded")
        .body("count=3");
    let (status, problem) = server.json(form).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{problem:#}");
    assert!(problem.to_string().contains("application/json"), "{problem:#}");
    let unknown = server.post("/v1/workflows/strict/runs", &json!({"inptu": {}})).await;
    assert_eq!(unknown.0, StatusCode::BAD_REQUEST, "{:#}", unknown.1);
    assert!(unknown.1.to_string().contains("inptu"), "{:#}", unknown.1);
}

#[tokio::test]
async fn a_body_that_is_no_component_is_refused_in_words() {
    let server = Server::start().await;
    let publish = |body: Vec<u8>| {
        server.json(
            server.request(Method::POST, "/v1/steps").header("content-type", "application/wasm").body(body),
        )
    };
    let (status, problem) = publish(b"hello".to_vec()).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem:#}");
    let core_module = wat::parse_str("(module)").unwrap();
    let (status, problem) = publish(core_module).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem:#}");
    assert!(problem["detail"].as_str().unwrap().contains("step build"), "{problem:#}");
}

#[tokio::test]
async fn a_body_of_a_hundred_megabytes_is_refused_and_the_server_goes_on() {
    let server = Server::start().await;
    for (path, kind) in [("/v1/steps", "application/wasm"), ("/v1/workflows/x/runs", "application/json")] {
        let request =
            server.request(Method::POST, path).header("content-type", kind).body(vec![b' '; 100 << 20]);
        // The server may answer and close before all was sent: then there is no answer to read, which is a refusal as well.
        if let Ok(response) = request.send().await {
            assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        }
        assert_eq!(server.get("/v1/runs").await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let server = Server::start().await;
    server.publish(&guests::standard("transform")).await;
    let node = json!({"step": "transform@^1", "config": {"template": {}}, "input": {}});
    server.apply(&workflow("counted", json!({"node": node}))).await;
    server.run_to_end("counted", &json!({})).await;
    let text = http_client()
        .get(format!("{}/metrics", server.url))
        .bearer_auth(KEY)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        text.lines().any(|line| line.starts_with("stepwell_runs_started_total") && line.ends_with(" 1")),
        "{text}"
    );
}
