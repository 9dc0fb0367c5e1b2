//! The server's own log and its metrics.
//!
//! Both are one a process, so installing them is separate from starting a server: a process that starts two servers
//! (a benchmark, a test) has one log and one set of metrics.

use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{self, IsTerminal as _};
use std::sync::OnceLock;
use std::time::Duration;

use http::StatusCode;
use metrics::{Histogram, Unit, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use stepwell_engine::Engine;

use crate::config::{LogConfig, LogFormat};

/// The time from a request's head to its answer's head, by route, method and status.
const REQUEST_SECONDS: &str = "stepwell_http_request_seconds";

/// Where each destination's circuit breaker stands.
const BREAKER_STATE: &str = "stepwell_breaker_state";

/// From a fraction of a millisecond to the longest `Prefer: wait`.
const SECONDS: &[f64] = &[
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0,
    60.0,
];

/// Scores are from 0 to 1.
const SCORES: &[f64] = &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

/// What stands in the way of a log or of metrics.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.level` is no filter.
    #[error(
        "`{level}` is no log level: use error, warn, info, debug or trace, also by part as in `info,stepwell_sandbox=debug` ({why})"
    )]
    Level {
        /// What was configured.
        level: String,
        /// What is wrong with it.
        why: tracing_subscriber::filter::ParseError,
    },
    /// Somebody else records this process's metrics.
    #[error("this process has another recorder of metrics already: {0}")]
    Recorder(String),
}

/// Libraries whose everyday is not the operator's; `log.level` can name them to hear more.
const QUIET: &str = "fjall=warn,lsm_tree=warn,sled=warn";

/// Sends this process's log to stderr. Does nothing if the process has a log already.
pub fn start_logging(config: &LogConfig) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder()
        .parse(format!("{QUIET},{}", config.level))
        .map_err(|why| TelemetryError::Level { level: config.level.clone(), why })?;
    let lines =
        tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let registry = tracing_subscriber::registry().with(filter);
    let installed = match config.format {
        LogFormat::Text => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    if installed.is_err() {
        tracing::debug!("this process has a log already");
    }
    Ok(())
}

/// This process's metrics; recorded from the first call on.
pub(crate) fn metrics() -> Result<PrometheusHandle, TelemetryError> {
    static HANDLE: OnceLock<Result<PrometheusHandle, String>> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let handle = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
                .and_then(|it| it.set_buckets_for_metric(Matcher::Suffix("_score".to_owned()), SCORES))
                .and_then(PrometheusBuilder::install_recorder)
                .map_err(|error| error.to_string())?;
            describe();
            Ok(handle)
        })
        .clone()
        .map_err(TelemetryError::Recorder)
}

fn describe() {
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "From a request's head to its answer's head");
    describe_gauge!("stepwell_live_runs", "Runs in memory");
    describe_gauge!("stepwell_live_attempts", "Attempts that have an instance");
    describe_gauge!("stepwell_queued_attempts", "Attempts that wait for a place");
    describe_gauge!("stepwell_away_attempts", "Attempts that wait for an answer without a place");
    describe_gauge!(
        "stepwell_queued_runs",
        "Runs that wait for a place under their workflow's concurrency limit"
    );
}

/// Histograms by route, of one method and status.
type Routes = HashMap<String, Histogram>;

/// Records the time of a request. The recorder is asked for each histogram once a thread: to find one again costs more than to record.
pub(crate) fn record_request(method: &'static str, route: &str, status: StatusCode, elapsed: Duration) {
    thread_local! {
        static KNOWN: RefCell<HashMap<(&'static str, StatusCode), Routes>> = RefCell::default();
    }
    KNOWN.with_borrow_mut(|known| {
        let routes = known.entry((method, status)).or_default();
        if let Some(histogram) = routes.get(route) {
            return histogram.record(elapsed);
        }
        let (route, code) = (route.to_owned(), status.as_str().to_owned());
        let histogram =
            histogram!(REQUEST_SECONDS, "method" => method, "route" => route.clone(), "status" => code);
        histogram.record(elapsed);
        routes.insert(route, histogram);
    });
}

/// Folds what was recorded since the last time into the sums: a metric that nobody asks for would else grow and grow.
pub(crate) async fn keep(handle: PrometheusHandle) -> Infallible {
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    loop {
        ticks.tick().await;
        handle.run_upkeep();
    }
}

/// The metrics as Prometheus reads them, with the engine's state of this moment.
pub(crate) fn render(handle: &PrometheusHandle, engine: &Engine) -> String {
    let stats = engine.stats();
    gauge!("stepwell_live_runs").set(stats.live_runs as f64);
    gauge!("stepwell_live_attempts").set(stats.live_attempts as f64);
    gauge!("stepwell_queued_attempts").set(stats.queued_attempts as f64);
    gauge!("stepwell_away_attempts").set(stats.away_attempts as f64);
    gauge!("stepwell_queued_runs").set(stats.queued_runs as f64);
    handle.render() + &breakers(engine)
}

/// Written by hand: the recorder keeps every label that it has ever seen, and the destinations that steps call come and go. Their
/// names need no escaping.
fn breakers(engine: &Engine) -> String {
    let mut text = format!(
        "# HELP {BREAKER_STATE} Circuit breakers: 0 closed, 1 half-open, 2 open\n# TYPE {BREAKER_STATE} gauge\n"
    );
    for (destination, breaker) in engine.breakers() {
        text += &format!("{BREAKER_STATE}{{destination=\"{destination}\"}} {}\n", breaker.openness());
    }
    text
}
