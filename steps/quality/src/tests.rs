mod judged;

use serde_json::{Value, json};
use stepwell_sdk::testing::{Answer, FakeHost, call};
use stepwell_sdk::{StepError, StepErrorKind};

use super::*;

fn measured(input: Value, rules: Value) -> Value {
    call(quality, &input, &json!({"rules": rules})).unwrap()
}

fn score(output: &str, rules: Value) -> f64 {
    measured(json!({"output": output, "reference": "the cat sat on the mat", "source": "The lease ends on 31 May. The tenant pays the rent monthly."}), rules)["score"]
        .as_f64()
        .unwrap()
}

#[test]
fn each_rule_gives_a_number_from_0_to_1() {
    let _host = FakeHost::new();
    for (output, rules, expected) in [
        ("one two three", json!({"length": {"min_words": 2, "max_words": 3}}), 1.0),
        ("one two three", json!({"length": {"min_words": 6}}), 0.5),
        ("one two three four", json!({"length": {"max_words": 2}}), 0.5),
        ("", json!({"length": {"min_chars": 10}}), 0.0),
        ("", json!({"length": {"max_chars": 10}}), 1.0),
        ("äöü", json!({"length": {"min_chars": 4}}), 0.75),
        ("The Lease ENDS in May.", json!({"required": {"of": ["lease ends", "tenant"]}}), 0.5),
        ("As an AI, I can't.", json!({"forbidden": {"of": ["as an ai", "sorry"]}}), 0.0),
        ("All good.", json!({"forbidden": {"of": ["as an ai", "sorry"]}}), 1.0),
        (
            "{\"a\": 1, \"b\": \"\", \"c\": {\"d\": false}}",
            json!({"fields": {"of": ["/a", "/b", "/c/d", "/e"]}}),
            0.5,
        ),
        ("no JSON", json!({"fields": {"of": ["/a"]}}), 0.0),
        ("The cat sat on the mat!", json!({"overlap": {}}), 1.0),
        ("the mat sat on the cat", json!({"overlap": {"by": "token_f1"}}), 1.0),
        ("the mat sat on the cat", json!({"overlap": {"by": "rouge_l"}}), 0.667),
        ("the cat", json!({"overlap": {"full": 0.5}}), 1.0),
        ("dogs bark", json!({"overlap": {}}), 0.0),
        ("It says \"the lease ends on 31 May\" and \"the rent is due\".", json!({"cites": {}}), 0.5),
        ("„The lease … on 31 May.“ «So»", json!({"cites": {}}), 1.0),
        ("Nothing is quoted.", json!({"cites": {}}), 0.0),
        ("The cat sat on the mat. It was a big cat.", json!({"readability": {}}), 1.0),
        (
            "Institutionalised considerations notwithstanding, organisational interdependencies necessitate comprehensive reconfiguration.",
            json!({"readability": {}}),
            0.0,
        ),
        ("Die Katze saß da. Es war warm.", json!({"readability": {"language": "de"}}), 1.0),
    ] {
        assert_eq!(score(output, rules.clone()), expected, "{output}: {rules}");
    }
}

#[test]
fn json_is_measured_by_what_its_texts_say() {
    let _host = FakeHost::new();
    let output =
        json!({"title": "The lease", "quotes": ["the lease ends on 31 may", "no such words"], "n": 3});
    let input = json!({"output": output, "source": "The lease ends on 31 May."});
    let rules = json!({"length": {"min_words": 3}, "fields": {"of": ["/title"]}, "cites": {"at": "/quotes", "weight": 2}});
    let measured = measured(input, rules);
    assert_eq!(measured["scores"], json!({"length": 1.0, "fields": 1.0, "cites": 0.5}));
    assert_eq!(measured["score"], 0.75);
    assert_eq!(
        measured["explanation"],
        "length 1.0: 12 words, 50 characters; fields 1.0: all fields hold something; cites 0.5: 1 of 2 quotations stand in the source"
    );
}

#[test]
fn an_output_passes_by_its_total_and_by_each_measure_that_must() {
    let host = FakeHost::new();
    let passes = |rules: Value, pass: f64| {
        call(quality, &json!({"output": "a b"}), &json!({"rules": rules, "pass": pass})).unwrap()["pass"]
            == true
    };
    let half = json!({"min_words": 4});
    assert!(passes(json!({"length": half}), 0.5) && !passes(json!({"length": half}), 0.51));
    let strict = json!({"length": {"min_words": 4, "weight": 0, "at_least": 0.6}, "required": {"of": ["a"]}});
    assert!(!passes(strict, 0.5));
    let recorded = &host.decisions()[0];
    assert_eq!((&recorded.decided, recorded.confidence), (&json!({"score": 0.5, "pass": true}), None));
    assert_eq!(
        (recorded.explanation.as_deref(), recorded.model_version.as_str()),
        (Some("length 0.5: 2 words, 3 characters"), "quality/1.0.0")
    );
    assert_eq!(host.decisions()[1].decided["pass"], false);
    assert!(host.requests().is_empty(), "rules need no provider");
}

#[test]
fn what_cannot_be_measured_says_why() {
    let _host = FakeHost::new();
    for (rules, kind, words) in [
        (json!({}), StepErrorKind::Permanent, "nothing is measured"),
        (json!({"length": {"weight": 0}}), StepErrorKind::Permanent, "`weight` above 0"),
        (json!({"overlap": {}}), StepErrorKind::InvalidInput, "/reference: the rule `overlap`"),
        (json!({"cites": {}}), StepErrorKind::InvalidInput, "/source: the rule `cites`"),
        (json!({"lenght": {}}), StepErrorKind::Permanent, "unknown field `lenght`"),
    ] {
        let error = call(quality, &json!({"output": "a"}), &json!({"rules": rules})).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(words), "{error}");
    }
}
