//! What a guest gets from the host, and what becomes of what it says.

use std::sync::Arc;

use serde_json::json;
use stepwell_core::attempt::{LogLevel, ModelCall};
use stepwell_core::failure::{Failure, FailureKind};

use super::{Guest, HOUSE, Witness, attempt};

#[tokio::test]
async fn a_step_answers_and_its_bill_is_made() {
    let report = HOUSE.run(Guest::default(), attempt(r#"{"a": [1, 2]}"#)).await;
    assert_eq!(report.result, Ok(json!({"a": [1, 2]})));
    assert!(report.account.fuel > 0);
    assert!(report.account.duration_us > 0);
    assert_eq!(report.account.effects, 0);
}

#[tokio::test]
async fn the_config_arrives_beside_the_input() {
    let run = "(call $answer (local.get $config) (local.get $config_len))";
    let report = HOUSE.run(Guest { run, ..Guest::default() }, attempt("null")).await;
    assert_eq!(report.result, Ok(json!({})));
}

#[tokio::test]
async fn an_output_that_is_no_json_is_refused() {
    let failure = HOUSE.run(Guest::default(), attempt("{")).await.result.expect_err("no JSON");
    assert_eq!(failure.kind, FailureKind::InvalidOutput);
}

#[tokio::test]
async fn a_step_error_keeps_its_kind_message_and_detail() {
    for (number, kind, retry_after_ms) in [
        (0, FailureKind::InvalidInput, None),
        (1, FailureKind::Retryable, Some(1_500)),
        (2, FailureKind::Permanent, None),
    ] {
        let run = format!("(call $fail (i32.const {number}) (local.get $input) (local.get $input_len))");
        let report = HOUSE.run(Guest { run: &run, ..Guest::default() }, attempt(r#"{"why": 1}"#)).await;
        let expected = Failure {
            detail: Some(json!({"why": 1})),
            retry_after_ms,
            ..Failure::new(kind, r#"{"why": 1}"#)
        };
        assert_eq!(report.result, Err(expected));
    }
}

#[tokio::test]
async fn a_trap_is_told_as_what_it_is() {
    for (run, words) in [
        ("(unreachable)", "unreachable"),
        ("(i32.load (i32.const -4))", "out of its bounds"),
        ("(i32.div_u (i32.const 1) (i32.const 0))", "divide by zero"),
    ] {
        let failure =
            HOUSE.run(Guest { run, ..Guest::default() }, attempt("null")).await.result.expect_err("a trap");
        assert_eq!(failure.kind, FailureKind::Trap, "{run}");
        assert!(failure.message.contains(words), "{failure}");
    }
}

/// The panic hook of an SDK logs an error with the field `panic`; then the guest traps.
#[tokio::test]
async fn a_panic_says_why() {
    let guest = Guest {
        imports: r#"(import "stepwell:step/log@1.0.0" "write" (func $log (param i32 i32 i32 i32 i32)))"#,
        items: r#"(data (i32.const 2048) "boom at lib.rs:3panictrue")"#,
        run: "(call $text (i32.const 4096) (i32.const 2064) (i32.const 5))
              (call $text (i32.const 4104) (i32.const 2069) (i32.const 4))
              (call $log (i32.const 4) (i32.const 2048) (i32.const 16) (i32.const 4096) (i32.const 1))
              (unreachable)",
        ..Guest::default()
    };
    let witness = Arc::<Witness>::default();
    let report = HOUSE.run_component(guest.build(), attempt("null"), Arc::clone(&witness)).await;
    assert_eq!(report.result, Err(Failure::new(FailureKind::Trap, "the step panicked: boom at lib.rs:3")));
    assert_eq!(report.account.log.len(), 1);
    assert_eq!(report.account.log[0].level, LogLevel::Error);
    assert_eq!(*witness.logged.lock().expect("a witness"), report.account.log);
}

/// The guest compares the deadline and tells what it found as progress.
#[tokio::test]
async fn the_context_is_that_of_the_attempt() {
    let guest = Guest {
        imports: r#"(import "stepwell:step/context@1.0.0" "current" (func $current (param i32)))
            (import "stepwell:step/progress@1.0.0" "emit" (func $emit (param i32 i32)))"#,
        // The record's deadline lies 48 bytes into it.
        items: r#"(data (i32.const 2048) "truefalse")"#,
        run: "(call $current (i32.const 4096))
              (if (i64.eq (i64.load (i32.const 4144)) (i64.const 1700000060000))
                (then (call $emit (i32.const 2048) (i32.const 4)))
                (else (call $emit (i32.const 2052) (i32.const 5))))
              (call $answer (local.get $input) (local.get $input_len))",
        ..Guest::default()
    };
    let witness = Arc::<Witness>::default();
    HOUSE
        .run_component(guest.build(), attempt("null"), Arc::clone(&witness))
        .await
        .result
        .expect("an answer");
    assert_eq!(*witness.progress.lock().expect("a witness"), [json!(true)]);
}

#[tokio::test]
async fn usage_is_recorded() {
    let guest = Guest {
        imports: r#"(import "stepwell:step/usage@1.0.0" "record"
            (func $usage (param i32 i32 i32 i32 i64 i64 i32 i64)))"#,
        items: r#"(data (i32.const 2048) "openaigpt-4o")"#,
        run: "(call $usage (i32.const 2048) (i32.const 6) (i32.const 2054) (i32.const 6)
                (i64.const 120) (i64.const 8) (i32.const 1) (i64.const 350))
              (call $answer (local.get $input) (local.get $input_len))",
        ..Guest::default()
    };
    let report = HOUSE.run(guest, attempt("null")).await;
    let call = ModelCall {
        provider: "openai".to_owned(),
        model: "gpt-4o".to_owned(),
        input_tokens: 120,
        output_tokens: 8,
        cost_micro_usd: Some(350),
    };
    assert_eq!(report.account.usage, [call]);
}

const DECIDE: &str = r#"(import "stepwell:step/decision@1.0.0" "record"
    (func $decide (param i32 i32 i32 f64 i32 i32 i32 i32 i32)))"#;

fn decide(confidence: &str) -> String {
    format!(
        "(call $decide (i32.const 545) (i32.const 4) (i32.const 1) (f64.const {confidence})
           (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512) (i32.const 9))
         (call $answer (local.get $input) (local.get $input_len))"
    )
}

#[tokio::test]
async fn a_decision_is_recorded() {
    let run = decide("0.75");
    let report = HOUSE.run(Guest { imports: DECIDE, run: &run, ..Guest::default() }, attempt("null")).await;
    let [decision] = &report.account.decisions[..] else { panic!("one decision") };
    assert_eq!(decision.decided, json!(true));
    assert_eq!(decision.confidence, Some(0.75));
    assert_eq!(decision.explanation, None);
    assert_eq!(decision.model_version, "test-step");
}

#[tokio::test]
async fn a_confidence_beyond_certainty_ends_the_attempt() {
    for confidence in ["1.5", "-0.1", "nan"] {
        let run = decide(confidence);
        let report =
            HOUSE.run(Guest { imports: DECIDE, run: &run, ..Guest::default() }, attempt("null")).await;
        assert_eq!(report.result.expect_err("no confidence").kind, FailureKind::Permanent, "{confidence}");
    }
}

/// What a guest leaves behind in its memory is not there for the next one.
#[tokio::test]
async fn nothing_survives_an_attempt() {
    let guest = Guest {
        items: r#"(data (i32.const 2048) "0")"#,
        run: "(i32.store8 (i32.const 2048) (i32.add (i32.load8_u (i32.const 2048)) (i32.const 1)))
              (call $answer (i32.const 2048) (i32.const 1))",
        ..Guest::default()
    };
    let step = HOUSE.sandbox.compile(guest.build()).await.expect("a step");
    for _ in 0..20 {
        let report = HOUSE.sandbox.run(&step, attempt("null"), Arc::<Witness>::default()).await;
        assert_eq!(report.result, Ok(json!(1)));
    }
}
