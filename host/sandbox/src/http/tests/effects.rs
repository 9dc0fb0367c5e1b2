//! Requests as effects: in order, journalled as the guest wrote them, and not sent again.

use stepwell_core::failure::FailureKind;
use stepwell_core::manifest::Capability;
use tokio::sync::Barrier;

use super::peer::{Reply, ok};
use super::*;

/// A peer that answers nobody before two have asked, each with its own path.
async fn for_two() -> Peer {
    let barrier = Arc::new(Barrier::new(2));
    Peer::start(move |request: String| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            Reply::Bytes(ok(request.split(' ').nth(1).unwrap_or_default()))
        }
    })
    .await
}

#[tokio::test]
async fn several_requests_are_under_way_at_once_and_answered_in_order() {
    let peer = for_two().await;
    let attempt = setup().granting(&[&peer]).start();
    let requests = vec![get(peer.url("/a")), get("http://ungranted.example/"), get(peer.url("/b"))];
    let answers = attempt.session.send_all(requests).await.expect("answers");
    let [Ok(first), Err(HttpError::Denied(_)), Ok(third)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((&first.body[..], &third.body[..]), (&b"/a"[..], &b"/b"[..]));

    let journal = attempt.journal();
    let indexes: Vec<u32> = journal.iter().map(|effect| effect.index).collect();
    assert_eq!(indexes, [0, 1, 2]);
    assert_eq!(journal[0].summary, format!("GET {}", peer.url("/a")));
    assert_eq!(journal[0].capability, Capability::Http);
    assert_eq!(journal[0].answer["ok"]["body"], "/a");
    assert_eq!(journal[1].answer["error"]["kind"], "denied");
    let keys: Vec<bool> =
        (0..3).map(|n| peer.requests().iter().any(|r| r.contains(&format!(".node.1.{n}\r\n")))).collect();
    assert_eq!(keys, [true, false, true], "each request has a key of its own");
}

#[tokio::test]
async fn what_was_answered_is_not_sent_again() {
    let peer = Peer::saying(ok("answer")).await;
    let before = setup().granting(&[&peer]).start();
    before.send(get(peer.url("/a"))).await.expect("an answer");
    let denied = before.send(get("http://ungranted.example/")).await;
    let replay = before.journal();

    let after = Setup { replay, ..setup() }.granting(&[&peer]).start();
    let answer = after.send(get(peer.url("/a"))).await.expect("an answer");
    assert_eq!(&answer.body[..], b"answer");
    assert_eq!(after.send(get("http://ungranted.example/")).await, denied);
    assert_eq!(peer.requests().len(), 1);
    assert_eq!(
        after.meter.received.left(),
        before.meter.received.left(),
        "a replayed answer counts as the first did"
    );
    assert_eq!(after.meter.sent.left(), before.meter.sent.left());

    after.send(get(peer.url("/b"))).await.expect("an answer");
    assert_eq!(peer.requests().len(), 2);
    assert!(peer.requests()[1].contains(".node.1.2\r\n"), "the key goes on where the replay ended");
}

#[tokio::test]
async fn a_replay_that_asks_otherwise_is_found_out() {
    let peer = Peer::saying(ok("")).await;
    let before = setup().granting(&[&peer]).start();
    before.send(get(peer.url("/a"))).await.expect("an answer");
    let after = Setup { replay: before.journal(), ..setup() }.granting(&[&peer]).start();
    let failure = after.session.send(get(peer.url("/b"))).await.expect_err("a failure");
    assert_eq!(failure.kind, FailureKind::Replay);
    assert_eq!(peer.requests().len(), 1);
}
