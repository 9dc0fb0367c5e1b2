//! Requests and answers as plain values: what a guest asks, what it is told, and what the journal keeps of both.
//!
//! Nothing here knows of sockets, grants or secrets' values.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stepwell_core::blob::BlobRef;
use stepwell_core::digest::Digest;
use url::Url;

use super::placeholder;

/// The longest text of a request that a summary or an error repeats.
const LONGEST_SHOWN: usize = 200;

/// A request as the guest wrote it, secret placeholders included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HttpRequest {
    /// `GET`, `POST`, ...
    pub(crate) method: String,
    /// Absolute.
    pub(crate) url: String,
    /// In order; a name may come more than once.
    pub(crate) headers: Vec<(String, String)>,
    /// Empty for none.
    pub(crate) body: Bytes,
    /// For the whole exchange.
    pub(crate) timeout_ms: Option<u64>,
    /// 0 for none.
    pub(crate) max_redirects: u32,
    /// The rest of the body.
    pub(crate) parts: Vec<Part>,
    /// Whether the body of an answer with a status of 2xx becomes a blob.
    pub(crate) keep: bool,
}

/// A part of a body that is put together by the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// As they are.
    Bytes(Bytes),
    /// The bytes of a blob, by its digest as the guest wrote it.
    Blob(String),
}

impl Part {
    /// Of what it holds; a blob is named by it.
    fn digest(&self) -> (&'static str, String) {
        match self {
            Self::Bytes(bytes) => ("bytes", Digest::of(bytes).to_string()),
            Self::Blob(digest) => ("blob", digest.clone()),
        }
    }

    /// What of it is in memory.
    fn size(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Blob(_) => 0,
        }
    }
}

impl HttpRequest {
    /// Of everything that was asked: a replay that asks the same has the same digest.
    pub(crate) fn digest(&self) -> Digest {
        let mut head =
            serde_json::json!([self.method, self.url, self.headers, self.timeout_ms, self.max_redirects])
                .to_string();
        if self.keep || !self.parts.is_empty() {
            let parts: Vec<_> = self.parts.iter().map(Part::digest).collect();
            head += &serde_json::json!([parts, self.keep]).to_string();
        }
        // JSON text holds no raw line feed, so head and body cannot be mistaken for each other.
        Digest::of(&[head.as_bytes(), b"\n", &self.body].concat())
    }

    /// For a person: method and address, without the query, where steps are known to put keys.
    pub(crate) fn summary(&self) -> String {
        let url = placeholder::mark(&self.url).ok().and_then(|url| Url::parse(&url).ok());
        match url {
            Some(url) => format!("{} {}", shown(&self.method), shown(&address(&url))),
            None => format!("{} (no URL)", shown(&self.method)),
        }
    }

    /// What it counts toward the bytes that an attempt may send, but for its blobs.
    pub(crate) fn size(&self) -> u64 {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let parts: usize = self.parts.iter().map(Part::size).sum();
        (self.method.len() + self.url.len() + headers + self.body.len() + parts) as u64
    }
}

/// Scheme, host, port and path: a URL without what may be confidential.
pub(crate) fn address(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), placeholder::written_in(url.path()))
}

/// Host and port, as a grant names them.
pub(crate) fn host(url: &Url) -> String {
    match (url.host_str().unwrap_or_default(), url.port()) {
        (host, Some(port)) => format!("{host}:{port}"),
        (host, None) => host.to_owned(),
    }
}

/// A text cut to a length that can be shown.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// A whole answer, whatever its status.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpResponse {
    /// 200, 404, ...
    pub status: u16,
    /// In order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// After any content coding is undone.
    #[serde(flatten, with = "journalled_body")]
    pub body: Bytes,
    /// Where it came from, after redirects.
    pub url: String,
}

impl HttpResponse {
    /// What it counts toward the bytes that an attempt may receive.
    pub(crate) fn size(&self) -> u64 {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        (headers + self.body.len()) as u64
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} bytes from {}", self.status, self.body.len(), self.url)
    }
}

/// Why there is no answer. Each message is one line for the step's author or the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", content = "message", rename_all = "kebab-case")]
#[error("{0}")]
pub enum HttpError {
    /// The request is malformed.
    InvalidRequest(String),
    /// No grant covers it, or the operator's configuration forbids it.
    Denied(String),
    /// The name did not resolve.
    Dns(String),
    /// No connection, or it broke.
    Connection(String),
    /// The peer's certificate was not accepted.
    Tls(String),
    /// No whole answer in time.
    Timeout(String),
    /// The answer is larger than the attempt may receive.
    TooLarge(String),
    /// The peer does not speak HTTP, or redirected too often.
    Protocol(String),
}

impl HttpError {
    /// The message, to be changed in place.
    pub(crate) fn message_mut(&mut self) -> &mut String {
        match self {
            Self::InvalidRequest(message)
            | Self::Denied(message)
            | Self::Dns(message)
            | Self::Connection(message)
            | Self::Tls(message)
            | Self::Timeout(message)
            | Self::TooLarge(message)
            | Self::Protocol(message) => message,
        }
    }
}

/// What came back: the shape in which the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// A whole answer.
    Ok(HttpResponse),
    /// None.
    Error(HttpError),
    /// An answer that was read piece by piece.
    Stream(HttpStream),
    /// A whole answer whose body is a blob.
    Kept(HttpKept),
}

/// A whole answer whose body is a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpKept {
    /// Without its body.
    #[serde(flatten)]
    pub response: HttpResponse,
    /// The body.
    pub blob: BlobRef,
}

/// An answer that was read piece by piece, as far as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpStream {
    /// With what came of the body.
    #[serde(flatten)]
    pub response: HttpResponse,
    /// Why there is no more of it.
    #[serde(default, skip_serializing_if = "StreamEnd::is_whole")]
    pub end: StreamEnd,
    /// Where the body was cut into pieces: how many bytes each has but the last. A replay cuts it there again, so that the step does
    /// the same again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cuts: Vec<usize>,
}

/// How an answer ended that was read piece by piece.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamEnd {
    /// All of it came.
    #[default]
    Whole,
    /// The step did not want the rest.
    Dropped,
    /// It broke off.
    Broken(HttpError),
}

impl StreamEnd {
    fn is_whole(&self) -> bool {
        *self == Self::Whole
    }
}

impl HttpStream {
    /// That of an answer which came whole: one piece.
    pub(crate) fn whole(response: HttpResponse) -> Self {
        Self { response, end: StreamEnd::Whole, cuts: Vec::new() }
    }

    /// The body, cut.
    pub(crate) fn pieces(&self) -> Vec<Bytes> {
        let mut rest = self.response.body.clone();
        let mut pieces: Vec<_> =
            self.cuts.iter().map(|length| rest.split_to(rest.len().min(*length))).collect();
        pieces.push(rest);
        pieces
    }
}

impl Answer {
    /// What it counts toward the bytes that an attempt may receive.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Ok(response) | Self::Stream(HttpStream { response, .. }) => response.size(),
            Self::Kept(kept) => kept.response.size() + kept.blob.size,
            Self::Error(_) => 0,
        }
    }
}

impl From<Answer> for Result<HttpResponse, HttpError> {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Ok(response) | Answer::Kept(HttpKept { response, .. }) => Ok(response),
            Answer::Stream(HttpStream { response, end: StreamEnd::Whole | StreamEnd::Dropped, .. }) => {
                Ok(response)
            }
            Answer::Error(error) | Answer::Stream(HttpStream { end: StreamEnd::Broken(error), .. }) => {
                Err(error)
            }
        }
    }
}

/// A body in JSON: `body` where it is text, so that people can read a journal, else `body_base64`.
mod journalled_body {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use bytes::Bytes;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    enum Body<T> {
        #[serde(rename = "body")]
        Text(T),
        #[serde(rename = "body_base64")]
        Base64(T),
    }

    pub(super) fn serialize<S: Serializer>(body: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(body) {
            Ok(text) => Body::Text(text).serialize(serializer),
            Err(_) => Body::Base64(&*STANDARD.encode(body)).serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        match Body::<String>::deserialize(deserializer)? {
            Body::Text(text) => Ok(Bytes::from(text)),
            Body::Base64(text) => STANDARD.decode(text).map(Bytes::from).map_err(D::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn request() -> HttpRequest {
        HttpRequest {
            method: "POST".to_owned(),
            url: "https://api.example.com/v1/chat?key=hidden".to_owned(),
            headers: vec![("accept".to_owned(), "a/b".to_owned())],
            body: Bytes::from_static(b"{}"),
            timeout_ms: None,
            max_redirects: 0,
            parts: Vec::new(),
            keep: false,
        }
    }

    fn response(body: impl Into<Bytes>) -> Answer {
        Answer::Ok(HttpResponse {
            status: 200,
            headers: vec![("x".to_owned(), "y".to_owned())],
            body: body.into(),
            url: "https://a/".to_owned(),
        })
    }

    #[test]
    fn the_journal_shows_text_as_text_and_the_rest_in_base64() {
        let json = |answer| serde_json::to_value::<Answer>(answer).expect("an answer is JSON");
        assert_eq!(
            json(response("hé")),
            json!({"ok": {"status": 200, "headers": [["x", "y"]], "body": "hé", "url": "https://a/"}})
        );
        assert_eq!(json(response(vec![0xff]))["ok"]["body_base64"], "/w==");
        assert_eq!(
            json(Answer::Error(HttpError::InvalidRequest("why".to_owned()))),
            json!({"error": {"kind": "invalid-request", "message": "why"}})
        );
    }

    fn stream(body: impl Into<Bytes>, end: StreamEnd) -> HttpStream {
        let Answer::Ok(response) = response(body) else { panic!("a response") };
        HttpStream { response, end, cuts: Vec::new() }
    }

    #[test]
    fn the_journal_says_how_a_stream_ended_unless_all_of_it_came() {
        let json = |end| serde_json::to_value(Answer::Stream(stream("a", end))).expect("an answer is JSON");
        let whole = json!({"status": 200, "headers": [["x", "y"]], "body": "a", "url": "https://a/"});
        assert_eq!(json(StreamEnd::Whole), json!({"stream": whole}));
        assert_eq!(json(StreamEnd::Dropped)["stream"]["end"], "dropped");
        let broken = json(StreamEnd::Broken(HttpError::Timeout("late".to_owned())));
        assert_eq!(broken["stream"]["end"], json!({"broken": {"kind": "timeout", "message": "late"}}));
    }

    #[test]
    fn a_stream_is_cut_where_it_says_and_nothing_is_lost() {
        let pieces = |cuts| HttpStream { cuts, ..stream("abcdef", StreamEnd::Whole) }.pieces();
        assert_eq!(pieces(vec![1, 2]), ["a", "bc", "def"]);
        assert_eq!(pieces(vec![4, 9, 1]), ["abcd", "ef", "", ""]);
        assert_eq!(pieces(vec![]), ["abcdef"]);
    }

    proptest! {
        #[test]
        fn an_answer_reads_what_it_writes(body: Vec<u8>, status in 100u16..600, message: String) {
            let mut ok = response(body);
            if let Answer::Ok(response) = &mut ok { response.status = status; }
            let Answer::Ok(response) = ok.clone() else { panic!("a response") };
            let broken = StreamEnd::Broken(HttpError::Connection(message.clone()));
            let streams = [StreamEnd::Whole, StreamEnd::Dropped, broken]
                .map(|end| Answer::Stream(HttpStream { response: response.clone(), end, cuts: Vec::new() }));
            for answer in [ok, Answer::Error(HttpError::TooLarge(message))].into_iter().chain(streams) {
                let text = serde_json::to_string(&answer)?;
                prop_assert_eq!(serde_json::from_str::<Answer>(&text)?, answer);
            }
        }
    }

    #[test]
    fn each_part_of_a_request_counts_in_its_digest() {
        let changes: [fn(&mut HttpRequest); 9] = [
            |r| r.method = "PUT".to_owned(),
            |r| r.url.push('x'),
            |r| r.headers.clear(),
            |r| r.body = Bytes::from_static(b"[]"),
            |r| r.timeout_ms = Some(1),
            |r| r.max_redirects = 1,
            |r| r.keep = true,
            |r| r.parts.push(Part::Bytes(Bytes::from_static(b"more"))),
            |r| r.parts.push(Part::Blob("sha256:ab".to_owned())),
        ];
        assert_eq!(request().digest(), request().digest());
        for change in changes {
            let mut changed = request();
            change(&mut changed);
            assert_ne!(changed.digest(), request().digest(), "{changed:?}");
        }
    }

    #[test]
    fn a_summary_holds_neither_query_nor_user() {
        assert_eq!(request().summary(), "POST https://api.example.com/v1/chat");
        let with_user = HttpRequest { url: "http://me:pass@a:81/".to_owned(), ..request() };
        assert_eq!(with_user.summary(), "POST http://a:81/");
        let long = HttpRequest { url: format!("https://a/{}", "x".repeat(1000)), ..request() };
        assert!(long.summary().len() < 250);
    }
}
