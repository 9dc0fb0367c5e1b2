//! Flow control: circuit breakers, pauses that destinations ask for, rates, and how many runs of a workflow are under way.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::guests;
use crate::support::server::{KEY, PATIENCE, Server, node, stepwell};
use crate::support::workflows::{courier_node, request_node, workflow};
use crate::support::world::{Answer, World};

/// A server with this configuration, beside being allowed to reach the worlds of tests.
async fn server(config: &str) -> Server {
    let server =
        Server::start_with(&format!("[network]\nallow_networks = [\"127.0.0.0/8\"]\n\n{config}")).await;
    server.publish(&guests::standard("http-request")).await;
    server.publish(&guests::test("courier")).await;
    server
}

/// Applies a workflow of one node, and gives its name back.
async fn apply<'a>(server: &Server, name: &'a str, node: Value) -> &'a str {
    server.apply(&workflow(name, json!({ "it": node }))).await;
    name
}

async fn destination(server: &Server, world: &World) -> Value {
    let (status, list) = server.get("/v1/destinations").await;
    assert_eq!(status, StatusCode::OK, "{list:#}");
    let lines = list["destinations"].as_array().unwrap();
    let line = lines.iter().find(|line| line["destination"] == world.host.as_str());
    line.unwrap_or_else(|| panic!("{} is not among {list:#}", world.host)).clone()
}

/// Fails so often in a row as opens a breaker.
async fn fail(server: &Server, world: &World, times: usize) {
    world.script("/failing", vec![Answer::new(500, "{}"); times]);
    let failing = apply(server, "failing", courier_node(world, &vec!["/failing"; times])).await;
    assert_eq!(server.run_to_end(failing, &json!({})).await["status"], "succeeded");
}

#[tokio::test]
async fn a_destination_that_fails_ten_times_is_left_alone_and_the_others_are_not() {
    let (bad, good) = (World::start().await, World::start().await);
    let server = server("[breaker]\nopen_for = \"1h\"\n\ncap = \"1h\"\n").await;
    fail(&server, &bad, 9).await;
    let line = destination(&server, &bad).await;
    assert_eq!((&line["breaker"]["state"], &line["breaker"]["failures"]), (&json!("closed"), &json!(9)));

    let mut again = workflow("again", json!({"it": courier_node(&bad, &["/failing"])}));
    bad.script("/failing", [Answer::new(502, "{}")]);
    server.apply(&again).await;
    server.run_to_end("again", &json!({})).await;
    let seen = bad.seen("/failing").len();
    let refused = server.run_to_end("again", &json!({})).await;
    let failure = &refused["failure"];
    assert_eq!(failure["kind"], "circuit-open", "{refused:#}");
    let message = failure["message"].as_str().unwrap();
    assert!(message.contains(&bad.host) && message.contains("502"), "{message}");
    assert!(failure["retry_after_ms"].as_u64().is_some_and(|ms| ms > 3_000_000), "{failure:#}");
    assert_eq!(bad.seen("/failing").len(), seen, "nothing was sent");

    let fine = apply(&server, "fine", courier_node(&good, &["/fine"])).await;
    assert_eq!(server.run_to_end(fine, &json!({})).await["status"], "succeeded");

    let line = destination(&server, &bad).await;
    let breaker = &line["breaker"];
    assert_eq!(
        (&breaker["state"], &breaker["opens"], &breaker["refusals"]),
        (&json!("open"), &json!(1), &json!(1))
    );
    assert!(breaker["until"].is_string() && breaker["opened_at"].is_string(), "{line:#}");
    let metrics = server.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    for expected in [
        format!("stepwell_breaker_state{{destination=\"{}\"}} 2", bad.host),
        format!("stepwell_breaker_state{{destination=\"{}\"}} 0", good.host),
        "stepwell_breaker_opens_total 1".to_owned(),
        "stepwell_breaker_refusals_total 1".to_owned(),
    ] {
        assert!(metrics.contains(&expected), "{expected} is not in {metrics}");
    }

    let output = command(&server, &["destinations", "reset", &bad.host]).await;
    assert!(output.contains("trusted again"), "{output}");
    let output = command(&server, &["destinations", "list"]).await;
    assert!(output.contains(&bad.host) && !output.contains("open"), "{output}");
    again["version"] = json!("1.0.1");
    server.apply(&again).await;
    assert_eq!(server.run_to_end("again", &json!({})).await["status"], "succeeded");
}

async fn command(server: &Server, arguments: &[&str]) -> String {
    let mut command = stepwell();
    command.args(arguments).env("STEPWELL_URL", &server.url).env("STEPWELL_KEY", KEY);
    let output = timeout(PATIENCE, command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn one_probe_goes_through_while_the_others_are_refused_and_its_success_closes_the_breaker() {
    let world = World::start().await;
    let server = server("[breaker]\nfailures = 3\nopen_for = \"1ms\"\n").await;
    let mut probe = courier_node(&world, &["/hold/probe"]);
    // It may come in the millisecond in which the breaker is open.
    probe["retry"] = json!({"attempts": 100, "delay": "1ms", "factor": 1, "on": ["circuit-open"]});
    apply(&server, "probe", probe).await;
    apply(&server, "other", courier_node(&world, &["/other"])).await;
    fail(&server, &world, 3).await;

    let run = server.start_run("probe", &json!({})).await;
    world.arrived("/hold/probe", 1).await;
    assert_eq!(destination(&server, &world).await["breaker"]["state"], "half-open");
    let refused = server.run_to_end("other", &json!({})).await;
    assert_eq!(refused["failure"]["kind"], "circuit-open", "{refused:#}");
    world.let_go();
    assert_eq!(server.ended(&run).await["status"], "succeeded");
    let line = destination(&server, &world).await;
    assert_eq!((&line["breaker"]["state"], &line["in_flight"]), (&json!("closed"), &json!(0)));
    assert_eq!(server.run_to_end("other", &json!({})).await["status"], "succeeded");
}

#[tokio::test]
async fn a_probe_whose_run_is_cancelled_makes_room_for_another() {
    let world = World::start().await;
    let server = server("[breaker]\nfailures = 3\nopen_for = \"1ms\"\n").await;
    let patient = json!({"attempts": 100, "delay": "1ms", "factor": 1, "on": ["circuit-open"]});
    for (name, path) in [("probe", "/hold/probe"), ("next", "/next")] {
        let mut probe = courier_node(&world, &[path]);
        probe["retry"] = patient.clone();
        apply(&server, name, probe).await;
    }
    fail(&server, &world, 3).await;
    let run = server.start_run("probe", &json!({})).await;
    world.arrived("/hold/probe", 1).await;
    let (status, answer) = server.post(&format!("/v1/runs/{run}/cancel"), &json!({})).await;
    assert_eq!(status, StatusCode::OK, "{answer:#}");
    assert_eq!(server.run_to_end("next", &json!({})).await["status"], "succeeded");
    assert_eq!(destination(&server, &world).await["breaker"]["state"], "closed");
}

#[tokio::test]
async fn a_destination_that_lets_attempts_run_out_of_time_has_failed() {
    let world = World::start().await;
    let server = server("[breaker]\nfailures = 1\nopen_for = \"1h\"\n").await;
    let mut slow = courier_node(&world, &["/hold"]);
    slow["timeout"] = json!("250ms");
    apply(&server, "slow", slow).await;
    assert_eq!(server.run_to_end("slow", &json!({})).await["failure"]["kind"], "timeout");
    assert_eq!(server.run_to_end("slow", &json!({})).await["failure"]["kind"], "circuit-open");
    let line = destination(&server, &world).await;
    assert!(line["breaker"]["last_fault"].as_str().unwrap().contains("250 ms"), "{line:#}");
}

#[tokio::test]
async fn a_retry_after_slows_every_run_that_calls_the_same_destination() {
    let (busy, calm) = (World::start().await, World::start().await);
    let server = server("").await;
    busy.script("/limited", [Answer::new(429, "{}").header("retry-after", "600")]);
    apply(&server, "limited", courier_node(&busy, &["/limited"])).await;
    apply(&server, "other", courier_node(&busy, &["/other"])).await;
    apply(&server, "elsewhere", courier_node(&calm, &["/elsewhere"])).await;
    assert_eq!(server.run_to_end("limited", &json!({})).await["status"], "succeeded");

    let slowed = server.run_to_end("other", &json!({})).await;
    let failure = &slowed["failure"];
    assert_eq!(failure["kind"], "retryable", "another attempt may succeed: {slowed:#}");
    assert!(failure["message"].as_str().unwrap().contains("Retry-After"), "{failure:#}");
    assert!(failure["retry_after_ms"].as_u64().is_some_and(|ms| ms > 500_000), "{failure:#}");
    assert_eq!(busy.seen("/other").len(), 0);
    assert!(destination(&server, &busy).await["slowed_until"].is_string());
    assert_eq!(server.run_to_end("elsewhere", &json!({})).await["status"], "succeeded");

    let path = format!("/v1/destinations/{}/reset", busy.host);
    let (status, line) = server.post(&path, &json!({})).await;
    assert_eq!((status, &line["slowed_until"]), (StatusCode::OK, &Value::Null), "{line:#}");
    assert_eq!(server.run_to_end("other", &json!({})).await["status"], "succeeded");
}

#[tokio::test]
async fn a_short_pause_is_waited_out() {
    let world = World::start().await;
    let server = server("").await;
    world.script("/limited", [Answer::new(503, "{}").header("retry-after", "1")]);
    apply(&server, "limited", courier_node(&world, &["/limited", "/after"])).await;
    let run = server.run_to_end("limited", &json!({})).await;
    assert_eq!(run["status"], "succeeded", "{run:#}");
    let took = node(&run, "it")["attempts"][0]["duration_us"].as_u64().unwrap();
    assert!(took >= 1_000_000, "it took {took} us where Retry-After said 1 s");
    let metrics = server.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("stepwell_destination_wait_seconds_count 1"), "{metrics}");
}

#[tokio::test]
async fn a_rate_holds_for_all_runs_together() {
    let world = World::start().await;
    let server = server(&format!("[destinations.\"{}\"]\nrate = \"2/h\"\nburst = 3\n", world.host)).await;
    assert_eq!(destination(&server, &world).await["tokens"], 3, "it is known before it is called");
    apply(&server, "two", courier_node(&world, &["/a", "/b"])).await;
    assert_eq!(server.run_to_end("two", &json!({})).await["status"], "succeeded");
    let second = server.run_to_end("two", &json!({})).await;
    assert_eq!(second["failure"]["kind"], "retryable", "{second:#}");
    assert!(second["failure"]["message"].as_str().unwrap().contains("2/h"), "{second:#}");
    assert_eq!((world.seen("/a").len(), world.seen("/b").len()), (2, 1));
    let line = destination(&server, &world).await;
    assert_eq!((&line["rate"], &line["burst"], &line["tokens"]), (&json!("2/h"), &json!(3), &json!(0)));
}

/// A workflow whose runs call the path that their input names, with this `concurrency`.
async fn apply_bounded(server: &Server, world: &World, concurrency: Value) {
    let mut it = request_node(world, "");
    it["input"]["url"] = json!(world.url("{{ input.path }}"));
    let mut definition = workflow("bounded", json!({ "it": it }));
    definition["concurrency"] = concurrency;
    server.apply(&definition).await;
}

async fn start(server: &Server, body: &Value) -> (StatusCode, Value) {
    server.post("/v1/workflows/bounded/runs", body).await
}

#[tokio::test]
async fn a_run_beyond_the_limit_queues_and_goes_on_by_priority_also_after_a_crash() {
    let (world, mut server) = (World::start().await, server("").await);
    apply_bounded(&server, &world, json!({"limit": 1})).await;
    let mut runs = Vec::new();
    for (path, priority, status) in [
        ("/hold/first", "normal", "running"),
        ("/low", "low", "queued"),
        ("/normal", "normal", "queued"),
        ("/high", "high", "queued"),
        ("/gone", "high", "queued"),
    ] {
        let (code, started) = start(&server, &json!({"input": {"path": path}, "priority": priority})).await;
        assert_eq!((code, started["status"].as_str()), (StatusCode::ACCEPTED, Some(status)), "{started:#}");
        runs.push(started["run_id"].as_str().unwrap().to_owned());
    }
    world.arrived("/hold/first", 1).await;
    let (_, queued) = server.get("/v1/runs?status=queued").await;
    assert_eq!(queued["runs"].as_array().unwrap().len(), 4, "{queued:#}");
    let high = server.run(&runs[3]).await;
    assert_eq!((&high["status"], &high["priority"]), (&json!("queued"), &json!("high")), "{high:#}");
    let (status, answer) = server.post(&format!("/v1/runs/{}/cancel", runs[4]), &json!({})).await;
    assert_eq!((status, &answer["status"]), (StatusCode::OK, &json!("cancelled")), "{answer:#}");

    server.kill().await;
    server.restart().await;
    world.arrived("/hold/first", 2).await;
    assert_eq!(server.run(&runs[3]).await["status"], "queued", "the first still has the place");
    let metrics = server.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("stepwell_queued_runs 3"), "{metrics}");
    world.let_go();
    for run in &runs[..4] {
        assert_eq!(server.ended(run).await["status"], "succeeded");
    }
    let order: Vec<String> = world.all().iter().map(|seen| seen.path.clone()).collect();
    assert_eq!(order, ["/hold/first", "/hold/first", "/high", "/normal", "/low"]);
}

#[tokio::test]
async fn a_workflow_that_rejects_answers_429_until_a_place_is_free() {
    let (world, server) = (World::start().await, server("").await);
    let concurrency = json!({"limit": 1, "key": "{{ input.customer }}", "on_full": "reject"});
    apply_bounded(&server, &world, concurrency).await;
    let of = |customer: &str, path: &str| json!({"input": {"path": path, "customer": customer}});
    let (status, first) = start(&server, &of("ada", "/hold/ada")).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{first:#}");

    let request = server.request(Method::POST, "/v1/workflows/bounded/runs").json(&of("ada", "/ada"));
    let refused = request.send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
    let problem: Value = refused.json().await.unwrap();
    assert!(problem["type"].as_str().unwrap().ends_with("/workflow-full"), "{problem:#}");
    assert_eq!(problem["limit"], 1, "{problem:#}");

    let (status, other) = start(&server, &of("bob", "/bob")).await;
    assert_eq!(status, StatusCode::ACCEPTED, "another customer has a place of their own: {other:#}");
    let (status, problem) = start(&server, &json!({"input": {"path": "/nobody"}})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem:#}");
    assert!(
        problem["violations"][0]["message"].as_str().unwrap().contains("/concurrency/key"),
        "{problem:#}"
    );

    world.let_go();
    server.ended(first["run_id"].as_str().unwrap()).await;
    let (status, again) = start(&server, &of("ada", "/ada")).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{again:#}");
    server.ended(again["run_id"].as_str().unwrap()).await;
    assert_eq!(world.seen("/ada").len(), 1, "what was refused was not run");
}

#[tokio::test]
async fn a_full_queue_answers_429_and_a_repeated_start_is_still_the_first_one() {
    let (world, server) = (World::start().await, server("").await);
    apply_bounded(&server, &world, json!({"limit": 1, "max_queued": 1})).await;
    let keyed = |key: &'static str, path: &'static str| {
        let request = server.request(Method::POST, "/v1/workflows/bounded/runs");
        server.json(request.header("idempotency-key", key).json(&json!({"input": {"path": path}})))
    };
    let (_, running) = keyed("a", "/hold/a").await;
    let (_, queued) = keyed("b", "/b").await;
    assert_eq!((&running["status"], &queued["status"]), (&json!("running"), &json!("queued")));
    let (status, full) = keyed("c", "/c").await;
    assert_eq!((status, &full["max_queued"]), (StatusCode::TOO_MANY_REQUESTS, &json!(1)), "{full:#}");
    for (key, path, first) in [("a", "/hold/a", &running), ("b", "/b", &queued)] {
        let (status, again) = keyed(key, path).await;
        assert_eq!((status, &again["run_id"]), (StatusCode::ACCEPTED, &first["run_id"]), "{again:#}");
    }
    let (status, mismatch) = keyed("a", "/other").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{mismatch:#}");
    world.let_go();
    for run in [&running, &queued] {
        assert_eq!(server.ended(run["run_id"].as_str().unwrap()).await["status"], "succeeded");
    }
    let (status, later) = keyed("c", "/c").await;
    assert_eq!(status, StatusCode::ACCEPTED, "what was refused may be sent again: {later:#}");
}
