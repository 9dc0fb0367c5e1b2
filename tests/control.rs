//! Durable control flow as its users meet it: people, callbacks, times, other workflows, failures; and the server killed in between.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::guests;
use crate::support::server::{Server, http_client, node};
use crate::support::workflows::{request_node, workflow};
use crate::support::world::{Answer, World};

async fn server() -> Server {
    let server = Server::start().await;
    server.publish(&guests::standard("http-request")).await;
    server.publish(&guests::standard("transform")).await;
    server
}

fn transform(template: Value) -> Value {
    json!({"step": "transform@^1", "config": {"template": template}})
}

fn slug(problem: &Value) -> &str {
    problem["type"].as_str().and_then(|uri| uri.rsplit('/').next()).unwrap_or_default()
}

/// Asks until the run stands so on disk: then it has left memory.
async fn comes_to(server: &Server, run: &str, status: &str) -> Value {
    loop {
        let (_, list) = server.get(&format!("/v1/runs?status={status}")).await;
        if list["runs"].as_array().unwrap().iter().any(|line| line["id"] == run) {
            return server.run(run).await;
        }
        let view = server.run(run).await;
        assert!(view["ended_at"].is_null(), "the run ended before it was {status}: {view:#}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_person_decides_across_a_crash_once_and_nobody_else_may() {
    let mut server = server().await;
    let mut ask = json!({"approval": {
        "show": {"sum": "{{ input.sum }}"}, "who": ["ann"], "timeout": "1h",
        "form": {"type": "object", "required": ["limit"], "properties": {"limit": {"type": "integer"}}},
    }});
    let mut then = transform(json!("{{ input.by }} allows {{ input.form.limit }}"));
    then["needs"] = json!(["ask"]);
    then["input"] = json!("{{ nodes.ask.output }}");
    ask["needs"] = json!([]);
    server.apply(&workflow("ask", json!({"ask": ask, "then": then}))).await;
    let (_, ann) = server.post("/v1/keys", &json!({"name": "ann"})).await;
    let run = server.start_run("ask", &json!({"sum": 7})).await;
    comes_to(&server, &run, "waiting").await;
    server.kill().await;
    server.restart().await;

    let (_, inbox) = server.get("/v1/approvals").await;
    let question = &inbox["approvals"][0];
    assert_eq!((&question["run"], &question["show"]), (&json!(run), &json!({"sum": 7})), "{inbox:#}");
    assert_eq!(question["form"]["required"], json!(["limit"]));
    let (_, mine) = server.get("/v1/approvals?mine=true").await;
    assert_eq!(mine["approvals"], json!([]), "the operator is not asked");

    let path = format!("/v1/runs/{run}/approvals/ask");
    let yes = json!({"decision": "approve", "form": {"limit": 5}});
    let (status, problem) = server.post(&path, &yes).await;
    assert_eq!((status, slug(&problem)), (StatusCode::FORBIDDEN, "not-allowed"), "{problem:#}");
    assert_eq!(problem["who"], json!(["ann"]));

    let as_ann = async |body: &Value| {
        let request = http_client().post(server.url(&path)).bearer_auth(ann["key"].as_str().unwrap());
        server.json(request.json(body)).await
    };
    let (status, problem) = as_ann(&json!({"decision": "approve", "form": {"limit": "much"}})).await;
    assert_eq!((status, slug(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, "schema-mismatch"));
    let (status, answer) = as_ann(&yes).await;
    assert_eq!(status, StatusCode::OK, "{answer:#}");
    let (status, problem) = as_ann(&json!({"decision": "reject"})).await;
    assert_eq!((status, slug(&problem)), (StatusCode::CONFLICT, "not-waiting"), "{problem:#}");

    let run = server.ended(&run).await;
    assert_eq!(run["output"]["then"], json!("ann allows 5"), "{run:#}");
    assert_eq!(server.get("/v1/approvals").await.1["approvals"], json!([]));
    let (status, problem) =
        server.post(&format!("/v1/runs/{}/approvals/then", run["id"].as_str().unwrap()), &yes).await;
    assert_eq!((status, slug(&problem)), (StatusCode::NOT_FOUND, "unknown-approval"), "{problem:#}");
}

#[tokio::test]
async fn a_callback_is_taken_once_across_a_crash_and_checked() {
    let world = World::start().await;
    let mut server = server().await;
    let mut job = request_node(&world, "/jobs");
    job["input"]["json"] = json!({"reply_to": "{{ callback.url }}"});
    job["callback"] = json!({"expires": "1h", "schema": {"type": "object", "required": ["image"]}});
    server.apply(&workflow("job", json!({"job": job}))).await;
    let run = server.start_run("job", &json!({})).await;
    comes_to(&server, &run, "waiting").await;
    let sent: Value = serde_json::from_slice(&world.seen("/jobs")[0].body).unwrap();
    let url = sent["reply_to"].as_str().unwrap().to_owned();
    let path = url.split_once("/v1/").map(|(_, path)| format!("/v1/{path}")).unwrap();
    server.kill().await;
    server.restart().await;

    // Whoever calls back has no key.
    let call = async |body: &Value| server.json(http_client().post(server.url(&path)).json(body)).await;
    let (status, problem) = call(&json!({"picture": 1})).await;
    assert_eq!((status, slug(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, "schema-mismatch"));
    let (status, _) = call(&json!({"image": "x.png"})).await;
    assert_eq!(status, StatusCode::OK);
    let (status, problem) = call(&json!({"image": "y.png"})).await;
    assert_eq!((status, slug(&problem)), (StatusCode::CONFLICT, "callback-used"), "{problem:#}");
    let run = server.ended(&run).await;
    assert_eq!(run["output"]["job"], json!({"image": "x.png"}), "{run:#}");
    assert_eq!(world.seen("/jobs").len(), 1);
    let (status, problem) =
        server.json(http_client().post(server.url("/v1/callbacks/guessed")).json(&json!({}))).await;
    assert_eq!((status, slug(&problem)), (StatusCode::NOT_FOUND, "unknown-callback"));
}

#[tokio::test]
async fn a_callback_after_its_time_is_told_so() {
    let world = World::start().await;
    let server = server().await;
    let mut job = request_node(&world, "/jobs");
    job["input"]["json"] = json!({"reply_to": "{{ callback.url }}"});
    job["callback"] = json!({"expires": "50ms"});
    server.apply(&workflow("late", json!({"job": job}))).await;
    let run = server.start_run("late", &json!({})).await;
    let run = server.ended(&run).await;
    assert_eq!((&run["status"], &run["failure"]["kind"]), (&json!("failed"), &json!("expired")), "{run:#}");
    let sent: Value = serde_json::from_slice(&world.seen("/jobs")[0].body).unwrap();
    let url = sent["reply_to"].as_str().unwrap().to_owned();
    let (status, problem) = server.json(http_client().post(url).json(&json!({}))).await;
    assert_eq!((status, slug(&problem)), (StatusCode::GONE, "callback-gone"), "{problem:#}");
}

#[tokio::test]
async fn a_wait_ends_in_time_after_a_crash() {
    let mut server = server().await;
    server.apply(&workflow("later", json!({"w": {"wait": "1500ms"}}))).await;
    let run = server.start_run("later", &json!({})).await;
    let waiting = comes_to(&server, &run, "waiting").await;
    let until: jiff::Timestamp = node(&waiting, "w")["waits_for"]["until"].as_str().unwrap().parse().unwrap();
    server.kill().await;
    server.restart().await;
    let run = server.ended(&run).await;
    let fired: jiff::Timestamp = run["ended_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(run["status"], "succeeded", "{run:#}");
    assert!(fired >= until, "{fired} is before {until}");
}

#[tokio::test]
async fn a_signal_brings_a_waiting_run_back_and_an_ended_one_refuses_it() {
    let server = server().await;
    server.apply(&workflow("paid", json!({"w": {"wait": {"signal": "paid"}}}))).await;
    let run = server.start_run("paid", &json!({})).await;
    comes_to(&server, &run, "waiting").await;
    let path = format!("/v1/runs/{run}/signals");
    let paid = json!({"name": "paid", "payload": {"sum": 7}});
    assert_eq!(server.post(&path, &paid).await.0, StatusCode::ACCEPTED);
    assert_eq!(server.ended(&run).await["output"]["w"], json!({"sum": 7}));
    let (status, problem) = server.post(&path, &paid).await;
    assert_eq!((status, slug(&problem)), (StatusCode::CONFLICT, "run-ended"), "{problem:#}");
}

#[tokio::test]
async fn a_sub_workflow_lives_across_a_crash_and_is_cancelled_with_its_parent() {
    let world = World::start().await;
    let mut server = server().await;
    let child = workflow("child", json!({"ask": {"approval": {}}, "send": request_node(&world, "/sent")}));
    server.apply(&child).await;
    server.apply(&workflow("parent", json!({"sub": {"workflow": "child@^1"}}))).await;
    let run = server.start_run("parent", &json!({})).await;
    let waiting = comes_to(&server, &run, "waiting").await;
    let child = node(&waiting, "sub")["waits_for"]["run"].as_str().unwrap().to_owned();
    let view = comes_to(&server, &child, "waiting").await;
    assert_eq!(view["trigger"], json!({"kind": "parent", "run": run, "node": "sub"}));
    server.kill().await;
    server.restart().await;
    let decision = json!({"decision": "approve"});
    let (status, answer) = server.post(&format!("/v1/runs/{child}/approvals/ask"), &decision).await;
    assert_eq!(status, StatusCode::OK, "{answer:#}");
    let parent = server.ended(&run).await;
    assert_eq!(parent["output"]["sub"]["ask"]["decision"], "approve", "{parent:#}");
    assert_eq!(world.seen("/sent").len(), 1);

    let run = server.start_run("parent", &json!({})).await;
    let waiting = comes_to(&server, &run, "waiting").await;
    let child = node(&waiting, "sub")["waits_for"]["run"].as_str().unwrap().to_owned();
    assert_eq!(server.post(&format!("/v1/runs/{run}/cancel"), &json!({})).await.0, StatusCode::OK);
    assert_eq!(server.ended(&child).await["status"], "cancelled");

    let circle = workflow("child", json!({"again": {"workflow": "parent@^1"}}));
    let mut circle = circle;
    circle["version"] = json!("2.0.0");
    let (status, problem) = server.put("/v1/workflows/child", &circle).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["mistakes"][0]["code"], "cycle", "{problem:#}");
    server.apply(&workflow("grandparent", json!({"sub": {"workflow": "parent@^1"}}))).await;
    circle["nodes"]["again"]["workflow"] = json!("grandparent@^1");
    let (_, problem) = server.put("/v1/workflows/child", &circle).await;
    let words = problem["mistakes"][0]["message"].as_str().unwrap();
    assert!(words.ends_with(": child -> grandparent -> parent -> child"), "{words}");
    circle["nodes"]["again"]["workflow"] = json!("child");
    let (_, problem) = server.put("/v1/workflows/child", &circle).await;
    assert_eq!(problem["mistakes"][0]["code"], "cycle", "{problem:#}");
}

/// A payment, which can be refunded, and a shipment behind it.
fn order_workflow(world: &World) -> Value {
    let mut pay = request_node(world, "/pay");
    pay["compensate"] = request_node(world, "/refund");
    let mut ship = request_node(world, "/ship");
    ship["needs"] = json!(["pay"]);
    workflow("order", json!({"pay": pay, "ship": ship}))
}

#[tokio::test]
async fn what_succeeded_is_undone_and_a_dead_letter_is_mended_with_another_input() {
    let world = World::start().await;
    world.script("/ship", [Answer::new(400, "{}"), Answer::new(400, "{}"), Answer::new(200, "{}")]);
    let mut server = server().await;
    server.apply(&order_workflow(&world)).await;
    let run = server.start_run("order", &json!({})).await;
    let ended = server.ended(&run).await;
    assert_eq!((&ended["status"], &ended["failed_node"]), (&json!("failed"), &json!("ship")), "{ended:#}");
    assert_eq!(world.seen("/refund").len(), 1, "{ended:#}");
    server.kill().await;
    server.restart().await;

    let (_, letters) = server.get("/v1/dead-letters").await;
    let id = letters["dead_letters"][0]["id"].as_str().unwrap_or_else(|| panic!("{letters:#}")).to_owned();
    let path = format!("/v1/dead-letters/{id}");
    let (_, letter) = server.get(&path).await;
    assert_eq!((&letter["node"], &letter["input"]["method"]), (&json!("ship"), &json!("POST")), "{letter:#}");
    assert!(letter["attempts"].as_array().unwrap().iter().any(|entry| entry["type"] == "effect-answered"));

    let unfit = json!({"input": {"method": 7}, "config": 7});
    let (status, problem) = server.post(&format!("{path}/retry"), &unfit).await;
    assert_eq!(
        (status, slug(&problem)),
        (StatusCode::UNPROCESSABLE_ENTITY, "schema-mismatch"),
        "{problem:#}"
    );
    for place in ["/input/method", "/config"] {
        let violations = problem["violations"].as_array().unwrap();
        assert!(violations.iter().any(|it| it["pointer"] == place), "{place}: {problem:#}");
    }
    let (status, problem) = server.post(&format!("{path}/discard"), &json!({"reason": " "})).await;
    assert_eq!((status, &problem["pointer"]), (StatusCode::BAD_REQUEST, &json!("/reason")), "{problem:#}");
    let (status, answer) = server.post(&format!("{path}/retry"), &json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer:#}");
    let ended = server.ended(&run).await;
    assert_eq!(world.seen("/pay").len(), 2, "what was undone is done again: {ended:#}");
    let (status, answer) = server
        .json(server.request(Method::POST, &format!("{path}/discard")).json(&json!({"reason": "enough"})))
        .await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{answer:#}");
    assert_eq!(server.get("/v1/dead-letters").await.1["dead_letters"], json!([]));
    let (status, problem) = server.post(&format!("{path}/retry"), &json!({})).await;
    assert_eq!((status, slug(&problem)), (StatusCode::NOT_FOUND, "unknown-dead-letter"));

    let (status, answer) = server.post(&format!("/v1/runs/{run}/retry"), &json!({"from": "ship"})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer:#}");
    assert_eq!(server.ended(&run).await["status"], "succeeded");
    let (status, problem) = server.post(&format!("/v1/runs/{run}/retry"), &json!({})).await;
    assert_eq!((status, slug(&problem)), (StatusCode::CONFLICT, "nothing-failed"), "{problem:#}");
    let (status, again) =
        server.post(&format!("/v1/runs/{run}/retry"), &json!({"from": "start", "on": "latest"})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{again:#}");
    assert_ne!(again["run_id"], json!(run), "another version is another run");
    server.ended(again["run_id"].as_str().unwrap()).await;
}

#[tokio::test]
async fn what_could_not_be_undone_stands_until_its_undoing_is_mended() {
    let world = World::start().await;
    world.script("/ship", [Answer::new(400, "{}"), Answer::new(400, "{}"), Answer::new(200, "{}")]);
    world.script("/refund", [Answer::new(400, "{}"), Answer::new(400, "{}"), Answer::new(200, "{}")]);
    let server = server().await;
    server.apply(&order_workflow(&world)).await;
    let run = server.start_run("order", &json!({})).await;
    server.ended(&run).await;
    let letters = async || server.get("/v1/dead-letters").await.1["dead_letters"].as_array().unwrap().len();
    assert_eq!(letters().await, 2);

    let retry_run = format!("/v1/runs/{run}/retry");
    for from in ["start", "pay"] {
        let (status, problem) = server.post(&retry_run, &json!({ "from": from })).await;
        assert_eq!((status, slug(&problem)), (StatusCode::CONFLICT, "not-undone"), "{problem:#}");
    }
    let (status, answer) = server.post(&retry_run, &json!({"from": "failed"})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer:#}");
    let ended = server.ended(&run).await;
    assert_eq!(world.seen("/pay").len(), 1, "what was never undone is not done again: {ended:#}");
    assert_eq!((world.seen("/refund").len(), letters().await), (2, 2), "it is to be undone again: {ended:#}");

    let letter = format!("/v1/dead-letters/{run}.pay~compensation/retry");
    let (status, problem) = server.post(&letter, &json!({"input": {"method": 7}})).await;
    assert_eq!((status, slug(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, "schema-mismatch"));
    let mended = json!({"method": "POST", "url": world.url("/refund")});
    let (status, answer) = server.post(&letter, &json!({ "input": mended })).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer:#}");
    let ended = server.ended(&run).await;
    assert_eq!(ended["nodes"][0]["compensation"]["status"], "succeeded", "{ended:#}");
    assert_eq!((world.seen("/refund").len(), letters().await), (3, 1), "the node that failed is left");
}

#[tokio::test]
async fn a_map_keeps_order_and_a_remembered_output_is_marked() {
    let server = server().await;
    let mut each = transform(json!("{{ input.n }}!"));
    each["map"] = json!({"over": "{{ input.items }}", "concurrency": 5});
    each["input"] = json!({"n": "{{ item }}"});
    each["cache"] = json!("1h");
    let mut once = transform(json!("{{ input.items }}"));
    once["cache"] = json!("1h");
    once["input"] = json!("{{ input }}");
    server.apply(&workflow("each", json!({"each": each, "once": once}))).await;
    let items: Vec<u32> = (0..200).collect();
    let first = server.run_to_end("each", &json!({"items": items})).await;
    let expected: Vec<String> = items.iter().map(|n| format!("{n}!")).collect();
    assert_eq!(first["output"]["each"], json!(expected), "{first:#}");
    assert_eq!(node(&first, "each")["items"]["succeeded"], 200);
    assert!(node(&first, "once")["attempts"][0]["cached"].is_null());
    let second = server.run_to_end("each", &json!({"items": items})).await;
    assert_eq!(second["output"], first["output"]);
    assert_eq!(node(&second, "once")["attempts"][0]["cached"], true, "{second:#}");
    assert_eq!(second["totals"]["fuel"], 0, "nothing ran");

    let mut one_by_one = transform(json!("{{ input.n }}?"));
    one_by_one["map"] = json!({"over": [1, 2, 1, 2, 1], "concurrency": 1});
    (one_by_one["input"], one_by_one["cache"]) = (json!({"n": "{{ item }}"}), json!("1h"));
    server.apply(&workflow("twice", json!({ "each": one_by_one }))).await;
    let twice = server.run_to_end("twice", &json!({})).await;
    let (_, journal) = server.get(&format!("/v1/runs/{}/journal", twice["id"].as_str().unwrap())).await;
    let entries = journal["entries"].as_array().unwrap_or_else(|| panic!("{journal:#}"));
    let remembered = entries.iter().filter(|entry| entry["cached"] == true).count();
    assert_eq!(remembered, 3, "what an item gave is known to those behind it: {journal:#}");

    let wrong = server.run_to_end("each", &json!({"items": {"a": 1}})).await;
    assert!(wrong["failure"]["message"].as_str().unwrap().contains("a list is wanted"), "{wrong:#}");
}

#[tokio::test]
async fn a_paused_run_stays_so_across_a_crash_and_goes_on() {
    let world = World::start().await;
    let mut server = server().await;
    let mut nodes = json!({"a": request_node(&world, "/hold"), "b": request_node(&world, "/after")});
    nodes["b"]["needs"] = json!(["a"]);
    server.apply(&workflow("calm", nodes)).await;
    let run = server.start_run("calm", &json!({})).await;
    world.arrived("/hold", 1).await;
    let (status, answer) = server.post(&format!("/v1/runs/{run}/pause"), &json!({"reason": "wait"})).await;
    assert_eq!((status, &answer["status"]), (StatusCode::OK, &json!("paused")), "{answer:#}");
    world.let_go();
    server.kill().await;
    server.restart().await;
    let (_, list) = server.get("/v1/runs?status=paused").await;
    let live = server.run(&run).await;
    assert_eq!(live["status"], "paused", "{list:#}");
    assert_eq!(server.post(&format!("/v1/runs/{run}/resume"), &json!({})).await.0, StatusCode::OK);
    assert_eq!(server.ended(&run).await["status"], "succeeded");
    assert_eq!(world.seen("/after").len(), 1);
}

#[tokio::test]
async fn a_run_that_is_to_begin_later_begins_then() {
    let server = server().await;
    let (status, problem) = server.post("/v1/workflows/soon/runs", &json!({"start_at": "soon"})).await;
    let words = problem["detail"].as_str().unwrap();
    assert!(status == StatusCode::BAD_REQUEST && words.contains("`soon` is no time in RFC 3339"), "{words}");
    server.apply(&workflow("soon", json!({"a": transform(json!(1))}))).await;
    let start_at = jiff::Timestamp::now() + std::time::Duration::from_millis(1_300);
    let body = json!({"start_at": start_at});
    let (status, started) = server.post("/v1/workflows/soon/runs", &body).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{started:#}");
    let run = server.ended(started["run_id"].as_str().unwrap()).await;
    let began: jiff::Timestamp =
        node(&run, "a")["attempts"][0]["started_at"].as_str().unwrap().parse().unwrap();
    assert!(began >= jiff::Timestamp::from_millisecond(start_at.as_millisecond()).unwrap(), "{run:#}");
}
