//! JSON's numbers, which are screened as they are written.

use super::*;

#[test]
fn a_number_is_screened_and_comes_back_as_it_was() {
    let _host = FakeHost::new();
    let value = json!({"card": 4_111_111_111_111_111_u64, "same": [4_111_111_111_111_111_u64, "4111111111111111"], "minus": -4_111_111_111_111_111_i64, "n": 1.5, "big": 1e300});
    let output = call(guard, &json!({"value": value}), &json!({"pii": {}})).unwrap();
    assert_eq!(
        output["value"],
        json!({"big": 1e300, "card": "[CARD_1]", "minus": "[CARD_2]", "n": 1.5, "same": ["[CARD_1]", "[CARD_3]"]})
    );
    assert_eq!(output["placeholders"]["[CARD_1]"], 4_111_111_111_111_111_u64);
    assert_eq!(output["findings"][1]["where"], json!({"pointer": "/value/minus", "start": 1, "end": 17}));

    let restore = |input: Value| call(guard, &input, &json!({"mode": "restore"})).unwrap();
    let restored = restore(json!({"value": output["value"], "placeholders": output["placeholders"]}));
    assert_eq!(restored["value"], value);
    let restored =
        restore(json!({"text": "Card [CARD_1], [CARD_3]", "placeholders": output["placeholders"]}));
    assert_eq!(restored["text"], "Card 4111111111111111, 4111111111111111");
    let restored = restore(json!({"text": "[CARD_2]", "placeholders": output["placeholders"]}));
    assert_eq!(restored["text"], "-4111111111111111");
}

#[test]
fn a_number_is_taken_out_whole() {
    let _host = FakeHost::new();
    let config =
        json!({"deny": {"then": "redact", "patterns": {"seven": "7"}}, "pii": {"patterns": {"EIGHT": "88"}}});
    let output = call(guard, &json!({"value": [171, 9889, 7889, -1.88e-3, true]}), &config).unwrap();
    assert_eq!(output["value"], json!(["[REMOVED]", "[EIGHT_1]", "[REMOVED]", "[EIGHT_2]", true]));
    assert_eq!(output["placeholders"], json!({"[EIGHT_1]": 9889, "[EIGHT_2]": -0.00188}));
    assert_eq!(output["verdict"], "pass");
}

#[test]
fn a_number_can_be_blocked_and_has_no_length() {
    let _host = FakeHost::new();
    let config = json!({"pii": {"then": "block"}, "limits": {"max_chars": 3, "max_lines": 1}});
    let screened = |value: Value| call(guard, &json!({"value": value}), &config).unwrap();
    assert_eq!(screened(json!({"card": 4_111_111_111_111_111_u64}))["verdict"], "blocked");
    assert_eq!(screened(json!([123_456, "abc"]))["verdict"], "pass");
}
