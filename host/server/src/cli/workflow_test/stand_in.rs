//! A stand-in of a test file: which requests it answers, and with what.

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;
use stepwell_core::definition::{Cursor, Fields};
use stepwell_core::mistake::code;
use stepwell_sandbox::{HttpAnswer, HttpAsked, HttpResponse, HttpStream, StreamEnd};

use super::definitions::Names;
use super::fault::Fault;
use super::files::Files;
use crate::cli::difference::{Extent, differences};

const FIELDS: &[&str] = &["name", "match", "answer", "fault", "times"];

/// Of an answer that comes in chunks, unless a header says otherwise.
const CHUNKS_TYPE: &str = "text/event-stream";

const ANSWER_FORM: &str = "write `\"answer\": {\"json\": {...}}`, or `\"fault\": \"timeout\"`";

/// The most requests that a stand-in may be told to answer.
const MAX_TIMES: u64 = 1_000_000;

/// Answers the requests that it covers.
#[derive(Debug, Clone)]
pub(super) struct StandIn {
    /// As expectations name it.
    pub(super) name: String,
    /// How many requests it answers at most.
    pub(super) times: Option<u64>,
    cover: Cover,
    response: Response,
    fault: Option<Fault>,
}

/// Which requests.
#[derive(Debug, Clone, Default)]
struct Cover {
    node: Option<String>,
    method: Option<String>,
    /// `*` stands for any text.
    url: Option<String>,
    /// What the body, read as JSON where it is JSON, must hold at least.
    body: Option<Value>,
}

/// A request, as far as it matters who answers it.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Asked<'a> {
    pub(in crate::cli) node: &'a str,
    pub(in crate::cli) method: &'a str,
    pub(in crate::cli) url: &'a str,
    pub(in crate::cli) body: &'a Bytes,
}

impl<'a> Asked<'a> {
    /// That of an attempt.
    pub(super) fn by_attempt(asked: &'a HttpAsked<'_>) -> Self {
        Self {
            node: asked.context.node.as_str(),
            method: asked.method,
            url: &asked.written_url,
            body: asked.body,
        }
    }
}

/// An answer as it goes over the wire: its body in the pieces that come one after the other.
#[derive(Debug)]
pub(in crate::cli) struct Spoken {
    pub(in crate::cli) status: u16,
    pub(in crate::cli) headers: Vec<(String, String)>,
    pub(in crate::cli) body: Vec<Bytes>,
}

#[derive(Debug, Clone)]
struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    Whole(Bytes),
    /// As a step sees it that reads it as it comes; any other gets all of it at once.
    Chunks(Vec<String>),
}

impl StandIn {
    /// Reads one. `name` is what it is called without a name of its own.
    pub(super) fn read<'a>(
        stand_in: &Cursor<'a>,
        name: String,
        names: &Names<'a>,
        files: &Files,
    ) -> Option<Self> {
        let fields = stand_in.fields(FIELDS)?;
        let fault = fields.get("fault").map(|it| it.word(&Fault::words()));
        let answer = fields.get("answer");
        let needs_answer = match fault {
            None => true,
            Some(fault) => fault.is_some_and(Fault::spoils_an_answer),
        };
        if needs_answer && answer.is_none() {
            stand_in.wrong_with_help(code::MISSING_FIELD, "it answers nothing", ANSWER_FORM);
        }
        Some(Self {
            name: fields.get("name").map_or(Some(name), |it| it.text().map(str::to_owned))?,
            times: fields.get("times").and_then(|it| it.count(1, MAX_TIMES)),
            cover: fields.get("match").and_then(|it| Cover::read(&it, names)).unwrap_or_default(),
            response: answer.map_or_else(|| Some(Response::empty()), |it| Response::read(&it, files))?,
            fault: fault.flatten(),
        })
    }

    /// Whether it answers this request.
    pub(super) fn covers(&self, asked: &Asked<'_>) -> bool {
        self.cover.covers(asked)
    }

    /// Whether it counts or disturbs, as only a test's does.
    pub(super) fn is_for_tests(&self) -> bool {
        self.times.is_some() || self.fault.is_some()
    }

    /// Its answer.
    pub(super) fn speak(&self) -> Spoken {
        let Response { status, headers, body } = self.response.clone();
        let body = match body {
            Body::Whole(body) => vec![body],
            Body::Chunks(chunks) => chunks.into_iter().map(Bytes::from).collect(),
        };
        Spoken { status, headers, body }
    }

    /// Its answer, as it is meant; and how the wire spoils it.
    pub(super) fn answer(&self, asked: &HttpAsked<'_>) -> (HttpAnswer, Option<Fault>) {
        let Response { status, headers, body } = self.response.clone();
        let response = |body| HttpResponse { status, headers, body, url: asked.written_url.to_string() };
        let answer = match body {
            Body::Whole(body) => HttpAnswer::Ok(response(body)),
            Body::Chunks(chunks) => HttpAnswer::Stream(HttpStream {
                response: response(chunks.concat().into()),
                end: StreamEnd::Whole,
                cuts: chunks.iter().map(String::len).collect(),
            }),
        };
        (answer, self.fault)
    }
}

impl Cover {
    fn read<'a>(cover: &Cursor<'a>, names: &Names<'a>) -> Option<Self> {
        let fields = cover.fields(&["node", "method", "url", "body"])?;
        let text = |name: &str| fields.get(name).and_then(|it| it.text().map(str::to_owned));
        Some(Self {
            node: fields.get("node").and_then(|it| names.node(&it, None)).map(str::to_owned),
            method: text("method").map(|method| method.to_ascii_uppercase()),
            url: text("url"),
            body: fields.get("body").map(|it| it.value.clone()),
        })
    }

    fn covers(&self, asked: &Asked<'_>) -> bool {
        self.node.as_deref().is_none_or(|node| node == asked.node)
            && self.method.as_deref().is_none_or(|method| method == asked.method)
            && self.url.as_deref().is_none_or(|pattern| is_like(pattern, asked.url))
            && self.body.as_ref().is_none_or(|body| holds(asked.body, body))
    }
}

impl Response {
    fn empty() -> Self {
        Self { status: 200, headers: Vec::new(), body: Body::Whole(Bytes::new()) }
    }

    fn read(answer: &Cursor<'_>, files: &Files) -> Option<Self> {
        let fields = answer.fields(&["status", "headers", "json", "text", "chunks", "body"])?;
        let status = match fields.get("status") {
            Some(status) => status.count(100, 599).and_then(|status| u16::try_from(status).ok()),
            None => Some(StatusCode::OK.as_u16()),
        };
        let (kind, body) = read_body(answer, &fields, files)?;
        let mut headers: Vec<_> =
            fields.get("headers").map(|it| read_headers(&it)).unwrap_or_default().into_iter().collect();
        if let Some(kind) = kind.filter(|_| headers.iter().all(|(name, _)| name != "content-type")) {
            headers.push(("content-type".to_owned(), kind));
        }
        Some(Self { status: status?, headers, body })
    }
}

/// A body and the type that it has unless a header says otherwise.
fn read_body(answer: &Cursor<'_>, fields: &Fields<'_>, files: &Files) -> Option<(Option<String>, Body)> {
    let bodies = ["json", "text", "chunks", "body"].map(|name| fields.get(name));
    if bodies.iter().flatten().count() > 1 {
        let message = "an answer has one body: give one of `json`, `text`, `chunks` and `body`";
        answer.wrong(code::DUPLICATE, message);
        return None;
    }
    let [json, text, chunks, file] = bodies;
    let (kind, body) = match (json, text, chunks, file) {
        (Some(json), ..) => ("application/json".to_owned(), Body::Whole(json.value.to_string().into())),
        (_, Some(text), ..) => {
            ("text/plain; charset=utf-8".to_owned(), Body::Whole(text.text()?.to_owned().into()))
        }
        (_, _, Some(chunks), _) => (CHUNKS_TYPE.to_owned(), Body::Chunks(read_chunks(&chunks))),
        (_, _, _, Some(body)) => {
            let Some(file) = files.of(body.value) else {
                body.wrong(code::WRONG_TYPE, "a body is a file: write `{\"$file\": \"photo.png\"}`");
                return None;
            };
            (file.media_type.to_string(), Body::Whole(file.bytes.clone()))
        }
        (None, None, None, None) => return Some((None, Body::Whole(Bytes::new()))),
    };
    Some((Some(kind), body))
}

fn read_chunks(chunks: &Cursor<'_>) -> Vec<String> {
    chunks.items().iter().filter_map(|chunk| chunk.text().map(str::to_owned)).collect()
}

fn read_headers(headers: &Cursor<'_>) -> Vec<(String, String)> {
    let header = |(name, value): (&str, Cursor<'_>)| {
        let value = value.text()?;
        Some((name.to_ascii_lowercase(), value.to_owned()))
    };
    headers.entries().into_iter().filter_map(header).collect()
}

/// Whether a text is like a pattern, in which each `*` stands for any text.
fn is_like(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    true
}

fn holds(body: &Bytes, wanted: &Value) -> bool {
    let read = serde_json::from_slice(body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()));
    differences(wanted, &read, Extent::Part).is_empty()
}

/// What a fault tells of where the request went.
pub(super) fn host(asked: &HttpAsked<'_>) -> String {
    asked.url.host_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_nothing_else_does() {
        for (pattern, text, expected) in [
            ("https://a/b", "https://a/b", true),
            ("https://a/b", "https://a/bc", false),
            ("https://a/*", "https://a/", true),
            ("https://a/*", "https://a/b/c?d", true),
            ("*/c", "https://a/c/c", true),
            ("https://*/x/*", "https://a/x/y", true),
            ("https://*/x/*", "https://a/y/x", false),
            ("*ab*ab", "ab", false),
            ("a.c", "abc", false),
        ] {
            assert_eq!(is_like(pattern, text), expected, "{pattern} and {text}");
        }
    }

    #[test]
    fn a_body_must_hold_what_is_wanted_and_may_hold_more() {
        let json = Bytes::from_static(b"{\"model\": \"m\", \"n\": 1}");
        assert!(holds(&json, &serde_json::json!({"model": "m"})));
        assert!(!holds(&json, &serde_json::json!({"model": "other"})));
        assert!(holds(&Bytes::from_static(b"plain"), &serde_json::json!("plain")));
    }
}
