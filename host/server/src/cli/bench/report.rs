//! The figures, for a person and for a program.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::load::Sample;
use crate::cli::screen;

/// Everything that was measured in one run.
pub(super) struct Report {
    pub(super) effects: bool,
    pub(super) echo_per_s: f64,
    pub(super) runs_per_s: f64,
    pub(super) alone: Latency,
    pub(super) c64: Latency,
    pub(super) c256: Latency,
    pub(super) cpu_s_per_1000: f64,
    pub(super) peak_rss_mb: f64,
    pub(super) verified_after_kill: usize,
}

/// Milliseconds from trigger to finished result.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
}

impl Latency {
    pub(super) fn of(sample: &Sample) -> Self {
        Self::of_sorted(&sample.sorted_latencies())
    }

    pub(super) fn of_all(mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        Self::of_sorted(&latencies)
    }

    fn of_sorted(sorted: &[Duration]) -> Self {
        let at = |percent: usize| percentile(sorted, percent);
        Self { p50: at(50), p90: at(90), p99: at(99) }
    }
}

/// The nearest-rank percentile, in milliseconds.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1000.0)
}

impl Report {
    fn ratio(&self) -> f64 {
        self.runs_per_s / self.echo_per_s
    }

    pub(super) fn to_json(&self) -> Value {
        let latency = json!({"alone": self.alone, "c64": self.c64, "c256": self.c256});
        json!({
            "scenario": if self.effects { "effects" } else { "transforms" },
            "echo_per_s": self.echo_per_s,
            "runs_per_s": self.runs_per_s,
            "ratio": self.ratio(),
            "latency_ms": latency,
            "cpu_s_per_1000": self.cpu_s_per_1000,
            "peak_rss_mb": self.peak_rss_mb,
            "verified_after_kill": self.verified_after_kill,
        })
    }

    pub(super) fn to_table(&self) -> String {
        let scenario =
            if self.effects { "three steps, one HTTP request each" } else { "three steps without effects" };
        let latency = |name: &str, latency: Latency| {
            let cells = [latency.p50, latency.p90, latency.p99].map(|ms| format!("{ms:.2}"));
            [format!("latency, {name} (ms: p50 / p90 / p99)"), cells.join(" / ")]
        };
        let rows = [
            ["scenario".to_owned(), scenario.to_owned()],
            ["bare echo, 64 in flight (answers/s)".to_owned(), format!("{:.0}", self.echo_per_s)],
            ["runs, 64 in flight (runs/s)".to_owned(), format!("{:.0}", self.runs_per_s)],
            ["ratio of the two".to_owned(), format!("{:.3}", self.ratio())],
            latency("alone", self.alone),
            latency("64 in flight", self.c64),
            latency("256 in flight", self.c256),
            ["server CPU (s/1000 runs)".to_owned(), format!("{:.3}", self.cpu_s_per_1000)],
            ["server peak memory (MB)".to_owned(), format!("{:.0}", self.peak_rss_mb)],
            ["acknowledged runs found after SIGKILL".to_owned(), format!("all {}", self.verified_after_kill)],
        ];
        screen::table(["MEASURED", "VALUE"], rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let sorted: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert!((percentile(&sorted, 50) - 50.0).abs() < 1e-9);
        assert!((percentile(&sorted, 99) - 99.0).abs() < 1e-9);
        assert!((percentile(&sorted[..1], 99) - 1.0).abs() < 1e-9);
    }
}
