use serde_json::{Value, json};
use stepwell_sdk::state;
use stepwell_sdk::testing::{FakeHost, call};
use stepwell_sdk::{StepError, StepErrorKind};

use crate::store;

fn ask(op: &str, input: Value) -> Result<Value, StepError> {
    call(store, &input, &json!({"op": op}))
}

fn kept(key: &str) -> Option<Value> {
    state::get(key).unwrap().map(|entry| entry.value)
}

#[test]
fn a_value_is_kept_read_and_forgotten() {
    let _host = FakeHost::new();
    let key = json!({"key": "a"});
    assert_eq!(
        ask("get", key.clone()).unwrap(),
        json!({"key": "a", "value": null, "found": false, "changed": false})
    );
    let set = ask("set", json!({"key": "a", "value": {"n": 1}})).unwrap();
    assert_eq!(set, json!({"key": "a", "value": {"n": 1}, "found": false, "changed": true}));
    assert_eq!(ask("get", key.clone()).unwrap()["value"], json!({"n": 1}));
    let gone = ask("delete", key.clone()).unwrap();
    assert_eq!(gone, json!({"key": "a", "value": {"n": 1}, "found": true, "changed": true}));
    assert_eq!(kept("a"), None);
    assert_eq!(ask("delete", key).unwrap()["changed"], false);
}

#[test]
fn what_is_created_is_there_once() {
    let _host = FakeHost::new();
    let ours = json!({"key": "a", "value": 1});
    assert_eq!(ask("create", ours).unwrap()["changed"], true);
    let second = ask("create", json!({"key": "a", "value": 2})).unwrap();
    assert_eq!(second, json!({"key": "a", "value": 1, "found": true, "changed": false}));
}

/// The examples of RFC 7396, appendix A, that patch an object with an object.
#[test]
fn objects_are_merged_as_the_standard_has_it() {
    for (before, patch, after) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
        (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
        (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
        (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
        (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
    ] {
        let _host = FakeHost::new();
        state::set("a", &before, None).unwrap();
        assert_eq!(
            ask("merge", json!({"key": "a", "value": patch})).unwrap()["value"],
            after,
            "{before} {patch}"
        );
    }
}

#[test]
fn a_list_grows_to_its_most_and_the_oldest_go() {
    let _host = FakeHost::new();
    let config = json!({"op": "append", "most": 3});
    for item in 0..3 {
        call(store, &json!({"key": "log", "value": item}), &config).unwrap();
    }
    let output = call(store, &json!({"key": "log", "values": [3, null]}), &config).unwrap();
    assert_eq!(output["value"], json!([2, 3, null]));
}

#[test]
fn numbers_are_added_and_stay_whole() {
    let _host = FakeHost::new();
    assert_eq!(ask("add", json!({"key": "n", "value": 2})).unwrap()["value"], 2);
    assert_eq!(ask("add", json!({"key": "n", "value": -5})).unwrap()["value"], -3);
    assert_eq!(ask("add", json!({"key": "n", "value": 0.5})).unwrap()["value"], -2.5);
    state::set("n", &i64::MAX, None).unwrap();
    let error = ask("add", json!({"key": "n", "value": 1})).unwrap_err();
    assert!(error.message.contains("beyond any number"), "{error}");
}

#[test]
fn what_does_not_fit_is_refused_and_loses_nothing() {
    let _host = FakeHost::new();
    state::set("a", "text", None).unwrap();
    for (op, value, why) in [
        ("merge", json!({"b": 1}), "`a` holds a text, not an object"),
        ("append", json!(1), "`a` holds a text, not a list"),
        ("add", json!(1), "`a` holds a text, not a number"),
    ] {
        let error = ask(op, json!({"key": "a", "value": value})).unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (StepErrorKind::Permanent, why));
    }
    for (op, input, part) in [
        ("set", json!({"key": "a"}), "/value: it is missing"),
        ("append", json!({"key": "a"}), "/value: it is missing"),
        ("get", json!({"key": "a", "value": 1}), "/value: this operation takes none"),
        ("merge", json!({"key": "a", "value": 1}), "/value: what is merged is an object"),
        ("add", json!({"key": "a", "value": "1"}), "/value: what is added is a number"),
        ("set", json!({"key": "a", "values": [1]}), "/values: several items are for `append`"),
        ("append", json!({"key": "a", "value": 1, "values": [1]}), "/values: several items"),
    ] {
        let error = ask(op, input).unwrap_err();
        assert_eq!(error.kind, StepErrorKind::InvalidInput, "{error}");
        assert!(error.message.contains(part), "{error}");
    }
    assert_eq!(kept("a"), Some(json!("text")));
}

#[test]
fn what_must_be_there_is_missed() {
    let _host = FakeHost::new();
    for op in ["get", "merge", "delete"] {
        let input = if op == "merge" { json!({"key": "a", "value": {}}) } else { json!({"key": "a"}) };
        let error = call(store, &input, &json!({"op": op, "required": true})).unwrap_err();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (StepErrorKind::Permanent, "nothing is kept under `a`")
        );
    }
}

#[test]
fn a_null_is_a_value() {
    let _host = FakeHost::new();
    ask("set", json!({"key": "a", "value": null})).unwrap();
    assert_eq!(ask("get", json!({"key": "a"})).unwrap()["found"], true);
}
