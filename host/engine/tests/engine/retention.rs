//! Runs that ended long ago go, and nothing else does.

use std::time::Duration;

use serde_json::json;
use stepwell_engine::EngineConfig;

use crate::support::{Ground, Life, tenant};

/// An engine that keeps ended runs for so long, once it has looked for older ones.
fn life_that_keeps(ground: &Ground, retention: Duration) -> Life {
    let life = ground.life_with(EngineConfig { retention: Some(retention), ..EngineConfig::default() });
    life.block_on(life.disk.purged());
    life
}

#[test]
fn a_run_is_removed_once_its_time_is_over() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("courier");
    life.apply(&json!({"nodes": {"send": ground.courier(&["/once"])}}));
    let ended = life.complete(json!({})).id;
    life.apply(&json!({"version": "2.0.0", "nodes": {"send": ground.courier(&["/hold/it"])}}));
    let running = life.start();
    life.block_on(ground.outside.arrived("/hold/it", 1));
    life.crash();

    let life = life_that_keeps(&ground, Duration::from_secs(3600));
    assert!(life.block_on(life.engine.run(&tenant(), ended)).unwrap().is_some());
    life.crash();

    let life = life_that_keeps(&ground, Duration::ZERO);
    assert_eq!(life.block_on(life.engine.run(&tenant(), ended)).unwrap(), None);
    ground.outside.let_go();
    life.end_of(running);
}
