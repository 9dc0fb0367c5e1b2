//! Events that come in, and whom they reach.

use serde_json::{Value, json};
use stepwell_core::cloud_event::CloudEvent;
use stepwell_core::run::{RunStatus, Trigger};
use stepwell_engine::{Delivery, DeliveryFailure, EngineConfig, StartError};

use crate::support::{Ground, Life, tenant};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn apply(life: &Life, name: &str, event: &Value) {
    let definition = json!({
        "name": name,
        "version": "1.0.0",
        "input": {"type": "object", "properties": {"amount": {"type": "number"}}},
        "triggers": [{"event": event}],
        "nodes": {"shape": {"step": "transform@*", "config": {"template": "{{ input }}"}, "input": "{{ input }}"}},
        "output": "{{ nodes.shape.output }}",
    });
    life.block_on(life.engine.apply_workflow(&tenant(), &name.parse().unwrap(), definition)).unwrap();
}

fn order(id: &str, data: Value) -> CloudEvent {
    CloudEvent::new(id, "/shop/berlin", "com.example.order.created", data)
}

fn deliver(life: &Life, event: &CloudEvent) -> Vec<Delivery> {
    life.block_on(life.engine.deliver_event(&tenant(), event, TRACE)).unwrap()
}

fn names(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery.workflow.as_str()).collect()
}

#[test]
fn an_event_starts_a_run_of_every_workflow_that_wants_it() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("transform");
    apply(&life, "all", &json!({"type": "com.example.*"}));
    apply(
        &life,
        "large",
        &json!({"type": "com.example.order.created", "when": "event.data.amount > 100", "input": {"id": "{{ event.id }}"}}),
    );
    apply(&life, "elsewhere", &json!({"type": "*", "source": "/warehouse/*"}));

    let small = deliver(&life, &order("1", json!({"amount": 99})));
    assert_eq!(names(&small), ["all"]);
    let large = deliver(&life, &order("2", json!({"amount": 101})));
    assert_eq!(names(&large), ["all", "large"]);
    let output = |delivery: &Delivery| life.end_of(delivery.outcome.as_ref().unwrap().run).output;
    assert_eq!(output(&large[0]), Some(json!({"amount": 101}).into()), "the data, where no input is said");
    assert_eq!(output(&large[1]), Some(json!({"id": "2"}).into()));

    let view = life.end_of(large[1].outcome.as_ref().unwrap().run);
    let trigger = Trigger::Event {
        id: "2".to_owned(),
        source: "/shop/berlin".to_owned(),
        event_type: "com.example.order.created".to_owned(),
    };
    assert_eq!((view.trigger, view.status), (trigger, RunStatus::Succeeded));
    life.crash();
    assert_eq!(
        names(&deliver(&ground.life(), &order("3", json!({})))),
        ["all", "large"],
        "the table is rebuilt"
    );
}

#[test]
fn an_event_that_comes_again_is_told_the_run_that_it_started() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("transform");
    apply(&life, "all", &json!({"type": "*"}));
    let first = deliver(&life, &order("1", json!({"amount": 1})));
    let again = deliver(&life, &order("1", json!({"amount": 2})));
    let (first, again) = (first[0].outcome.as_ref().unwrap(), again[0].outcome.as_ref().unwrap());
    assert_eq!((first.existing, again.existing, first.run), (false, true, again.run));
    let elsewhere = CloudEvent { source: "/shop/paris".to_owned(), ..order("1", json!({"amount": 1})) };
    assert!(
        !deliver(&life, &elsewhere)[0].outcome.as_ref().unwrap().existing,
        "another source, another event"
    );
}

#[test]
fn a_workflow_that_cannot_be_given_an_event_does_not_keep_it_from_others() {
    let ground = Ground::new();
    let life = ground.life_with(EngineConfig { max_input_bytes: 100, ..EngineConfig::default() });
    life.publish("transform");
    apply(&life, "asks-wrong", &json!({"type": "*", "when": "event.data.total > 100"}));
    apply(&life, "good", &json!({"type": "*", "input": {}}));
    apply(&life, "picky", &json!({"type": "*"}));
    let mut deliveries = deliver(&life, &order("1", json!({"amount": "many"})));
    assert_eq!(names(&deliveries), ["asks-wrong", "good", "picky"]);
    let refused = deliveries.pop().unwrap().outcome.unwrap_err();
    assert!(matches!(refused, DeliveryFailure::Start(StartError::InvalidInput(_))), "{refused}");
    assert!(deliveries.pop().unwrap().outcome.is_ok());
    let failed = deliveries.pop().unwrap().outcome.unwrap_err();
    assert!(
        matches!(failed, DeliveryFailure::Expression(_))
            && failed.to_string().contains("/triggers/0/event/when"),
        "{failed}"
    );
}

#[test]
fn an_event_that_cannot_be_kept_is_refused_and_starts_what_is_missing_when_it_comes_again() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("transform");
    apply(&life, "one", &json!({"type": "*"}));
    apply(&life, "two", &json!({"type": "*"}));
    life.disk.break_down();
    let refused = life.block_on(life.engine.deliver_event(&tenant(), &order("1", json!({})), TRACE));
    assert!(matches!(refused, Err(StartError::Store(_))), "{refused:?}");
    life.disk.mend();
    let delivered = deliver(&life, &order("1", json!({})));
    assert_eq!(names(&delivered), ["one", "two"]);
}

#[test]
fn the_first_trigger_that_wants_an_event_has_it() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("transform");
    life.apply(&json!({
        "triggers": [
            {"event": {"type": "com.example.*", "when": "event.data.n == 1", "input": {"by": "first"}}},
            {"event": {"type": "*", "input": {"by": "second"}}},
        ],
        "nodes": {"shape": {"step": "transform@*", "config": {"template": "{{ input }}"}, "input": "{{ input }}"}},
    }));
    for (id, n, by) in [("1", 1, "first"), ("2", 2, "second")] {
        let delivered = deliver(&life, &order(id, json!({"n": n})));
        assert_eq!(delivered.len(), 1);
        let view = life.end_of(delivered[0].outcome.as_ref().unwrap().run);
        assert_eq!(view.output, Some(json!({"shape": {"by": by}}).into()));
    }
}
