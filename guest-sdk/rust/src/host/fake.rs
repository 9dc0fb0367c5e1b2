//! A host in memory, one a thread: what `testing` shows and what steps talk to in `cargo test`.

mod blob;
mod state;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use crate::context::Attempt;
use crate::decision::Verdict;
use crate::http::{Error, ErrorKind, Incoming, Kept, Request, Response};
use crate::log::Level;
use crate::testing::LogLine;
use crate::usage::ModelCall;

pub(crate) use blob::keep as keep_blob;
pub(crate) use blob::{
    BlobReader, BlobWriter, blob_size, create_blob, finish_blob, open_blob, read_blob, write_blob,
};
pub(crate) use state::{delete_state, get_state, set_state, swap_state};

/// What the fake host was told to answer, and what it has seen.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) attempt: Attempt,
    pub(crate) answers: VecDeque<CannedAnswer>,
    pub(crate) requests: Vec<Request>,
    pub(crate) logs: Vec<LogLine>,
    pub(crate) usage: Vec<ModelCall>,
    pub(crate) decisions: Vec<Verdict>,
    pub(crate) progress: Vec<Value>,
    /// By their digests.
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
    /// Values that the workflow keeps, with their versions.
    pub(crate) kept: BTreeMap<String, (String, u64)>,
    /// Of the last change to what is kept.
    pub(crate) version: u64,
}

#[derive(Debug)]
pub(crate) struct CannedAnswer {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) answer: Result<Canned, Error>,
}

/// What comes over the fake wire.
#[derive(Debug, Clone)]
pub(crate) struct Canned {
    /// The head of the answer.
    pub(crate) response: Response,
    /// Its body, as it arrives.
    pub(crate) pieces: VecDeque<Vec<u8>>,
    /// What the body breaks off with.
    pub(crate) broken: Option<Error>,
}

impl Canned {
    fn whole(self) -> Result<Response, Error> {
        match self.broken {
            Some(error) => Err(error),
            None => Ok(Response { body: self.pieces.into_iter().flatten().collect(), ..self.response }),
        }
    }
}

/// The body of an answer that comes piece by piece.
#[derive(Debug)]
pub(crate) struct IncomingBody {
    pieces: VecDeque<Vec<u8>>,
    broken: Option<Error>,
}

impl Default for State {
    fn default() -> Self {
        let attempt = Attempt {
            run_id: "01890a5d-ac96-774b-bcce-b302099a8057".into(),
            workflow: "test".into(),
            workflow_version: "1.0.0".into(),
            node: "test".into(),
            attempt: 1,
            started_at_ms: 1_700_000_000_000,
            deadline_ms: 1_700_000_060_000,
            idempotency_key: "01890a5d-ac96-774b-bcce-b302099a8057.test.1".into(),
            traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
        };
        Self {
            attempt,
            answers: VecDeque::new(),
            requests: Vec::new(),
            logs: Vec::new(),
            usage: Vec::new(),
            decisions: Vec::new(),
            progress: Vec::new(),
            blobs: BTreeMap::new(),
            kept: BTreeMap::new(),
            version: 0,
        }
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Result<Canned, Error> {
        self.requests.push(request.clone());
        let fits = |canned: &CannedAnswer| canned.method == request.method && canned.url == request.url;
        match self.answers.iter().position(fits).and_then(|index| self.answers.remove(index)) {
            Some(canned) => canned.answer,
            None => {
                let message = format!("FakeHost has no answer left for {} {}", request.method, request.url);
                Err(Error::new(ErrorKind::Denied, message))
            }
        }
    }
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

pub(crate) fn with<T>(f: impl FnOnce(&mut State) -> T) -> T {
    STATE.with_borrow_mut(f)
}

pub(crate) fn write_log(level: Level, message: &str, fields: &[(&str, String)]) {
    let field = |(name, value): &(&str, String)| (name.to_string(), parsed(value));
    let line = LogLine { level, message: message.into(), fields: fields.iter().map(field).collect() };
    with(|state| state.logs.push(line));
}

pub(crate) fn current_attempt() -> Attempt {
    with(|state| state.attempt.clone())
}

pub(crate) fn send(request: &Request) -> Result<Response, Error> {
    with(|state| state.answer(request))?.whole()
}

pub(crate) fn send_all(requests: Vec<&Request>) -> Vec<Result<Response, Error>> {
    requests.into_iter().map(send).collect()
}

pub(crate) fn open(request: &Request) -> Result<Incoming, Error> {
    let Canned { response, pieces, broken } = with(|state| state.answer(request))?;
    let Response { status, headers, url, .. } = response;
    Ok(Incoming::new(status, headers, url, IncomingBody { pieces, broken }))
}

pub(crate) fn read_incoming(body: &mut IncomingBody) -> Result<Option<Vec<u8>>, Error> {
    match (body.pieces.pop_front(), &body.broken) {
        (Some(piece), _) => Ok(Some(piece)),
        (None, Some(error)) => Err(error.clone()),
        (None, None) => Ok(None),
    }
}

pub(crate) fn exchange(request: &Request, keep: bool) -> Result<Kept, Error> {
    let response = send(request)?;
    if !keep || !(200..300).contains(&response.status) {
        return Ok(Kept::new(response, None));
    }
    let media_type = response.header("content-type").unwrap_or("application/octet-stream").to_owned();
    let body = blob::keep(response.body, &media_type);
    Ok(Kept::new(Response { body: Vec::new(), ..response }, Some(body)))
}

pub(crate) fn record_usage(call: ModelCall) {
    with(|state| state.usage.push(call));
}

pub(crate) fn record_decision(verdict: Verdict) {
    with(|state| state.decisions.push(verdict));
}

pub(crate) fn emit_progress(chunk: &str) {
    let chunk = parsed(chunk);
    with(|state| state.progress.push(chunk));
}

/// The SDK hands over JSON; `log::write`'s callers may hand over anything, which the real host refuses.
fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|_| Value::String(json.into()))
}
