//! `/v1/approvals`: what people are asked, and their answers.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use stepwell_core::id::RunId;
use stepwell_core::run::Verdict;
use stepwell_engine::ApprovalAnswer;
use stepwell_store::{Mark, MarkKind};

use super::App;
use super::extract::{Caller, Json, NoParameters, Path, Query};
use super::start::RunAnswer;
use super::{cursor, marks};
use crate::problem::Problem;

/// Which questions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichApprovals {
    /// Those that this key may answer alone: `true` or `false`, which is so if it is left out.
    mine: Option<bool>,
    /// At most so many: 1 to 500, 50 if it is left out.
    limit: Option<usize>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of open questions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApprovalList {
    /// Each with its run, workflow and node, what the person is shown, who may decide (nobody in particular: everybody), the form's
    /// JSON Schema, since when and until when.
    #[schema(value_type = Vec<Object>)]
    approvals: Vec<Value>,
    /// The `cursor` of the next page; none on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A decision.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecisionBody {
    /// Yes or no.
    decision: Verdict,
    /// In your words; the journal keeps it.
    #[serde(default)]
    comment: Option<String>,
    /// The form's fields.
    #[serde(default)]
    form: Value,
}

/// List the open questions to people.
#[utoipa::path(
    get, path = "/v1/approvals", tag = "runs",
    params(WhichApprovals),
    responses(
        (status = 200, body = ApprovalList),
        Problem,
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(which): Query<WhichApprovals>,
) -> Result<axum::Json<ApprovalList>, Problem> {
    let limit = cursor::limit(which.limit)?;
    let after = which.cursor.as_deref().map(marks::decode).transpose()?;
    let journal = app.engine.journal();
    let page = journal.marks(&caller.tenant, MarkKind::Approval, after.as_deref(), limit).await?;
    let next_cursor = marks::next(&page, limit);
    let mine = which.mine.unwrap_or(false);
    let wanted = page.into_iter().filter(|mark| !mine || may_decide(mark, &caller.name));
    Ok(axum::Json(ApprovalList { approvals: wanted.map(|mark| mark.body).collect(), next_cursor }))
}

fn may_decide(mark: &Mark, name: &str) -> bool {
    let who = mark.body["who"].as_array().map(Vec::as_slice).unwrap_or_default();
    who.is_empty() || who.iter().any(|who| who == name)
}

/// Decide.
///
/// The answer comes once the decision is on disk. A question takes one decision: a second one is a 409.
#[utoipa::path(
    post, path = "/v1/runs/{id}/approvals/{node}", tag = "runs",
    params(("id" = Uuid, Path), ("node" = String, Path, description = "The node that asks")),
    request_body = DecisionBody,
    responses(
        (status = 200, body = RunAnswer),
        Problem,
    ),
)]
pub(crate) async fn decide(
    State(app): State<App>,
    caller: Caller,
    Path((run, node)): Path<(RunId, String)>,
    Query(NoParameters {}): Query<NoParameters>,
    Json(DecisionBody { decision, comment, form }): Json<DecisionBody>,
) -> Result<axum::Json<RunAnswer>, Problem> {
    let answer = ApprovalAnswer { verdict: decision, by: caller.name.to_string(), comment, form };
    let status = app.engine.decide_approval(&caller.tenant, run, &node, answer).await?;
    Ok(axum::Json(RunAnswer::bare(run, status)))
}
