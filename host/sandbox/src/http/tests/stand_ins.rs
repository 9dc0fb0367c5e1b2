//! A stand-in answers behind every gate, and nothing leaves the machine.

use std::task::Poll;

use async_trait::async_trait;
use stepwell_core::failure::FailureKind;

use super::*;
use crate::http::{EffectStandIn, HttpAnswer, HttpAsked};

/// Remembers what it was asked. Answers `/moved` with a redirect, `/broken` with a fault, `/no` not at all.
#[derive(Debug, Default)]
struct Clerk(Mutex<Vec<String>>);

#[async_trait]
impl EffectStandIn for Clerk {
    async fn http(&self, asked: HttpAsked<'_>) -> Result<HttpAnswer, Failure> {
        let (context, index) = (asked.context, asked.index);
        let authorization = asked.headers.iter().find(|(name, _)| *name == "authorization");
        let said = format!("{}.{index} {} {authorization:?}", context.idempotency_key(), asked.summary);
        self.0.lock().expect("a memory").push(said);
        let answer = |status, headers| HttpResponse {
            status,
            headers,
            body: asked.body.clone(),
            url: asked.url.to_string(),
        };
        match asked.url.path() {
            "/moved" => Ok(HttpAnswer::Ok(answer(302, vec![("Location".to_owned(), "/there".to_owned())]))),
            "/broken" => Ok(HttpAnswer::Error(HttpError::Connection("it broke".to_owned()))),
            "/no" => Err(Failure::new(FailureKind::Permanent, "not covered")),
            _ => Ok(HttpAnswer::Ok(answer(200, Vec::new()))),
        }
    }
}

impl Clerk {
    fn asked(&self) -> Vec<String> {
        self.0.lock().expect("a memory").clone()
    }
}

/// An attempt that may send anything to `a.example`, and whose requests a clerk answers.
fn start(limits: Limits) -> (Running, Arc<Clerk>) {
    let clerk = Arc::<Clerk>::default();
    let client = client(json!({})).answered_by(Some(clerk.clone()));
    let grants = json!({"http": [{"host": "a.example"}], "secrets": {"KEY": ["a.example"]}});
    (Setup { client, grants, limits, secrets: vec![("KEY", "hidden-value")], ..setup() }.start(), clerk)
}

#[tokio::test]
async fn a_stand_in_is_asked_with_placeholders_and_its_answer_is_journalled() {
    let (attempt, clerk) = start(Limits::default());
    let request = with_header(post("https://a.example/x?q=1", "hello"), "Authorization", "{{secret.KEY}}");
    let answer = attempt.send(request.clone()).await.expect("an answer");
    assert_eq!((answer.status, &answer.body[..]), (200, &b"hello"[..]));
    let expected =
        format!(r#"{RUN}.node.1.0 POST https://a.example/x Some(("authorization", "{{{{secret.KEY}}}}"))"#);
    assert_eq!(clerk.asked(), [expected]);
    let journal = attempt.journal();
    assert_eq!(journal[0].request_digest, request.digest());
    assert_eq!(journal[0].answer["ok"]["url"], "https://a.example/x?q=1");
}

#[tokio::test]
async fn what_no_grant_covers_does_not_reach_a_stand_in() {
    let (attempt, clerk) = start(Limits::default());
    attempt.denied(get("https://b.example/")).await;
    attempt.denied(with_header(get("https://a.example/"), "x", "{{secret.OTHER}}")).await;
    assert!(clerk.asked().is_empty());
}

#[tokio::test]
async fn redirects_faults_and_limits_are_those_of_the_wire() {
    let (attempt, clerk) = start(Limits { received_bytes: 10, ..Limits::default() });
    let moved = attempt.send(get("https://a.example/moved")).await.expect("an answer");
    assert_eq!(moved.url, "https://a.example/there");
    assert_eq!(clerk.asked().len(), 2);
    let broken = attempt.send(get("https://a.example/broken")).await;
    assert_eq!(broken, Err(HttpError::Connection("it broke".to_owned())));
    let large = attempt.send(post("https://a.example/", "more than ten bytes")).await;
    assert!(matches!(large, Err(HttpError::TooLarge(_))), "{large:?}");
}

#[tokio::test]
async fn a_request_that_a_stand_in_does_not_cover_ends_the_attempt_and_leaves_no_trace() {
    let (attempt, _) = start(Limits::default());
    let mut sent = Box::pin(attempt.session.send(get("https://a.example/no")));
    assert!(matches!(futures::poll!(sent.as_mut()), Poll::Pending));
    assert_eq!(attempt.meter.ended(), Some(&Failure::new(FailureKind::Permanent, "not covered")));
    assert!(attempt.journal().is_empty());
}
