use std::collections::BTreeSet;

use axum::body::to_bytes;
use serde_json::Value;
use stepwell_core::mistake::Mistake;
use uuid::Uuid;

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

/// One of every kind.
fn one_of_each() -> Vec<Problem> {
    let words = || "words".to_owned();
    let run = RunId(Uuid::nil());
    let name: WorkflowName = "flow".parse().unwrap();
    vec![
        Problem::MalformedBody { format: "JSON", message: words(), line: 1, column: 1 },
        Problem::InvalidRequest { place: Place::Body("/a".to_owned()), message: words() },
        Problem::InvalidEvent { event: Some(0), mistakes: Vec::new() },
        Problem::Unauthorized("words"),
        Problem::UnknownRoute(words()),
        Problem::UnknownStep(words()),
        Problem::unknown_workflow(&name, None),
        Problem::UnknownRun(run),
        Problem::UnknownHook(words()),
        Problem::UnknownKey(words()),
        Problem::UnknownDestination("a.example".parse().unwrap()),
        Problem::UnknownState(words()),
        Problem::UnknownBlob(stepwell_core::digest::Digest::of(b"a")),
        Problem::RangeNotSatisfiable { size: 1 },
        Problem::BlobsUnavailable,
        Problem::StateTooLarge(words()),
        Problem::MethodNotAllowed { method: words(), allowed: vec![words()] },
        Problem::Conflict(words()),
        Problem::NoEarlierVersion(words()),
        Problem::NoCanary(words()),
        Problem::CanaryIsCurrent(words()),
        Problem::RunEnded { run, status: RunStatus::Succeeded },
        Problem::RunNotEnded { run, status: RunStatus::Running },
        Problem::NothingFailed(words()),
        Problem::NotUndone(words()),
        Problem::UnknownApproval(words()),
        Problem::NotWaiting(words()),
        Problem::RunCancelling(words()),
        Problem::UnknownSignal(words()),
        Problem::NotAllowed { message: words(), who: vec![words()] },
        Problem::UnknownCallback,
        Problem::CallbackUsed(words()),
        Problem::CallbackGone(words()),
        Problem::UnknownDeadLetter(words()),
        Problem::SchemaMismatch { what: words(), violations: Vec::new() },
        Problem::TooManySignals(words()),
        Problem::ConfiguredKey,
        Problem::TooLarge { limit: 1, set_by: LimitSetting::Config("http.max_json_bytes") },
        Problem::UnsupportedMediaType { sent: None, wanted: &["application/json"] },
        Problem::InvalidComponent(words()),
        Problem::InvalidDefinition { mistakes: Vec::new() },
        Problem::InvalidInput { violations: Vec::new() },
        Problem::UnfitRequest { message: words() },
        Problem::RunFailed { run, status: RunStatus::Failed, failure: None },
        Problem::IdempotencyMismatch { run },
        Problem::WorkflowFull { message: words(), limit: 1, max_queued: Some(1) },
        Problem::Internal(words()),
        Problem::NotReady,
        Problem::RunUnavailable(run),
        Problem::ShuttingDown,
        Problem::DiskFull { free: 1, reserve: 1 },
    ]
}

#[test]
fn no_kind_of_problem_gives_a_member_of_rfc_9457_another_meaning() {
    let all = one_of_each();
    let tried: BTreeSet<&str> = all.iter().map(|problem| problem.kind().slug).collect();
    let kinds: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.slug).collect();
    assert_eq!(tried, kinds, "every kind is tried");
    for problem in &all {
        let extensions = problem.extensions();
        let taken = STANDARD_MEMBERS.iter().filter(|name| extensions.contains_key(**name));
        assert_eq!(taken.count(), 0, "{problem:?} has {extensions:?}");
        // As text: a member that stood twice there would be read as either.
        let text = serde_json::to_string(&problem.to_body()).unwrap();
        let status = problem.kind().status.code().as_u16();
        assert!(text.contains(&format!(r#""status":{status},"#)), "{text}");
    }
}

#[tokio::test]
async fn a_run_s_own_status_stands_beside_that_of_the_answer() {
    let run = RunId(Uuid::nil());
    for (problem, own) in [
        (Problem::RunEnded { run, status: RunStatus::Succeeded }, "succeeded"),
        (Problem::RunNotEnded { run, status: RunStatus::Running }, "running"),
    ] {
        let (_, body) = sent(problem).await;
        assert_eq!((&body["status"], &body["run_status"]), (&json!(409), &json!(own)), "{body}");
    }
}
