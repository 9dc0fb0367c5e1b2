//! WASI is there, says nothing of the machine, and says the same twice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use stepwell_core::attempt::{LogLevel, LogLine};
use stepwell_core::failure::Failure;
use stepwell_core::id::AttemptNumber;
use stepwell_core::limits::{LimitKind, Limits};

use super::{Guest, HOUSE, Witness, attempt};
use crate::Attempt;

const IMPORTS: &str = r#"
    (import "wasi:random/random@0.2.3" "get-random-u64" (func $random (result i64)))
    (import "wasi:clocks/wall-clock@0.2.3" "now" (func $wall (param i32)))
    (import "wasi:clocks/monotonic-clock@0.2.3" "now" (func $clock (result i64)))
    (import "wasi:clocks/monotonic-clock@0.2.3" "subscribe-duration" (func $subscribe (param i64) (result i32)))
    (import "wasi:io/poll@0.2.3" "[method]pollable.block" (func $block (param i32)))
    (import "wasi:cli/stdout@0.2.3" "get-stdout" (func $stdout (result i32)))
    (import "wasi:io/streams@0.2.3" "[method]output-stream.blocking-write-and-flush"
        (func $write (param i32 i32 i32 i32)))
"#;

/// `$number` writes 19 digits and a comma, and moves `$out` on.
const NUMBERS: &str = r#"
    (global $out (mut i32) (i32.const 8192))
    (func $put (param i32)
      (i32.store8 (global.get $out) (local.get 0))
      (global.set $out (i32.add (global.get $out) (i32.const 1))))
    (func $number (param $n i64)
      (local $power i64)
      (local.set $power (i64.const 1000000000000000000))
      (call $put (i32.const 34))
      (loop $digit
        (call $put (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (i64.div_u (local.get $n) (local.get $power)) (i64.const 10)))))
        (local.set $power (i64.div_u (local.get $power) (i64.const 10)))
        (br_if $digit (i64.ne (local.get $power) (i64.const 0))))
      (call $put (i32.const 34)))
"#;

fn guest<'a>(run: &'a str) -> Guest<'a> {
    Guest { world: "test:guest/wasi-step", imports: IMPORTS, items: NUMBERS, run, ..Guest::default() }
}

/// `["random", "random", "seconds", "nanoseconds", "elapsed", "elapsed"]`
const LOOK_AROUND: &str = r#"
    (call $put (i32.const 91))
    (call $number (call $random)) (call $put (i32.const 44))
    (call $number (call $random)) (call $put (i32.const 44))
    (call $wall (i32.const 4096))
    (call $number (i64.load (i32.const 4096))) (call $put (i32.const 44))
    (call $number (i64.load32_u (i32.const 4104))) (call $put (i32.const 44))
    (call $number (call $clock)) (call $put (i32.const 44))
    (call $number (call $clock))
    (call $put (i32.const 93))
    (call $answer (i32.const 8192) (i32.sub (global.get $out) (i32.const 8192)))
"#;

#[tokio::test]
async fn the_same_attempt_sees_the_same_world_twice() {
    let once = HOUSE.run(guest(LOOK_AROUND), attempt("null")).await.result.expect("an answer");
    let twice = HOUSE.run(guest(LOOK_AROUND), attempt("null")).await.result.expect("an answer");
    assert_eq!(once, twice);
    assert_ne!(once[0], once[1], "random numbers differ");
    assert_eq!(once[2], json!("0000000001700000000"), "the clock starts with the attempt");
    assert!(once[4].as_str() < once[5].as_str(), "the clock goes on");
}

#[tokio::test]
async fn another_attempt_draws_other_numbers() {
    let first = HOUSE.run(guest(LOOK_AROUND), attempt("null")).await.result.expect("an answer");
    let mut second = attempt("null");
    second.context.attempt = AttemptNumber::FIRST.next();
    let second = HOUSE.run(guest(LOOK_AROUND), second).await.result.expect("an answer");
    assert_ne!(first[0], second[0]);
}

/// A program that sleeps finds that the time has passed, to the nanosecond.
#[tokio::test]
async fn sleeping_takes_real_time_and_moves_the_clock() {
    let run = r#"
        (call $block (call $subscribe (i64.const 30000000)))
        (call $number (call $clock))
        (call $answer (i32.const 8192) (i32.sub (global.get $out) (i32.const 8192)))"#;
    let began = Instant::now();
    let report = HOUSE.run(guest(run), attempt("null")).await;
    assert_eq!(report.result, Ok(json!("0000000000030000000")));
    assert!(began.elapsed() >= Duration::from_millis(30));
}

#[tokio::test]
async fn what_is_printed_is_logged_line_by_line() {
    let run = r#"
        (call $write (call $stdout) (i32.const 512) (i32.const 9) (i32.const 4096))
        (i32.store8 (i32.const 520) (i32.const 10))
        (call $write (call $stdout) (i32.const 517) (i32.const 9) (i32.const 4096))
        (call $answer (local.get $input) (local.get $input_len))"#;
    let witness = Arc::<Witness>::default();
    let report = HOUSE.run_component(guest(run).build(), attempt("null"), Arc::clone(&witness)).await;
    assert_eq!(report.result, Ok(json!(null)));
    let line = |message: &str| LogLine {
        level: LogLevel::Info,
        message: message.to_owned(),
        fields: json!({"stream": "stdout"}).as_object().expect("an object").clone(),
    };
    assert_eq!(report.account.log, [line("test-stepste"), line("1.0.0")]);
    assert_eq!(*witness.logged.lock().expect("a witness"), report.account.log);
}

/// WASI's own functions can't refuse a call; the guest is stopped all the same.
#[tokio::test]
async fn calls_of_wasi_are_counted() {
    let limits = Limits { host_calls: 1_000, ..Limits::default() };
    let run = "(loop $again (drop (call $random)) (br $again)) (unreachable)";
    let report = HOUSE.run(guest(run), Attempt { limits, ..attempt("null") }).await;
    assert_eq!(report.result, Err(Failure::limit(LimitKind::HostCalls, 1_000)));
}

/// A failure passes through WASI's own error types and is still the failure that it was.
#[tokio::test]
async fn printed_lines_are_counted() {
    let limits = Limits { log_lines: 2, ..Limits::default() };
    let run = r#"
        (i32.store8 (i32.const 520) (i32.const 10))
        (loop $again (call $write (call $stdout) (i32.const 512) (i32.const 9) (i32.const 4096)) (br $again)) (unreachable)"#;
    let report = HOUSE.run(guest(run), Attempt { limits, ..attempt("null") }).await;
    assert_eq!(report.result, Err(Failure::limit(LimitKind::LogLines, 2)));
    assert_eq!(report.account.log.len(), 2);
}
