//! Which version new runs get, where the store holds what no call of the engine would put there.

use serde_json::{Value, json};
use stepwell_core::digest::Digest;
use stepwell_core::manifest::PublishedStep;
use stepwell_core::plan::Locked;
use stepwell_core::split::Percent;
use stepwell_engine::ReleaseError;
use stepwell_store::{Release, WorkflowVersion};

use crate::support::{Ground, Life, tenant, workflow};

fn told(version: &str) -> Value {
    json!({
        "version": version,
        "nodes": {"tell": {"step": "transform@*", "config": {"template": version}, "input": {}}},
        "output": "{{ nodes.tell.output }}",
    })
}

fn output(life: &Life) -> Value {
    life.complete(json!({})).output.map(|output| (*output).clone()).unwrap_or_default()
}

/// A newer version of the step is published since: its bytes are no component, so a run that got it would fail.
fn publish_a_broken_step(life: &Life) {
    let catalogue = life.engine.catalogue();
    let [published] = &life.block_on(catalogue.steps(&tenant())).unwrap()[..] else { panic!("one step") };
    let mut newer = PublishedStep { digest: Digest::of(b"broken"), ..published.clone() };
    newer.manifest.version = "99.0.0".parse().unwrap();
    assert!(life.block_on(catalogue.put_step(&tenant(), &newer, b"broken")).unwrap());
}

#[test]
fn an_older_version_comes_back_with_the_steps_that_it_had() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("transform");
    let first = life.apply(&told("1.0.0")).version;
    life.apply(&told("1.1.0"));
    publish_a_broken_step(&life);
    life.crash();

    let life = ground.life();
    let released = life.block_on(life.engine.rollback(&tenant(), &workflow(), None)).unwrap();
    assert_eq!((&released.now, released.before.version.to_string()), (&first, "1.1.0".to_owned()));
    assert_eq!(output(&life), "1.0.0");
    life.crash();
    assert_eq!(output(&ground.life()), "1.0.0");
}

#[test]
fn a_canary_that_cannot_be_loaded_leaves_every_run_to_the_current_version() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("transform");
    let current = life.apply(&told("1.0.0")).version;
    let mut lock = current.lock.clone();
    for locked in lock.0.values_mut() {
        let Locked::Step(step) = locked else { panic!("a step") };
        step.digest = Digest::of(b"gone");
    }
    let canary = WorkflowVersion { version: "1.1.0".parse().unwrap(), lock, ..current };
    let release = Release::Canary(Percent::new(99).unwrap());
    life.block_on(life.engine.catalogue().put_workflow(&tenant(), &canary, release)).unwrap();
    life.crash();

    let life = ground.life();
    assert!((0..5).all(|_| output(&life) == "1.0.0"));
    let refused = life.block_on(life.engine.promote(&tenant(), &workflow()));
    assert!(matches!(refused, Err(ReleaseError::Engine(_))), "{refused:?}");
    assert_eq!(output(&life), "1.0.0", "what cannot be loaded does not become current");
    life.block_on(life.engine.end_canary(&tenant(), &workflow())).unwrap();
    assert_eq!(output(&life), "1.0.0");
}
