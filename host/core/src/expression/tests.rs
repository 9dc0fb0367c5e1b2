//! What expressions give, what they refuse, and that nothing that is written in one can cost more than its bounds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Expression, RunScope, Scope, Template};
use crate::failure::{Failure, FailureKind};
use crate::id::{NodeId, RunId, WorkflowName};

fn scope(input: &Value) -> Scope {
    let run = RunScope {
        id: RunId(uuid::Uuid::nil()),
        workflow: WorkflowName::new("test").unwrap(),
        version: semver::Version::new(1, 2, 3),
        started_at: "2025-01-02T03:04:05Z".parse().unwrap(),
    };
    Scope::new(run, &Arc::new(input.clone()))
}

/// Renders a template with this input.
fn render(template: &Value, input: &Value) -> Result<Value, Failure> {
    Template::parse(template, "/t").unwrap().render(&scope(input)).map(Arc::unwrap_or_clone)
}

/// The value of an expression with this input.
fn value(source: &str, input: &Value) -> Result<Value, Failure> {
    Expression::parse(source, "/e").unwrap().evaluate(&scope(input))
}

#[track_caller]
fn failure(result: Result<Value, Failure>) -> String {
    let failure = result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Expression);
    failure.message
}

#[test]
fn a_string_that_is_one_expression_keeps_its_type() {
    let input = json!({"n": 5, "list": [1, "two"], "none": null, "yes": true, "text": "t", "object": {"a": {"b": 1.5}}});
    for name in ["n", "list", "none", "yes", "text", "object"] {
        assert_eq!(render(&json!(format!("{{{{ input.{name} }}}}")), &input).unwrap(), input[name]);
        assert_eq!(render(&json!(format!("{{{{- input.{name} -}}}}")), &input).unwrap(), input[name]);
    }
}

#[test]
fn any_other_string_is_text() {
    let input = json!({"n": 5, "list": [1, "two"], "none": null, "yes": true, "text": "<t>"});
    let text = |source: &str| render(&json!(source), &input).unwrap();
    assert_eq!(text("n: {{ input.n }}"), json!("n: 5"));
    assert_eq!(text("{{ input.n }} "), json!("5 "));
    assert_eq!(text("{{ input.text }}\n"), json!("<t>\n"), "the last line's end stays");
    assert_eq!(text("{{ input.list }}{{ input.none }}{{ input.yes }}"), json!(r#"[1,"two"]nulltrue"#));
    assert_eq!(text("{% for x in input.list %}<{{ x }}>{% endfor %}"), json!("<1><two>"));
    assert_eq!(text("{% if input.yes %}y{% else %}n{% endif %}"), json!("y"));
    assert_eq!(text("{% raw %}{{ x }}{% endraw %}"), json!("{{ x }}"));
    assert_eq!(text("{{ 'a' }}{{ 'b' }}"), json!("ab"));
}

#[test]
fn expressions_stand_anywhere_but_in_keys() {
    let template = json!({"a": [{"{{ input.n }}": "{{ input.n }}"}, 7, null], "b": "plain"});
    let expected = json!({"a": [{"{{ input.n }}": 5}, 7, null], "b": "plain"});
    assert_eq!(render(&template, &json!({"n": 5})).unwrap(), expected);
}

#[test]
fn numbers_survive() {
    for number in
        [json!(u64::MAX), json!(i64::MIN), json!(0), json!(-0.0), json!(0.1), json!(1e300), json!(2.0)]
    {
        let given = value("input", &number).unwrap();
        assert_eq!(given.to_string(), number.to_string());
    }
    assert!(failure(value("input * 2", &json!(u64::MAX))).contains("cannot hold"));
}

#[test]
fn a_scope_shows_the_run_and_its_nodes() {
    let mut scope = scope(&json!(null));
    let failed = Failure::new(FailureKind::Permanent, "no");
    scope.set_node(&NodeId::new("a").unwrap(), "succeeded", Some(&json!({"x": 1}).into()), None);
    scope.set_node(&NodeId::new("b-2").unwrap(), "failed", None, Some(&failed));
    let value = |source: &str| Expression::parse(source, "/e").unwrap().evaluate(&scope);
    assert_eq!(value("nodes.a.output.x + 1").unwrap(), json!(2));
    assert_eq!(
        value("nodes['b-2'].status ~ ':' ~ nodes['b-2'].error.kind").unwrap(),
        json!("failed:permanent")
    );
    assert_eq!(value("nodes['b-2'].output is undefined").unwrap(), json!(true));
    assert_eq!(
        value("[run.workflow, run.version, run.started_at]").unwrap(),
        json!(["test", "1.2.3", "2025-01-02T03:04:05Z"])
    );
    assert_eq!(value("run.id").unwrap(), json!("00000000-0000-0000-0000-000000000000"));
}

#[test]
fn a_clone_of_a_scope_goes_its_own_way() {
    let id = NodeId::new("a").unwrap();
    let mut first = scope(&json!(null));
    let second = first.clone();
    first.set_node(&id, "succeeded", Some(&json!(1).into()), None);
    let status = Expression::parse("nodes.a.status", "/e").unwrap();
    assert_eq!(status.evaluate(&first).unwrap(), json!("succeeded"));
    assert!(status.evaluate(&second).is_err());
}

#[test]
fn a_secret_is_a_placeholder() {
    let template = json!({"authorization": "Bearer {{ secret.API_KEY }}", "whole": "{{ secret['k'] }}"});
    let expected = json!({"authorization": "Bearer {{secret.API_KEY}}", "whole": "{{secret.k}}"});
    assert_eq!(render(&template, &json!(null)).unwrap(), expected);
}

#[test]
fn what_is_undefined_is_an_error_that_names_itself() {
    let input = json!({"a": {}});
    for source in
        ["input.a.b", "input.a.b.c", "input.a.b + 1", "[input.a.b]", "{'k': input.a.b}", "input.a.b ~ 'x'"]
    {
        let message = failure(value(source, &input));
        assert!(message.starts_with("/e: ") && message.contains("undefined"), "{source}: {message}");
    }
    let message = failure(render(&json!({"x": ["see {{ input.a.b }}"]}), &input));
    assert!(message.starts_with("/t/x/0: ") && message.contains("`input.a.b`"), "{message}");
    assert_eq!(value("input.a.b | default(3)", &input).unwrap(), json!(3));
    assert_eq!(value("input.a.b is defined", &input).unwrap(), json!(false));
}

#[test]
fn a_condition_must_be_true_or_false() {
    let scope = scope(&json!({"n": 1}));
    let is_true = |source: &str| Expression::parse(source, "/nodes/a/when").unwrap().is_true(&scope);
    assert!(is_true("input.n == 1").unwrap());
    assert!(!is_true("not input.n == 1").unwrap());
    assert!(is_true("input.n != null").unwrap());
    let message = is_true("input.n").unwrap_err().message;
    assert!(
        message.contains("/nodes/a/when") && message.contains("`input.n`") && message.contains("gives 1"),
        "{message}"
    );
}

#[test]
fn a_syntax_error_names_its_line_and_column() {
    let mistakes = Template::parse(&json!({"x": "one\n  {{ input.a b }}"}), "/t").unwrap_err();
    assert_eq!(mistakes[0].pointer, "/t/x");
    assert!(mistakes[0].message.contains("line 2, column 14"), "{}", mistakes[0].message);
}

#[test]
fn every_filter_test_and_function_of_the_list_is_there() {
    let scope = scope(&json!(null));
    for filter in super::vocabulary::FILTERS {
        // What it says of its arguments does not matter, only that it is known.
        if let Err(failure) = Expression::parse(&format!("'1' | {filter}"), "/e").unwrap().evaluate(&scope) {
            assert!(!failure.message.contains("unknown"), "{}", failure.message);
        }
    }
    for test in super::vocabulary::TESTS {
        if let Err(failure) = Expression::parse(&format!("'1' is {test}"), "/e").unwrap().evaluate(&scope) {
            assert!(!failure.message.contains("unknown"), "{}", failure.message);
        }
    }
    assert_eq!(value("range(3) | list", &json!(null)).unwrap(), json!([0, 1, 2]));
    assert_eq!(value("dict(a=1)", &json!(null)).unwrap(), json!({"a": 1}));
}

#[test]
fn what_is_taken_away_cannot_be_reached_by_a_detour() {
    assert!(value("[1] | map('pprint') | list", &json!(null)).is_err());
}

/// Whatever is asked, the answer or the refusal comes at once.
#[track_caller]
fn quick(source: &str, input: &Value) -> Result<Value, Failure> {
    let expression = Expression::parse(source, "/e").unwrap();
    let scope = scope(input);
    let start = Instant::now();
    let result = expression.evaluate(&scope);
    // Generous: a debug build on a busy machine. Unbounded, each of these takes from seconds to for ever.
    assert!(start.elapsed() < Duration::from_secs(5), "{source} took {:?}", start.elapsed());
    result
}

#[test]
fn no_expression_costs_more_than_its_fuel() {
    let numbers: Vec<u32> = (0..50_000).collect();
    let input = json!({"long": "x".repeat(500_000), "numbers": numbers});
    for source in [
        "range(1000000000) | list",
        "(range(100000) | list * 1000) | sort",
        "input.numbers * 100000",
        "(input.numbers + input.numbers + input.numbers) | sort | reverse | sort | unique | list",
        "input.long * 1000000",
        "input.long | replace('x', input.long)",
        "input.long | split('') | join(input.long)",
        "(input.numbers | map('string') | join(input.long))",
        "input.numbers | map('tojson') | list * 1000",
        "'%1000000000d' | format(1)",
        "'x' | indent(1000000000)",
        "[[input.long] * 1000] * 1000",
        "range(100000) | map('string') | map('upper') | map('lower') | map('title') | list | sort | groupby('x')",
    ] {
        assert!(quick(source, &input).is_err(), "{source}");
    }
    assert!(quick("2 ** 100000", &input).is_err());
}

#[test]
fn comparing_long_texts_costs_no_more_than_its_share() {
    let input = json!({"a": "x".repeat(1 << 20), "b": "x".repeat(1 << 20)});
    for source in [
        "([input.a] * 20000) | sort",
        "([input.a, input.b] * 10000) | max",
        "([input.a, input.b] * 10000) | unique | list",
        "(input.a ~ 'y') in ([input.a ~ 'z'] * 100000)",
        "range(100000) | map('default', input.a) | select('eq', input.b) | list",
        "(('x' * 5000000) == ('x' * 5000000))",
    ] {
        assert!(quick(source, &input).is_err(), "{source}");
    }
    let compare = "{% if input.a == input.b %}.{% endif %}";
    let start = Instant::now();
    assert!(render(&json!(compare), &input).is_ok());
    assert!(
        failure(render(&json!(format!("{{% for i in range(50000) %}}{compare}{{% endfor %}}")), &input))
            .contains("fuel")
    );
    let made = "{% set a = 'x' * 400000 %}{% set b = 'x' * 400000 %}{% for i in range(50000) %}{% if a == b %}{% endif %}{% endfor %}";
    assert!(failure(render(&json!(made), &json!(null))).contains("fuel"));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn long_texts_pass_through_as_people_use_them() {
    let input = json!({"text": "some words ".repeat(60_000), "items": (0..1_000).map(|n| json!({"name": n})).collect::<Vec<_>>()});
    for source in [
        "input.text | trim | length",
        "input.text[:1000] | upper",
        "'words' in input.text",
        "input.text | replace('some', 'more') | length",
    ] {
        assert!(value(source, &input).is_ok(), "{source}");
    }
    assert!(render(&json!("About this:\n{{ input.text }}"), &input).is_ok());
    let short = json!({"items": input["items"]});
    assert!(value("input.items | map(attribute='name') | join(', ')", &short).is_ok());
    assert!(render(&json!("{% for item in input.items %}- {{ item.name }}\n{% endfor %}"), &short).is_ok());
}

#[test]
fn no_text_costs_more_than_its_fuel() {
    let nest = "{% for a in range(1000) %}".repeat(6) + "x" + &"{% endfor %}".repeat(6);
    let start = Instant::now();
    assert!(failure(render(&json!(nest), &json!(null))).contains("fuel"));
    let many: Vec<&str> = vec!["{{ range(20000) | sort | list | length }}"; 10_000];
    assert!(failure(render(&json!(many), &json!(null))).contains("fuel"));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn a_result_has_bounds() {
    let input = json!("x".repeat(600_000));
    assert!(value("input", &input).is_ok());
    assert!(failure(value("[input, input]", &input)).contains("larger"));
    assert!(failure(render(&json!(["{{ input }}", "{{ input }}"]), &input)).contains("larger"));
    assert!(failure(render(&json!("{{ input }}{{ input }}"), &input)).contains("larger"));
}

#[test]
fn no_source_is_too_deep_for_the_parser() {
    let deep = [
        "(".repeat(990),
        "[".repeat(490) + &"]".repeat(490),
        "not ".repeat(990) + "1",
        "-".repeat(990) + "1",
        "1".to_owned() + &" + 1".repeat(499),
        "1".to_owned() + &" if 1 else 1".repeat(240),
        "input".to_owned() + &".a".repeat(490),
        "input".to_owned() + &"[0]".repeat(320),
        "input".to_owned() + &" | list".repeat(490),
        "1".to_owned() + &" is none".repeat(490),
        "{1:".repeat(300) + "1" + &"}".repeat(300),
    ];
    for source in deep {
        if let Ok(expression) = Expression::parse(&source, "/e") {
            let _ = expression.evaluate(&scope(&json!(null)));
        }
        let _ = Template::parse(&json!(format!("{{{{ {source} }}}}")), "/t");
    }
    let _ = Template::parse(&json!("{% if 1 %}".repeat(5_000)), "/t");
    let elifs = "{% if 0 %}".to_owned() + &"{% elif 0 %}".repeat(50) + "{% endif %}";
    assert_eq!(render(&json!(elifs), &json!(null)).unwrap(), json!(""));
    assert!(
        Template::parse(&json!("{% if 0 %}".to_owned() + &"{% elif 0 %}".repeat(51) + "{% endif %}"), "/t")
            .is_err()
    );
    assert!(Expression::parse(&("1".to_owned() + &" + 1".repeat(30_000)), "/e").is_err());
    assert!(Expression::parse(&"x".repeat(70_000), "/e").is_err());
}

/// JSON without braces in its texts.
fn plain_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[^{]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[^{]{0,6}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_template_without_braces_renders_to_itself(template in plain_json()) {
        prop_assert_eq!(&render(&template, &json!(null)).unwrap(), &template);
    }

    #[test]
    fn a_value_that_passes_through_stays_as_it_is(input in plain_json()) {
        prop_assert_eq!(&value("input", &input).unwrap(), &input);
    }

    #[test]
    fn no_source_makes_parsing_panic(source in ".{0,60}", words in prop::collection::vec("(\\{\\{|\\}\\}|\\{%|%\\}|if|for|in|set|x|\\.|\\||\\(|\\)|\\[|\\]|'|1|-|nodes| )", 0..20)) {
        let words = words.concat();
        for source in [source, words] {
            let _ = Expression::parse(&source, "/e");
            let _ = Template::parse(&json!(source), "/t");
        }
    }
}
