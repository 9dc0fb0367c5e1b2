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

#[tokio::test]
async fn a_secret_in_a_url_reaches_its_host_and_shows_nowhere_else() {
    let peer = echo().await;
    let mut setup = keyed(&[&peer], &[peer.host()]);
    setup.grants["http"] = json!([{"host": peer.host(), "paths": ["/hooks/*"]}]);
    let attempt = setup.start();
    let answer = attempt.send(get(peer.url("/hooks/{{secret.KEY}}/x?key={{ secret.KEY }}&a=b"))).await;
    let answer = answer.expect("an answer");
    assert!(
        peer.requests()[0]
            .starts_with(&format!("get /hooks/{VALUE}/x?key={}&a=b ", VALUE.replace('-', "%2d")))
    );

    assert_eq!(answer.url, peer.url("/hooks/{{secret.KEY}}/x?key={{secret.KEY}}&a=b"));
    let journal = serde_json::to_string(&attempt.journal()).expect("JSON");
    assert!(journal.contains("/hooks/{{secret.KEY}}/x") && !journal.contains(VALUE), "{journal}");
}

#[tokio::test]
async fn a_secret_cannot_lead_out_of_what_is_granted() {
    let peer = echo().await;
    let mut setup = keyed(&[&peer], &[peer.host()]);
    setup.grants["http"] = json!([{"host": peer.host(), "paths": ["/hooks/*"]}]);
    setup.secrets = vec![("KEY", "../admin")];
    let attempt = setup.start();
    let message = attempt.denied(get(peer.url("/hooks/{{secret.KEY}}"))).await;
    assert!(message.contains("/hooks/{{secret.KEY}}") && !message.contains("admin"), "{message}");
    let message = attempt.denied(get(peer.url("/other/{{secret.KEY}}"))).await;
    assert!(message.contains(r#""paths": ["/other/*"]"#), "{message}");
    assert_eq!(peer.requests().len(), 0);
}

/// What a step encoded is what somebody gave it, and where a peer leads is the peer's own text: neither names a secret.
#[tokio::test]
async fn only_what_the_guest_wrote_itself_is_filled() {
    let peer = echo().await;
    let attempt = keyed(&[&peer], &[peer.host()]).start();
    let given = "/{{secret.KEY}}/x?text=%7B%7Bsecret.KEY%7D%7D&more=%7b%7bsecret.KEY%7d%7d";
    attempt.send(get(peer.url(given))).await.expect("an answer");
    let sent = &peer.requests()[0];
    assert!(
        sent.starts_with(&format!("get /{VALUE}/x?text=%7b%7bsecret.key%7d%7d&more=%7b%7bsecret.key%7d%7d ")),
        "{sent}"
    );

    for location in ["/{{secret.KEY}}", "/%7B%7Bsecret.KEY%7D%7D", "/x?k={{secret.KEY}}", "/{%7Bsecret.KEY}}"]
    {
        let peer = Peer::start(move |request: String| async move {
            Reply::Bytes(if request.starts_with("get /first ") {
                redirect("302 Found", location)
            } else {
                ok("")
            })
        })
        .await;
        let attempt = keyed(&[&peer], &[peer.host()]).start();
        attempt.send(get(peer.url("/first"))).await.expect("an answer");
        let landed = &peer.requests()[1];
        assert!(!landed.contains(VALUE) && landed.contains("secret.key"), "{location}: {landed}");
    }
}

#[tokio::test]
async fn a_redirect_takes_no_url_with_a_secret_to_another_origin() {
    let other = echo().await;
    let location = other.url(&format!("/x?key={VALUE}"));
    let peer = Peer::saying(redirect("301 Moved Permanently", &location)).await;
    // The other host may see the secret too: it is still not for a redirect to bring it there.
    let attempt = keyed(&[&peer, &other], &[peer.host(), other.host()]).start();
    let message = attempt.denied(get(peer.url("/x?key={{secret.KEY}}"))).await;
    assert!(
        message.contains("with the value of a secret in the URL") && !message.contains(VALUE),
        "{message}"
    );
    assert_eq!(other.requests().len(), 0);
}

/// Where a relative location leads is known by what was sent.
#[tokio::test]
async fn a_relative_location_goes_on_from_the_url_with_the_secret_in_it() {
    let peer = Peer::start(|request: String| async move {
        let is_first = request.starts_with("get /s/t0/b0/x ");
        Reply::Bytes(if is_first { redirect("302 Found", "../y") } else { ok("landed") })
    })
    .await;
    let mut setup = keyed(&[&peer], &[peer.host()]);
    setup.secrets = vec![("KEY", "t0/b0/x")];
    let answer = setup.start().send(get(peer.url("/s/{{secret.KEY}}"))).await.expect("an answer");
    assert!(peer.requests()[1].starts_with("get /s/t0/y "), "{:?}", peer.requests());
    assert_eq!(&answer.body[..], b"landed");
}

#[tokio::test]
async fn an_echoed_location_with_a_secrets_value_is_followed_and_shown_without_it() {
    let peer = Peer::start(|request: String| async move {
        let is_first = request.starts_with("get /a/");
        Reply::Bytes(if is_first { redirect("302 Found", &format!("/b/{VALUE}")) } else { ok("landed") })
    })
    .await;
    let attempt = keyed(&[&peer], &[peer.host()]).start();
    let answer = attempt.send(get(peer.url("/a/{{secret.KEY}}"))).await.expect("an answer");
    assert_eq!((&answer.body[..], answer.url), (&b"landed"[..], peer.url("/b/{{secret.KEY}}")));
}
