//! What the other side may do to us: too much, too slowly, or nothing that makes sense.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::RootCertStore;
use stepwell_core::limits::LimitKind;

use super::peer::{Reply, ok, response};
use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    let body = gzip(body);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), &body].concat()
}

fn receiving_at_most(received_bytes: u64) -> Setup {
    Setup { limits: Limits { received_bytes, ..Limits::default() }, ..setup() }
}

#[tokio::test]
async fn an_answer_in_chunks_is_put_together() {
    let peer =
        Peer::saying("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
            .await;
    let answer = setup().granting(&[&peer]).start().send(get(peer.url("/"))).await.expect("an answer");
    assert_eq!(&answer.body[..], b"abcde");
}

#[tokio::test]
async fn a_content_coding_is_undone() {
    let peer = Peer::saying(gzipped(b"plain")).await;
    let answer = setup().granting(&[&peer]).start().send(get(peer.url("/"))).await.expect("an answer");
    assert_eq!(&answer.body[..], b"plain");
    assert!(!answer.headers.iter().any(|(name, _)| name == "content-encoding"), "{answer:?}");
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_cut_off() {
    let announced = Peer::saying(response("200 OK", "", &"x".repeat(5_000))).await;
    let endless =
        Peer::start(|_| async { Reply::Endless("HTTP/1.1 200 OK\r\n\r\n", vec![b'x'; 1000]) }).await;
    let endless_chunks = Peer::start(|_| async {
        Reply::Endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"5\r\nabcde\r\n".to_vec())
    })
    .await;
    let bomb = Peer::saying(gzipped(&vec![0; 4 << 20])).await;
    let wordy = Peer::saying(response("200 OK", &format!("x-long: {}\r\n", "y".repeat(5_000)), "")).await;
    for peer in [announced, endless, endless_chunks, bomb, wordy] {
        let attempt = receiving_at_most(4_096).granting(&[&peer]).start();
        let answer = attempt.send(get(peer.url("/"))).await;
        assert!(
            matches!(&answer, Err(HttpError::TooLarge(why)) if why.contains("of 4096") && why.contains("`received_bytes`")),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn answers_count_together() {
    let peer = Peer::saying(ok(&"x".repeat(1_000))).await;
    let attempt = receiving_at_most(2_500).granting(&[&peer]).start();
    assert!(attempt.send(get(peer.url("/"))).await.is_ok());
    assert!(attempt.send(get(peer.url("/"))).await.is_ok());
    assert!(matches!(attempt.send(get(peer.url("/"))).await, Err(HttpError::TooLarge(_))));
}

#[tokio::test]
async fn sending_more_than_the_limit_ends_the_attempt() {
    let peer = Peer::saying(ok("")).await;
    let limits = Limits { sent_bytes: 1_000, ..Limits::default() };
    let attempt = Setup { limits, ..setup() }.granting(&[&peer]).start();
    let large = HttpRequest { body: vec![0; 1_000].into(), ..post(peer.url("/"), "") };
    let failure = attempt.session.send(large).await.expect_err("a failure");
    assert_eq!(failure, Failure::limit(LimitKind::SentBytes, 1_000));
    assert_eq!(peer.requests().len(), 0);
}

#[tokio::test]
async fn a_peer_that_says_nothing_or_half_is_left_in_time() {
    for said in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"] {
        let peer = Peer::start(move |_| async move { Reply::Stall(said) }).await;
        let attempt = setup().granting(&[&peer]).start();
        let answer = attempt.send(HttpRequest { timeout_ms: Some(50), ..get(peer.url("/")) }).await;
        assert!(matches!(&answer, Err(HttpError::Timeout(why)) if why.contains(&peer.host())), "{answer:?}");
    }
}

#[tokio::test]
async fn what_is_no_http_is_told_from_what_broke_off() {
    for (answer, protocol) in [
        (&b"SSH-2.0-OpenSSH_9.2\r\n\r\n"[..], true),
        (b"HTTP/1.1 999999 No\r\n\r\n", true),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n", true),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 8\r\n\r\nnot gzip", true),
        (b"", false),
        (b"HTTP/1.1 200", false),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", false),
    ] {
        let peer = Peer::saying(answer).await;
        let result = setup().granting(&[&peer]).start().send(get(peer.url("/"))).await;
        let told = String::from_utf8_lossy(answer);
        match (&result, protocol) {
            (Err(HttpError::Protocol(why)), true) | (Err(HttpError::Connection(why)), false) => {
                assert!(why.contains(&peer.host()), "{why}");
            }
            _ => panic!("{told:?}: {result:?}"),
        }
    }
}

#[tokio::test]
async fn nobody_there_and_no_such_name_are_said_so() {
    let gone =
        tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let grants = json!({"http": [{"host": gone.to_string()}, {"host": "nobody.invalid"}]});
    let attempt = Setup { grants, ..setup() }.start();
    let answer = attempt.send(get(format!("http://{gone}/"))).await;
    assert!(
        matches!(&answer, Err(HttpError::Connection(why)) if why.contains("connection refused")),
        "{answer:?}"
    );
    let answer = attempt.send(get("http://nobody.invalid/")).await;
    assert!(matches!(&answer, Err(HttpError::Dns(why)) if why.contains("`nobody.invalid`")), "{answer:?}");
}

#[tokio::test]
async fn a_certificate_must_come_from_somebody_trusted() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a configuration");
    let peer = Peer::start_tls(config, ok("safe")).await;
    let host = format!("localhost:{}", peer.port());
    let grants = json!({"http": [{"host": host}, {"host": peer.host()}]});

    let attempt = Setup { grants: grants.clone(), ..setup() }.start();
    let answer = attempt.send(get(format!("https://{host}/"))).await;
    assert!(matches!(&answer, Err(HttpError::Tls(why)) if why.contains(&host)), "{answer:?}");
    assert_eq!(peer.requests().len(), 0, "nothing was said to a stranger");

    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).expect("a root");
    let policy = NetworkPolicy {
        allow_networks: vec!["127.0.0.0/8".parse().expect("a network")],
        ..Default::default()
    };
    let client = HttpClient::trusting(roots, policy).expect("a client");
    let attempt = Setup { grants, client, ..setup() }.start();
    let answer = attempt.send(get(format!("https://{host}/"))).await.expect("an answer");
    assert_eq!(&answer.body[..], b"safe");
    let answer = attempt.send(get(format!("https://{}/", peer.host()))).await;
    assert!(matches!(answer, Err(HttpError::Tls(_))), "the certificate is for another name: {answer:?}");
}

#[tokio::test]
async fn plain_http_where_tls_was_asked_for_is_a_tls_error() {
    let peer = Peer::saying(ok("")).await;
    let attempt = setup().granting(&[&peer]).start();
    // The peer waits for a head that ends; a client's hello has none, so the time is bounded here.
    let request = HttpRequest { timeout_ms: Some(200), ..get(format!("https://{}/", peer.host())) };
    assert!(matches!(attempt.send(request).await, Err(HttpError::Tls(_) | HttpError::Timeout(_))));
}
