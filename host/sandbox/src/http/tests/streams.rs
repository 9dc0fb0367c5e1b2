//! Answers that come piece by piece: each piece at once, all of them in the journal, and nothing twice.

use std::time::Duration;

use super::peer::{Reply, ok, redirect};
use super::*;
use crate::http::stream::Stream;

const HEAD: &str = "HTTP/1.1 200 OK\r\nx-a: b\r\nconnection: close\r\n\r\n";

impl Running {
    fn open(&self, request: HttpRequest) -> Arc<Stream> {
        self.session.open(request).expect("the attempt goes on")
    }

    fn received(&self) -> u64 {
        Limits::default().received_bytes - self.meter.received.left()
    }
}

impl Stream {
    async fn next(&self, number: usize) -> Result<Option<Bytes>, HttpError> {
        self.piece(number).await.expect("the attempt goes on")
    }

    /// All pieces as text, and how they ended.
    async fn all(&self) -> (Vec<String>, Result<(), HttpError>) {
        let mut pieces = Vec::new();
        loop {
            match self.next(pieces.len()).await {
                Ok(Some(piece)) => pieces.push(String::from_utf8_lossy(&piece).into_owned()),
                Ok(None) => return (pieces, Ok(())),
                Err(error) => return (pieces, Err(error)),
            }
        }
    }
}

#[tokio::test]
async fn a_piece_is_there_while_the_next_is_still_to_come() {
    let (peer, feed) = Peer::fed().await;
    let attempt = setup().granting(&[&peer]).start();
    let stream = attempt.open(get(peer.url("/a")));
    feed.send(HEAD).expect("a peer");
    let head = stream.head().await.expect("the attempt goes on").expect("a head");
    assert_eq!((head.status, head.url), (200, peer.url("/a")));
    assert!(head.headers.contains(&("x-a".to_owned(), "b".to_owned())));
    for (number, piece) in ["one", "two", "\u{e9}"].into_iter().enumerate() {
        feed.send(piece).expect("a peer");
        assert_eq!(stream.next(number).await, Ok(Some(piece.into())));
        assert!(attempt.journal().is_empty(), "the answer is not over");
    }
    drop(feed);
    assert_eq!(stream.next(3).await, Ok(None));
    let [effect] = &attempt.journal()[..] else { panic!("one effect") };
    let answer = &effect.answer["stream"];
    assert_eq!((&answer["body"], &answer["cuts"]), (&json!("onetwo\u{e9}"), &json!([3, 3])));
    assert_eq!(answer.get("end"), None);
    assert!(peer.requests()[0].contains("accept-encoding: identity\r\n"));
    let answered = Exchange::Answered { status: 200, retry_after: None };
    assert_eq!(attempt.exchanges(), [(Some(peer.host()), Some(answered))]);
}

#[tokio::test]
async fn what_came_is_given_again_as_it_came_and_not_asked_for() {
    let (peer, feed) = Peer::fed().await;
    let before = setup().granting(&[&peer]).start();
    let stream = before.open(get(peer.url("/a")));
    feed.send(HEAD).expect("a peer");
    for (number, piece) in ["one", "two"].into_iter().enumerate() {
        feed.send(piece).expect("a peer");
        stream.next(number).await.expect("a piece");
    }
    drop(feed);
    let all = stream.all().await;

    let after = Setup { replay: before.journal(), ..setup() }.granting(&[&peer]).start();
    let again = after.open(get(peer.url("/a")));
    assert_eq!(again.head().await, stream.head().await);
    assert_eq!(again.all().await, all);
    assert_eq!(peer.requests().len(), 1);
    assert_eq!(after.meter.received.left(), before.meter.received.left());

    let whole = Setup { replay: before.journal(), ..setup() }.granting(&[&peer]).start();
    let answer = whole.send(get(peer.url("/a"))).await.expect("an answer");
    assert_eq!(answer.body, "onetwo", "a step that wants all at once gets the same");
    let other = Setup { replay: before.journal(), ..setup() }.granting(&[&peer]).start();
    assert!(other.session.open(get(peer.url("/b"))).is_err(), "it asks otherwise");
}

#[tokio::test]
async fn a_stream_that_breaks_off_says_so_again_and_again_and_keeps_what_came() {
    let (peer, feed) = Peer::fed().await;
    let attempt = setup().granting(&[&peer]).start();
    let stream = attempt.open(get(peer.url("/a")));
    feed.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").expect("a peer");
    assert_eq!(stream.next(0).await, Ok(Some("half".into())));
    drop(feed);
    let error = stream.next(1).await.expect_err("it broke off");
    assert!(matches!(error, HttpError::Connection(_)), "{error:?}");
    assert_eq!(stream.next(1).await, Err(error.clone()));
    let answer = attempt.journal().remove(0).answer;
    assert_eq!(answer["stream"]["body"], "half");
    assert_eq!(answer["stream"]["end"]["broken"]["kind"], "connection");
    let [(_, Some(Exchange::Fault { .. }))] = &attempt.exchanges()[..] else { panic!("a fault") };

    let after = Setup { replay: attempt.journal(), ..setup() }.granting(&[&peer]).start();
    let again = after.open(get(peer.url("/a")));
    assert_eq!(again.all().await, (vec!["half".to_owned()], Err(error.clone())));
}

#[tokio::test]
async fn the_time_of_a_request_ends_its_stream_in_the_middle() {
    let (peer, feed) = Peer::fed().await;
    let attempt = setup().granting(&[&peer]).start();
    let request = HttpRequest { timeout_ms: Some(50), ..get(peer.url("/a")) };
    let stream = attempt.open(request);
    feed.send(HEAD).expect("a peer");
    feed.send("one").expect("a peer");
    assert_eq!(stream.next(0).await, Ok(Some("one".into())));
    assert!(matches!(stream.next(1).await, Err(HttpError::Timeout(_))));
    assert_eq!(attempt.journal()[0].answer["stream"]["end"]["broken"]["kind"], "timeout");
}

#[tokio::test]
async fn an_endless_stream_is_read_as_far_as_it_is_wanted_and_ends_at_the_limit() {
    let peer = Peer::start(|_| async { Reply::Endless(HEAD, vec![b'x'; 1000]) }).await;
    let limits = Limits { received_bytes: 1 << 20, ..Limits::default() };
    let attempt = Setup { limits, ..setup() }.granting(&[&peer]).start();
    let stream = attempt.open(get(peer.url("/a")));
    let piece = stream.next(0).await.expect("a piece").expect("a piece");
    let head = stream.head().await.expect("the attempt goes on").expect("a head");
    let taken = (1 << 20) - attempt.meter.received.left();
    assert_eq!(taken, head.size() + piece.len() as u64, "nothing is read ahead");
    let (pieces, end) = stream.all().await;
    assert!(matches!(end, Err(HttpError::TooLarge(_))), "{end:?}");
    assert!(pieces.iter().map(String::len).sum::<usize>() <= 1 << 20);
    assert_eq!(attempt.exchanges()[0].1, Some(Exchange::Inconclusive));
}

#[tokio::test]
async fn no_secret_comes_back_in_two_halves() {
    let (peer, feed) = Peer::fed().await;
    let mut setup = Setup { secrets: vec![("KEY", "hidden-value")], ..setup() }.granting(&[&peer]);
    setup.grants["secrets"] = json!({"KEY": [peer.host()]});
    let attempt = setup.start();
    let request = with_header(get(peer.url("/a")), "authorization", "{{secret.KEY}}");
    let stream = attempt.open(request);
    feed.send(HEAD).expect("a peer");
    feed.send("it is hidd").expect("a peer");
    assert_eq!(stream.next(0).await, Ok(Some("it is ".into())));
    feed.send("en-value, not hid").expect("a peer");
    assert_eq!(stream.next(1).await, Ok(Some("{{secret.KEY}}, not ".into())));
    drop(feed);
    assert_eq!(stream.next(2).await, Ok(Some("hid".into())));
    assert_eq!(stream.next(3).await, Ok(None));
    assert_eq!(attempt.journal()[0].answer["stream"]["body"], "it is {{secret.KEY}}, not hid");
}

#[tokio::test]
async fn what_a_step_does_not_want_is_not_waited_for() {
    let (peer, feed) = Peer::fed().await;
    let attempt = setup().granting(&[&peer]).start();
    let stream = attempt.open(get(peer.url("/a")));
    feed.send(HEAD).expect("a peer");
    feed.send("one").expect("a peer");
    stream.next(0).await.expect("a piece");
    stream.give_up().expect("the attempt goes on");
    let answer = attempt.journal().remove(0).answer;
    assert_eq!((&answer["stream"]["body"], &answer["stream"]["end"]), (&json!("one"), &json!("dropped")));
    assert!(matches!(attempt.exchanges()[0].1, Some(Exchange::Answered { status: 200, .. })));
    assert_eq!(stream.next(1).await, Ok(None));
}

#[tokio::test]
async fn an_answer_that_has_all_come_is_whole_even_if_its_end_was_not_asked_for() {
    let peer = Peer::saying(ok("all")).await;
    let attempt = setup().granting(&[&peer]).start();
    let stream = attempt.open(get(peer.url("/a")));
    assert_eq!(stream.next(0).await, Ok(Some("all".into())));
    attempt.session.give_up_streams().expect("the attempt goes on");
    assert_eq!(attempt.journal()[0].answer["stream"].get("end"), None);
}

#[tokio::test]
async fn an_open_answer_is_read_to_its_end_before_the_next_effect_leaves() {
    let (peer, feed) = Peer::fed().await;
    let other = Peer::saying(ok("other")).await;
    let attempt = setup().granting(&[&peer, &other]).start();
    let stream = attempt.open(get(peer.url("/a")));
    feed.send(HEAD).expect("a peer");
    feed.send("one").expect("a peer");
    assert_eq!(stream.next(0).await, Ok(Some("one".into())));
    let mut sent = Box::pin(attempt.send(get(other.url("/b"))));
    let waited = tokio::time::timeout(Duration::from_millis(20), sent.as_mut()).await;
    assert!(waited.is_err() && other.requests().is_empty(), "the answer is not over");
    feed.send("two").expect("a peer");
    drop(feed);
    assert_eq!(sent.await.expect("an answer").body, "other");
    let indexes: Vec<u32> = attempt.journal().iter().map(|effect| effect.index).collect();
    assert_eq!(indexes, [0, 1]);
    assert_eq!(attempt.journal()[0].answer["stream"]["body"], "onetwo");
    assert_eq!(stream.next(1).await, Ok(Some("two".into())), "what was read is there for the step");
}

#[tokio::test]
async fn a_stream_goes_through_every_gate() {
    let target = Peer::saying(ok("there")).await;
    let peer = Peer::saying(redirect("302 Found", &target.url("/x"))).await;
    let attempt = setup().granting(&[&peer, &target]).start();
    assert_eq!(attempt.open(get(peer.url("/a"))).all().await, (vec!["there".to_owned()], Ok(())));
    let denied = attempt.open(get("http://ungranted.example/")).head().await.expect("the attempt goes on");
    assert!(matches!(denied, Err(HttpError::Denied(_))), "{denied:?}");
    let few = setup().granting(&[&peer]).start();
    let denied = few.open(get(peer.url("/a"))).head().await.expect("the attempt goes on");
    assert!(matches!(denied, Err(HttpError::Denied(_))), "{denied:?}");
    assert_eq!(few.received(), 0);
    assert_eq!(target.requests().len(), 1);
}
