use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Catalogue, mistakes, workflow};
use crate::expression::vocabulary;
use crate::mistake::code;
use crate::plan::compile::WITHOUT_CATALOGUE;
use crate::plan::{compile, lint};

/// A workflow of one `echo` node with more fields.
fn echo(fields: &Value) -> Value {
    let mut node = json!({"step": "echo@^1"});
    for (name, value) in fields.as_object().unwrap() {
        node[name] = value.clone();
    }
    workflow(&json!({"a": node}))
}

/// A workflow of one `chat` node with nothing wrong but these fields.
fn chat(fields: &Value) -> Value {
    let mut node = json!({
        "step": "chat@^1",
        "config": {"model": "m"},
        "input": {"prompt": "p"},
        "grants": {"http": [{"host": "api.example.com"}]},
    });
    for (name, value) in fields.as_object().unwrap() {
        node[name] = value.clone();
    }
    workflow(&json!({"a": node}))
}

#[track_caller]
fn one(definition: &Value, code: &str, pointer: &str) {
    assert_eq!(mistakes(definition), [(code.to_owned(), pointer.to_owned())], "{definition}");
}

#[test]
fn each_mistake_of_the_frame_has_its_place() {
    let nodes = json!({"a": {"step": "echo@^1"}});
    let with = |name: &str, value: Value| {
        let mut definition = workflow(&nodes);
        definition[name] = value;
        definition
    };
    one(&json!([]), code::WRONG_TYPE, "");
    one(&json!({"version": "1.0.0", "nodes": nodes}), code::MISSING_FIELD, "");
    one(&with("name", json!("Not A Name")), code::BAD_NAME, "/name");
    one(&with("version", json!("1.0")), code::BAD_VERSION, "/version");
    one(&with("versoin", json!(1)), code::UNKNOWN_FIELD, "/versoin");
    one(&with("summary", json!(1)), code::WRONG_TYPE, "/summary");
    one(
        &with("input", json!({"properties": {"a": {"type": "strnig"}}})),
        code::BAD_SCHEMA,
        "/input/properties/a/type",
    );
    one(&with("budget", json!({"time": "soon"})), code::BAD_DURATION, "/budget/time");
    one(&with("budget", json!({"eur": 1})), code::UNKNOWN_FIELD, "/budget/eur");
    one(&with("budget", json!({"usd": -1})), code::BAD_VALUE, "/budget/usd");
    one(&with("on_failure", json!({"retry": {"times": 0}})), code::BAD_VALUE, "/on_failure/retry/times");
    one(&with("on_failure", json!({})), code::BAD_VALUE, "/on_failure");
    one(&with("nodes", json!({})), code::MISSING_FIELD, "/nodes");
    one(&with("output", json!({"x": ["{{ nodes.b.output }}"]})), code::UNKNOWN_NODE, "/output/x/0");
    one(&with("output", json!("{{ secret.KEY }}")), code::SECRET_NOT_GRANTED, "/output");
}

#[test]
fn each_mistake_of_flow_control_has_its_place() {
    let with = |name: &str, value: Value| {
        let mut definition = echo(&json!({}));
        definition[name] = value;
        definition
    };
    one(&with("priority", json!("urgent")), code::BAD_VALUE, "/priority");
    let bounded = |concurrency: Value| with("concurrency", concurrency);
    one(&bounded(json!(5)), code::WRONG_TYPE, "/concurrency");
    one(&bounded(json!({})), code::MISSING_FIELD, "/concurrency");
    one(&bounded(json!({"limit": 0})), code::BAD_VALUE, "/concurrency/limit");
    one(&bounded(json!({"limit": 1, "max": 1})), code::UNKNOWN_FIELD, "/concurrency/max");
    one(&bounded(json!({"limit": 1, "on_full": "drop"})), code::BAD_VALUE, "/concurrency/on_full");
    one(&bounded(json!({"limit": 1, "max_queued": -1})), code::BAD_VALUE, "/concurrency/max_queued");
    one(
        &bounded(json!({"limit": 1, "on_full": "reject", "max_queued": 1})),
        code::BAD_VALUE,
        "/concurrency/max_queued",
    );
    let keyed = |key: &str| bounded(json!({"limit": 1, "key": key}));
    one(&keyed("{{ input. }}"), code::BAD_EXPRESSION, "/concurrency/key");
    one(&keyed("{{ nodes.a.output }}"), code::NOT_AN_ANCESTOR, "/concurrency/key");
    one(&keyed("{{ secret.KEY }}"), code::SECRET_NOT_GRANTED, "/concurrency/key");
}

#[test]
fn each_mistake_of_a_trigger_has_its_place() {
    let with = |triggers: Value| {
        let mut definition = echo(&json!({}));
        definition["triggers"] = triggers;
        definition
    };
    one(&with(json!([{}])), code::MISSING_FIELD, "/triggers/0");
    one(&with(json!([{"http": {"path": "/a", "port": 80}}])), code::UNKNOWN_FIELD, "/triggers/0/http/port");
    for path in ["tickets", "/", "/a//b", "/a/../b", "/a?b", "/a/"] {
        one(&with(json!([{"http": {"path": path}}])), code::BAD_TRIGGER, "/triggers/0/http/path");
    }
    one(
        &with(json!([{"http": {"path": "/a", "method": "post"}}])),
        code::BAD_TRIGGER,
        "/triggers/0/http/method",
    );
    one(&with(json!([{"http": {"path": "/a", "open": "yes"}}])), code::WRONG_TYPE, "/triggers/0/http/open");
    let json_body = json!([{"http": {"path": "/a", "max_bytes": "1 MiB"}}]);
    one(&with(json_body), code::BAD_TRIGGER, "/triggers/0/http/max_bytes");
    let vast = json!([{"http": {"path": "/a", "body": "blob", "max_bytes": "vast"}}]);
    one(&with(vast), code::BAD_SIZE, "/triggers/0/http/max_bytes");
    let twice = json!([{"http": {"path": "/a"}}, {"http": {"path": "/a", "method": "POST"}}]);
    one(&with(twice), code::DUPLICATE, "/triggers/1");
    let two = json!([{"http": {"path": "/a"}, "cron": {"schedule": "@daily"}}]);
    one(&with(two), code::BAD_TRIGGER, "/triggers/0");
    one(&with(json!(vec![json!({"event": {"type": "a"}}); 101])), code::TOO_LARGE, "/triggers");
}

#[test]
fn each_mistake_of_a_cron_trigger_has_its_place() {
    let with = |cron: Value| {
        let mut definition = echo(&json!({}));
        definition["input"] = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
        definition["triggers"] = json!([{"cron": cron}]);
        definition
    };
    one(&with(json!({})), code::MISSING_FIELD, "/triggers/0/cron");
    for line in ["0 9 * *", "60 * * * *", "@reboot", "every day", "0 0 30 2 *"] {
        one(&with(json!({"schedule": line})), code::BAD_SCHEDULE, "/triggers/0/cron/schedule");
    }
    let place = |field: &str| format!("/triggers/0/cron/{field}");
    for zone in ["Berlin", "CEST+2", ""] {
        one(&with(json!({"schedule": "@daily", "zone": zone})), code::BAD_ZONE, &place("zone"));
    }
    one(&with(json!({"schedule": "@daily", "missed": "some"})), code::BAD_VALUE, &place("missed"));
    one(&with(json!({"schedule": "@daily", "overlap": true})), code::WRONG_TYPE, &place("overlap"));
    one(&with(json!({"schedule": "@daily", "jitter": "soon"})), code::BAD_DURATION, &place("jitter"));
    one(&with(json!({"schedule": "@daily", "input": {"n": "x"}})), code::INPUT_MISMATCH, &place("input/n"));
    one(&with(json!({"schedule": "@daily", "when": "true"})), code::UNKNOWN_FIELD, &place("when"));

    let mut twice = with(json!({}));
    twice["triggers"] =
        json!([{"cron": {"schedule": "@daily"}}, {"cron": {"schedule": "@daily", "zone": "UTC"}}]);
    one(&twice, code::DUPLICATE, "/triggers/1");
}

#[test]
fn a_zone_that_is_not_there_is_told_with_the_one_that_was_meant() {
    let help = |zone: &str| {
        let mut definition = echo(&json!({}));
        definition["triggers"] = json!([{"cron": {"schedule": "@daily", "zone": zone}}]);
        compile(&definition, &Catalogue).unwrap_err()[0].help.clone().unwrap()
    };
    assert_eq!(help("Europe/Berln"), "did you mean `Europe/Berlin`?");
    assert_eq!(help("new york"), "did you mean `America/New_York`?");
    assert!(help("somewhere").contains("IANA"));
}

#[test]
fn each_mistake_of_an_event_trigger_has_its_place() {
    let with = |event: Value| {
        let mut definition = echo(&json!({}));
        definition["input"] =
            json!({"type": "object", "required": ["order"], "properties": {"n": {"type": "integer"}}});
        definition["triggers"] = json!([{"event": event}]);
        definition
    };
    let place = |field: &str| format!("/triggers/0/event/{field}");
    one(&with(json!({})), code::MISSING_FIELD, "/triggers/0/event");
    for pattern in ["", "*.order", "a*b"] {
        one(&with(json!({"type": pattern})), code::BAD_TRIGGER, &place("type"));
        one(&with(json!({"type": "a", "source": pattern})), code::BAD_TRIGGER, &place("source"));
    }
    one(&with(json!({"type": "a", "when": "{{ event.id }}"})), code::BAD_EXPRESSION, &place("when"));
    one(&with(json!({"type": "a", "when": "event.kind == 'x'"})), code::UNKNOWN_NAME, &place("when"));
    for other in ["input.n == 1", "run.id == 'x'", "nodes.a.output", "secret.KEY"] {
        one(&with(json!({"type": "a", "when": other})), code::UNKNOWN_NAME, &place("when"));
    }
    one(
        &with(json!({"type": "a", "input": {"order": "{{ evnt.id }}"}})),
        code::UNKNOWN_NAME,
        &place("input/order"),
    );
    one(
        &with(json!({"type": "a", "input": {"id": "{{ event.id }}"}})),
        code::INPUT_MISMATCH,
        &place("input"),
    );
    one(
        &with(json!({"type": "a", "input": {"order": 1, "n": "id {{ event.id }}"}})),
        code::INPUT_MISMATCH,
        &place("input/n"),
    );
    one(&echo(&json!({"when": "event.id == 'x'"})), code::UNKNOWN_NAME, "/nodes/a/when");
}

#[test]
fn each_mistake_of_a_node_has_its_place() {
    one(&workflow(&json!({"A b": {"step": "echo@^1"}})), code::BAD_NAME, "/nodes/A b");
    one(&workflow(&json!({"a": {}})), code::MISSING_FIELD, "/nodes/a");
    one(&workflow(&json!({"a": 1})), code::WRONG_TYPE, "/nodes/a");
    for step in ["echo", "echo@", "echo@one", "Echo@^1"] {
        one(&workflow(&json!({"a": {"step": step}})), code::BAD_STEP, "/nodes/a/step");
    }
    one(&workflow(&json!({"a": {"step": "nowhere@^1"}})), code::UNKNOWN_STEP, "/nodes/a/step");
    one(&workflow(&json!({"a": {"step": "old@^1"}})), code::NO_MATCHING_VERSION, "/nodes/a/step");
    one(&echo(&json!({"on_errors": "continue"})), code::UNKNOWN_FIELD, "/nodes/a/on_errors");
    one(&echo(&json!({"on_error": "stop"})), code::BAD_VALUE, "/nodes/a/on_error");
    one(&echo(&json!({"on_error": {"go_to": "b"}})), code::UNKNOWN_NODE, "/nodes/a/on_error/go_to");
    one(&echo(&json!({"join": "some"})), code::BAD_VALUE, "/nodes/a/join");
    one(&echo(&json!({"timeout": 20})), code::WRONG_TYPE, "/nodes/a/timeout");
    one(&echo(&json!({"timeout": "20"})), code::BAD_DURATION, "/nodes/a/timeout");
    one(&echo(&json!({"timeout": "5h"})), code::ABOVE_CEILING, "/nodes/a/timeout");
    one(
        &echo(&json!({"limits": {"memory_bytes": "2 GiB"}})),
        code::ABOVE_CEILING,
        "/nodes/a/limits/memory_bytes",
    );
    one(&echo(&json!({"limits": {"memory_bytes": "much"}})), code::BAD_SIZE, "/nodes/a/limits/memory_bytes");
    one(&echo(&json!({"limits": {"fuel": 0}})), code::BAD_VALUE, "/nodes/a/limits/fuel");
    one(&echo(&json!({"limits": {"time_ms": 5}})), code::UNKNOWN_FIELD, "/nodes/a/limits/time_ms");
    one(&echo(&json!({"retry": {"attempts": 0}})), code::BAD_VALUE, "/nodes/a/retry/attempts");
    one(&echo(&json!({"retry": {"factor": 0.5}})), code::BAD_VALUE, "/nodes/a/retry/factor");
    one(&echo(&json!({"retry": {"on": ["retryable", "cancelled"]}})), code::BAD_VALUE, "/nodes/a/retry/on/1");
}

#[test]
fn each_mistake_of_the_graph_has_its_place() {
    let needs = |a: Value, b: Value| {
        workflow(&json!({"a": {"step": "echo@^1", "needs": a}, "b": {"step": "echo@^1", "needs": b}}))
    };
    one(&needs(json!(["c"]), json!([])), code::UNKNOWN_NODE, "/nodes/a/needs/0");
    one(&needs(json!(["a"]), json!([])), code::CYCLE, "/nodes/a/needs/0");
    one(&needs(json!(["b", "b"]), json!([])), code::DUPLICATE, "/nodes/a/needs/1");
    one(&needs(json!(["b"]), json!(["a"])), code::CYCLE, "/nodes/a/needs");
    one(&needs(json!("b"), json!([])), code::WRONG_TYPE, "/nodes/a/needs");
}

#[test]
fn a_cycle_is_told_as_a_path() {
    let node = |need: &str| json!({"step": "echo@^1", "needs": [need]});
    let definition = workflow(&json!({"a": node("c"), "b": node("a"), "c": node("b"), "behind": node("a")}));
    let mistakes = compile(&definition, &Catalogue).unwrap_err();
    assert_eq!(mistakes.len(), 1);
    assert!(mistakes[0].message.ends_with("a -> c -> b -> a"), "{}", mistakes[0].message);
}

#[test]
fn each_mistake_of_an_expression_has_its_place() {
    let input = |text: &str| echo(&json!({"input": {"x": [text]}}));
    let place = "/nodes/a/input/x/0";
    one(&input("{{ input. }}"), code::BAD_EXPRESSION, place);
    one(&input("{{ input.x"), code::BAD_EXPRESSION, place);
    one(&input("{{ inptu.x }}"), code::UNKNOWN_NAME, place);
    one(&input("{{ input.x | uper }}"), code::UNKNOWN_NAME, place);
    one(&input("{{ input.x is strnig }}"), code::UNKNOWN_NAME, place);
    one(&input("{{ now() }}"), code::UNKNOWN_NAME, place);
    one(&input("{{ input.x.upper() }}"), code::BAD_EXPRESSION, place);
    one(&input("{{ run.ip }}"), code::UNKNOWN_NAME, place);
    one(&input("{{ nodes[input.x].output }}"), code::DYNAMIC_NAME, place);
    one(&input("{% for n in nodes %}{{ n }}{% endfor %}"), code::DYNAMIC_NAME, place);
    one(&input("{{ nodes.a.output }}"), code::NOT_AN_ANCESTOR, place);
    one(&input("{{ nodes.nowhere.output }}"), code::UNKNOWN_NODE, place);
    one(&input("{% include 'x' %}"), code::BAD_EXPRESSION, place);
    one(&input("{% macro m() %}{% endmacro %}"), code::BAD_EXPRESSION, place);
    one(&input("{% set input = 1 %}"), code::BAD_EXPRESSION, place);
    one(&input("{% filter uper %}x{% endfilter %}"), code::UNKNOWN_NAME, place);
    one(&input(&format!("{{{{ {} }}}}", "1 + ".repeat(600) + "1")), code::TOO_LARGE, place);
    one(&echo(&json!({"when": "{{ input.x }}"})), code::BAD_EXPRESSION, "/nodes/a/when");
    one(&echo(&json!({"when": "input.x =="})), code::BAD_EXPRESSION, "/nodes/a/when");
    one(&echo(&json!({"when": true})), code::WRONG_TYPE, "/nodes/a/when");
    one(&echo(&json!({"when": "secret.KEY == ''"})), code::SECRET_NOT_GRANTED, "/nodes/a/when");
}

#[test]
fn one_mistake_in_an_expression_hides_no_other() {
    let definition = echo(&json!({
        "input": ["{{ broken", "{{ nodes.a.output | uper }} {{ secret.KEY }}", "{{ nodes.nowhere }}"],
        "when": "inptu.x and nodes.nowhere.output",
    }));
    let expected = [
        (code::BAD_EXPRESSION, "/nodes/a/input/0"),
        (code::NOT_AN_ANCESTOR, "/nodes/a/input/1"),
        (code::SECRET_NOT_GRANTED, "/nodes/a/input/1"),
        (code::UNKNOWN_NAME, "/nodes/a/input/1"),
        (code::UNKNOWN_NODE, "/nodes/a/input/2"),
        (code::UNKNOWN_NAME, "/nodes/a/when"),
        (code::UNKNOWN_NODE, "/nodes/a/when"),
    ];
    assert_eq!(mistakes(&definition), expected.map(|(code, pointer)| (code.to_owned(), pointer.to_owned())));
}

#[test]
fn an_expression_sees_what_its_node_waits_for_and_nothing_else() {
    let node = |needs: Value, input: &str| json!({"step": "echo@^1", "needs": needs, "input": {"x": input}});
    let seen = workflow(&json!({
        "a": node(json!([]), "-"),
        "b-2": node(json!(["a"]), "-"),
        "c": node(json!(["b-2"]), "{{ nodes.a.output }} {{ nodes[\"b-2\"].status }}"),
    }));
    assert_eq!(mistakes(&seen), []);
    let unseen = workflow(&json!({"a": node(json!([]), "-"), "b": node(json!([]), "{{ nodes.a.output }}")}));
    one(&unseen, code::NOT_AN_ANCESTOR, "/nodes/b/input/x");
    let field =
        workflow(&json!({"a": node(json!([]), "-"), "b": node(json!(["a"]), "{{ nodes.a.outptu }}")}));
    one(&field, code::UNKNOWN_NAME, "/nodes/b/input/x");
}

#[test]
fn a_config_is_checked_as_it_stands() {
    one(&chat(&json!({"config": {"model": 4}})), code::CONFIG_MISMATCH, "/nodes/a/config/model");
    one(&chat(&json!({"config": {}})), code::CONFIG_MISMATCH, "/nodes/a/config");
    one(&chat(&json!({"config": []})), code::CONFIG_MISMATCH, "/nodes/a/config");
}

#[test]
fn an_input_is_checked_as_far_as_it_is_known() {
    let input = |input: Value| chat(&json!({"input": input}));
    one(&input(json!({})), code::INPUT_MISMATCH, "/nodes/a/input");
    one(&input(json!({"prompt": 5})), code::INPUT_MISMATCH, "/nodes/a/input/prompt");
    one(&input(json!({"prompt": "{{ input.x }}", "temprature": 1})), code::INPUT_MISMATCH, "/nodes/a/input");
    one(
        &input(json!({"prompt": "{{ input.x }}", "temperature": 3})),
        code::INPUT_MISMATCH,
        "/nodes/a/input/temperature",
    );
    one(
        &input(json!({"prompt": "p", "temperature": "about {{ input.x }}"})),
        code::INPUT_MISMATCH,
        "/nodes/a/input/temperature",
    );
    one(&input(json!({"prompt": ["{{ input.x }}"]})), code::INPUT_MISMATCH, "/nodes/a/input/prompt");
    one(&input(json!("some {{ input.x }}")), code::INPUT_MISMATCH, "/nodes/a/input");
    for open in [
        json!("{{ input }}"),
        json!({"prompt": "{{ input.x }}", "temperature": "{{ input.t }}"}),
        json!({"prompt": "some {{ input.x }}"}),
    ] {
        assert_eq!(mistakes(&input(open)), []);
    }
}

#[test]
fn grants_fit_what_the_step_can_do() {
    one(&chat(&json!({"grants": {}})), code::GRANT_MISSING, "/nodes/a/grants");
    assert_eq!(mistakes(&chat(&json!({"grants": {"http": []}}))), [], "it says that nothing is sent");
    one(&echo(&json!({"grants": {"http": [{"host": "a.example"}]}})), code::GRANT_UNUSED, "/nodes/a/grants");
    one(
        &echo(&json!({"grants": {"secrets": {"KEY": ["a.example"]}}})),
        code::GRANT_UNUSED,
        "/nodes/a/grants",
    );
    one(&chat(&json!({"grants": {"http": [{"host": "a b"}]}})), "bad-host", "/nodes/a/grants/http/0/host");
    one(&chat(&json!({"grants": {"http": [{"host": 1}]}})), code::WRONG_TYPE, "/nodes/a/grants/http/0/host");
    one(&chat(&json!({"grants": {"http": [{}]}})), code::MISSING_FIELD, "/nodes/a/grants/http/0");
    let secrets = json!({"http": [{"host": "a.example"}], "secrets": {"9": ["a.example"]}});
    one(&chat(&json!({"grants": secrets})), code::BAD_NAME, "/nodes/a/grants/secrets/9");
    one(
        &chat(&json!({"input": {"prompt": "{{ secret.KEY }}"}})),
        code::SECRET_NOT_GRANTED,
        "/nodes/a/input/prompt",
    );
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let definition = json!({
        "name": "Ten Mistakes",
        "version": "one",
        "colour": "red",
        "triggers": [{"http": {"path": "no-slash"}}],
        "nodes": {
            "a": {"step": "chat@^1", "config": {"model": 1}, "input": {"prompt": 2, "colour": 3}, "timeout": "soon", "needs": ["z"]},
            "b": {"step": "nowhere@^1", "when": "inptu.x", "retry": {"attempts": "many"}, "needs": ["c"]},
            "c": {"step": "echo@^1", "input": "{{ nodes.a.output }}", "needs": ["b"]},
        },
        "output": "{{ nodes.d.output }}",
    });
    let expected = [
        (code::UNKNOWN_FIELD, "/colour"),
        (code::BAD_NAME, "/name"),
        (code::CONFIG_MISMATCH, "/nodes/a/config/model"),
        (code::GRANT_MISSING, "/nodes/a/grants"),
        (code::INPUT_MISMATCH, "/nodes/a/input"),
        (code::INPUT_MISMATCH, "/nodes/a/input/prompt"),
        (code::UNKNOWN_NODE, "/nodes/a/needs/0"),
        (code::BAD_DURATION, "/nodes/a/timeout"),
        (code::CYCLE, "/nodes/b/needs"),
        (code::WRONG_TYPE, "/nodes/b/retry/attempts"),
        (code::UNKNOWN_STEP, "/nodes/b/step"),
        (code::UNKNOWN_NAME, "/nodes/b/when"),
        (code::UNKNOWN_NODE, "/output"),
        (code::BAD_TRIGGER, "/triggers/0/http/path"),
        (code::BAD_VERSION, "/version"),
    ];
    assert_eq!(mistakes(&definition), expected.map(|(code, pointer)| (code.to_owned(), pointer.to_owned())));
}

#[test]
fn a_definition_is_bounded_before_it_is_walked() {
    let deep = (0..500).fold(json!(1), |inside, _| Value::Array(vec![inside]));
    assert_eq!(mistakes(&workflow(&deep))[0].0, code::TOO_DEEP);
    let large = workflow(&json!({"a": {"step": "echo@^1", "input": {"x": "x".repeat(5 << 20)}}}));
    one(&large, code::TOO_LARGE, "");
    let many: serde_json::Map<String, Value> =
        (0..1_001).map(|at| (format!("n{at}"), json!({"step": "echo@^1"}))).collect();
    one(&workflow(&Value::Object(many)), code::TOO_LARGE, "/nodes");
}

#[test]
fn mistakes_without_number_are_cut() {
    let fields: serde_json::Map<String, Value> = (0..10_000).map(|at| (format!("f{at}"), json!(1))).collect();
    assert_eq!(mistakes(&Value::Object(fields)).len(), 501);
}

#[test]
fn a_definition_is_checked_without_a_catalogue_as_far_as_that_goes() {
    use super::super::{LockSlot, Resolution, Surroundings, WorkflowResolution};
    use crate::{grant::Grants, id::StepName, id::WorkflowName, limits::Limits, mistake::Mistake};

    struct Nothing;
    impl Surroundings for Nothing {
        fn resolve_workflow(
            &self,
            _: &LockSlot,
            _: &WorkflowName,
            _: &semver::VersionReq,
        ) -> WorkflowResolution {
            WorkflowResolution::Offline
        }

        fn resolve(&self, _: &LockSlot, _: &StepName, _: &semver::VersionReq) -> Resolution {
            Resolution::Offline
        }
        fn check_grants(&self, _: &Grants) -> Vec<Mistake> {
            Vec::new()
        }
        fn ceiling(&self) -> Limits {
            Limits::default_ceiling()
        }
    }
    assert_eq!(lint(&echo(&json!({})), &Nothing), []);
    assert_eq!(lint(&echo(&json!({"when": "x"})), &Nothing).len(), 1);
    assert!(compile(&echo(&json!({})), &Nothing).is_err(), "a plan needs its steps");
}

#[test]
fn every_code_and_every_word_is_documented() {
    let page = include_str!("../../../../../docs/workflow.md");
    for word in [code::ALL, vocabulary::FILTERS, vocabulary::TESTS, vocabulary::FUNCTIONS].concat() {
        assert!(page.contains(&format!("`{word}`")), "docs/workflow.md does not tell of `{word}`");
    }
}

/// JSON that looks like a definition now and then.
fn any_json() -> impl Strategy<Value = Value> {
    let words = "(name|version|nodes|step|needs|input|when|retry|a|echo@\\^1|\\{\\{ nodes\\.a \\}\\}|\\{%|1s|[a-z]{1,3})";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words.prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((words, inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_makes_compiling_panic_or_loses_the_mistake_in_it(definition in any_json(), nodes in any_json(), node in any_json()) {
        for definition in [definition, workflow(&nodes), workflow(&json!({"a": node}))] {
            let mistakes = compile(&definition, &Catalogue).err().unwrap_or_default();
            // With a catalogue, no plan without a mistake that says why.
            prop_assert!(mistakes.iter().all(|it| it.message != WITHOUT_CATALOGUE), "{}", definition);
        }
    }
}

/// A node of a kind that runs no step, and no other.
fn node_of(node: &Value) -> Value {
    workflow(&json!({ "a": node }))
}

#[test]
fn each_mistake_of_a_kind_has_its_place() {
    one(&node_of(&json!({"wait": "soon"})), code::BAD_DURATION, "/nodes/a/wait");
    one(&node_of(&json!({"wait": {"for": "1s", "until": "x"}})), code::BAD_VALUE, "/nodes/a/wait");
    one(&node_of(&json!({"wait": {"until": "tomorrow"}})), code::BAD_VALUE, "/nodes/a/wait/until");
    one(&node_of(&json!({"wait": {"for": "1s", "timeout": "2s"}})), code::BAD_VALUE, "/nodes/a/wait/timeout");
    one(&node_of(&json!({"wait": "1s", "step": "echo@^1"})), code::UNKNOWN_FIELD, "/nodes/a/step");
    one(&node_of(&json!({"wait": "1s", "emit": {"type": "x"}})), code::BAD_VALUE, "/nodes/a");
    one(&node_of(&json!({"emit": {}})), code::MISSING_FIELD, "/nodes/a/emit");
    one(&node_of(&json!({"approval": {"on_timeout": "approve"}})), code::MISSING_FIELD, "/nodes/a/approval");
    one(
        &node_of(&json!({"approval": {"escalate": {"who": []}}})),
        code::MISSING_FIELD,
        "/nodes/a/approval/escalate",
    );
    one(
        &node_of(&json!({"approval": {"form": {"type": 1}}})),
        code::BAD_SCHEMA,
        "/nodes/a/approval/form/type",
    );
    one(&echo(&json!({"map": {"over": 7}})), code::WRONG_TYPE, "/nodes/a/map/over");
    one(&echo(&json!({"map": {"over": [], "concurrency": 0}})), code::BAD_VALUE, "/nodes/a/map/concurrency");
    one(&echo(&json!({"callback": {}})), code::MISSING_FIELD, "/nodes/a/callback");
    one(&echo(&json!({"input": {"x": "{{ item }}"}})), code::UNKNOWN_NAME, "/nodes/a/input/x");
    one(&echo(&json!({"gate": "output.x +"})), code::BAD_EXPRESSION, "/nodes/a/gate");
    one(&echo(&json!({"until": {"attempts": 3}})), code::MISSING_FIELD, "/nodes/a/until");
    one(&echo(&json!({"fallback": [{"step": "none@^1"}]})), code::UNKNOWN_STEP, "/nodes/a/fallback/0/step");
    one(&echo(&json!({"compensate": {}})), code::MISSING_FIELD, "/nodes/a/compensate");
    one(&node_of(&json!({"workflow": "other@^1"})), code::UNKNOWN_WORKFLOW, "/nodes/a/workflow");
}

#[test]
fn what_has_effects_cannot_be_remembered() {
    let grants = json!({"http": [{"host": "api.example.com"}]});
    let chat = json!({"step": "chat@^1", "config": {"model": "m"}, "input": {"prompt": "x"}, "grants": grants, "cache": "1h"});
    one(&node_of(&chat), code::CACHE_WITH_EFFECTS, "/nodes/a/cache");
}
