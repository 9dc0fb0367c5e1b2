//! `/v1/runs/{id}/events`: what happens, while it happens, as server-sent events (the WHATWG's `text/event-stream`).
//!
//! What the journal keeps has an `id`, so that a watcher who lost the connection goes on where it was. What it does not
//! keep (progress, log lines) has none, and is not sent again.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Response, Sse};
use futures::stream::{self, Stream, StreamExt as _};
use http::{HeaderMap, HeaderName, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use stepwell_core::id::{AttemptNumber, NodeId, Part, RunId, TenantId};
use stepwell_core::run::Entry;
use stepwell_engine::{EngineError, WatchItem};

use super::App;
use super::extract::{Caller, NoParameters, Path, Query};
use crate::problem::Problem;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Often enough for proxies that close a silent connection after half a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

type Items = Pin<Box<dyn Stream<Item = Result<WatchItem, EngineError>> + Send>>;

/// Watch a run.
///
/// One event a journal entry, with the entry's `seq` as `id` and its `type` as `event`; the stream ends with the run.
/// Between them come `progress` and `log` events without an id. A watcher that comes back with `Last-Event-ID` gets
/// what it missed. One that has seen everything of an ended run gets a 204, on which an `EventSource` stops asking.
#[utoipa::path(
    get, path = "/v1/runs/{id}/events", tag = "runs",
    params(
        ("id" = uuid::Uuid, Path),
        ("Last-Event-ID" = Option<u64>, Header, description = "The `id` of the last event that was seen"),
    ),
    responses(
        (status = 200, body = String, content_type = "text/event-stream", description = "What happens"),
        (status = 204, description = "The run ended, and everything was seen"),
        Problem,
    ),
)]
pub(crate) async fn watch(
    State(app): State<App>,
    caller: Caller,
    Path(run): Path<RunId>,
    Query(NoParameters {}): Query<NoParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let after = last_event_id(&headers)?;
    let items = app.engine.watch(&caller.tenant, run, after).await?;
    let mut items: Items = Box::pin(items.ok_or(Problem::UnknownRun(run))?);
    if after.is_some() && has_ended(&app, &caller.tenant, run).await? {
        // Of an ended run there is a next item, or there never will be one: asking does not wait.
        match items.next().await {
            None => return Ok(StatusCode::NO_CONTENT.into_response()),
            Some(first) => items = Box::pin(stream::once(async { first }).chain(items)),
        }
    }
    let events = items
        .map(|item| Ok::<_, Infallible>(event_of(item)))
        .take_until(app.closing.clone().cancelled_owned());
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    number.map(Some).ok_or_else(|| {
        Problem::header(
            "Last-Event-ID",
            "`Last-Event-ID` is not the `id` of an event of this stream: a whole number",
        )
    })
}

async fn has_ended(app: &App, tenant: &TenantId, run: RunId) -> Result<bool, Problem> {
    let summary = app.engine.journal().summary(tenant, run).await?;
    Ok(summary.is_some_and(|summary| summary.ended_at.is_some()))
}

fn event_of(item: Result<WatchItem, EngineError>) -> Event {
    match item {
        Ok(WatchItem::Entry(entry)) => event_of_entry(&entry),
        Ok(WatchItem::Progress { node, part, attempt, chunk }) => {
            event("progress", &said(&node, part, attempt, ("chunk", chunk)))
        }
        Ok(WatchItem::Log { node, part, attempt, line }) => {
            event("log", &said(&node, part, attempt, ("line", json!(line))))
        }
        Err(error) => {
            let problem = Problem::from(error);
            problem.log();
            event("problem", &problem.to_body())
        }
    }
}

/// What a guest says, with its place as the journal's entries have it.
fn said(node: &NodeId, part: Part, attempt: AttemptNumber, (name, what): (&str, Value)) -> Value {
    let mut said = json!({"node": node, "attempt": attempt, name: what});
    if !part.is_whole() {
        said["part"] = json!(part);
    }
    said
}

fn event_of_entry(entry: &Entry) -> Event {
    event(entry.event.type_name(), entry).id(entry.seq.to_string())
}

fn event(name: &str, data: &impl Serialize) -> Event {
    match Event::default().event(name).json_data(data) {
        Ok(event) => event,
        Err(error) => {
            tracing::error!(%error, name, "an event could not be written as JSON");
            Event::default().comment("an event could not be written")
        }
    }
}
