//! The main job, end to end: tickets over the HTTP trigger, classified, routed, answered.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::guests;
use crate::support::server::{Server, http_client, node};
use crate::support::stand_ins::StandIns;

async fn triage_server(stand_ins: &StandIns) -> Server {
    let server = Server::start_with(&configuration(stand_ins)).await;
    for step in ["classify", "guard", "http-request", "store", "transform"] {
        server.publish(&guests::standard(step)).await;
    }
    let (status, answer) =
        server.put("/v1/secrets/OPENAI_API_KEY", &json!({"value": stand_ins.model_key})).await;
    assert!(status.is_success(), "{answer:#}");
    server.apply(&workflow()).await;
    server
}

fn configuration(stand_ins: &StandIns) -> String {
    format!("[network]\nallow_networks = [\"127.0.0.0/8\"]\n{}", stand_ins.routes(true))
}

fn workflow() -> Value {
    serde_json::from_str(include_str!("../examples/support-ticket-triage/workflow.json")).unwrap()
}

async fn asked(stand_ins: &StandIns) -> Vec<Value> {
    http_client().get(&stand_ins.requests_url).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn each_ticket_reaches_its_department_with_a_reason() {
    let stand_ins = StandIns::start("the-key-of-the-model").await.unwrap();
    let server = triage_server(&stand_ins).await;
    let tickets = [
        (include_str!("../examples/support-ticket-triage/tickets/refund.json"), "Billing"),
        (include_str!("../examples/support-ticket-triage/tickets/crash.json"), "Technical"),
        (include_str!("../examples/support-ticket-triage/tickets/question.json"), "General"),
    ];
    for (ticket, department) in tickets {
        let ticket: Value = serde_json::from_str(ticket).unwrap();
        let (status, answer) = server.post("/hooks/tickets", &ticket).await;
        assert_eq!(status, StatusCode::CREATED, "{answer:#}");
        assert_eq!((&answer["label"], &answer["department"]), (&json!(department), &json!(department)));
        assert!(answer["confidence"].as_f64().is_some_and(|confidence| confidence > 0.5), "{answer}");
        assert!(answer["explanation"].as_str().is_some_and(|text| !text.is_empty()), "{answer}");

        let run = server.run(answer["id"].as_str().unwrap()).await;
        assert_eq!(run["status"], "succeeded");
        let account = &node(&run, "classify")["attempts"][0];
        assert!(account["fuel"].as_u64().is_some_and(|fuel| fuel > 0), "{account}");
        assert_eq!(account["decisions"][0]["decided"], department, "{account}");
        assert!(account["usage"][0]["input_tokens"].as_u64().is_some_and(|tokens| tokens > 0), "{account}");
    }
    let asked = asked(&stand_ins).await;
    let asked: Vec<&str> = asked.iter().map(|request| request["to"].as_str().unwrap()).collect();
    assert_eq!(asked, ["model", "billing", "model", "technical", "model", "general"]);
}

/// The ticket API: four calls, served by the triggers of one workflow.
#[tokio::test]
async fn a_ticket_is_classified_again_routed_elsewhere_and_its_log_tells_all_of_it_after_a_kill_too() {
    let stand_ins = StandIns::start("the-key-of-the-model").await.unwrap();
    let mut server = triage_server(&stand_ins).await;
    let ticket = json!({"subject": "Refund", "description": "Please refund my payment.", "customer": "ada@example.com"});
    let (status, made) = server.post("/hooks/tickets", &ticket).await;
    assert_eq!((status, &made["status"]), (StatusCode::CREATED, &json!("routed")), "{made:#}");
    let path = format!("/hooks/tickets/{}", made["id"].as_str().unwrap());

    let (status, answer) = server.post(&format!("{path}/classify"), &json!({})).await;
    assert_eq!((status, &answer["label"]), (StatusCode::OK, &json!("Billing")), "{answer:#}");
    server.kill().await;
    server.restart().await;
    let (status, answer) = server.post(&format!("{path}/route"), &json!({"department": "Technical"})).await;
    assert_eq!((status, &answer["department"]), (StatusCode::OK, &json!("Technical")), "{answer:#}");
    // Without a department it goes where its label says.
    let (status, answer) = server.post(&format!("{path}/route"), &json!({})).await;
    assert_eq!((status, &answer["department"]), (StatusCode::OK, &json!("Billing")), "{answer:#}");

    let (status, answer) = server.get(&format!("{path}/logs")).await;
    assert_eq!(status, StatusCode::OK, "{answer:#}");
    let told = answer["logs"].as_array().unwrap().iter();
    let told: Vec<_> = told.map(|entry| (&entry["did"], &entry["result"]["department"])).collect();
    let expected =
        [("triage", "Billing"), ("classify", "Billing"), ("route", "Technical"), ("route", "Billing")];
    let expected = expected.map(|(did, department)| (json!(did), json!(department)));
    assert_eq!(told, expected.iter().map(|(did, department)| (did, department)).collect::<Vec<_>>());
    // Personal data stays with whoever may see it: what the model is asked has a placeholder.
    let asked = asked(&stand_ins).await;
    assert_eq!(asked.iter().filter(|request| request["to"] == "model").count(), 2);
}

/// A 202 is the platform's alone: the ticket is not done yet, and its id is the run's.
#[tokio::test]
async fn a_ticket_that_takes_long_is_known_by_its_run_and_the_same_request_again_waits_for_it() {
    let stand_ins = StandIns::start("the-key-of-the-model").await.unwrap();
    let server = triage_server(&stand_ins).await;
    let mut impatient = workflow();
    impatient["version"] = json!("2.0.1");
    impatient["triggers"][0]["http"]["respond"]["wait"] = json!("1ms");
    server.apply(&impatient).await;
    let ticket = json!({"subject": "Refund", "description": "Please refund my payment."});
    let ask = |wait: &str| {
        let request = http_client().post(server.url("/hooks/tickets"));
        let request = request.header("idempotency-key", "mine").header("prefer", wait);
        server.json(request.json(&ticket))
    };
    let (status, accepted) = ask("wait=0").await;
    assert_eq!(status, StatusCode::ACCEPTED, "{accepted:#}");
    let id = accepted["run_id"].as_str().unwrap();
    let (status, answer) = ask("wait=60").await;
    assert_eq!((status, &answer["id"]), (StatusCode::CREATED, &json!(id)), "{answer:#}");
    assert_eq!(answer["status"], "routed", "{answer:#}");
    let (status, log) = server.get(&format!("/hooks/tickets/{id}/logs")).await;
    assert_eq!((status, &log["logs"][0]["did"]), (StatusCode::OK, &json!("triage")), "{log:#}");
}

#[tokio::test]
async fn a_ticket_that_no_department_takes_is_made_all_the_same_and_waits_for_one() {
    let mut stand_ins = StandIns::start("the-key-of-the-model").await.unwrap();
    let departments = std::mem::replace(&mut stand_ins.departments_url, "http://127.0.0.1:1".to_owned());
    let mut server = triage_server(&stand_ins).await;
    let ticket = json!({"subject": "Refund", "description": "Please refund my payment."});
    let (status, made) = server.post("/hooks/tickets", &ticket).await;
    assert_eq!((status, &made["status"]), (StatusCode::CREATED, &json!("waiting")), "{made:#}");
    assert_eq!((&made["department"], &made["reference"]), (&json!("Billing"), &Value::Null), "{made:#}");
    let path = format!("/hooks/tickets/{}", made["id"].as_str().unwrap());
    let (status, answer) = server.post(&format!("{path}/route"), &json!({})).await;
    assert_eq!((status, &answer["status"]), (StatusCode::BAD_GATEWAY, &json!("waiting")), "{answer:#}");

    stand_ins.departments_url = departments;
    server.stop().await;
    server.configure(&configuration(&stand_ins));
    server.restart().await;
    let (status, answer) = server.post(&format!("{path}/route"), &json!({})).await;
    assert_eq!((status, &answer["department"]), (StatusCode::OK, &json!("Billing")), "{answer:#}");
    let (_, log) = server.get(&format!("{path}/logs")).await;
    let told: Vec<bool> =
        log["logs"].as_array().unwrap().iter().map(|entry| entry["result"]["error"].is_string()).collect();
    assert_eq!(told, [true, true, false], "{log:#}");
}

#[tokio::test]
async fn a_ticket_that_is_not_there_is_not_found_and_one_that_is_none_is_refused() {
    let stand_ins = StandIns::start("the-key-of-the-model").await.unwrap();
    let server = triage_server(&stand_ins).await;
    let nowhere = "/hooks/tickets/01936b2e-8f0a-7cc3-a2cf-5f7d3a1a9e11";
    let (status, _) = server.get(&format!("{nowhere}/logs")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    for call in ["classify", "route"] {
        let (status, answer) = server.post(&format!("{nowhere}/{call}"), &json!({})).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{answer:#}");
    }
    for (path, body, part) in [
        ("/hooks/tickets".to_owned(), json!({"subject": "Refund"}), "description"),
        (format!("{nowhere}/route"), json!({"department": "Sales"}), "department"),
        ("/hooks/tickets/7/route".to_owned(), json!({}), "/id"),
    ] {
        let (status, problem) = server.post(&path, &body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem:#}");
        assert!(problem.to_string().contains(part), "{problem:#}");
    }
    assert_eq!(asked(&stand_ins).await.len(), 0);
    let stranger = http_client().get(server.url(&format!("{nowhere}/logs"))).send().await.unwrap();
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED, "only the first of the four calls is open");
}

/// What users of the ticket API are given.
#[test]
fn the_ticket_apis_document_is_that_of_its_triggers() {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/support-ticket-triage");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_stepwell"));
    command.args(["workflow", "openapi", "--title", "Tickets"]).arg(folder.join("workflow.json"));
    let written = command.output().unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let path = folder.join("openapi.json");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &written.stdout).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept.as_bytes() == written.stdout,
        "examples/support-ticket-triage/openapi.json is not what its triggers are: run this test with UPDATE=1"
    );
}

#[tokio::test]
async fn the_models_key_never_shows() {
    let secret = "sk-never-to-be-seen-0123456789";
    let stand_ins = StandIns::start(secret).await.unwrap();
    let mut server = triage_server(&stand_ins).await;
    let ticket = json!({"subject": "Refund", "description": "Please refund my payment."});
    let input = json!({"do": "triage", "ticket": ticket});
    let run = server.run_to_end("support-ticket-triage", &input).await;
    assert_eq!(run["status"], "succeeded", "{run:#}");
    let id = run["id"].as_str().unwrap();
    let (_, journal) = server.get(&format!("/v1/runs/{id}/journal")).await;
    let (_, secrets) = server.get("/v1/secrets").await;
    for shown in [&run, &journal, &secrets] {
        assert!(!shown.to_string().contains(secret));
    }
    assert!(secrets.to_string().contains("OPENAI_API_KEY"));
    server.stop().await;
    assert!(!server.log().contains(secret));
    for file in files_below(&server.data()) {
        let bytes = std::fs::read(&file).unwrap();
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "the secret stands in {}", file.display());
    }
}

fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
