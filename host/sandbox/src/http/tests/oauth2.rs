//! Access tokens: asked for as the standard has it, once for all who want one, and anew when they are no good any more.

use std::sync::atomic::{AtomicU32, Ordering};

use futures::future::join_all;
use secrecy::ExposeSecret as _;
use stepwell_core::secret::OAuth2Client;

use super::peer::{Reply, ok, response};
use super::*;
use crate::http::oauth2::Tokens;

fn oauth_client(peer: &Peer, more: &Value) -> OAuth2Client {
    let mut client =
        json!({"token_url": peer.url("/token"), "client_id": "step:well", "client_secret": "hush hush"});
    let fields = more.as_object().expect("fields").clone();
    client.as_object_mut().expect("fields").extend(fields);
    serde_json::from_value(client).expect("a client")
}

fn local() -> HttpClient {
    client(json!({"allow_networks": ["127.0.0.1/32"]}))
}

/// An endpoint that counts the tokens that it gives.
async fn endpoint(expires_in: &'static str) -> Peer {
    let given = Arc::new(AtomicU32::new(0));
    Peer::start(move |_| {
        let number = given.fetch_add(1, Ordering::Relaxed);
        let body = format!(r#"{{"access_token": "token-{number}", "token_type": "Bearer"{expires_in}}}"#);
        async move { Reply::Bytes(ok(&body)) }
    })
    .await
}

async fn token(tokens: &Tokens, http: &HttpClient, client: &OAuth2Client) -> String {
    tokens.get(http, client).await.expect("a token").expose_secret().to_owned()
}

#[tokio::test]
async fn a_client_says_who_it_is_as_the_standard_has_it() {
    let peer = endpoint("").await;
    let (http, tokens) = (local(), Tokens::default());
    token(&tokens, &http, &oauth_client(&peer, &json!({"scope": "read write", "audience": "https://a"})))
        .await;
    // Base64 of `step%3Awell:hush%20hush`, in lower case as the peer keeps requests.
    let basic = "authorization: basic c3rlccuzqxdlbgw6ahvzacuymgh1c2g=\r\n";
    let request = &peer.requests()[0];
    assert!(request.starts_with("post /token ") && request.contains(basic), "{request}");
    assert!(
        request.ends_with("grant_type=client_credentials&scope=read+write&audience=https%3A%2F%2Fa"),
        "{request}"
    );

    token(&tokens, &http, &oauth_client(&peer, &json!({"auth": "body"}))).await;
    let request = &peer.requests()[1];
    assert!(!request.contains("authorization:"), "{request}");
    assert!(request.ends_with("client_id=step%3Awell&client_secret=hush+hush"), "{request}");
}

#[tokio::test]
async fn many_that_want_a_token_wait_for_one_request() {
    let peer = endpoint(r#", "expires_in": 3600"#).await;
    let (http, tokens, client) = (local(), Tokens::default(), oauth_client(&peer, &json!({})));
    let all = join_all((0..20).map(|_| token(&tokens, &http, &client))).await;
    assert!(all.iter().all(|token| token == "token-0"), "{all:?}");
    assert_eq!(peer.requests().len(), 1);
    // Another scope is another token.
    assert_eq!(token(&tokens, &http, &oauth_client(&peer, &json!({"scope": "other"}))).await, "token-1");
    assert_eq!(token(&tokens, &http, &client).await, "token-0");
}

#[tokio::test]
async fn a_token_whose_time_is_over_is_fetched_anew() {
    let peer = endpoint(r#", "expires_in": 0"#).await;
    let (http, tokens, client) = (local(), Tokens::default(), oauth_client(&peer, &json!({})));
    assert_eq!(token(&tokens, &http, &client).await, "token-0");
    assert_eq!(token(&tokens, &http, &client).await, "token-1");
}

#[tokio::test]
async fn a_refusal_says_why_and_whether_another_try_may_mend_it() {
    for (status, body, is_final, part) in [
        (
            "401 Unauthorized",
            r#"{"error": "invalid_client", "error_description": "No such client."}"#,
            true,
            "401 Unauthorized: invalid_client: No such client.",
        ),
        ("400 Bad Request", r#"{"error": "invalid_scope"}"#, true, "400 Bad Request: invalid_scope"),
        ("429 Too Many Requests", "", false, "429"),
        ("503 Service Unavailable", "<html>", false, "503"),
    ] {
        let peer = Peer::saying(response(status, "", body)).await;
        let refused =
            Tokens::default().get(&local(), &oauth_client(&peer, &json!({}))).await.expect_err(status);
        assert_eq!(matches!(refused, HttpError::Denied(_)), is_final, "{refused:?}");
        assert!(refused.to_string().contains(part) && !refused.to_string().contains("hush"), "{refused}");
    }
    let peer = Peer::saying(ok("<html>token-shown</html>")).await;
    let refused =
        Tokens::default().get(&local(), &oauth_client(&peer, &json!({}))).await.expect_err("no JSON");
    assert!(matches!(&refused, HttpError::Protocol(why) if !why.contains("token-shown")), "{refused:?}");
}

#[tokio::test]
async fn whoever_waited_for_a_token_in_vain_does_not_ask_again_at_once() {
    let peer = Peer::saying(response("503 Service Unavailable", "", "")).await;
    let (http, tokens, client) = (local(), Tokens::default(), oauth_client(&peer, &json!({})));
    let all = join_all((0..20).map(|_| tokens.get(&http, &client))).await;
    assert!(all.iter().all(Result::is_err));
    assert_eq!(peer.requests().len(), 1);
}

#[tokio::test]
async fn what_an_endpoint_repeats_of_the_clients_secret_is_not_said() {
    let told =
        json!({"error": "invalid_client", "error_description": "hush hush and hush%20hush do not fit"});
    let peer = Peer::saying(response("401 Unauthorized", "", &told.to_string())).await;
    let refused =
        Tokens::default().get(&local(), &oauth_client(&peer, &json!({}))).await.expect_err("a refusal");
    assert!(refused.to_string().contains("[secret] and [secret] do not fit"), "{refused}");
}

#[tokio::test]
async fn how_long_a_token_is_good_may_be_written_as_a_text() {
    let peer = endpoint(r#", "expires_in": "3599""#).await;
    let (http, tokens, client) = (local(), Tokens::default(), oauth_client(&peer, &json!({})));
    assert_eq!(token(&tokens, &http, &client).await, token(&tokens, &http, &client).await);
    let empty = Peer::saying(ok(r#"{"access_token": ""}"#)).await;
    let refused = Tokens::default().get(&http, &oauth_client(&empty, &json!({}))).await;
    assert!(matches!(refused, Err(HttpError::Protocol(_))), "{refused:?}");
}

/// The first token is good for long, and is not taken any more.
#[tokio::test]
async fn a_token_that_a_peer_does_not_take_is_replaced() {
    let issuer = endpoint(r#", "expires_in": 3600"#).await;
    let peer = Peer::start(|request: String| async move {
        let is_old = request.contains("authorization: bearer token-0\r\n");
        Reply::Bytes(if is_old { response("401 Unauthorized", "", "token-0 is over") } else { ok("welcome") })
    })
    .await;
    let mut setup = setup().granting(&[&peer]);
    setup.grants["secrets"] = json!({"CRM": [peer.host()]});
    setup.credentials = vec![("CRM", Credential::Client(Box::new(oauth_client(&issuer, &json!({})))))];
    let attempt = setup.start();
    let request = || with_header(get(peer.url("/")), "Authorization", "Bearer {{secret.CRM}}");
    let refused = attempt.send(request()).await.expect("an answer");
    assert_eq!((refused.status, &refused.body[..]), (401, &b"{{secret.CRM}} is over"[..]));
    assert_eq!(attempt.send(request()).await.expect("an answer").status, 200);
    assert_eq!(issuer.requests().len(), 2);
    // Toward a host that may not see it, none is fetched.
    attempt.denied(with_header(get(issuer.url("/")), "x", "{{secret.CRM}}")).await;
}

#[tokio::test]
async fn a_token_endpoint_is_reached_within_the_operators_bounds() {
    let peer = endpoint("").await;
    for policy in [json!({}), json!({"allow_networks": ["127.0.0.1/32"], "allow_hosts": ["a.example"]})] {
        let refused = Tokens::default().get(&client(policy), &oauth_client(&peer, &json!({}))).await;
        assert!(matches!(refused, Err(HttpError::Denied(_))), "{refused:?}");
    }
    assert_eq!(peer.requests().len(), 0);
}
