//! `/v1/ai`: what runs did with AI: tokens and money by provider, model, workflow and node; decisions, quality, gates, fallbacks.

use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use stepwell_core::id::{NodeId, WorkflowName};
use stepwell_core::run::{ModelUse, NodeAi};
use stepwell_engine::{AiQuery, AiReport};

use super::App;
use super::extract::{Caller, Query};
use crate::problem::Problem;

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichRuns {
    /// Those of this workflow alone.
    #[param(value_type = Option<String>)]
    workflow: Option<WorkflowName>,
    /// Those that were accepted at this time or later: `2026-11-01T00:00:00Z`.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// Those that were accepted before this time.
    #[param(value_type = Option<String>)]
    until: Option<Timestamp>,
}

/// What runs did with AI.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AiSummary {
    /// How many runs did anything. Runs that were removed (`engine.retention`) are not counted any more.
    runs: u64,
    /// Every model that was used, the dearest first.
    models: Vec<ModelUse>,
    /// What the nodes did, by workflow and node.
    nodes: Vec<NodeLine>,
}

/// What a node did with AI.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NodeLine {
    /// Its workflow.
    workflow: WorkflowName,
    /// The node.
    node: NodeId,
    #[serde(flatten)]
    did: NodeAi,
}

impl From<AiReport> for AiSummary {
    fn from(report: AiReport) -> Self {
        let mut all = NodeAi::default();
        report.nodes.values().flat_map(|did| &did.models).for_each(|used| all.add_use(used));
        let mut models = all.models;
        models.sort_by(|a, b| {
            b.cost_micro_usd
                .cmp(&a.cost_micro_usd)
                .then_with(|| (&a.provider, &a.model).cmp(&(&b.provider, &b.model)))
        });
        let line = |((workflow, node), did)| NodeLine { workflow, node, did };
        Self { runs: report.runs, models, nodes: report.nodes.into_iter().map(line).collect() }
    }
}

/// Ask what runs did with AI.
#[utoipa::path(
    get, path = "/v1/ai", tag = "operation",
    params(WhichRuns),
    responses(
        (status = 200, body = AiSummary),
        Problem,
    ),
)]
pub(crate) async fn summary(
    State(app): State<App>,
    caller: Caller,
    Query(WhichRuns { workflow, from, until }): Query<WhichRuns>,
) -> Result<axum::Json<AiSummary>, Problem> {
    let query = AiQuery { workflow, from, until };
    Ok(axum::Json(app.engine.ai_report(&caller.tenant, &query).await?.into()))
}
