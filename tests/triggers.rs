//! HTTP triggers that are an API of their own: parameters in the path, an input made of the request, an answer made of the output.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::guests;
use crate::support::server::{Server, http_client};

/// A workflow that hands its input on, behind these triggers.
fn echoing(name: &str, triggers: &Value) -> Value {
    json!({
        "name": name, "version": "1.0.0", "triggers": triggers,
        "nodes": {"echo": {"step": "transform@^1", "config": {"template": "{{ input }}"}, "input": "{{ input }}"}},
        "output": "{{ nodes.echo.output }}",
    })
}

async fn server() -> Server {
    let server = Server::start().await;
    server.publish(&guests::standard("transform")).await;
    server
}

#[tokio::test]
async fn a_request_becomes_an_input_and_the_output_an_answer() {
    let server = server().await;
    let trigger = json!({"http": {
        "path": "/tickets/{id}/route", "method": "PUT",
        "input": {
            "id": "{{ request.params.id }}", "to": "{{ request.body.to | default('General') }}", "dry": "{{ request.query.dry }}",
            "agent": "{{ request.headers['user-agent'] }}", "way": "{{ request.method }} {{ request.path }}",
        },
        "respond": {
            "status": "{{ 202 if output.dry == 'yes' else 201 }}",
            "body": {"ticket": "{{ output.id }}", "to": "{{ output.to }}", "run": "{{ run.id }}", "all": "{{ output }}"},
        },
    }});
    server.apply(&echoing("route", &json!([trigger]))).await;
    let call = |path: &str, body: Value| {
        let request = server.request(Method::PUT, path).header("user-agent", "tester").json(&body);
        server.json(request)
    };
    let (status, answer) = call("/hooks/tickets/T%2F7/route?dry=no", json!({"to": "Billing"})).await;
    assert_eq!(status, StatusCode::CREATED, "{answer:#}");
    assert_eq!((&answer["ticket"], &answer["to"]), (&json!("T/7"), &json!("Billing")));
    assert_eq!(answer["all"]["agent"], "tester");
    assert_eq!(answer["all"]["way"], "PUT /tickets/T%2F7/route");
    assert_eq!(server.run(answer["run"].as_str().unwrap()).await["status"], "succeeded");
    let (status, answer) = call("/hooks/tickets/8/route?dry=yes", json!({})).await;
    assert_eq!((status, &answer["to"]), (StatusCode::ACCEPTED, &json!("General")));

    let (status, problem) = call("/hooks/tickets/8/route", json!({})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("/triggers/0/http/input/dry"), "{problem:#}");
    let (status, problem) = server.get("/hooks/tickets/8/route").await;
    assert_eq!((status, &problem["allowed"]), (StatusCode::METHOD_NOT_ALLOWED, &json!(["PUT"])));
    let (status, _) = call("/hooks/tickets//route", json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_run_that_fails_is_a_problem_that_tells_strangers_no_more_than_its_id() {
    let server = server().await;
    let failing = |name: &str, open: bool| {
        let mut workflow =
            echoing(name, &json!([{"http": {"path": format!("/{name}"), "open": open, "respond": {}}}]));
        workflow["nodes"]["echo"]["config"]["template"] = json!("{{ input.nothing.at.all }}");
        workflow
    };
    server.apply(&failing("known", false)).await;
    server.apply(&failing("strange", true)).await;
    let (status, problem) = server.post("/hooks/known", &json!({})).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{problem:#}");
    assert_eq!(
        (&problem["run_status"], &problem["failure"]["kind"]),
        (&json!("failed"), &json!("invalid-input"))
    );
    assert!(problem["type"].as_str().unwrap().ends_with("/run-failed"), "{problem:#}");

    let answer = http_client().post(server.url("/hooks/strange")).json(&json!({})).send().await.unwrap();
    let problem: Value = answer.json().await.unwrap();
    assert!(problem["run_id"].is_string() && problem["failure"].is_null(), "{problem:#}");
}

#[tokio::test]
async fn a_run_that_takes_longer_is_accepted_and_the_same_request_again_is_the_same_run() {
    let server = server().await;
    let mut slow = echoing("slow", &json!([{"http": {"path": "/slow", "respond": {"wait": "1ms"}}}]));
    slow["nodes"]["hold"] = json!({"wait": {"signal": "go"}});
    slow["nodes"]["echo"]["needs"] = json!(["hold"]);
    server.apply(&slow).await;
    let ask = |wait: &str| {
        let request = server
            .request(Method::POST, "/hooks/slow")
            .header("idempotency-key", "one")
            .header("prefer", wait);
        server.json(request.json(&json!({"a": 1})))
    };
    let (status, accepted) = ask("wait=0").await;
    assert_eq!(status, StatusCode::ACCEPTED, "{accepted:#}");
    let run = accepted["run_id"].as_str().unwrap();
    let (status, _) = server.post(&format!("/v1/runs/{run}/signals"), &json!({"name": "go"})).await;
    assert!(status.is_success(), "{status}");
    let (status, answer) = ask("wait=60").await;
    assert_eq!((status, &answer), (StatusCode::OK, &json!({"a": 1})));
}

#[tokio::test]
async fn paths_that_fit_the_same_requests_belong_to_one_workflow() {
    let server = server().await;
    server
        .apply(&echoing(
            "one",
            &json!([{"http": {"path": "/a/{x}", "respond": {"body": "{{ request.params.x }}"}}}]),
        ))
        .await;
    let other = echoing("two", &json!([{"http": {"path": "/a/{y}"}}]));
    let (status, problem) = server.put("/v1/workflows/two", &other).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["mistakes"][0]["code"], "hook-taken", "{problem:#}");

    // What is named outright goes before what fits, method by method.
    server
        .apply(&echoing(
            "two",
            &json!([{"http": {"path": "/a/new", "method": "PUT", "respond": {"body": "new"}}}]),
        ))
        .await;
    let (_, put) = server.put("/hooks/a/new", &json!({})).await;
    let (_, post) = server.post("/hooks/a/new", &json!({})).await;
    assert_eq!((put, post), (json!("new"), json!("new")));
    let (_, post) = server.post("/hooks/a/old", &json!({})).await;
    assert_eq!(post, "old");
}

#[tokio::test]
async fn each_mistake_in_a_trigger_is_told_where_it_stands() {
    let server = server().await;
    let bad = json!([{"http": {
        "path": "/a/{Id}", "input": {"x": "{{ requst.body }}", "y": "{{ request.boddy }}"},
        "respond": {"wait": "soon", "status": 99, "body": "{{ nodes.echo.output }} {{ run.version }}", "headers": {}},
    }}]);
    let (status, problem) = server.put("/v1/workflows/bad", &echoing("bad", &bad)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let pointers: Vec<&str> =
        problem["mistakes"].as_array().unwrap().iter().map(|it| it["pointer"].as_str().unwrap()).collect();
    for pointer in [
        "/triggers/0/http/path",
        "/triggers/0/http/input/x",
        "/triggers/0/http/input/y",
        "/triggers/0/http/respond/wait",
        "/triggers/0/http/respond/status",
        "/triggers/0/http/respond/body",
        "/triggers/0/http/respond/headers",
    ] {
        assert!(pointers.contains(&pointer), "{pointer} in {problem:#}");
    }
}
