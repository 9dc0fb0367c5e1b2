//! `/v1/dead-letters`: what failed for good, until somebody deals with it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use stepwell_core::id::Part;
use stepwell_core::run::{Edit, Entry, Event};
use stepwell_store::Mark;

use super::App;
use super::extract::{Caller, Json, NoParameters, Path, Query};
use super::start::RunAnswer;
use super::{cursor, marks};
use crate::problem::{Place, Problem};

/// So many entries of a journal are read at a time.
const ENTRIES_A_PAGE: usize = 500;

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichPage {
    /// At most so many: 1 to 500, 50 if it is left out.
    limit: Option<usize>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of dead letters.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeadLetterList {
    dead_letters: Vec<DeadLetterLine>,
    /// The `cursor` of the next page; none on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A dead letter in the list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeadLetterLine {
    /// Its name: run, node and part.
    id: String,
    /// Its run, workflow, node and failure.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    about: Value,
}

impl From<Mark> for DeadLetterLine {
    fn from(mark: Mark) -> Self {
        Self { id: mark.key, about: mark.body }
    }
}

/// A dead letter with all that is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeadLetterShown {
    #[serde(flatten)]
    line: DeadLetterLine,
    /// The input of its last attempt, if it had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    input: Option<Arc<Value>>,
    /// The journal of its attempts, their effects and answers included.
    attempts: Vec<Entry>,
}

/// What it is tried again with.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RetryLetterBody {
    /// In place of the input that the workflow gives.
    #[schema(value_type = Option<Value>)]
    input: Option<Value>,
    /// In place of the config that the workflow has.
    #[schema(value_type = Option<Value>)]
    config: Option<Value>,
}

/// Why it is let be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiscardBody {
    /// In your words; the journal keeps it.
    reason: String,
}

/// List the dead letters.
#[utoipa::path(
    get, path = "/v1/dead-letters", tag = "runs",
    params(WhichPage),
    responses(
        (status = 200, body = DeadLetterList),
        Problem,
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(which): Query<WhichPage>,
) -> Result<axum::Json<DeadLetterList>, Problem> {
    let limit = cursor::limit(which.limit)?;
    let after = which.cursor.as_deref().map(marks::decode).transpose()?;
    let page = app.engine.dead_letters(&caller.tenant, after.as_deref(), limit).await?;
    let next_cursor = marks::next(&page, limit);
    let dead_letters = page.into_iter().map(DeadLetterLine::from).collect();
    Ok(axum::Json(DeadLetterList { dead_letters, next_cursor }))
}

/// Look at a dead letter: its input, its failure, its attempts and their effects.
#[utoipa::path(
    get, path = "/v1/dead-letters/{id}", tag = "runs",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = DeadLetterShown),
        Problem,
    ),
)]
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<axum::Json<DeadLetterShown>, Problem> {
    let (mark, run, node, part) = app.engine.dead_letter(&caller.tenant, &id).await?;
    let mut attempts = Vec::new();
    let mut from = 0;
    loop {
        let page = app.engine.journal().read(&caller.tenant, run, from, ENTRIES_A_PAGE).await?;
        let Some(last) = page.last() else { break };
        from = last.seq + 1;
        attempts.extend(page.into_iter().filter(|entry| {
            attempt_of(&entry.event).is_some_and(|(of, its)| *of == node && belongs(its, part))
        }));
    }
    let input = attempts.iter().rev().find_map(|entry| match &entry.event {
        Event::AttemptStarted { input, .. } => Some(Arc::clone(input)),
        _ => None,
    });
    Ok(axum::Json(DeadLetterShown { line: mark.into(), input, attempts }))
}

fn attempt_of(event: &Event) -> Option<(&stepwell_core::id::NodeId, Part)> {
    match event {
        Event::AttemptStarted { node, part, .. }
        | Event::EffectAnswered { node, part, .. }
        | Event::AttemptSucceeded { node, part, .. }
        | Event::AttemptFailed { node, part, .. }
        | Event::AttemptAbandoned { node, part, .. }
        | Event::NodeFailed { node, part, .. } => Some((node, *part)),
        _ => None,
    }
}

/// The items of a map are parts of its work.
fn belongs(its: Part, part: Part) -> bool {
    (its == Part::Compensation) == (part == Part::Compensation)
}

/// Try a dead letter again, with another input or config if you give one.
///
/// Its run goes on from what failed. What you give is checked against the step's schema. The answer comes once that is on disk.
#[utoipa::path(
    post, path = "/v1/dead-letters/{id}/retry", tag = "runs",
    params(("id" = String, Path)),
    request_body = Option<RetryLetterBody>,
    responses(
        (status = 202, body = RunAnswer),
        Problem,
    ),
)]
pub(crate) async fn retry(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(NoParameters {}): Query<NoParameters>,
    body: Option<Json<RetryLetterBody>>,
) -> Result<Response, Problem> {
    let RetryLetterBody { input, config } = body.map(|Json(body)| body).unwrap_or_default();
    let edit = Edit { input: input.map(Arc::new), config: config.map(Arc::new) };
    let by = caller.name.to_string();
    let (run, status) = app.engine.retry_dead_letter(&caller.tenant, &id, edit, by).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(RunAnswer::bare(run, status))).into_response())
}

/// Let a dead letter be.
///
/// It leaves the list; the journal keeps who let it be, and why.
#[utoipa::path(
    post, path = "/v1/dead-letters/{id}/discard", tag = "runs",
    params(("id" = String, Path)),
    request_body = DiscardBody,
    responses(
        (status = 204, description = "It is let be"),
        Problem,
    ),
)]
pub(crate) async fn discard(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(NoParameters {}): Query<NoParameters>,
    Json(DiscardBody { reason }): Json<DiscardBody>,
) -> Result<StatusCode, Problem> {
    if reason.trim().is_empty() {
        let message = "`reason` is empty: say why it is let be".to_owned();
        return Err(Problem::InvalidRequest { place: Place::Body("/reason".to_owned()), message });
    }
    let by = Some(caller.name.to_string());
    app.engine.discard_dead_letter(&caller.tenant, &id, reason, by).await?;
    Ok(StatusCode::NO_CONTENT)
}
