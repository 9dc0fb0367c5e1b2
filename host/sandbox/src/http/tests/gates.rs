//! What is refused, and that a refused request never leaves.

use super::peer::{ok, redirect};
use super::*;

#[tokio::test]
async fn a_granted_request_arrives_and_is_answered() {
    let peer = Peer::saying(ok("hello")).await;
    let attempt = setup().granting(&[&peer]).start();
    let answer = attempt.send(with_header(post(peer.url("/v1?a=b#c"), "question"), "X-Mine", "1")).await;
    let answer = answer.expect("an answer");
    assert_eq!((answer.status, &answer.body[..], answer.url), (200, &b"hello"[..], peer.url("/v1?a=b")));
    assert!(answer.headers.contains(&("content-length".to_owned(), "5".to_owned())));

    let request = &peer.requests()[0];
    assert!(request.starts_with("post /v1?a=b http/1.1\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\nquestion"), "{request}");
    let traceparent = stepwell_core::trace::of_attempt(TRACEPARENT, &format!("{RUN}.node.1"));
    for header in [
        "x-mine: 1",
        &format!("idempotency-key: {RUN}.node.1.0"),
        &format!("traceparent: {traceparent}"),
        "accept-encoding: gzip",
        &format!("user-agent: stepwell/{}", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(request.contains(&format!("\r\n{header}\r\n")), "{header} in {request}");
    }
}

#[tokio::test]
async fn what_the_guest_wrote_is_not_written_over() {
    let peer = Peer::saying(ok("")).await;
    let attempt = setup().granting(&[&peer]).start();
    let mine = [("Idempotency-Key", "own"), ("Traceparent", "own"), ("User-Agent", "own")];
    let request =
        mine.iter().fold(get(peer.url("/")), |request, (name, value)| with_header(request, name, value));
    attempt.send(request).await.expect("an answer");
    let request = &peer.requests()[0];
    for (name, value) in mine {
        assert_eq!(request.matches(&name.to_lowercase()).count(), 1, "{request}");
        assert!(request.contains(&format!("{}: {value}\r\n", name.to_lowercase())), "{request}");
    }
}

#[tokio::test]
async fn without_a_grant_nothing_is_sent() {
    let peer = Peer::saying(ok("")).await;
    let mut ungranted = setup();
    ungranted.grants = json!({"http": [{"host": peer.host(), "methods": ["GET"], "paths": ["/v1/*"]}]});
    let attempt = ungranted.start();
    for request in [post(peer.url("/v1/x"), ""), get(peer.url("/v2")), get(peer.url("/v1/..%2fv2"))] {
        let message = attempt.denied(request).await;
        assert!(message.contains(r#""grants": {"http": [{"host": "127.0.0.1:"#), "{message}");
    }
    assert_eq!(peer.requests().len(), 0);
    assert!(attempt.send(get(peer.url("/v1/x"))).await.is_ok());
    assert_eq!(attempt.journal().len(), 4, "a refusal is journalled too");
}

#[tokio::test]
async fn a_private_address_is_refused_whatever_is_granted() {
    let peer = Peer::saying(ok("")).await;
    let port = peer.port();
    let hosts = ["127.0.0.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "localhost"];
    let grants: Vec<Value> = hosts.iter().map(|host| json!({"host": format!("{host}:{port}")})).collect();
    let attempt = Setup { client: client(json!({})), grants: json!({"http": grants}), ..setup() }.start();
    for host in hosts.into_iter().chain(["2130706433", "0x7f.1", "127.1"]) {
        let message = attempt.denied(get(format!("http://{host}:{port}/"))).await;
        assert!(
            message.contains("not on the public Internet") && message.contains("`allow_networks`"),
            "{message}"
        );
    }
    let message = attempt.denied(get(format!("http://localhost:{port}/"))).await;
    assert!(!message.contains("127.0.0.1") && !message.contains("::1"), "{message}");
    assert_eq!(peer.requests().len(), 0);
}

#[tokio::test]
async fn a_name_is_dialled_at_an_address_that_is_allowed() {
    let peer = Peer::saying(ok("home")).await;
    let host = format!("localhost:{}", peer.port());
    let attempt = Setup { grants: json!({"http": [{"host": host}]}), ..setup() }.start();
    let answer = attempt.send(get(format!("http://{host}/"))).await;
    assert_eq!(&answer.expect("an answer").body[..], b"home");
}

#[tokio::test]
async fn a_host_that_the_operator_did_not_list_is_refused() {
    let peer = Peer::saying(ok("")).await;
    let policy = json!({"allow_networks": ["127.0.0.0/8"], "allow_hosts": ["api.example.com"]});
    let attempt = Setup { client: client(policy), ..setup() }.granting(&[&peer]).start();
    assert!(attempt.denied(get(peer.url("/"))).await.contains("`allow_hosts`"));
    assert_eq!(peer.requests().len(), 0);
}

#[tokio::test]
async fn a_redirect_is_followed_within_its_number() {
    let peer = Peer::start(|request: String| async move {
        peer::Reply::Bytes(match request.split(' ').nth(1) {
            Some("/a") => redirect("302 Found", "/b"),
            Some("/b") => redirect("307 Temporary Redirect", "c?d"),
            Some("/loop") => redirect("302 Found", "/loop"),
            _ => ok("end"),
        })
    })
    .await;
    let attempt = setup().granting(&[&peer]).start();
    let answer = attempt.send(post(peer.url("/a"), "x")).await.expect("an answer");
    assert_eq!((&answer.body[..], answer.url), (&b"end"[..], peer.url("/c?d")));
    assert!(peer.requests()[1].starts_with("get /b"), "{:?}", peer.requests());

    let unfollowed = attempt.send(HttpRequest { max_redirects: 0, ..get(peer.url("/a")) }).await;
    assert_eq!(unfollowed.expect("an answer").status, 302);
    let endless = attempt.send(HttpRequest { max_redirects: u32::MAX, ..get(peer.url("/loop")) }).await;
    assert!(
        matches!(&endless, Err(HttpError::Protocol(why)) if why.contains("more than 20 times")),
        "{endless:?}"
    );
}

#[tokio::test]
async fn a_redirect_passes_every_gate_again() {
    let elsewhere = Peer::saying(ok("private")).await;
    let private = format!("http://127.0.0.2:{}/", elsewhere.port());
    let location = private.clone();
    let peer = Peer::start(move |request: String| {
        let location = location.clone();
        async move {
            peer::Reply::Bytes(match request.split(' ').nth(1) {
                Some("/private") => redirect("302 Found", &location),
                _ => redirect("302 Found", "/v2/secret"),
            })
        }
    })
    .await;
    let mut granted = setup();
    granted.grants = json!({"http": [{"host": peer.host(), "paths": ["/v1/*", "/private"]}, {"host": "127.0.0.2:*"}, {"host": format!("127.0.0.2:{}", elsewhere.port())}]});
    let attempt = granted.start();
    let message = attempt.denied(get(peer.url("/private"))).await;
    assert!(message.contains("not on the public Internet"), "{message}");
    let message = attempt.denied(get(peer.url("/v1/x"))).await;
    assert!(message.contains(r#""paths": ["/v2/secret"]"#), "{message}");
    assert_eq!(peer.requests().len(), 2);
    assert_eq!(elsewhere.requests().len(), 0);
}

#[tokio::test]
async fn the_operator_sends_a_hosts_requests_elsewhere_and_grants_go_by_the_host() {
    let peer = Peer::saying(ok("from the gateway")).await;
    let policy =
        json!({"allow_networks": ["127.0.0.1/32"], "routes": {"api.example.com": peer.url("/gateway")}});
    let grants = json!({"http": [{"host": "api.example.com", "paths": ["/v1/*"]}], "secrets": {"KEY": ["api.example.com"]}});
    let secrets = vec![("KEY", "sk-routed")];
    let attempt = Setup { client: client(policy), grants, secrets, ..setup() }.start();
    let request = with_header(get("https://api.example.com/v1/x?a=b"), "x-key", "{{secret.KEY}}");
    // Who stands there goes by this: it is not for a guest to write.
    let request = with_header(request, "X-Forwarded-Host", "other.example.com");
    let answer = attempt.send(request).await.expect("an answer");
    assert_eq!(
        (&answer.body[..], answer.url.as_str()),
        (&b"from the gateway"[..], "https://api.example.com/v1/x?a=b")
    );
    let request = &peer.requests()[0];
    assert!(request.starts_with("get /gateway/v1/x?a=b "), "{request}");
    assert!(!request.contains("other.example.com"), "{request}");
    assert!(
        request.contains("x-forwarded-host: api.example.com\r\n") && request.contains("x-key: sk-routed\r\n"),
        "{request}"
    );
    // Where it leads is no grant of its own.
    attempt.denied(get(peer.url("/gateway/v1/x"))).await;
    attempt.denied(get("https://api.example.com/v2")).await;
    assert_eq!(peer.requests().len(), 1);
}

#[tokio::test]
async fn a_route_leads_into_no_network_that_is_closed() {
    let peer = Peer::saying(ok("")).await;
    let policy = json!({"routes": {"api.example.com": peer.url("/")}});
    let grants = json!({"http": [{"host": "api.example.com"}]});
    let attempt = Setup { client: client(policy), grants, ..setup() }.start();
    let message = attempt.denied(get("https://api.example.com/")).await;
    assert!(message.contains("`api.example.com` is not on the public Internet"), "{message}");
    assert_eq!(peer.requests().len(), 0);
}

#[tokio::test]
async fn of_several_routes_the_most_precise_leads() {
    let (wide, narrow, one) =
        (Peer::saying(ok("wide")).await, Peer::saying(ok("narrow")).await, Peer::saying(ok("one")).await);
    let routes = json!({
        "*.example.com": wide.url("/"), "*.internal.example.com": narrow.url("/"), "a.internal.example.com": one.url("/"),
    });
    let policy = json!({"allow_networks": ["127.0.0.1/32"], "routes": routes});
    let grants = json!({"http": [{"host": "*.example.com"}]});
    let attempt = Setup { client: client(policy), grants, ..setup() }.start();
    for (host, expected) in
        [("x.example.com", "wide"), ("x.internal.example.com", "narrow"), ("a.internal.example.com", "one")]
    {
        let answer = attempt.send(get(format!("https://{host}/"))).await.expect("an answer");
        assert_eq!(answer.body, expected, "{host}");
    }
}
