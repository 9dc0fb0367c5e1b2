//! Every limit of an attempt, hit, is a failure that names it.

use std::time::{Duration, Instant};

use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::limits::{LimitKind, Limits};

use super::{Guest, HOUSE, attempt, limited};

const FOREVER: &str = "(loop $again (br $again)) (unreachable)";

async fn failure(guest: Guest<'_>, limits: Limits) -> Failure {
    HOUSE.run(guest, limited(limits)).await.result.expect_err("a limit")
}

#[tokio::test]
async fn an_endless_loop_runs_out_of_fuel() {
    let limits = Limits { fuel: 5_000_000, ..Limits::default() };
    let report = HOUSE.run(Guest { run: FOREVER, ..Guest::default() }, limited(limits)).await;
    assert_eq!(report.result, Err(Failure::limit(LimitKind::Fuel, 5_000_000)));
    assert_eq!(report.account.fuel, 5_000_000);
}

/// On one thread: the loop must give way to the clock by itself.
#[tokio::test(flavor = "current_thread")]
async fn an_endless_loop_with_fuel_for_ages_runs_out_of_time() {
    let limits = Limits { fuel: u64::MAX, time_ms: 50, ..Limits::default() };
    let began = Instant::now();
    assert_eq!(
        failure(Guest { run: FOREVER, ..Guest::default() }, limits).await,
        Failure::limit(LimitKind::TimeMs, 50)
    );
    assert!(began.elapsed() < Duration::from_secs(5));
}

/// On one thread: a neighbour gets its turns while a guest computes.
#[tokio::test(flavor = "current_thread")]
async fn a_loop_does_not_keep_a_neighbour_from_running() {
    let busy = Guest { run: FOREVER, ..Guest::default() }.build();
    let step = HOUSE.sandbox.compile(busy).await.expect("a step");
    let endless = HOUSE.sandbox.run(
        &step,
        limited(Limits { fuel: u64::MAX, time_ms: 60_000, ..Limits::default() }),
        std::sync::Arc::<super::Witness>::default(),
    );
    let neighbour = HOUSE.run(Guest::default(), attempt("[1]"));
    tokio::select! {
        biased;
        report = endless => panic!("an endless loop ended: {:?}", report.result),
        report = neighbour => assert_eq!(report.result, Ok(serde_json::json!([1]))),
    }
}

#[tokio::test]
async fn memory_grows_to_its_limit_and_no_further() {
    let run = "(loop $again (drop (memory.grow (i32.const 16))) (br $again)) (unreachable)";
    let limits = Limits { memory_bytes: 8 << 20, ..Limits::default() };
    assert_eq!(
        failure(Guest { run, ..Guest::default() }, limits).await,
        Failure::limit(LimitKind::MemoryBytes, 8 << 20)
    );
}

#[tokio::test]
async fn memory_that_is_too_large_from_the_start_is_the_same_failure() {
    let limits = Limits { memory_bytes: 64 << 10, ..Limits::default() };
    assert_eq!(failure(Guest::default(), limits).await, Failure::limit(LimitKind::MemoryBytes, 64 << 10));
}

#[tokio::test]
async fn tables_grow_to_their_limit_and_no_further() {
    let items = "(table $table 1 funcref)";
    let run =
        "(loop $again (drop (table.grow $table (ref.null func) (i32.const 100))) (br $again)) (unreachable)";
    let limits = Limits { table_elements: 1_000, ..Limits::default() };
    assert_eq!(
        failure(Guest { items, run, ..Guest::default() }, limits).await,
        Failure::limit(LimitKind::TableElements, 1_000)
    );
}

#[tokio::test]
async fn host_calls_are_counted() {
    let imports = r#"(import "stepwell:step/context@1.0.0" "current" (func $current (param i32)))"#;
    let run = "(loop $again (call $current (i32.const 4096)) (br $again)) (unreachable)";
    let limits = Limits { host_calls: 7, ..Limits::default() };
    assert_eq!(
        failure(Guest { imports, run, ..Guest::default() }, limits).await,
        Failure::limit(LimitKind::HostCalls, 7)
    );
}

const LOG: &str = r#"(import "stepwell:step/log@1.0.0" "write" (func $log (param i32 i32 i32 i32 i32)))"#;

#[tokio::test]
async fn log_lines_are_counted() {
    let run = "(loop $again
        (call $log (i32.const 2) (i32.const 512) (i32.const 9) (i32.const 0) (i32.const 0)) (br $again)) (unreachable)";
    let limits = Limits { log_lines: 3, ..Limits::default() };
    let report = HOUSE.run(Guest { imports: LOG, run, ..Guest::default() }, limited(limits)).await;
    assert_eq!(report.result, Err(Failure::limit(LimitKind::LogLines, 3)));
    assert_eq!(report.account.log.len(), 3);
}

#[tokio::test]
async fn bytes_handed_to_the_host_are_counted() {
    let run = "(loop $again
        (call $log (i32.const 2) (i32.const 512) (i32.const 9) (i32.const 0) (i32.const 0)) (br $again)) (unreachable)";
    let limits = Limits { sent_bytes: 25, ..Limits::default() };
    let report = HOUSE.run(Guest { imports: LOG, run, ..Guest::default() }, limited(limits)).await;
    assert_eq!(report.result, Err(Failure::limit(LimitKind::SentBytes, 25)));
    assert_eq!(report.account.log.len(), 2);
}

/// More than the host would even copy: the words of wasmtime's untyped error are known here.
#[tokio::test]
async fn one_giant_message_is_too_much_sent() {
    let run = "(drop (memory.grow (i32.const 320)))
        (call $log (i32.const 2) (i32.const 0) (i32.const 20971520) (i32.const 0) (i32.const 0)) (unreachable)";
    let limits = Limits::default();
    assert_eq!(
        failure(Guest { imports: LOG, run, ..Guest::default() }, limits).await,
        Failure::limit(LimitKind::SentBytes, limits.sent_bytes)
    );
}

#[tokio::test]
async fn an_output_may_have_so_many_bytes() {
    let limits = Limits { output_bytes: 4, ..Limits::default() };
    let four = Guest { run: "(call $answer (i32.const 545) (i32.const 4))", ..Guest::default() };
    assert!(HOUSE.run(four, limited(limits)).await.result.is_ok());
    let nine = Guest { run: "(call $answer (i32.const 512) (i32.const 9))", ..Guest::default() };
    assert_eq!(failure(nine, limits).await, Failure::limit(LimitKind::OutputBytes, 4));
}

/// More than the host would even copy.
#[tokio::test]
async fn a_giant_output_is_too_large() {
    let run = "(drop (memory.grow (i32.const 320))) (call $answer (i32.const 0) (i32.const 20971520))";
    let limits = Limits::default();
    assert_eq!(
        failure(Guest { run, ..Guest::default() }, limits).await,
        Failure::limit(LimitKind::OutputBytes, limits.output_bytes)
    );
}

#[tokio::test]
async fn endless_recursion_is_a_trap() {
    let items = "(func $down (param i32) (result i32) (i32.add (call $down (local.get 0)) (i32.const 1)))";
    let run = "(drop (call $down (i32.const 0))) (unreachable)";
    let failure = failure(Guest { items, run, ..Guest::default() }, Limits::default()).await;
    assert_eq!(failure.kind, FailureKind::Trap);
    assert!(failure.message.contains("recursed too deeply"), "{failure}");
}

/// More attempts at once than there is room for: they wait, and all come through.
#[tokio::test]
async fn attempts_without_room_wait() {
    let step = HOUSE.sandbox.compile(Guest::default().build()).await.expect("a step");
    let witness = std::sync::Arc::<super::Witness>::default();
    let all = (0..50).map(|n| HOUSE.sandbox.run(&step, attempt(&n.to_string()), witness.clone()));
    for (n, report) in futures::future::join_all(all).await.into_iter().enumerate() {
        assert_eq!(report.result, Ok(n.into()));
    }
}
