//! What the host is told of where requests go and how that went.

use std::time::Duration;

use stepwell_core::limits::LimitKind;
use tokio::net::TcpListener;

use super::peer::{Reply, redirect, response};
use super::*;

fn answered(peer: &Peer, status: u16) -> (Option<String>, Option<Exchange>) {
    (Some(peer.host()), Some(Exchange::Answered { status, retry_after: None }))
}

#[tokio::test]
async fn the_host_hears_of_each_answer_and_of_the_pause_that_it_asks_for() {
    let peer = Peer::saying(response("429 Too Many Requests", "retry-after: 3\r\n", "")).await;
    let attempt = setup().granting(&[&peer]).start();
    attempt.send(get(peer.url("/"))).await.expect("an answer");
    let expected = Exchange::Answered { status: 429, retry_after: Some(Duration::from_secs(3)) };
    assert_eq!(attempt.exchanges(), [(Some(peer.host()), Some(expected))]);
}

#[tokio::test]
async fn a_destination_that_takes_no_connection_is_at_fault() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let host = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let grants = json!({"http": [{"host": host}]});
    let attempt = Setup { grants, ..setup() }.start();
    attempt.send(get(format!("http://{host}/"))).await.expect_err("nobody is there");
    let [(Some(to), Some(Exchange::Fault { why }))] = &attempt.exchanges()[..] else { panic!("one fault") };
    assert!(*to == host && why.contains("no connection"), "{why}");
}

#[tokio::test]
async fn a_redirect_is_on_the_account_of_who_was_asked_first() {
    let second = Peer::saying(response("500 Oh", "", "")).await;
    let first = Peer::saying(redirect("302 Found", &second.url("/"))).await;
    let attempt = setup().granting(&[&first, &second]).start();
    attempt.send(get(first.url("/"))).await.expect("an answer");
    assert_eq!(attempt.exchanges(), [answered(&first, 500)]);
}

#[tokio::test]
async fn what_is_not_granted_goes_nowhere() {
    let attempt = setup().start();
    attempt.denied(get("http://ungranted.example/")).await;
    attempt.send(get("no URL")).await.expect_err("no URL");
    let nowhere = (None, Some(Exchange::Inconclusive));
    assert_eq!(attempt.exchanges(), [nowhere.clone(), nowhere]);
}

#[tokio::test]
async fn what_is_replayed_is_asked_of_nobody() {
    let peer = Peer::saying(response("200 OK", "", "")).await;
    let before = setup().granting(&[&peer]).start();
    before.send(get(peer.url("/"))).await.expect("an answer");
    let after = Setup { replay: before.journal(), ..setup() }.granting(&[&peer]).start();
    after.send(get(peer.url("/"))).await.expect("an answer");
    assert_eq!((before.exchanges().len(), after.exchanges().len()), (1, 0));
}

/// Polls a request until it is with its peer, and drops it.
async fn abandon(attempt: &Running, peer: &Peer) {
    let mut sending = std::pin::pin!(attempt.session.send(get(peer.url("/"))));
    loop {
        assert!(futures::poll!(sending.as_mut()).is_pending(), "the peer says nothing");
        if !peer.requests().is_empty() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_destination_that_outlasts_the_attempt_is_at_fault_and_one_that_was_given_up_is_not() {
    let silent = Peer::start(|_| async { Reply::Stall("") }).await;
    let cancelled = setup().granting(&[&silent]).start();
    abandon(&cancelled, &silent).await;
    assert_eq!(cancelled.exchanges(), [(Some(silent.host()), None)]);

    let silent = Peer::start(|_| async { Reply::Stall("") }).await;
    let late = setup().granting(&[&silent]).start();
    let mut sending = Box::pin(late.session.send(get(silent.url("/"))));
    while silent.requests().is_empty() {
        assert!(futures::poll!(&mut sending).is_pending());
        tokio::task::yield_now().await;
    }
    late.meter.end(Failure::limit(LimitKind::TimeMs, 50));
    drop(sending);
    let [(Some(_), Some(Exchange::Fault { why }))] = &late.exchanges()[..] else { panic!("one fault") };
    assert!(why.contains("50 ms"), "{why}");
}
