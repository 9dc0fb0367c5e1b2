//! Secrets: out where they are granted, in nowhere.

use super::peer::{Reply, ok, redirect, response};
use super::*;

const VALUE: &str = "sk-very-secret";

/// A peer that gives back the whole request, in a header and in the body.
async fn echo() -> Peer {
    Peer::start(|request: String| async move {
        let auth =
            request.lines().find(|line| line.starts_with("authorization")).unwrap_or_default().to_owned();
        Reply::Bytes(response("200 OK", &format!("x-echo: {auth}\r\n"), &request))
    })
    .await
}

fn keyed(peers: &[&Peer], hosts: &[String]) -> Setup {
    let mut setup = setup().granting(peers);
    setup.grants["secrets"] = json!({"KEY": hosts});
    setup.secrets = vec![("KEY", VALUE)];
    setup
}

#[tokio::test]
async fn a_secret_reaches_its_host_and_never_comes_back() {
    let peer = echo().await;
    let attempt = keyed(&[&peer], &[peer.host()]).start();
    let request =
        with_header(post(peer.url("/"), "{{secret.KEY}}"), "Authorization", "Bearer {{secret.KEY}}");
    let answer = attempt.send(request).await.expect("an answer");

    let arrived = &peer.requests()[0];
    assert!(arrived.contains(&format!("authorization: bearer {VALUE}\r\n")), "{arrived}");
    assert!(arrived.ends_with("{{secret.KEY}}"), "a body is left as it is: {arrived}");

    let body = String::from_utf8_lossy(&answer.body);
    assert!(body.contains("authorization: bearer {{secret.KEY}}"), "{body}");
    assert!(answer.headers.iter().any(|(_, value)| value == "authorization: bearer {{secret.KEY}}"));
    let journal = serde_json::to_string(&attempt.journal()).expect("JSON");
    assert!(journal.contains("{{secret.KEY}}") && !journal.contains(VALUE), "{journal}");
}

#[tokio::test]
async fn a_secret_goes_to_no_other_host() {
    let (mine, other) = (echo().await, echo().await);
    let attempt = keyed(&[&mine, &other], &[mine.host()]).start();
    let message = attempt.denied(with_header(get(other.url("/")), "x-key", "{{secret.KEY}}")).await;
    assert!(
        message.contains(&format!(r#""grants": {{"secrets": {{"KEY": ["{}"]}}}}"#, other.host())),
        "{message}"
    );
    let message = attempt.denied(with_header(get(mine.url("/")), "x-key", "{{secret.OTHER}}")).await;
    assert!(message.contains(r#""OTHER""#), "{message}");
    assert_eq!((mine.requests().len(), other.requests().len()), (0, 0));
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_another_origin() {
    let other = echo().await;
    let location = other.url("/landed");
    let peer = Peer::saying(redirect("307 Temporary Redirect", &location)).await;
    // The other host may see the secret too: it is still not for a redirect to bring it there.
    let attempt = keyed(&[&peer, &other], &[peer.host(), other.host()]).start();
    let headers = [
        ("authorization", "Bearer mine"),
        ("cookie", "a=b"),
        ("x-key", "{{secret.KEY}}"),
        ("x-plain", "kept"),
    ];
    let request = headers
        .iter()
        .fold(post(peer.url("/"), "body"), |request, (name, value)| with_header(request, name, value));
    attempt.send(request).await.expect("an answer");
    let landed = &other.requests()[0];
    assert!(landed.starts_with("post /landed") && landed.contains("x-plain: kept"), "{landed}");
    assert!(
        !landed.contains("authorization") && !landed.contains("cookie") && !landed.contains("x-key"),
        "{landed}"
    );
    assert!(peer.requests()[0].contains(VALUE), "the first host was sent it");
}

#[tokio::test]
async fn a_secret_in_a_redirects_target_is_taken_out_too() {
    let peer = Peer::start(|request: String| async move {
        Reply::Bytes(match request.starts_with("get /?key=") {
            true => ok("end"),
            false => redirect("302 Found", &format!("/?key={VALUE}")),
        })
    })
    .await;
    let attempt = keyed(&[&peer], &[peer.host()]).start();
    let answer = attempt.send(get(peer.url("/start"))).await.expect("an answer");
    assert_eq!(answer.url, peer.url("/?key={{secret.KEY}}"));
}
