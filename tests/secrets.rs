//! Secrets that are more than a text, and secrets in URLs, through the real server: what is sent, and what is never seen.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::support::guests;
use crate::support::server::{Server, node};
use crate::support::world::{Answer, World};

/// Posts to a URL of the world with these lines of config; granted the secret.
fn calling(world: &World, url: &str, config: &Value) -> Value {
    json!({
        "name": "calling", "version": "1.0.0",
        "nodes": {"call": {
            "step": "http-request@^1", "config": config, "input": {"method": "POST", "url": world.url(url), "json": {}},
            "grants": {"http": [{"host": world.host}], "secrets": {"KEY": [world.host]}}
        }}
    })
}

async fn server_with(world: &World, secret: &Value, url: &str, config: &Value) -> Server {
    let server = Server::start().await;
    server.publish(&guests::standard("http-request")).await;
    let (status, answer) = server.put("/v1/secrets/KEY", secret).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{answer:#}");
    server.apply(&calling(world, url, config)).await;
    server
}

/// Everything that may be read of a run, and the server's log, without these words.
async fn assert_unsaid(server: &mut Server, run: &Value, words: &[&str]) {
    let id = run["id"].as_str().unwrap();
    let (_, journal) = server.get(&format!("/v1/runs/{id}/journal")).await;
    server.stop().await;
    for shown in [run.to_string(), journal.to_string(), server.log()] {
        for word in words {
            assert!(!shown.contains(word), "`{word}` stands in {shown}");
        }
    }
}

#[tokio::test]
async fn a_users_password_is_sent_as_http_basic() {
    let world = World::start().await;
    let pair = json!({"basic": {"user": "api", "password": "key-never-seen"}});
    let mut server = server_with(&world, &pair, "/mail", &json!({"auth": {"basic": "KEY"}})).await;
    let run = server.run_to_end("calling", &json!({})).await;
    assert_eq!(run["status"], "succeeded", "{run:#}");
    // Base64 of `api:key-never-seen`.
    assert_eq!(world.seen("/mail")[0].header("authorization"), "Basic YXBpOmtleS1uZXZlci1zZWVu");
    assert_unsaid(&mut server, &run, &["key-never-seen", "YXBpOmtleS1uZXZlci1zZWVu"]).await;
}

#[tokio::test]
async fn an_oauth2_client_is_given_a_token_once_for_many_runs_and_another_after_a_restart() {
    let world = World::start().await;
    let token =
        |value: &str| Answer::new(200, json!({"access_token": value, "expires_in": 3600}).to_string());
    world.script("/token", [token("token-one"), token("token-two")]);
    let client = json!({"oauth2": {"token_url": world.url("/token"), "client_id": "stepwell", "client_secret": "client-never-seen", "scope": "write"}});
    let mut server = server_with(&world, &client, "/contacts", &json!({"auth": {"oauth2": "KEY"}})).await;
    for _ in 0..3 {
        let run = server.run_to_end("calling", &json!({})).await;
        assert_eq!(run["status"], "succeeded", "{run:#}");
    }
    server.kill().await;
    server.restart().await;
    let run = server.run_to_end("calling", &json!({})).await;
    let seen = world.seen("/contacts");
    let sent: Vec<&str> = seen.iter().map(|seen| seen.header("authorization")).collect();
    assert_eq!(sent, ["Bearer token-one", "Bearer token-one", "Bearer token-one", "Bearer token-two"]);
    assert_eq!(world.seen("/token").len(), 2);
    assert_unsaid(&mut server, &run, &["token-one", "token-two", "client-never-seen"]).await;
}

#[tokio::test]
async fn a_client_that_is_refused_fails_the_run_with_the_services_reason() {
    let world = World::start().await;
    world.script("/token", [Answer::new(401, json!({"error": "invalid_client"}).to_string())]);
    let client = json!({"oauth2": {"token_url": world.url("/token"), "client_id": "stepwell", "client_secret": "client-never-seen"}});
    let mut server = server_with(&world, &client, "/contacts", &json!({"auth": {"oauth2": "KEY"}})).await;
    let run = server.run_to_end("calling", &json!({})).await;
    let failure = &node(&run, "call")["failure"];
    assert_eq!(failure["kind"], "permanent", "{run:#}");
    let message = failure["message"].as_str().unwrap();
    assert!(
        message.contains("the secret `KEY`") && message.contains("401 Unauthorized: invalid_client"),
        "{message}"
    );
    assert!(world.all().iter().all(|seen| seen.path == "/token"), "nothing is sent without a token");
    assert_unsaid(&mut server, &run, &["client-never-seen"]).await;
}

#[tokio::test]
async fn a_webhooks_url_is_kept_as_a_secret() {
    let world = World::start().await;
    let secret = json!({"value": "T000/B000/never-seen"});
    let mut server = server_with(&world, &secret, "/services/{{ secret.KEY }}", &json!({})).await;
    let run = server.run_to_end("calling", &json!({})).await;
    assert_eq!(run["status"], "succeeded", "{run:#}");
    assert_eq!(world.all()[0].path, "/services/T000/B000/never-seen");
    assert!(run.to_string().contains("/services/{{secret.KEY}}"), "{run:#}");
    assert_unsaid(&mut server, &run, &["never-seen"]).await;
}

#[tokio::test]
async fn what_is_no_secret_is_refused_where_it_stands() {
    let server = Server::start().await;
    for (secret, part) in [
        (json!({"value": "line\n"}), "/value"),
        (json!({"basic": {"user": "a:b", "password": "c"}}), "/basic/user"),
        (
            json!({"oauth2": {"token_url": "auth.example.com", "client_id": "a", "client_secret": "b"}}),
            "/oauth2/token_url",
        ),
        (json!({"password": "x"}), "password"),
        (json!({"basic": {"user": "a"}}), "password"),
    ] {
        let (status, problem) = server.put("/v1/secrets/KEY", &secret).await;
        assert!(status.is_client_error() && problem.to_string().contains(part), "{secret}: {problem:#}");
    }
    let (_, listed) = server.get("/v1/secrets").await;
    assert_eq!(listed["secrets"], json!([]));
}
