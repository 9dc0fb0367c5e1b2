//! `/v1/destinations`: where effects go, and how that goes.

use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use stepwell_core::destination::Destination;
use stepwell_engine::{BreakerView, DestinationView};

use super::App;
use super::extract::{Caller, NoParameters, Path, Query};
use crate::problem::Problem;

/// How a destination stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DestinationLine {
    /// Host and port, as a grant names them.
    destination: Destination,
    /// Its circuit breaker, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    breaker: Option<BreakerLine>,
    /// How often it is called at most, if the configuration bounds that: `50/s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<String>,
    /// How many calls may leave at once after a pause, if it has a rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    burst: Option<u32>,
    /// How many calls could leave at once now, if it has a rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<u32>,
    /// Until when nothing is sent to it, because it asked for that with a `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    slowed_until: Option<Timestamp>,
    /// Calls that are under way.
    in_flight: usize,
    /// Calls that wait for their turn.
    queued: usize,
}

/// How a circuit breaker stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BreakerLine {
    /// `closed`, `open` or `half-open`.
    #[schema(value_type = String, example = "closed")]
    state: &'static str,
    /// Failures in a row, while it is closed.
    failures: u32,
    /// When the next call is tried, while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    /// Since when it has not been closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    opened_at: Option<Timestamp>,
    /// What went wrong last.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_fault: Option<String>,
    /// How often it has opened.
    opens: u64,
    /// How many calls it has refused.
    refusals: u64,
}

impl From<DestinationView> for DestinationLine {
    fn from(of: DestinationView) -> Self {
        Self {
            destination: of.destination,
            breaker: of.breaker.map(BreakerLine::from),
            rate: of.rate.map(|limit| limit.rate.to_string()),
            burst: of.rate.map(|limit| limit.burst.get()),
            tokens: of.tokens,
            slowed_until: of.slowed_until,
            in_flight: of.in_flight,
            queued: of.queued,
        }
    }
}

impl From<BreakerView> for BreakerLine {
    fn from(of: BreakerView) -> Self {
        let BreakerView { state, failures, until, opened_at, last_fault, opens, refusals } = of;
        Self { state, failures, until, opened_at, last_fault, opens, refusals }
    }
}

/// Every destination that is known.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DestinationList {
    destinations: Vec<DestinationLine>,
}

/// List the destinations.
///
/// Those that the configuration names and those that steps have called lately, with their circuit breakers and rates.
#[utoipa::path(
    get, path = "/v1/destinations", tag = "operation",
    responses(
        (status = 200, body = DestinationList),
        Problem,
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(NoParameters {}): Query<NoParameters>,
) -> axum::Json<DestinationList> {
    let views = app.engine.destinations(&caller.tenant);
    axum::Json(DestinationList { destinations: views.into_iter().map(DestinationLine::from).collect() })
}

/// Trust a destination again.
///
/// Closes its circuit breaker and ends a pause that it asked for. A breaker that is closed stays so.
#[utoipa::path(
    post, path = "/v1/destinations/{host}/reset", tag = "operation",
    params(("host" = String, Path, description = "As it is listed: host, with its port unless that is 80 or 443")),
    responses(
        (status = 200, body = DestinationLine, description = "As it stands now"),
        Problem,
    ),
)]
pub(crate) async fn reset(
    State(app): State<App>,
    caller: Caller,
    Path(destination): Path<Destination>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<axum::Json<DestinationLine>, Problem> {
    let view = app.engine.reset_destination(&caller.tenant, &destination);
    view.map(|view| axum::Json(view.into())).ok_or(Problem::UnknownDestination(destination))
}
