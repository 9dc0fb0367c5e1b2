//! The benchmarks, small: each checks what it measures, and would end with an error if runs were lost, wrong or late for ever. What they take is
//! not looked at here.

use serde_json::Value;

use crate::support::client::output;
use crate::support::server::stepwell;

async fn bench(arguments: &[&str]) -> Value {
    let mut command = stepwell();
    command.arg("bench").args(arguments).arg("--json");
    let output = output(command).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: no JSON: {output:?}"))
}

#[tokio::test]
async fn runs_that_wait_survive_a_kill_and_are_all_brought_to_their_end() {
    let report = bench(&["waiting", "--runs", "300"]).await;
    assert_eq!(report["runs"], 300, "{report:#}");
    assert!(report["ends_per_s"].as_f64().unwrap() > 0.0, "{report:#}");
}

#[tokio::test]
async fn runs_that_wait_for_a_slow_answer_all_get_it() {
    let report = bench(&["slow", "--runs", "50", "--seconds", "5"]).await;
    assert_eq!(report["runs"], 50, "{report:#}");
}

#[tokio::test]
async fn runs_that_ended_are_kept_through_kills_and_removed_when_their_time_is_over() {
    let report = bench(&["history", "--runs", "3000"]).await;
    assert_eq!(report["runs"], 3000, "{report:#}");
    assert!(report["with"]["log_bytes"].as_u64().unwrap() > 0, "{report:#}");
}

#[tokio::test]
async fn maps_give_all_their_items_in_order_and_a_long_run_ends() {
    let report = bench(&["map"]).await;
    assert_eq!(report["maps"].as_array().unwrap().len(), 3, "{report:#}");
}

#[tokio::test]
async fn a_models_calls_words_and_documents_come_as_they_were_sent() {
    let small =
        ["ai", "--calls", "20", "--seconds", "1", "--answers", "1", "--document", "50", "--measure", "1"];
    let report = bench(&small).await;
    assert_eq!(
        (&report["many"]["calls"], &report["document"]["megabytes"]),
        (&20.into(), &50.into()),
        "{report:#}"
    );
    // However large a document is, no more of it than this is in the host's memory.
    for on_the_way in ["upload_growth_mb", "step_growth_mb", "download_growth_mb"] {
        assert!(report["document"][on_the_way].as_f64().unwrap() < 16.0, "{on_the_way}: {report:#}");
    }
    assert!(report["calls"]["llm_chat_cpu_ms"].as_f64().unwrap() > 0.0, "{report:#}");
}
