//! What is checked when a workflow is applied, beyond the definition itself.

use serde_json::{Value, json};
use stepwell_core::mistake::Mistake;
use stepwell_engine::{ApplyError, HookLookup};

use crate::support::{Ground, Life, definition, tenant};

fn hooked(name: &str, version: &str, path: &str) -> Value {
    definition(&json!({
        "name": name,
        "version": version,
        "triggers": [{"http": {"path": path, "method": "POST", "open": true}}],
        "nodes": {"shape": {"step": "transform@*", "config": {"template": 1}, "input": 1}}
    }))
}

fn apply_as(life: &Life, name: &str, definition: Value) -> Result<(), ApplyError> {
    life.block_on(life.engine.apply_workflow(&tenant(), &name.parse().unwrap(), definition)).map(|_| ())
}

fn mistakes(result: Result<(), ApplyError>) -> Vec<Mistake> {
    match result {
        Err(ApplyError::Mistakes(mistakes)) => mistakes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_path_belongs_to_one_workflow_until_that_lets_it_go() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("transform");
    apply_as(&life, "one", hooked("one", "1.0.0", "/in")).unwrap();

    let taken = mistakes(apply_as(&life, "two", hooked("two", "1.0.0", "/in")));
    assert_eq!((taken[0].pointer.as_str(), taken[0].code.as_str()), ("/triggers/0/http/path", "hook-taken"));
    let HookLookup::Found { hook, .. } = life.engine.find_hook("/in", "POST") else {
        panic!("the hook is there")
    };
    assert_eq!((hook.workflow.as_str(), hook.trigger.open), ("one", true));
    let wrong = life.engine.find_hook("/in", "GET");
    assert!(matches!(wrong, HookLookup::WrongMethod(methods) if methods == ["POST"]));
    assert!(matches!(life.engine.find_hook("/out", "POST"), HookLookup::Unknown));

    apply_as(&life, "one", hooked("one", "1.1.0", "/other")).unwrap();
    apply_as(&life, "two", hooked("two", "1.0.0", "/in")).unwrap();
    life.crash();

    let life = ground.life();
    let HookLookup::Found { hook, .. } = life.engine.find_hook("/in", "POST") else {
        panic!("the table is rebuilt")
    };
    assert_eq!(hook.workflow.as_str(), "two");
}

#[test]
fn mistakes_of_the_place_stand_beside_those_of_the_definition() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("transform");
    apply_as(&life, "one", hooked("one", "1.0.0", "/in")).unwrap();
    let mut bad = hooked("two", "1.0.0", "/in");
    bad["nodes"]["shape"]["needs"] = json!(["nobody"]);
    let found = mistakes(apply_as(&life, "three", bad));
    let pointers: Vec<_> = found.iter().map(|mistake| mistake.pointer.as_str()).collect();
    assert_eq!(pointers, ["/name", "/nodes/shape/needs/0", "/triggers/0/http/path"]);
}

#[test]
fn a_version_keeps_its_definition() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("transform");
    apply_as(&life, "one", hooked("one", "1.0.0", "/in")).unwrap();
    let changed = apply_as(&life, "one", hooked("one", "1.0.0", "/elsewhere"));
    assert!(matches!(changed, Err(ApplyError::Conflict(_))), "{changed:?}");
    assert!(matches!(life.engine.find_hook("/in", "POST"), HookLookup::Found { .. }), "nothing changed");
}

#[test]
fn a_step_published_later_is_found_at_once() {
    let ground = Ground::new();
    let life = ground.life();
    let unknown = mistakes(apply_as(&life, "one", hooked("one", "1.0.0", "/in")));
    assert_eq!(unknown[0].pointer, "/nodes/shape/step");
    life.publish("transform");
    apply_as(&life, "one", hooked("one", "1.0.0", "/in")).unwrap();
    let twice = life
        .block_on(life.engine.publish_step(&tenant(), crate::support::guests::component("transform").into()));
    assert!(!twice.unwrap().created);
}
