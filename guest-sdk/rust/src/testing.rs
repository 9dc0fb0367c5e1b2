//! A host in memory, so that a step is tested with plain `cargo test`.
//!
//! ```
//! use stepwell_sdk::testing::{Answer, FakeHost};
//! use stepwell_sdk::{http, StepError, StepErrorKind};
//!
//! fn ping() -> Result<(), StepError> {
//!     http::get("https://api.example.com/ping").send()?.success()?;
//!     Ok(())
//! }
//!
//! let host = FakeHost::new();
//! host.answer("GET", "https://api.example.com/ping", Answer::text(503, "busy").header("retry-after", "2"));
//! host.answer("GET", "https://api.example.com/ping", Answer::text(200, "pong"));
//!
//! assert_eq!(ping().unwrap_err().kind, StepErrorKind::Retryable);
//! assert!(ping().is_ok());
//! assert_eq!(host.requests().len(), 2);
//! ```

use std::collections::VecDeque;

use serde::Serialize;
use serde_json::Value;

use crate::StepError;
use crate::blob::Blob;
use crate::context::Attempt;
use crate::decision::Verdict;
use crate::handler::{self, Handler};
use crate::host::{self, Canned, CannedAnswer, State};
use crate::http::{Error, ErrorKind, Request, Response};
use crate::log::Level;
use crate::usage::ModelCall;

/// This thread's host, as new. What a step asks of it on this thread is answered and remembered until the next one is made.
#[derive(Debug)]
#[must_use = "make the host before the step runs, and ask it afterwards"]
pub struct FakeHost {
    /// The state is the thread's: the handle must not leave it.
    _bound_to_thread: std::marker::PhantomData<*const ()>,
}

/// One line that a step logged.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// Its text.
    pub message: String,
    /// Its fields, in order.
    pub fields: Vec<(String, Value)>,
}

impl FakeHost {
    /// A host that has seen nothing and has nothing to answer.
    #[expect(clippy::new_without_default, reason = "a default that resets the thread's host would surprise")]
    pub fn new() -> Self {
        host::with(|state| *state = State::default());
        Self { _bound_to_thread: std::marker::PhantomData }
    }

    /// Answers one request of that method and URL. Several answers for the same request are given in turn;
    /// a request that no answer is left for is denied.
    pub fn answer(&self, method: &str, url: &str, answer: Answer) {
        let arriving =
            |canned: Canned| Canned { response: Response { url: url.into(), ..canned.response }, ..canned };
        let answer = answer.0.map(arriving);
        host::with(|state| {
            state.answers.push_back(CannedAnswer { method: method.into(), url: url.into(), answer })
        });
    }

    /// Sets what [`context::current`](crate::context::current) tells.
    pub fn set_attempt(&self, attempt: Attempt) {
        host::with(|state| state.attempt = attempt);
    }

    /// Keeps a blob, for the step to read.
    pub fn put_blob(&self, media_type: &str, bytes: impl Into<Vec<u8>>) -> Blob {
        host::keep_blob(bytes.into(), media_type)
    }

    /// The bytes of a blob that was put, or written by the step.
    ///
    /// # Panics
    ///
    /// When there is no such blob.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test that names a blob which is not there must not go on")]
    pub fn blob(&self, blob: &Blob) -> Vec<u8> {
        host::with(|state| state.blobs.get(&blob.digest).cloned()).expect("there should be such a blob")
    }

    /// How many blobs there are.
    #[must_use]
    pub fn blob_count(&self) -> usize {
        host::with(|state| state.blobs.len())
    }

    /// What the workflow keeps under a key of [`state`](crate::state).
    #[must_use]
    pub fn kept(&self, key: &str) -> Option<Value> {
        host::with(|state| state.kept.get(key).and_then(|(value, _)| serde_json::from_str(value).ok()))
    }

    /// Every request so far, answered or denied.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        host::with(|state| state.requests.clone())
    }

    /// Every line logged so far.
    #[must_use]
    pub fn logs(&self) -> Vec<LogLine> {
        host::with(|state| state.logs.clone())
    }

    /// Every model call recorded so far.
    #[must_use]
    pub fn usage(&self) -> Vec<ModelCall> {
        host::with(|state| state.usage.clone())
    }

    /// Every decision recorded so far.
    #[must_use]
    pub fn decisions(&self) -> Vec<Verdict> {
        host::with(|state| state.decisions.clone())
    }

    /// Every chunk of progress so far.
    #[must_use]
    pub fn progress(&self) -> Vec<Value> {
        host::with(|state| state.progress.clone())
    }
}

/// What the fake host answers to a request.
#[derive(Debug, Clone)]
pub struct Answer(Result<Canned, Error>);

impl Answer {
    /// A JSON body.
    ///
    /// # Panics
    ///
    /// When the value cannot be JSON: the test is wrong.
    #[expect(clippy::expect_used, reason = "a test that cannot say what it wants answered must not go on")]
    pub fn json(status: u16, body: &(impl Serialize + ?Sized)) -> Self {
        let body = serde_json::to_vec(body).expect("a canned answer must be JSON");
        Self::bytes(status, body).header("content-type", "application/json")
    }

    /// A text body.
    pub fn text(status: u16, body: &str) -> Self {
        Self::bytes(status, body.as_bytes()).header("content-type", "text/plain; charset=utf-8")
    }

    /// A body of any kind, without a content type.
    pub fn bytes(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::pieces(status, [body])
    }

    /// A body that arrives in these pieces, without a content type: what [`Request::open`] gives one by one.
    pub fn pieces<P: Into<Vec<u8>>>(status: u16, pieces: impl IntoIterator<Item = P>) -> Self {
        let pieces: VecDeque<Vec<u8>> =
            pieces.into_iter().map(Into::into).filter(|piece: &Vec<u8>| !piece.is_empty()).collect();
        let response = Response::new(status, Vec::new(), Vec::new(), String::new());
        Self(Ok(Canned { response, pieces, broken: None }))
    }

    /// The same, but that the body breaks off behind what it has.
    #[must_use]
    pub fn then_breaks(mut self, kind: ErrorKind, message: &str) -> Self {
        if let Ok(canned) = &mut self.0 {
            canned.broken = Some(Error::new(kind, message));
        }
        self
    }

    /// No answer, for that reason.
    pub fn error(kind: ErrorKind, message: &str) -> Self {
        Self(Err(Error::new(kind, message)))
    }

    /// Sets a header, in place of one of the same name. No effect on an error.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Ok(Canned { response, .. }) = &mut self.0 {
            let name = name.to_ascii_lowercase();
            response.headers.retain(|(other, _)| *other != name);
            response.headers.push((name, value.into()));
        }
        self
    }
}

/// Calls a step as the host would: from JSON to JSON.
///
/// # Errors
///
/// The step's own, and what the host would see of documents that do not fit.
#[expect(clippy::needless_pass_by_value, reason = "a test names the function, not a reference to it")]
pub fn call<A>(step: impl Handler<A>, input: &Value, config: &Value) -> Result<Value, StepError> {
    let output = handler::run(&step, &input.to_string(), &config.to_string())?;
    Ok(serde_json::from_str(&output)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http;

    #[test]
    fn answers_of_one_request_come_in_turn_and_then_no_more() {
        let host = FakeHost::new();
        host.answer("GET", "http://a/", Answer::text(500, ""));
        host.answer("GET", "http://b/", Answer::text(201, ""));
        host.answer("GET", "http://a/", Answer::text(200, ""));

        let statuses = http::send_all(["http://a/", "http://a/", "http://b/"].map(http::get));
        let statuses: Vec<_> = statuses.into_iter().map(|answer| answer.unwrap().status).collect();
        assert_eq!(statuses, [500, 200, 201]);
        assert_eq!(http::get("http://a/").send().unwrap_err().kind, ErrorKind::Denied);
    }

    #[test]
    fn a_body_that_cannot_be_json_fails_its_own_request_alone() {
        let host = FakeHost::new();
        host.answer("GET", "http://a/", Answer::text(200, ""));
        let not_json = std::collections::BTreeMap::from([((1, 2), 3)]);

        let answers = http::send_all([http::post("http://b/").json(&not_json), http::get("http://a/")]);
        assert_eq!(answers[0].as_ref().unwrap_err().kind, ErrorKind::InvalidRequest);
        assert_eq!(answers[1].as_ref().unwrap().status, 200);
        assert_eq!(host.requests().len(), 1);
    }

    #[test]
    fn an_answer_comes_in_its_pieces_or_whole() {
        let host = FakeHost::new();
        for _ in 0..2 {
            host.answer("GET", "http://a/", Answer::pieces(200, ["ab", "", "c"]).header("x", "y"));
        }
        let mut incoming = http::get("http://a/").open().unwrap();
        assert_eq!((incoming.status, incoming.header("X")), (200, Some("y")));
        assert_eq!(incoming.read().unwrap().as_deref(), Some(&b"ab"[..]));
        assert_eq!(incoming.whole().unwrap().body, b"c");
        assert_eq!(http::get("http://a/").send().unwrap().body, b"abc");
    }

    #[test]
    fn an_answer_that_breaks_off_does_so_behind_what_came() {
        let host = FakeHost::new();
        for _ in 0..2 {
            let answer = Answer::text(200, "half").then_breaks(ErrorKind::Connection, "it broke");
            host.answer("GET", "http://a/", answer);
        }
        let mut incoming = http::get("http://a/").open().unwrap();
        assert!(incoming.read().unwrap().is_some());
        assert_eq!(incoming.read().unwrap_err().kind, ErrorKind::Connection);
        assert_eq!(http::get("http://a/").send().unwrap_err().message, "it broke");
    }

    #[test]
    fn a_body_with_blobs_is_recorded_and_an_answer_is_kept_as_one() {
        let host = FakeHost::new();
        let blob = host.put_blob("audio/wav", "sound");
        host.answer("POST", "http://a/", Answer::bytes(200, "image").header("content-type", "image/png"));
        host.answer("POST", "http://a/", Answer::text(404, "none"));
        let request = || http::post("http://a/").body("head").part(&blob);

        let kept = request().send_and_keep().unwrap().success().unwrap();
        assert_eq!((kept.kind().as_str(), host.blob(&kept)), ("image/png", b"image".to_vec()));
        assert_eq!(host.requests()[0].parts, [http::Part::from(&blob)]);
        let missing = request().send_and_keep().unwrap();
        assert_eq!((missing.body, missing.response.text().as_ref()), (None, "none"));
        let together = http::send_all([request()]).remove(0).unwrap_err();
        assert_eq!(together.kind, ErrorKind::InvalidRequest);
    }

    #[test]
    fn a_new_host_has_seen_nothing() {
        let _ = FakeHost::new();
        crate::info!("before");
        assert!(FakeHost::new().logs().is_empty());
    }
}
