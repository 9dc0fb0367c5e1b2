//! What a client is told when something goes wrong: the one place that maps errors to HTTP.
//!
//! Errors come from three places. The **edge** (`api`) refuses what it cannot read: no key, a wrong content type, a
//! body that is too large or no JSON. The **rooms below** refuse what they understand and do not accept: a definition
//! with mistakes, an input that fails its schema; their error types know nothing of HTTP. And things **break**: a disk,
//! a file, an invariant. All of them become a [`Problem`] before they become an answer, by `?` and the `From`s here,
//! so a handler never chooses a status code and two handlers never disagree about one.
//!
//! A client may rely on three things: `type` (a stable slug, see [`kind`]), the status that belongs to it, and the
//! extension members that its page in `docs/errors/` names. `detail` is for people and may change.
//!
//! What broke inside is not the client's business and may hold paths or addresses: such a problem says `internal` to
//! the client, and the whole story to the log. Hence [`Problem::Internal`] carries words that are logged and not sent.

mod from;
mod kind;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue};
use semver::Version;
use serde_json::{Map, Value, json};
use utoipa::openapi::{self, RefOr};
use utoipa::{IntoResponses, ToSchema};

use stepwell_core::cloud_event::AttributeMistake;
use stepwell_core::destination::Destination;
use stepwell_core::digest::Digest;
use stepwell_core::failure::Failure;
use stepwell_core::id::{RunId, WorkflowName};
use stepwell_core::mistake::Mistake;
use stepwell_core::run::RunStatus;
use stepwell_core::schema::SchemaViolation;

use kind::Kind;

/// The members that RFC 9457 gives a meaning: no kind of problem may give them another.
const STANDARD_MEMBERS: [&str; 5] = ["type", "title", "status", "detail", "instance"];

/// The content type of every problem (RFC 9457).
pub(crate) const CONTENT_TYPE_PROBLEM: &str = "application/problem+json";

/// Where the size is set that a body may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitSetting {
    /// A key of the server's configuration.
    Config(&'static str),
    /// `max_bytes` of the trigger that was called.
    Trigger,
}

impl fmt::Display for LimitSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(key) => write!(f, "{key} in the server's configuration"),
            Self::Trigger => f.write_str("`max_bytes` of the workflow's trigger"),
        }
    }
}

/// Why a call was not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// The body is not what its content type says.
    #[error("the body is not {format}: {message} (line {line}, column {column})")]
    MalformedBody { format: &'static str, message: String, line: usize, column: usize },
    /// A body, query, path or header that does not fit what was called.
    #[error("{message}")]
    InvalidRequest { place: Place, message: String },
    /// What came is no CloudEvent: every attribute that is wrong; in a batch, of the event at this place.
    #[error(
        "{} no CloudEvent: `mistakes` lists what is wrong with its attributes, which are the members of a JSON object sent as \
         `application/cloudevents+json`, or headers that begin with `ce-`",
        event.map_or("this is".to_owned(), |index| format!("the event {index} of the batch is"))
    )]
    InvalidEvent { event: Option<usize>, mistakes: Vec<AttributeMistake> },
    /// No API key, or none that is known.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// No route has this path.
    #[error("there is nothing at `{0}`: /openapi.json lists what there is")]
    UnknownRoute(String),
    /// No step of that name, or no such version.
    #[error("there is no step `{0}`: GET /v1/steps lists what is published")]
    UnknownStep(String),
    /// No workflow of that name, or no such version.
    #[error("{0}")]
    UnknownWorkflow(String),
    /// No run of that id.
    #[error("there is no run {0}: GET /v1/runs lists the runs")]
    UnknownRun(RunId),
    /// No blob of that digest.
    #[error(
        "there is no blob {0}: it was never uploaded, or no run and no workflow named it for a while; POST /v1/blobs uploads one"
    )]
    UnknownBlob(Digest),
    /// The blob is shorter.
    #[error("the range lies behind the blob's end: it has {size} bytes")]
    RangeNotSatisfiable { size: u64 },
    /// The store of blobs failed. Why is for the log alone.
    #[error("the blob store failed: try again in a moment; if it stays so, the server's log says why")]
    BlobsUnavailable,
    /// No workflow declares this path.
    #[error("no workflow has an HTTP trigger for `/hooks{0}`: a workflow declares one under `triggers`")]
    UnknownHook(String),
    /// No key of that id.
    #[error("there is no API key `{0}`: GET /v1/keys lists them")]
    UnknownKey(String),
    /// No run has called it lately, and the configuration does not name it.
    #[error("`{0}` is not a destination that steps have called lately: GET /v1/destinations lists those")]
    UnknownDestination(Destination),
    /// The workflow keeps nothing under this key.
    #[error("{0}")]
    UnknownState(String),
    /// It is more than a workflow may keep.
    #[error("{0}")]
    StateTooLarge(String),
    /// The path is there, the method is not.
    #[error("`{method}` is not taken here: {}", allowed_words(allowed))]
    MethodNotAllowed { method: String, allowed: Vec<String> },
    /// Something of that name is there already, and is not the same.
    #[error("{0}")]
    Conflict(String),
    /// There is nothing to go back to.
    #[error("{0}")]
    NoEarlierVersion(String),
    /// There is no canary to promote or to end.
    #[error("{0}")]
    NoCanary(String),
    /// The current version cannot be the canary beside itself.
    #[error("{0}")]
    CanaryIsCurrent(String),
    /// What has ended takes nothing any more.
    #[error("the run {run} has ended ({}): nothing can be done to it but to retry it", status.as_str())]
    RunEnded { run: RunId, status: RunStatus },
    /// What has not ended cannot be done again.
    #[error("the run {run} has not ended ({}): wait for its end, or cancel it first", status.as_str())]
    RunNotEnded { run: RunId, status: RunStatus },
    /// There is nothing to go on from.
    #[error("{0}")]
    NothingFailed(String),
    /// What could not be undone would be done once more.
    #[error("{0}")]
    NotUndone(String),
    /// No such node asks, or nobody asks at all.
    #[error("{0}: GET /v1/approvals lists what is asked")]
    UnknownApproval(String),
    /// It was decided, or is not asked.
    #[error("{0}")]
    NotWaiting(String),
    /// A cancellation is under way, which nothing holds up.
    #[error("{0}")]
    RunCancelling(String),
    /// The run's workflow has no node that waits for such a signal.
    #[error("{0}")]
    UnknownSignal(String),
    /// Somebody else is asked.
    #[error("{message}")]
    NotAllowed { message: String, who: Vec<String> },
    /// No callback has this token.
    #[error("there is no callback at this URL: it was never made, or its run is gone")]
    UnknownCallback,
    /// The callback takes one call.
    #[error("{0}")]
    CallbackUsed(String),
    /// The callback expired, or its run ended.
    #[error("{0}")]
    CallbackGone(String),
    /// No dead letter has this name.
    #[error("{0}: GET /v1/dead-letters lists them")]
    UnknownDeadLetter(String),
    /// A form, a callback's body, an edited input: every place.
    #[error("{what} does not match its schema in {}: `violations` lists them", count(violations.len(), "place"))]
    SchemaMismatch { what: String, violations: Vec<SchemaViolation> },
    /// The run keeps so many signals that nobody waits for.
    #[error("{0}")]
    TooManySignals(String),
    /// The key is set by the operator, not kept in the catalogue.
    #[error("this key comes from the server's configuration: change STEPWELL_ADMIN_KEY there, and restart")]
    ConfiguredKey,
    /// The body is larger than it may be.
    #[error("the body is larger than the {limit} bytes that are taken here ({set_by})")]
    TooLarge { limit: usize, set_by: LimitSetting },
    /// The body's content type is not taken.
    #[error("{}; send it as `{}`", sent_words(sent.as_deref()), wanted.join("` or `"))]
    UnsupportedMediaType { sent: Option<String>, wanted: &'static [&'static str] },
    /// The component cannot be published.
    #[error("{0}")]
    InvalidComponent(String),
    /// The definition has mistakes: all of them.
    #[error("the definition has {}: `mistakes` lists them", count(mistakes.len(), "mistake"))]
    InvalidDefinition { mistakes: Vec<Mistake> },
    /// The input does not match the workflow's schema: every place.
    #[error("the input does not match the workflow's schema in {}: `violations` lists them", count(violations.len(), "place"))]
    InvalidInput { violations: Vec<SchemaViolation> },
    /// The request cannot be made the input of a run.
    #[error("the request does not fit what is called: {message}")]
    UnfitRequest { message: String },
    /// The run that was to answer did not succeed.
    #[error("the run {run} that was to answer has {}", status.as_str())]
    RunFailed { run: RunId, status: RunStatus, failure: Option<Failure> },
    /// The idempotency key belongs to another request.
    #[error(
        "this Idempotency-Key was used before, for another request (run {run}): take a new key for a new request"
    )]
    IdempotencyMismatch { run: RunId },
    /// As many runs as may be are under way, and no more may queue.
    #[error("{message}")]
    WorkflowFull { message: String, limit: u32, max_queued: Option<u32> },
    /// Something broke. The words are for the log alone.
    #[error("something broke inside the server; its log says more, under this answer's traceparent")]
    Internal(String),
    /// Recovery is under way.
    #[error("the server is still taking up the runs of its last life")]
    NotReady,
    /// The run was not recovered yet, or its journal failed.
    #[error(
        "run {0} is not being driven at the moment: try again in a few seconds; if it stays so, the server's log says why"
    )]
    RunUnavailable(RunId),
    /// The server was told to stop.
    #[error("the server is stopping: try again in a moment")]
    ShuttingDown,
    /// There is no room for new work.
    #[error(
        "the server's disk has too little space left for new work: free some space, then try again; what runs goes on"
    )]
    DiskFull { free: u64, reserve: u64 },
}

/// The part of a request that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A value in the body, by its JSON pointer.
    Body(String),
    /// The query.
    Query,
    /// The path.
    Path,
    /// A header.
    Header(&'static str),
}

impl Problem {
    /// A header that does not fit.
    pub(crate) fn header(name: &'static str, message: impl Into<String>) -> Self {
        Self::InvalidRequest { place: Place::Header(name), message: message.into() }
    }

    /// No workflow of that name, or none of that version.
    pub(crate) fn unknown_workflow(name: &WorkflowName, version: Option<&Version>) -> Self {
        let version = version.map(|version| format!(" in version {version}")).unwrap_or_default();
        Self::UnknownWorkflow(format!(
            "there is no workflow `{name}`{version}: GET /v1/workflows lists what is applied"
        ))
    }

    /// Something broke; these words go to the log alone.
    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        Self::Internal(error.to_string())
    }

    fn kind(&self) -> &'static Kind {
        match self {
            Self::MalformedBody { .. } => &Kind::MALFORMED_BODY,
            Self::InvalidRequest { .. } => &Kind::INVALID_REQUEST,
            Self::InvalidEvent { .. } => &Kind::INVALID_EVENT,
            Self::Unauthorized(_) => &Kind::UNAUTHORIZED,
            Self::UnknownRoute(_) => &Kind::UNKNOWN_ROUTE,
            Self::UnknownStep(_) => &Kind::UNKNOWN_STEP,
            Self::UnknownWorkflow(_) => &Kind::UNKNOWN_WORKFLOW,
            Self::UnknownRun(_) => &Kind::UNKNOWN_RUN,
            Self::UnknownBlob(_) => &Kind::UNKNOWN_BLOB,
            Self::RangeNotSatisfiable { .. } => &Kind::RANGE_NOT_SATISFIABLE,
            Self::BlobsUnavailable => &Kind::BLOBS_UNAVAILABLE,
            Self::UnknownHook(_) => &Kind::UNKNOWN_HOOK,
            Self::UnknownKey(_) => &Kind::UNKNOWN_KEY,
            Self::UnknownDestination(_) => &Kind::UNKNOWN_DESTINATION,
            Self::UnknownState(_) => &Kind::UNKNOWN_STATE,
            Self::StateTooLarge(_) => &Kind::STATE_TOO_LARGE,
            Self::MethodNotAllowed { .. } => &Kind::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => &Kind::CONFLICT,
            Self::NoEarlierVersion(_) => &Kind::NO_EARLIER_VERSION,
            Self::NoCanary(_) => &Kind::NO_CANARY,
            Self::CanaryIsCurrent(_) => &Kind::CANARY_IS_CURRENT,
            Self::RunEnded { .. } => &Kind::RUN_ENDED,
            Self::RunNotEnded { .. } => &Kind::RUN_NOT_ENDED,
            Self::NothingFailed(_) => &Kind::NOTHING_FAILED,
            Self::NotUndone(_) => &Kind::NOT_UNDONE,
            Self::UnknownApproval(_) => &Kind::UNKNOWN_APPROVAL,
            Self::NotWaiting(_) => &Kind::NOT_WAITING,
            Self::RunCancelling(_) => &Kind::RUN_CANCELLING,
            Self::UnknownSignal(_) => &Kind::UNKNOWN_SIGNAL,
            Self::NotAllowed { .. } => &Kind::NOT_ALLOWED,
            Self::UnknownCallback => &Kind::UNKNOWN_CALLBACK,
            Self::CallbackUsed(_) => &Kind::CALLBACK_USED,
            Self::CallbackGone(_) => &Kind::CALLBACK_GONE,
            Self::UnknownDeadLetter(_) => &Kind::UNKNOWN_DEAD_LETTER,
            Self::SchemaMismatch { .. } => &Kind::SCHEMA_MISMATCH,
            Self::TooManySignals(_) => &Kind::TOO_MANY_SIGNALS,
            Self::ConfiguredKey => &Kind::CONFIGURED_KEY,
            Self::TooLarge { .. } => &Kind::TOO_LARGE,
            Self::UnsupportedMediaType { .. } => &Kind::UNSUPPORTED_MEDIA_TYPE,
            Self::InvalidComponent(_) => &Kind::INVALID_COMPONENT,
            Self::InvalidDefinition { .. } => &Kind::INVALID_DEFINITION,
            Self::InvalidInput { .. } => &Kind::INVALID_INPUT,
            Self::UnfitRequest { .. } => &Kind::UNFIT_REQUEST,
            Self::RunFailed { .. } => &Kind::RUN_FAILED,
            Self::IdempotencyMismatch { .. } => &Kind::IDEMPOTENCY_MISMATCH,
            Self::WorkflowFull { .. } => &Kind::WORKFLOW_FULL,
            Self::Internal(_) => &Kind::INTERNAL,
            Self::NotReady => &Kind::NOT_READY,
            Self::RunUnavailable(_) => &Kind::RUN_UNAVAILABLE,
            Self::ShuttingDown => &Kind::SHUTTING_DOWN,
            Self::DiskFull { .. } => &Kind::DISK_FULL,
        }
    }

    /// The members beyond those that every problem has.
    fn extensions(&self) -> Map<String, Value> {
        let members = match self {
            Self::MalformedBody { line, column, .. } => json!({"line": line, "column": column}),
            Self::InvalidRequest { place, .. } => match place {
                Place::Body(pointer) => json!({"pointer": pointer}),
                Place::Header(name) => json!({"header": name}),
                Place::Query | Place::Path => json!({}),
            },
            Self::InvalidEvent { event: Some(index), mistakes } => {
                json!({"event": index, "mistakes": mistakes})
            }
            Self::InvalidEvent { event: None, mistakes } => json!({"mistakes": mistakes}),
            Self::MethodNotAllowed { allowed, .. } if !allowed.is_empty() => json!({"allowed": allowed}),
            Self::RunEnded { run, status } | Self::RunNotEnded { run, status } => {
                json!({"run_id": run, "run_status": status})
            }
            Self::NotAllowed { who, .. } => json!({"who": who}),
            Self::SchemaMismatch { violations, .. } => json!({"violations": violations}),
            Self::TooLarge { limit, .. } => json!({"limit": limit}),
            Self::UnsupportedMediaType { sent, wanted } => json!({"sent": sent, "wanted": wanted}),
            Self::InvalidDefinition { mistakes } => json!({"mistakes": mistakes}),
            Self::InvalidInput { violations } => json!({"violations": violations}),
            Self::RunFailed { run, status, failure } => {
                json!({"run_id": run, "run_status": status, "failure": failure})
            }
            Self::IdempotencyMismatch { run } => json!({"run_id": run}),
            Self::WorkflowFull { limit, max_queued: Some(max_queued), .. } => {
                json!({"limit": limit, "max_queued": max_queued})
            }
            Self::WorkflowFull { limit, max_queued: None, .. } => json!({"limit": limit}),
            Self::RangeNotSatisfiable { size } => json!({"size": size}),
            Self::DiskFull { free, reserve } => json!({"free_bytes": free, "reserve_bytes": reserve}),
            _ => json!({}),
        };
        match members {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    /// The header that the status asks for.
    fn header_of_status(&self) -> Option<(HeaderName, Cow<'static, str>)> {
        match self {
            Self::Unauthorized(_) => Some((WWW_AUTHENTICATE, "Bearer realm=\"stepwell\"".into())),
            Self::MethodNotAllowed { allowed, .. } if !allowed.is_empty() => {
                Some((ALLOW, allowed.join(", ").into()))
            }
            Self::RangeNotSatisfiable { size } => Some((CONTENT_RANGE, format!("bytes */{size}").into())),
            Self::NotReady
            | Self::BlobsUnavailable
            | Self::RunUnavailable(_)
            | Self::ShuttingDown
            | Self::TooManySignals(_)
            | Self::WorkflowFull { .. } => Some((RETRY_AFTER, "1".into())),
            _ => None,
        }
    }

    /// Tells the log what a client is not told.
    pub(crate) fn log(&self) {
        if let Self::Internal(words) = self {
            tracing::error!(error = %words, "a call failed");
        }
    }

    /// As it is sent.
    pub(crate) fn to_body(&self) -> ProblemBody {
        let kind = self.kind();
        let mut extensions = self.extensions();
        extensions.retain(|name, _| !STANDARD_MEMBERS.contains(&name.as_str()));
        ProblemBody {
            r#type: kind.uri(),
            title: kind.title,
            status: kind.status.code().as_u16(),
            detail: self.to_string(),
            extensions,
        }
    }
}

/// On the answer to a call that failed: what the log is told of it and the client is not. Whoever knows the call logs it.
#[derive(Clone)]
pub(crate) struct Untold(pub(crate) String);

/// A problem as it is sent (RFC 9457). Its kind may add members: see its page in `docs/errors/`.
#[derive(Debug, serde::Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// What kind of problem: a stable URI, and a page that explains it.
    #[schema(format = "uri", example = "https://stepwell.dev/errors/unknown-run")]
    r#type: String,
    /// The kind in one short line.
    #[schema(value_type = String)]
    title: &'static str,
    /// The status again.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What went wrong this time, and how to mend it. For people; it may change.
    detail: String,
    #[serde(flatten)]
    #[schema(value_type = Object, additional_properties)]
    extensions: Map<String, Value>,
}

/// In the OpenAPI document: every call may answer with a problem.
impl IntoResponses for Problem {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let body = openapi::Content::new(Some(openapi::Ref::from_schema_name(ProblemBody::name())));
        let response = openapi::ResponseBuilder::new()
            .description("A problem: `type` says which, and has a page that explains it")
            .content(CONTENT_TYPE_PROBLEM, body)
            .build();
        BTreeMap::from([("default".to_owned(), response.into())])
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.kind().status.code(), axum::Json(self.to_body())).into_response();
        if let Self::Internal(words) = &self {
            response.extensions_mut().insert(Untold(words.clone()));
        }
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE_PROBLEM));
        if let Some((name, value)) = self.header_of_status()
            && let Ok(value) = HeaderValue::from_str(&value)
        {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

fn allowed_words(allowed: &[String]) -> String {
    if allowed.is_empty() {
        "the `Allow` header says what is".to_owned()
    } else {
        format!("use {}", allowed.join(" or "))
    }
}

fn sent_words(sent: Option<&str>) -> String {
    match sent {
        Some(sent) => format!("the body is of content type `{sent}`, which is not taken here"),
        None => "the body has no content type".to_owned(),
    }
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests;
