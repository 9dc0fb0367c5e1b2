//! Which failures are followed by another attempt, and when.

use super::*;

fn retryable() -> Failure {
    Failure::new(FailureKind::Retryable, "busy")
}

fn one_node(retry: &Value) -> Life {
    Life::of(json!({"nodes": {"a": {"retry": retry}}}), json!({}))
}

/// Fails every attempt and collects the pauses in between.
fn pauses(mut life: Life) -> Vec<Duration> {
    let mut pauses = Vec::new();
    while life.state.outcome().is_none() {
        life.fail("a", retryable());
        pauses.extend(life.wakes_after().inspect(|pause| life.let_pass(*pause)));
    }
    pauses
}

#[test]
fn pauses_grow_by_the_factor_up_to_the_cap() {
    let life = one_node(&json!({"attempts": 5, "delay": "1s", "factor": 4, "cap": "20s", "jitter": false}));
    assert_eq!(pauses(life), [1, 4, 16, 20].map(Duration::from_secs));
}

#[test]
fn jitter_keeps_between_half_and_all_and_draws_the_same_again() {
    let retry = json!({"attempts": 20, "delay": "10s", "factor": 1, "jitter": true});
    let drawn = pauses(one_node(&retry));
    assert!(drawn.iter().all(|pause| (5.0..=10.0).contains(&pause.as_secs_f64())), "{drawn:?}");
    assert!(drawn.iter().collect::<BTreeSet<_>>().len() > 10, "they differ: {drawn:?}");
    assert_eq!(drawn, pauses(one_node(&retry)));
}

#[test]
fn a_step_may_ask_for_a_longer_pause_but_not_for_a_shorter_one() {
    let retry = json!({"attempts": 3, "delay": "10s", "factor": 1, "jitter": false});
    let asked = |ms| Failure { retry_after_ms: Some(ms), ..retryable() };
    let mut life = one_node(&retry);
    life.fail("a", asked(60_000));
    assert_eq!(life.wakes_after(), Some(Duration::from_secs(60)));
    life.let_pass(Duration::from_secs(60));
    life.fail("a", asked(1));
    assert_eq!(life.wakes_after(), Some(Duration::from_secs(10)));
}

#[test]
fn a_pause_beyond_the_end_of_time_is_no_panic() {
    let mut life = one_node(&json!({"attempts": 2, "delay": "1s"}));
    life.fail("a", Failure { retry_after_ms: Some(u64::MAX), ..retryable() });
    assert_eq!(life.wakes_at(), Some(Timestamp::MAX));
}

#[test]
fn a_node_that_waits_to_retry_says_when() {
    let mut life = one_node(&json!({"attempts": 2, "delay": "1s", "jitter": false}));
    life.fail("a", retryable());
    let waiting = life.node("a");
    assert_eq!(waiting.status, NodeStatus::WaitingToRetry);
    assert_eq!(waiting.retry_at, life.wakes_at());
    life.let_pass(Duration::from_millis(999));
    assert_eq!(life.in_flight(), Vec::<String>::new());
    life.let_pass(Duration::from_millis(1));
    assert_eq!(life.attempt_of("a"), (node("a"), Part::Whole, AttemptNumber(2)));
    life.succeed("a", json!("done"));
    assert_eq!(life.run_output(), json!({"a": "done"}));
}

#[test]
fn only_failures_that_retry_names_are_retried() {
    for kind in [FailureKind::Permanent, FailureKind::InvalidInput, FailureKind::Limit, FailureKind::Timeout]
    {
        let mut life = one_node(&json!({"attempts": 3, "delay": "1s", "on": ["retryable"]}));
        life.fail("a", Failure::new(kind, "no"));
        assert_eq!(life.run_failure().0.kind, kind);
    }
    let mut life = one_node(&json!({"attempts": 3, "delay": "1s", "on": ["permanent"]}));
    life.fail("a", Failure::new(FailureKind::Permanent, "no"));
    assert_eq!(life.status("a"), NodeStatus::WaitingToRetry);
}

#[test]
fn without_a_retry_block_the_first_failure_is_the_last() {
    let mut life = Life::of(json!({"nodes": {"a": {"retry": {"attempts": 1}}}}), json!({}));
    life.fail("a", retryable());
    assert_eq!(life.status("a"), NodeStatus::Failed);
}
