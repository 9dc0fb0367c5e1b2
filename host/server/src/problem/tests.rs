use axum::body::to_bytes;
use serde_json::Value;
use stepwell_core::mistake::Mistake;

use super::*;

async fn sent(problem: Problem) -> (Response, Value) {
    let (parts, body) = problem.into_response().into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    (Response::from_parts(parts, axum::body::Body::empty()), serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn a_problem_has_the_members_of_rfc_9457_and_its_own() {
    let mistakes = vec![Mistake {
        pointer: "/nodes/a/needs/0".to_owned(),
        code: "unknown-node".to_owned(),
        message: "there is no node `b`".to_owned(),
        help: None,
    }];
    let (response, body) = sent(Problem::InvalidDefinition { mistakes }).await;
    assert_eq!(response.status(), 422);
    assert_eq!(response.headers()[CONTENT_TYPE], CONTENT_TYPE_PROBLEM);
    assert_eq!(body["type"], "https://stepwell.dev/errors/invalid-definition");
    assert_eq!(body["status"], 422);
    assert_eq!(body["mistakes"][0]["pointer"], "/nodes/a/needs/0");
    assert_eq!(body["detail"], "the definition has 1 mistake: `mistakes` lists them");
}

#[tokio::test]
async fn what_broke_inside_stays_inside() {
    let (response, body) = sent(Problem::internal("/var/lib/stepwell/journal: input/output error")).await;
    assert_eq!(response.status(), 500);
    assert!(!body.to_string().contains("/var/lib"), "{body}");
}

#[tokio::test]
async fn a_status_brings_the_header_it_asks_for() {
    let (response, _) = sent(Problem::Unauthorized("no key")).await;
    assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer realm=\"stepwell\"");
    let wrong = Problem::MethodNotAllowed {
        method: "GET".to_owned(),
        allowed: vec!["POST".to_owned(), "PUT".to_owned()],
    };
    let (response, body) = sent(wrong).await;
    assert_eq!(response.headers()[ALLOW], "POST, PUT");
    assert_eq!(body["detail"], "`GET` is not taken here: use POST or PUT");
    let (response, _) = sent(Problem::ShuttingDown).await;
    assert!(response.headers().contains_key(RETRY_AFTER));
}
