//! Bodies that are blobs: they pass through the host, and the journal keeps their names.

use super::peer::{ok, redirect, response};
use super::*;
use crate::http::message::{Answer, HttpKept, Part};

/// An attempt's input that names this blob.
fn naming(digest: &stepwell_core::digest::Digest) -> String {
    json!({"$blob": digest, "size": 1, "media_type": "image/png"}).to_string()
}

impl Running {
    async fn exchange(&self, request: HttpRequest) -> Answer {
        self.session.exchange(request).await.expect("the attempt goes on")
    }

    async fn kept(&self, request: HttpRequest) -> HttpKept {
        match self.exchange(request).await {
            Answer::Kept(kept) => kept,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_body_is_put_together_from_bytes_and_blobs_and_its_length_is_said() {
    let peer = Peer::saying(ok("done")).await;
    let blobs = MemoryBlobs::default();
    let digest = blobs.put("x".repeat(2500));
    let attempt = Setup { blobs, input: naming(&digest), ..setup() }.granting(&[&peer]).start();
    let parts = vec![
        Part::Bytes("<".into()),
        Part::Blob(digest.to_string()),
        Part::Bytes(">".into()),
        Part::Blob(digest.to_string()),
    ];
    let request = HttpRequest { parts, ..post(peer.url("/a"), "head") };
    let sent = request.size() + 5000;
    let answer = attempt.exchange(request.clone()).await;
    assert!(matches!(&answer, Answer::Ok(response) if response.body == "done"), "{answer:?}");
    let [arrived] = &peer.requests()[..] else { panic!("one request") };
    let x = "x".repeat(2500);
    assert!(arrived.ends_with(&format!("\r\n\r\nhead<{x}>{x}")), "{arrived}");
    assert!(arrived.contains("content-length: 5006\r\n") && !arrived.contains("transfer-encoding"));
    assert_eq!(Limits::default().sent_bytes - attempt.meter.sent.left(), sent);
    assert!(!attempt.journal()[0].answer.to_string().contains("xxx"));
    assert_eq!(attempt.journal()[0].request_digest, request.digest());
}

#[tokio::test]
async fn a_blob_that_is_not_the_attempts_own_is_not_sent() {
    let peer = Peer::saying(ok("")).await;
    let blobs = MemoryBlobs::default();
    let digest = blobs.put("hidden");
    let attempt = Setup { blobs, ..setup() }.granting(&[&peer]).start();
    for (blob, expected) in [(digest.to_string(), "may not read"), ("sha256:x".to_owned(), "is not a digest")]
    {
        let request = HttpRequest { parts: vec![Part::Blob(blob)], ..post(peer.url("/a"), "") };
        let Answer::Error(error) = attempt.exchange(request).await else { panic!("an error") };
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(peer.requests().is_empty());
}

#[tokio::test]
async fn a_redirect_that_wants_the_body_again_gets_all_of_it() {
    let target = Peer::saying(ok("there")).await;
    let peer = Peer::saying(redirect("307 Temporary Redirect", &target.url("/x"))).await;
    let blobs = MemoryBlobs::default();
    let digest = blobs.put("picture");
    let attempt = Setup { blobs, input: naming(&digest), ..setup() }.granting(&[&peer, &target]).start();
    let request = HttpRequest { parts: vec![Part::Blob(digest.to_string())], ..post(peer.url("/a"), "a ") };
    let answer = attempt.exchange(request).await;
    assert!(matches!(&answer, Answer::Ok(response) if response.body == "there"), "{answer:?}");
    assert!(target.requests()[0].ends_with("a picture"));
}

#[tokio::test]
async fn an_answer_that_is_kept_is_a_blob_that_the_attempt_may_read_also_after_a_crash() {
    let peer = Peer::saying(response("200 OK", "content-type: image/png\r\n", &"y".repeat(3000))).await;
    let before = setup().granting(&[&peer]).start();
    let request = HttpRequest { keep: true, ..get(peer.url("/a")) };
    let kept = before.kept(request.clone()).await;
    assert_eq!(
        (kept.blob.size, kept.blob.media_type.as_str(), kept.response.status),
        (3000, "image/png", 200)
    );
    assert_eq!(before.host.blobs.get(&kept.blob.digest).expect("a blob"), "y".repeat(3000));
    let journalled = before.journal().remove(0).answer;
    assert_eq!(journalled["kept"]["blob"]["size"], 3000);
    assert!(!journalled.to_string().contains("yyy"), "the journal keeps the name");

    let blobs = before.host.blobs.clone();
    let again = HttpRequest { parts: vec![Part::Blob(kept.blob.digest.to_string())], ..get(peer.url("/b")) };
    let after = Setup { replay: before.journal(), blobs, ..setup() }.granting(&[&peer]).start();
    assert_eq!(after.kept(request).await, kept);
    assert_eq!(after.meter.received.left(), before.meter.received.left());
    assert!(matches!(after.exchange(again).await, Answer::Ok(_)), "it is the attempt's own");
    assert_eq!(peer.requests().len(), 2);
}

#[tokio::test]
async fn an_answer_that_says_no_is_not_kept() {
    let peer = Peer::saying(response("404 Not Found", "", "nothing")).await;
    let attempt = setup().granting(&[&peer]).start();
    let answer = attempt.exchange(HttpRequest { keep: true, ..get(peer.url("/a")) }).await;
    assert!(matches!(&answer, Answer::Ok(response) if response.body == "nothing"), "{answer:?}");
    assert_eq!(attempt.host.blobs.count(), 0);
}

#[tokio::test]
async fn what_breaks_off_or_is_too_large_leaves_no_blob() {
    let peer = Peer::saying("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
    let attempt = setup().granting(&[&peer]).start();
    let keep = || HttpRequest { keep: true, ..get(peer.url("/a")) };
    assert!(matches!(attempt.exchange(keep()).await, Answer::Error(HttpError::Connection(_))));
    let small = MemoryBlobs::of_at_most(3);
    let attempt = Setup { blobs: small, ..setup() }.granting(&[&peer]).start();
    assert!(matches!(attempt.exchange(keep()).await, Answer::Error(HttpError::TooLarge(_))));
    assert_eq!(attempt.host.blobs.count(), 0);
}

#[tokio::test]
async fn no_secret_is_kept() {
    let peer = Peer::saying(ok("it is hidden-value")).await;
    let mut setup = Setup { secrets: vec![("KEY", "hidden-value")], ..setup() }.granting(&[&peer]);
    setup.grants["secrets"] = json!({"KEY": [peer.host()]});
    let attempt = setup.start();
    let request = with_header(get(peer.url("/a")), "authorization", "{{secret.KEY}}");
    let kept = attempt.kept(HttpRequest { keep: true, ..request }).await;
    assert_eq!(attempt.host.blobs.get(&kept.blob.digest).expect("a blob"), "it is {{secret.KEY}}");
}
