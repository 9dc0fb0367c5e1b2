//! What can run as it is written and never do what is meant, and mistakes that were told of as others than they are.

use serde_json::{Value, json};

use super::{Catalogue, mistakes, workflow};
use crate::mistake::{Mistake, code};
use crate::plan::{compile, restore};

fn node(node: &Value) -> Value {
    workflow(&json!({ "a": node }))
}

fn only(definition: &Value) -> Mistake {
    let mut mistakes = compile(definition, &Catalogue).unwrap_err();
    assert_eq!(mistakes.len(), 1, "{mistakes:#?}");
    mistakes.remove(0)
}

#[test]
fn what_can_never_work_is_told_with_its_place_and_its_mend_and_runs_on_where_it_was_accepted_before() {
    let approval = |approval: Value| node(&json!({ "approval": approval }));
    let futile = [
        (node(&json!({"step": "echo@^1", "map": {"over": "notalist"}})), "/nodes/a/map/over"),
        (node(&json!({"step": "echo@^1", "map": {"over": "{{ input.x }} "}})), "/nodes/a/map/over"),
        (node(&json!({"emit": {"type": ""}})), "/nodes/a/emit/type"),
        (approval(json!({"who": ["ann", ""]})), "/nodes/a/approval/who/1"),
        (approval(json!({"escalate": {"after": "1h", "who": []}})), "/nodes/a/approval/escalate/who"),
        (
            approval(json!({"timeout": "1h", "escalate": {"after": "1h", "who": ["bob"]}})),
            "/nodes/a/approval/escalate/after",
        ),
        (node(&json!({"step": "echo@^1", "when_open": "fallback"})), "/nodes/a/when_open"),
        (node(&json!({"wait": {"signal": "{{ input.x }}"}})), "/nodes/a/wait/signal"),
        (
            node(&json!({
                "step": "echo@^1",
                "compensate": {"step": "echo@^1", "input": {"x": "{{ original.outputs }}"}},
            })),
            "/nodes/a/compensate/input/x",
        ),
        (
            node(&json!({
                "step": "echo@^1", "callback": {"expires": "1h"}, "input": {"to": "{{ callback['uri'] }}"},
            })),
            "/nodes/a/input/to",
        ),
    ];
    for (definition, pointer) in futile {
        let mistake = only(&definition);
        assert_eq!(mistake.pointer, pointer, "{mistake:?}");
        assert!(mistake.help.is_some(), "{mistake:?}");
        assert!(restore(&definition, &Catalogue).is_ok(), "{definition}");
    }
}

#[test]
fn what_only_looks_futile_is_none() {
    for good in [
        json!({"step": "echo@^1", "map": {"over": "{{ input.x }}"}}),
        json!({"step": "echo@^1", "map": {"over": ["a", "{{ input.x }}"]}}),
        json!({"approval": {"timeout": "2h", "escalate": {"after": "1h", "who": ["bob"]}}}),
        json!({"step": "echo@^1", "when_open": "fallback", "fallback": [{"config": {"b": 1}}]}),
        json!({
            "step": "echo@^1",
            "compensate": {"step": "echo@^1", "input": "{{ original.output.outputs }} {{ original.input }}"},
        }),
        json!({"step": "echo@^1", "input": "{% set original = input %}{{ original.outputs }}"}),
    ] {
        assert_eq!(mistakes(&node(&good)), [], "{good}");
    }
}

#[test]
fn a_signal_without_a_name_is_told_where_it_stands() {
    let mistake = only(&node(&json!({"wait": {"signal": ""}})));
    assert_eq!((mistake.code.as_str(), mistake.pointer.as_str()), (code::BAD_VALUE, "/nodes/a/wait/signal"));
}

#[test]
fn a_workflow_that_runs_itself_is_a_circle_and_a_circle_is_told_as_its_whole_way() {
    let circle = |name: &str| only(&node(&json!({ "workflow": format!("{name}@^1") })));
    let (itself, long) = (circle("test"), circle("ring"));
    for mistake in [&itself, &long] {
        assert_eq!((mistake.code.as_str(), mistake.pointer.as_str()), (code::CYCLE, "/nodes/a/workflow"));
    }
    assert!(itself.message.ends_with(": test -> test"), "{}", itself.message);
    assert!(long.message.ends_with(": test -> ring -> one -> two -> test"), "{}", long.message);
}

#[test]
fn a_fallback_need_not_use_what_its_node_is_granted() {
    let grants = json!({"http": [{"host": "api.example.com"}]});
    let chat = |fallback: Value| {
        node(&json!({
            "step": "chat@^1", "config": {"model": "m"}, "input": {"prompt": "x"}, "grants": grants, "fallback": [fallback],
        }))
    };
    assert_eq!(mistakes(&chat(json!({"step": "echo@^1"}))), []);
    let own = mistakes(&chat(json!({"step": "echo@^1", "grants": grants})));
    assert_eq!(own, [(code::GRANT_UNUSED.to_owned(), "/nodes/a/fallback/0/grants".to_owned())]);
}

#[test]
fn where_a_short_form_is_taken_too_a_value_of_another_type_is_told_so() {
    let step = |field: &str| json!({"step": "echo@^1", field: 5});
    for (definition, short) in [
        (node(&json!({"wait": 5})), "a duration in quotes"),
        (node(&step("cache")), "a duration in quotes"),
        (node(&step("gate")), "an expression in quotes"),
        (node(&step("until")), "an expression in quotes"),
        (node(&step("on_error")), "`\"continue\"`"),
    ] {
        let mistake = only(&definition);
        assert_eq!(mistake.code, code::WRONG_TYPE);
        assert!(mistake.message.contains(short) && mistake.message.contains("or an object"), "{mistake:?}");
    }
}

#[test]
fn nothing_is_offered_that_is_refused() {
    let keyed = |key: &str| {
        let mut definition = node(&json!({"step": "echo@^1"}));
        definition["concurrency"] = json!({"limit": 1, "key": key});
        only(&definition)
    };
    let help = keyed("{{ nope }}").help.unwrap();
    assert!(!help.contains("nodes") && !help.contains("secret"), "{help}");
    assert_eq!(keyed("{{ item }}").code, code::UNKNOWN_NAME);
}
