mod attacks;
mod long;
mod neighbours;
mod numbers;
mod personal;
mod redaction;

use serde_json::{Value, json};
use stepwell_sdk::StepErrorKind;
use stepwell_sdk::testing::{FakeHost, call};

use super::*;

fn screened(text: &str, config: Value) -> Value {
    call(guard, &json!({"text": text}), &config).unwrap()
}

/// Texts that are put together of pieces, by chance that is always the same.
fn texts(pieces: &'static [&str], count: usize) -> impl Iterator<Item = String> {
    let mut seed = 7_u64;
    let mut next = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    (0..count).map(move |_| (0..1 + next() % 12).map(|_| pieces[next() % pieces.len()]).collect())
}

#[test]
fn what_is_blocked_does_not_go_on() {
    let host = FakeHost::new();
    let config = json!({"deny": {"patterns": {"codename": "(?i)project\\s+falcon"}}});
    let output = screened("Ask about Project  Falcon.", config.clone());
    assert_eq!((&output["verdict"], output.get("text")), (&json!("blocked"), None));
    let finding = json!({"check": "deny", "where": {"pointer": "/text", "start": 10, "end": 25}, "what": "codename", "score": 1.0});
    assert_eq!(output["findings"], json!([finding]));
    let decision = &host.decisions()[0];
    assert_eq!(
        (&decision.decided, decision.explanation.as_deref()),
        (&json!("deny:blocked"), Some("codename"))
    );
    assert_eq!((decision.confidence, decision.model_version.as_str()), (None, "guard/1.0.0"));

    let mut config = config;
    config["on_block"] = json!("error");
    let error = call(guard, &json!({"text": "project falcon"}), &config).unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (StepErrorKind::Permanent, "the text is blocked: deny: codename")
    );
    assert_eq!(error.detail.unwrap()["findings"][0]["check"], "deny");
    assert_eq!(host.decisions().len(), 2);
}

#[test]
fn each_check_records_what_it_decided() {
    let host = FakeHost::new();
    let config = json!({"injection": {}, "pii": {}, "deny": {"then": "flag", "patterns": {"x": "zzz"}}, "limits": {"max_chars": 100}});
    let output = screened("Write to ann@example.com, zzz", config);
    assert_eq!(output["verdict"], "flagged");
    let decided: Vec<Value> = host.decisions().into_iter().map(|decision| decision.decided).collect();
    assert_eq!(
        decided,
        [json!("injection:passed"), json!("deny:flagged"), json!("pii:redacted"), json!("limits:passed")]
    );
    assert_eq!(host.decisions()[0].confidence, Some(1.0));
}

#[test]
fn nothing_is_done_to_what_nothing_is_found_in() {
    let _host = FakeHost::new();
    let text = "Grüße aus Köln 🚨, 3 < 4 [x] {{ y }}";
    let config = json!({"injection": {}, "pii": {}, "deny": {"patterns": {}}, "limits": {"max_chars": 100, "min_chars": 1, "max_lines": 1}});
    assert_eq!(
        screened(text, config),
        json!({"verdict": "pass", "text": text, "findings": [], "injection_score": 0.0})
    );
    assert_eq!(screened(text, json!({}))["text"], text);
}

#[test]
fn the_texts_of_json_are_screened_where_they_stand() {
    let _host = FakeHost::new();
    let input = json!({"value": {"a/b": ["ok", "secret"], "n": 1, "deep": {"secret": null}}});
    let config = json!({"deny": {"then": "redact", "patterns": {"s": "secret"}}});
    let output = call(guard, &input, &config).unwrap();
    assert_eq!(output["value"], json!({"a/b": ["ok", "[REMOVED]"], "n": 1, "deep": {"secret": null}}));
    assert_eq!(output["findings"][0]["where"], json!({"pointer": "/value/a~1b/1", "start": 0, "end": 6}));
    assert_eq!(output["verdict"], "pass");
}

#[test]
fn limits_are_of_all_texts_together() {
    let _host = FakeHost::new();
    let limits = |text: &str, limits: Value| screened(text, json!({"limits": limits}));
    for (text, config, what) in [
        ("äöü", json!({"max_chars": 2}), "3 characters, and 2 are the most"),
        ("a", json!({"min_chars": 2}), "1 characters, and 2 are the fewest"),
        ("a\nb\nc", json!({"max_lines": 2}), "3 lines, and 2 are the most"),
    ] {
        let output = limits(text, config);
        assert_eq!((&output["verdict"], &output["findings"][0]["what"]), (&json!("blocked"), &json!(what)));
    }
    assert_eq!(
        limits("a\nböö\nc", json!({"then": "redact", "max_chars": 4, "max_lines": 2}))["text"],
        "a\nbö"
    );
    let input = json!({"value": ["abc", "def", 1]});
    let output = call(guard, &input, &json!({"limits": {"then": "redact", "max_chars": 4}})).unwrap();
    assert_eq!(output["value"], json!(["abc", "d", 1]));
}

#[test]
fn json_is_held_to_its_schema_behind_the_other_checks() {
    let host = FakeHost::new();
    let schema = json!({"type": "object", "required": ["label"], "properties": {"label": {"enum": ["a", "[REMOVED]"]}}});
    let config = json!({"deny": {"then": "redact", "patterns": {"x": "zzz"}}, "schema": {"schema": schema}});
    for (input, verdict, what) in [
        (json!({"text": "{\"label\": \"a\"}"}), "pass", None),
        (json!({"value": {"label": "zzz"}}), "pass", None),
        (json!({"value": {"label": "b"}}), "blocked", Some("/label is \"b\"")),
        (json!({"value": {}}), "blocked", Some("lacks `label`")),
        (json!({"text": "{\"label"}), "blocked", Some("the text is not JSON")),
    ] {
        let output = call(guard, &input, &config).unwrap();
        assert_eq!(output["verdict"], verdict, "{input}");
        let found =
            output["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == "schema");
        assert_eq!(found.is_some(), what.is_some(), "{output}");
        if let (Some(found), Some(what)) = (found, what) {
            assert!(found["what"].as_str().unwrap().contains(what), "{found}");
        }
    }
    assert_eq!(host.decisions().last().unwrap().decided, "schema:blocked");
}

#[test]
fn a_config_that_cannot_work_says_why() {
    let _host = FakeHost::new();
    for (config, words) in [
        (json!({"deny": {"patterns": {"a": "("}}}), "`deny.patterns`: `a`: "),
        (json!({"deny": {"patterns": {"a": "((a{100}){100}){100}"}}}), "`deny.patterns`: `a`: "),
        (json!({"pii": {"patterns": {"Kunde": "K"}}}), "`Kunde` is no kind"),
        (
            json!({"injection": {"rules": [{"name": "x", "score": 1, "words": ["a||b"]}]}}),
            "`x` has words that are none: `a||b`",
        ),
        (json!({"limits": {"then": "redact", "min_chars": 3}}), "can't make a text longer"),
        (json!({"pii": {"kinds": ["name"]}}), "unknown variant `name`"),
        (json!({"schema": {"then": "redact", "schema": {}}}), "can't make JSON fit"),
        (json!({"schema": {"schema": {"pattern": "a"}}}), "cannot check, at /pattern"),
    ] {
        let error = call(guard, &json!({"text": "a"}), &config).unwrap_err();
        assert_eq!(error.kind, StepErrorKind::Permanent, "{error}");
        assert!(error.message.contains(words), "{error}");
    }
    for input in [json!({}), json!({"text": "a", "value": "b"})] {
        assert_eq!(call(guard, &input, &json!({})).unwrap_err().kind, StepErrorKind::InvalidInput);
    }
}
