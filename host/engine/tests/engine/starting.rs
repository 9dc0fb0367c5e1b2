//! What is checked before a run is accepted, and who gets which run.

use futures::future::join_all;
use serde_json::json;
use stepwell_core::run::RunStatus;
use stepwell_engine::{EngineConfig, StartError, StartRequest};

use crate::support::{Ground, Life, PATIENCE, request, tenant, waiting};

fn echo(life: &Life) {
    life.publish("transform");
    life.apply(&json!({
        "input": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}},
        "nodes": {"shape": {"step": "transform@*", "config": {"template": "{{ input }}"}, "input": "{{ input.text }}"}},
        "output": "{{ nodes.shape.output }}"
    }));
}

fn keyed(key: &str, text: &str) -> StartRequest {
    StartRequest { idempotency_key: Some(key.to_owned()), ..request(json!({"text": text})) }
}

#[test]
fn a_start_that_waits_gets_the_end() {
    let ground = Ground::new();
    let life = ground.life();
    echo(&life);
    let view = life.complete(json!({"text": "hello"}));
    assert_eq!((view.status, view.output), (RunStatus::Succeeded, Some(json!("hello").into())));
}

#[test]
fn a_wait_that_runs_out_leaves_an_accepted_run() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("courier");
    life.apply(&json!({"nodes": {"send": ground.courier(&["/hold/it"])}}));
    let impatient = StartRequest { wait: Some(std::time::Duration::from_millis(1)), ..request(json!({})) };
    let started = life.block_on(life.engine.start(impatient)).unwrap();
    assert!(started.ended.is_none());
    life.crash();
    ground.outside.let_go();
    assert_eq!(ground.life().end_of(started.run).status, RunStatus::Succeeded);
}

/// Whoever waits for a run drives it; the run does not hang on them.
#[test]
fn a_run_goes_on_when_nobody_waits_for_it_any_more() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("courier");
    life.apply(&json!({"nodes": {"send": ground.courier(&["/hold/it"])}}));

    let impatient = StartRequest { wait: Some(std::time::Duration::from_millis(1)), ..request(json!({})) };
    let waited_out = life.block_on(life.engine.start(impatient)).unwrap().run;
    let engine = life.engine.clone();
    let gone = life.spawn(async move { engine.start(waiting(request(json!({})))).await });
    life.block_on(ground.outside.arrived("/hold/it", 2));
    gone.abort();
    assert!(life.block_on(gone).unwrap_err().is_cancelled());

    let runs = life.block_on(life.engine.journal().unfinished(None, 10)).unwrap();
    ground.outside.let_go();
    assert!(runs.iter().any(|(_, run)| *run == waited_out) && runs.len() == 2, "{runs:?}");
    for (_, run) in runs {
        assert_eq!(life.end_of(run).status, RunStatus::Succeeded);
    }
    assert_eq!(ground.outside.seen("/hold/it").len(), 2, "nothing was sent again");
}

#[test]
fn an_input_that_does_not_fit_starts_nothing() {
    let ground = Ground::new();
    let life = ground.life();
    echo(&life);
    let refused = life.block_on(life.engine.start(request(json!({"text": 1})))).unwrap_err();
    let StartError::InvalidInput(violations) = refused else { panic!("{refused}") };
    assert_eq!(violations[0].pointer, "/text");
    assert_eq!(life.engine.stats().live_runs, 0);
}

#[test]
fn a_large_input_is_refused_with_the_limit() {
    let ground = Ground::new();
    let life = ground.life_with(EngineConfig { max_input_bytes: 20, ..EngineConfig::default() });
    echo(&life);
    let refused = life.block_on(life.engine.start(request(json!({"text": "x".repeat(20)})))).unwrap_err();
    assert!(matches!(refused, StartError::InputTooLarge { size: 31, limit: 20 }), "{refused}");
}

#[test]
fn a_workflow_or_version_that_is_not_there_is_told_with_those_that_are() {
    let ground = Ground::new();
    let life = ground.life();
    echo(&life);
    let other = StartRequest { workflow: "other".parse().unwrap(), ..request(json!({})) };
    let refused = life.block_on(life.engine.start(other)).unwrap_err();
    assert_eq!(refused.to_string(), "there is no workflow `other`; there are: test");
    let other = StartRequest { version: Some("9.9.9".parse().unwrap()), ..request(json!({})) };
    let refused = life.block_on(life.engine.start(other)).unwrap_err();
    assert_eq!(refused.to_string(), "workflow `test` has no version 9.9.9; it has 1.0.0");
}

#[test]
fn concurrent_starts_with_one_key_start_one_run() {
    let ground = Ground::new();
    let life = ground.life();
    echo(&life);
    let starts = (0..16).map(|_| {
        let engine = life.engine.clone();
        life.spawn(async move { engine.start(waiting(keyed("k", "same"))).await })
    });
    let started: Vec<_> =
        life.block_on(join_all(starts)).into_iter().map(|start| start.unwrap().unwrap()).collect();
    assert_eq!(started.iter().filter(|start| !start.existing).count(), 1);
    assert!(started.iter().all(|start| start.run == started[0].run && start.ended.is_some()));
}

/// Or the key would name a run that is accepted and never goes on.
#[test]
fn a_caller_who_goes_away_while_the_key_is_claimed_leaves_a_run_that_goes_on() {
    let ground = Ground::new();
    let life = ground.life();
    echo(&life);
    life.complete(json!({"text": "so that the plan is known, and a start waits for nothing but its claim"}));
    life.block_on(async {
        let mut start = std::pin::pin!(life.engine.start(keyed("k", "one")));
        // Where it first waits, it is dropped. How far the claim is by then is the scheduler's to say; what follows holds in any case.
        let _ = futures::poll!(start.as_mut());
    });
    let again = life.block_on(life.engine.start(waiting(keyed("k", "one")))).unwrap();
    assert!(again.ended.is_some(), "{again:?}");
    let once_more = life.block_on(life.engine.start(waiting(keyed("k", "one")))).unwrap();
    assert!(once_more.existing && once_more.run == again.run && once_more.ended.is_some(), "{once_more:?}");
}

#[test]
fn a_key_belongs_to_one_request() {
    let ground = Ground::new();
    let life = ground.life();
    echo(&life);
    let first = life.block_on(life.engine.start(keyed("k", "one"))).unwrap();
    let refused = life.block_on(life.engine.start(keyed("k", "two"))).unwrap_err();
    assert!(matches!(refused, StartError::IdempotencyMismatch { run } if run == first.run), "{refused}");
    let later = life.block_on(life.engine.wait(&tenant(), first.run, PATIENCE)).unwrap().unwrap();
    assert_eq!(later.output, Some(json!("one").into()));
}
