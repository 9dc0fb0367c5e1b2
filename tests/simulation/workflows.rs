//! Random workflows of every kind of node, with the workflows that they run and that hear of their events.

use serde_json::{Value, json};

use crate::dice::{Dice, Seed};

/// The workflow whose run is watched.
pub(crate) const MAIN: &str = "main";
/// One that it runs.
pub(crate) const CHILD: &str = "child";
/// One that starts with each event that it tells.
pub(crate) const LISTENER: &str = "listener";

/// The signal that waiting nodes wait for.
pub(crate) const SIGNAL: &str = "go";

const MOST_NODES: usize = 6;

/// All three; the one that is watched comes last.
pub(crate) fn of(seed: Seed) -> [Value; 3] {
    [child(seed), listener(), main(seed)]
}

fn main(seed: Seed) -> Value {
    let mut dice = seed.dice("main");
    let count = 1 + dice.below(MOST_NODES);
    let mut nodes = json!({});
    for index in 0..count {
        nodes[id(index)] = node(&mut dice, index, count);
    }
    let on_failure = dice.pick(&[
        (5, json!("fail")),
        (2, json!("partial")),
        (2, json!({"retry": {"times": 2, "delay": "3s"}})),
        (2, json!({"restart": {"times": 1, "delay": "3s"}})),
    ]);
    let budget = dice.pick(&[
        (6, json!({})),
        (1, json!({"time": "45s"})),
        (1, json!({"time": "10s", "count_waits": false})),
    ]);
    json!({"name": MAIN, "version": "1.0.0", "nodes": nodes, "on_failure": on_failure, "budget": budget})
}

fn child(seed: Seed) -> Value {
    let mut dice = seed.dice("child");
    let mut ask = asks("child/ask");
    ask["compensate"] = undo("child");
    let mut nodes = json!({"ask": ask});
    if dice.percent(50) {
        nodes["rest"] = json!({"wait": "4s", "needs": ["ask"]});
    }
    if dice.percent(20) {
        nodes["more"] = json!({"step": "transform@^1", "config": {"template": "{{ input.nothing.at.all }}"}, "input": {}, "needs": ["ask"]});
    }
    let concurrency = dice.pick(&[(2, json!(null)), (1, json!({"limit": 1}))]);
    let mut definition = json!({"name": CHILD, "version": "1.0.0", "nodes": nodes});
    if !concurrency.is_null() {
        definition["concurrency"] = concurrency;
    }
    definition
}

fn listener() -> Value {
    json!({
        "name": LISTENER, "version": "1.0.0",
        "triggers": [{"event": {"type": "com.example.told"}}],
        "nodes": {"hear": asks("listener/hear")}
    })
}

fn id(index: usize) -> String {
    format!("n{index}")
}

fn node(dice: &mut Dice, index: usize, count: usize) -> Value {
    let mut node = work(dice, &id(index));
    let needs: Vec<String> = (0..index).filter(|_| dice.percent(45)).map(id).collect();
    node["needs"] = json!(needs);
    node["join"] = json!(dice.pick(&[(3, "all"), (1, "any")]));
    let later = index + 1 < count;
    match dice.pick(&[(6, "fail"), (2, "continue"), (1, "go_to")]) {
        "continue" => node["on_error"] = json!({"continue": {"json": {"go": false}}}),
        "go_to" if later => node["on_error"] = json!({"go_to": id(index + 1)}),
        _ => {}
    }
    node
}

fn work(dice: &mut Dice, id: &str) -> Value {
    let retry = json!({"attempts": 2, "delay": "1s", "on": ["retryable", "gate"]});
    let with = |mut node: Value, more: Value| {
        for (name, value) in more.as_object().into_iter().flatten() {
            node[name] = value.clone();
        }
        node
    };
    let each = with(asks(&format!("{id}/{{{{ item }}}}")), json!({"retry": retry}));
    let job = json!({
        "step": "http-request@^1", "grants": grants(),
        "input": {"method": "POST", "url": "https://jobs.example/new", "json": {"answer_to": "{{ callback.url }}"}}
    });
    let kinds = [
        (3, asks(id)),
        (
            3,
            with(
                asks(id),
                json!({"retry": retry, "fallback": [{"config": {"timeout_ms": 5000}}], "compensate": undo(id)}),
            ),
        ),
        (
            2,
            with(
                asks(id),
                json!({"compensate": undo(id), "until": {"that": "output.json.go", "attempts": 3, "delay": "1s"}}),
            ),
        ),
        (2, with(asks(id), json!({"gate": "output.json.go", "retry": retry}))),
        (
            2,
            json!({"step": "courier@^1", "grants": grants(), "input": {"urls": [url(&format!("{id}/a")), url(&format!("{id}/b"))]}}),
        ),
        (
            1,
            json!({"step": "courier@^1", "grants": grants(), "input": {"urls": [url(&format!("{id}/a")), url(&format!("{id}/b"))], "at_once": true}}),
        ),
        (1, json!({"step": "transform@^1", "config": {"template": {"json": {"go": true}}}, "input": {}})),
        (
            1,
            json!({"step": "transform@^1", "config": {"template": {"json": {"go": true}}}, "input": {}, "cache": "1h"}),
        ),
        (
            2,
            with(
                each.clone(),
                json!({"map": {"over": [1, 2, 3, 4], "concurrency": 2}, "compensate": undo(id)}),
            ),
        ),
        (1, with(each, json!({"map": {"over": "{{ input.items }}", "on_item_error": "continue"}}))),
        // Items that cannot begin, alone and among others.
        (
            1,
            with(
                asks(&format!("{id}/{{{{ item.id }}}}")),
                json!({"map": {"over": [{}, {}, {}], "concurrency": 2}}),
            ),
        ),
        (
            1,
            with(
                asks(&format!("{id}/{{{{ item.id }}}}")),
                json!({"map": {"over": [{"id": 1}, {}, {"id": 2}, {}, {}], "concurrency": 3}, "compensate": undo(id)}),
            ),
        ),
        (2, json!({"wait": "5s"})),
        (1, json!({"wait": {"signal": SIGNAL, "timeout": "30s"}})),
        // Another node may take the signal that was meant for this one.
        (1, json!({"wait": {"signal": SIGNAL, "timeout": "1h"}})),
        (1, json!({"approval": {}})),
        (
            1,
            json!({"approval": {"who": ["ann"], "timeout": "20s", "on_timeout": "approve", "escalate": {"after": "5s", "who": ["bob"]}}}),
        ),
        (1, json!({"approval": {"on_reject": "continue", "timeout": "15s"}})),
        (3, with(job, json!({"callback": {"expires": "40s"}, "retry": retry, "compensate": undo(id)}))),
        (3, json!({"workflow": "child@^1", "input": {}})),
        (2, json!({"emit": {"type": "com.example.told", "data": {}}})),
    ];
    dice.pick(&kinds)
}

/// Sends one request, and fails where the answer is no success.
fn asks(path: &str) -> Value {
    json!({
        "step": "http-request@^1", "grants": grants(),
        "input": {"method": "POST", "url": url(path), "json": {"please": true}}
    })
}

fn undo(id: &str) -> Value {
    json!({
        "step": "http-request@^1", "grants": grants(),
        "input": {"method": "POST", "url": format!("https://undo.example/{id}"), "json": {"was": "{{ original.output }}"}},
        "retry": {"attempts": 2, "delay": "1s"}
    })
}

fn url(path: &str) -> String {
    format!("https://outside.example/{path}")
}

fn grants() -> Value {
    json!({"http": [{"host": "outside.example"}, {"host": "undo.example"}, {"host": "jobs.example"}]})
}
