//! What is answered or acknowledged outlives the engine.

use std::time::Duration;

use futures::future::join;
use serde_json::json;
use stepwell_core::run::{NodeStatus, RunStatus};
use stepwell_engine::{EngineConfig, StartError};

use crate::support::{Ground, PATIENCE, definition, request, tenant};

#[test]
fn an_effect_that_was_answered_is_not_asked_for_again_after_a_crash() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("courier");
    life.apply(&json!({"nodes": {"send": ground.courier(&["/first", "/hold/second"])}}));
    let run = life.start();
    life.block_on(ground.outside.arrived("/hold/second", 1));
    life.crash();

    let life = ground.life();
    life.block_on(ground.outside.arrived("/hold/second", 2));
    ground.outside.let_go();
    let view = life.end_of(run);

    assert_eq!(view.status, RunStatus::Succeeded, "{view:?}");
    assert_eq!(ground.outside.seen("/first").len(), 1, "its answer was in the journal");
    let second = ground.outside.seen("/hold/second");
    assert_eq!(second[0], second[1], "what had no answer is asked again under the same key");
    assert_eq!(view.nodes[0].attempts.len(), 1, "it is the same attempt");
}

#[test]
fn a_crash_while_an_attempt_waits_without_an_instance_sends_nothing_again_that_was_answered() {
    let ground = Ground::new();
    let life = ground.life_with(EngineConfig { max_live_attempts: 1, ..EngineConfig::default() });
    life.publish("courier");
    life.apply(&json!({"nodes": {"send": ground.courier(&["/first", "/hold/second", "/third"])}}));
    let runs = [life.start(), life.start()];
    // Both wait, and there is room for one.
    life.block_on(ground.outside.arrived("/hold/second", 2));
    life.crash();

    let life = ground.life_with(EngineConfig { max_live_attempts: 1, ..EngineConfig::default() });
    life.block_on(ground.outside.arrived("/hold/second", 4));
    ground.outside.let_go();
    for run in runs {
        let view = life.end_of(run);
        assert_eq!((view.status, view.nodes[0].attempts.len()), (RunStatus::Succeeded, 1), "{view:?}");
        assert_eq!(view.nodes[0].attempts[0].effects.len(), 3);
    }
    for (path, times) in [("/first", 2), ("/hold/second", 4), ("/third", 2)] {
        assert_eq!(ground.outside.seen(path).len(), times, "{path}");
    }
}

#[test]
fn a_run_goes_on_where_it_was_and_keeps_its_version_and_steps() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("courier");
    life.publish("transform");
    let shape = |text: &str| json!({"step": "transform@*", "needs": ["send"], "config": {"template": text}});
    life.apply(&json!({"nodes": {"send": ground.courier(&["/hold/it"]), "shape": shape("old")}}));
    let run = life.start();
    life.block_on(ground.outside.arrived("/hold/it", 1));
    life.apply(
        &json!({"version": "2.0.0", "nodes": {"send": ground.courier(&["/it"]), "shape": shape("new")}}),
    );
    life.crash();

    ground.outside.let_go();
    let life = ground.life();
    assert_eq!(life.end_of(run).output, Some(json!({"shape": "old"}).into()));
    assert_eq!(life.complete(json!({})).output, Some(json!({"shape": "new"}).into()));
}

#[test]
fn a_run_that_ended_is_read_back_and_not_run_again() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("courier");
    life.apply(&json!({"nodes": {"send": ground.courier(&["/once"])}}));
    let lived = life.complete(json!({}));
    life.crash();

    let life = ground.life();
    let read = life.block_on(life.engine.run(&tenant(), lived.id)).unwrap().unwrap();
    assert_eq!(read, lived);
    assert_eq!(life.engine.stats().live_runs, 0);
    assert_eq!(ground.outside.seen("/once").len(), 1);
}

#[test]
fn a_start_that_was_acknowledged_without_a_wait_survives() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("courier");
    life.apply(&json!({"nodes": {"send": ground.courier(&["/hold/it"])}}));
    let run = life.start();
    life.crash();

    ground.outside.let_go();
    assert_eq!(ground.life().end_of(run).status, RunStatus::Succeeded);
}

#[test]
fn a_shutdown_lets_attempts_end_and_leaves_the_rest_for_the_next_start() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("courier");
    let mut second = ground.courier(&["/second"]);
    second["needs"] = json!(["first"]);
    life.apply(&json!({"nodes": {"first": ground.courier(&["/hold/first"]), "second": second}}));
    let run = life.start();
    life.block_on(async {
        ground.outside.arrived("/hold/first", 1).await;
        // The first of the two is polled first: the shutdown has begun by the time that the second lets go.
        join(life.engine.shutdown(PATIENCE), async { ground.outside.let_go() }).await;
    });
    let refused = life.block_on(life.engine.start(request(json!({})))).unwrap_err();
    assert!(matches!(refused, StartError::ShuttingDown), "{refused}");
    assert!(ground.outside.seen("/second").is_empty(), "nothing new starts");

    let view = ground.life().end_of(run);
    assert_eq!((view.status, ground.outside.seen("/second").len()), (RunStatus::Succeeded, 1));
    assert_eq!(ground.outside.seen("/hold/first").len(), 1, "the first attempt ended within the grace");
}

#[test]
fn what_outlasts_the_grace_is_dropped_and_recovered() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("courier");
    life.apply(&json!({"nodes": {"send": ground.courier(&["/hold/it"])}}));
    let run = life.start();
    life.block_on(ground.outside.arrived("/hold/it", 1));
    life.block_on(life.engine.shutdown(Duration::ZERO));
    assert_eq!(life.engine.stats().live_runs, 0);
    let view = life.block_on(life.engine.run(&tenant(), run)).unwrap().unwrap();
    assert_eq!((view.status, view.nodes[0].status), (RunStatus::Running, NodeStatus::Running));

    ground.outside.let_go();
    assert_eq!(ground.life().end_of(run).status, RunStatus::Succeeded);
}

#[test]
fn the_same_definition_again_changes_nothing_that_runs_use() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("transform");
    let fields = json!({"nodes": {"shape": {"step": "transform@*", "config": {"template": "{{ input }}"}, "input": 1}}});
    let first = life.apply(&fields);
    let again = life.apply(&fields);
    assert!(first.created && !again.created);
    assert_eq!(first.version, again.version);
    assert_eq!(first.version.definition, definition(&fields));
    assert_eq!(life.complete(json!({})).output, Some(json!({"shape": 1}).into()));
}
