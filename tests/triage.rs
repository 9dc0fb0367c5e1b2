//! The main job, end to end: tickets over the HTTP trigger, classified, routed, answered.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::guests;
use crate::support::server::{Server, http_client, node};
use crate::support::stand_ins::{self, StandIns};

async fn triage_server(stand_ins: &StandIns) -> Server {
    let server = Server::start().await;
    for step in ["transform", "llm-chat", "http-request"] {
        server.publish(&guests::standard(step)).await;
    }
    let (status, answer) =
        server.put("/v1/secrets/OPENAI_API_KEY", &json!({"value": stand_ins.model_key})).await;
    assert!(status.is_success(), "{answer:#}");
    let mut workflow: Value =
        serde_json::from_str(include_str!("../examples/support-ticket-triage/workflow.json")).unwrap();
    stand_ins::point_at(&mut workflow, &stand_ins.model(), &stand_ins.departments_url);
    server.apply(&workflow).await;
    server
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
        let request =
            server.request(Method::POST, "/hooks/tickets").header("prefer", "wait=60").json(&ticket);
        let (status, answer) = server.json(request).await;
        assert_eq!(status, StatusCode::OK, "{answer:#}");
        let output = &answer["output"];
        assert_eq!(output["label"], department);
        assert_eq!(output["department"], department);
        assert!(output["confidence"].as_f64().is_some_and(|confidence| confidence > 0.5), "{output}");
        assert!(output["explanation"].as_str().is_some_and(|text| !text.is_empty()), "{output}");

        let run = server.run(answer["run_id"].as_str().unwrap()).await;
        assert_eq!(run["status"], "succeeded");
        for id in ["billing", "technical", "general"] {
            let expected = if id == department.to_lowercase() { "succeeded" } else { "skipped" };
            assert_eq!(node(&run, id)["status"], expected, "{id}");
        }
        let account = &node(&run, "classify")["attempts"][0];
        assert!(account["fuel"].as_u64().is_some_and(|fuel| fuel > 0), "{account}");
        assert_eq!(account["decisions"][0]["decided"], department, "{account}");
        assert!(account["usage"][0]["input_tokens"].as_u64().is_some_and(|tokens| tokens > 0), "{account}");
    }
    let requests =
        http_client().get(&stand_ins.requests_url).send().await.unwrap().json::<Vec<Value>>().await.unwrap();
    let asked: Vec<&str> = requests.iter().map(|request| request["to"].as_str().unwrap()).collect();
    assert_eq!(asked, ["model", "billing", "model", "technical", "model", "general"]);
}

#[tokio::test]
async fn the_models_key_never_shows() {
    let secret = "sk-never-to-be-seen-0123456789";
    let stand_ins = StandIns::start(secret).await.unwrap();
    let mut server = triage_server(&stand_ins).await;
    let ticket = json!({"subject": "Refund", "description": "Please refund my payment."});
    let run = server.run_to_end("support-ticket-triage", &ticket).await;
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
