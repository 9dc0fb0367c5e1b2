use serde_json::json;

use super::*;

#[expect(clippy::needless_pass_by_value, reason = "a test says what it checks where it checks it")]
fn violations(schema: Value, answer: Value) -> Vec<String> {
    Schema::new(&schema).unwrap().violations(&answer)
}

#[test]
fn each_keyword_tells_what_does_not_fit_and_where() {
    let cases = [
        (json!({"type": "string"}), json!(1), "the answer is not of type \"string\""),
        (
            json!({"type": ["integer", "null"]}),
            json!(1.5),
            "the answer is not of type [\"integer\",\"null\"]",
        ),
        (
            json!({"properties": {"a": {"enum": ["x", 1]}}}),
            json!({"a": "y"}),
            "/a is \"y\", which is none of [\"x\",1]",
        ),
        (json!({"const": 1}), json!(2), "the answer is 2 and not 1"),
        (json!({"required": ["a"]}), json!({}), "the answer lacks `a`"),
        (
            json!({"properties": {"a": {}}, "additionalProperties": false}),
            json!({"b": 1}),
            "/b is not allowed",
        ),
        (json!({"additionalProperties": {"type": "null"}}), json!({"b": 1}), "/b is not of type \"null\""),
        (json!({"items": {"minimum": 2}}), json!([3, 1]), "/1 has 1, which is not at least 2"),
        (json!({"exclusiveMaximum": 2}), json!(2), "the answer has 2, which is not less than 2"),
        (json!({"maxLength": 2}), json!("äöü"), "the answer has 3 characters, which is not at most 2"),
        (json!({"minItems": 1}), json!([]), "the answer has 0 items, which is not at least 1"),
        (json!({"uniqueItems": true}), json!([1, 1.0]), "the answer holds an item twice"),
        (json!({"allOf": [{}, false]}), json!(1), "the answer is not allowed"),
        (json!({"anyOf": [{"type": "null"}]}), json!(1), "the answer fits none of the schema's alternatives"),
        (json!({"oneOf": [{}, {}]}), json!(1), "the answer fits more than one of the schema's alternatives"),
        (json!({"$ref": "#/$defs/a", "$defs": {"a": {"const": 1}}}), json!(2), "the answer is 2 and not 1"),
    ];
    for (schema, answer, expected) in cases {
        assert_eq!(violations(schema.clone(), answer), [expected], "{schema}");
    }
}

#[test]
fn what_fits_has_no_violations() {
    let schema = json!({
        "type": "object", "required": ["label", "confidence"], "additionalProperties": false,
        "properties": {
            "label": {"type": "string", "enum": ["a", "b"], "description": "which"},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            "next": {"anyOf": [{"type": "null"}, {"$ref": "#"}]},
        },
    });
    let answer =
        json!({"label": "a", "confidence": 1, "next": {"label": "b", "confidence": 0.5, "next": null}});
    assert_eq!(violations(schema, answer), [] as [&str; 0]);
    assert_eq!(violations(json!({"type": "integer", "const": 2}), json!(2.0)), [] as [&str; 0]);
}

#[test]
fn a_keyword_that_would_not_be_checked_is_refused() {
    let schema = json!({"properties": {"a": {"items": {"pattern": "^a$"}}}});
    let error = Schema::new(&schema).err().unwrap();
    assert!(error.message.contains("at /properties/a/items/pattern"), "{error}");
    assert!(Schema::new(&json!({"properties": {"pattern": {}}})).is_ok(), "a property may have any name");
}

#[test]
fn a_schema_that_leads_to_itself_ends() {
    let endless = json!({"$ref": "#"});
    assert_eq!(violations(endless, json!(1)).len(), 1);
}
