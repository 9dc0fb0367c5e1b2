use serde_json::json;
use stepwell_sdk::StepErrorKind;
use stepwell_sdk::testing::{Answer, FakeHost, call};

use super::*;

const TEXT: &str =
    "Invoice no. 2024-17\nfrom Müller & Söhne\n\nTwo tubes at 4.50, one tyre\nat 30.00. Total: 39.00 EUR";

fn schema() -> Value {
    let item = json!({
        "type": "object", "additionalProperties": false, "required": ["name", "price"],
        "properties": {"name": {"type": "string"}, "price": {"type": "number"}},
    });
    json!({
        "type": "object", "additionalProperties": false, "required": ["number", "items", "due"], "$defs": {"item": item},
        "properties": {
            "number": {"type": "string"}, "due": {"type": ["string", "null"]},
            "items": {"type": "array", "items": {"$ref": "#/$defs/item"}},
        },
    })
}

fn answering(answers: &[Value]) -> FakeHost {
    let host = FakeHost::new();
    for answer in answers {
        let body = json!({
            "model": "claude-haiku-4-5-20251001", "type": "message", "role": "assistant", "stop_reason": "end_turn",
            "content": [{"type": "text", "text": answer.to_string()}], "usage": {"input_tokens": 100, "output_tokens": 10},
        });
        host.answer("POST", "https://api.anthropic.com/v1/messages", Answer::json(200, &body));
    }
    host
}

fn extracted(schema: Value) -> Result<Value, StepError> {
    call(extract, &json!({"text": TEXT}), &json!({"provider": "anthropic", "schema": schema}))
}

fn fields() -> Value {
    json!({"number": "2024-17", "due": null, "items": [{"name": "tube", "price": 4.5}, {"name": "tyre", "price": 30}]})
}

#[test]
fn each_value_is_shown_where_it_stands_and_what_is_not_there_is_reported() {
    let quotes = json!([
        {"field": "/number", "quote": "2024-17"},
        {"field": "items/0/name", "quote": "tubes"},
        {"field": "/fields/items/0/price", "quote": "4.50"},
        {"field": "/items/1/name", "quote": "one tyre at 30.00"},
        {"field": "/items/1/price", "quote": "31.00"},
        {"field": "/nothing", "quote": "Total"},
    ]);
    let host = answering(&[json!({"fields": fields(), "quotes": quotes})]);
    let output = extracted(schema()).unwrap();
    assert_eq!(output["fields"], fields());
    assert_eq!(output["spans"]["/number"], json!({"start": 12, "end": 19, "text": "2024-17"}));
    assert_eq!(output["spans"]["/items/1/name"]["text"], "one tyre\nat 30.00");
    let found: Vec<&String> = output["spans"].as_object().unwrap().keys().collect();
    assert_eq!(found, ["/items/0/name", "/items/0/price", "/items/1/name", "/number"]);
    assert_eq!(output["unverified"], json!([{"field": "/items/1/price", "quote": "31.00"}]));
    assert!(host.logs().iter().any(|line| line.message.contains("does not prove")));
    assert_eq!(host.usage()[0].cost_micro_usd, Some(150));
}

#[test]
fn a_part_of_another_number_proves_nothing() {
    let quotes = json!([{"field": "/number", "quote": "2024"}, {"field": "/items/0/price", "quote": "0"}]);
    let _host = answering(&[
        json!({"fields": {"number": "2024", "due": null, "items": [{"name": null, "price": 0}]}, "quotes": quotes}),
    ]);
    let anything = json!({"type": "object", "properties": {"number": {"type": "string"}}});
    let output = extracted(anything).unwrap();
    assert_eq!(output["spans"], json!({"/number": {"start": 12, "end": 16, "text": "2024"}}));
    assert_eq!(output["unverified"], json!([{"field": "/items/0/price", "quote": "0"}]));
}

#[test]
fn a_value_without_a_quote_is_unverified() {
    let _host = answering(&[json!({"fields": fields(), "quotes": []})]);
    let output = extracted(schema()).unwrap();
    assert_eq!(output["spans"], json!({}));
    assert_eq!(output["unverified"][0], json!({"field": "/items/0/name", "quote": null}));
    assert_eq!(output["unverified"].as_array().unwrap().len(), 5, "null needs no proof");
}

#[test]
fn the_answer_is_constrained_with_the_definitions_where_providers_look_for_them() {
    let host = answering(&[json!({"fields": fields(), "quotes": []})]);
    extracted(schema()).unwrap();
    let body: Value = serde_json::from_slice(&host.requests()[0].body).unwrap();
    let sent = &body["output_config"]["format"]["schema"];
    assert_eq!(sent["$defs"]["item"]["type"], "object");
    assert_eq!(sent["properties"]["fields"]["properties"]["items"]["items"]["$ref"], "#/$defs/item");
    assert_eq!(sent["properties"]["fields"]["$defs"], Value::Null);
}

#[test]
fn a_schema_that_leads_to_itself_still_does() {
    let tree = json!({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "below": {"anyOf": [{"type": "null"}, {"$ref": "#"}]}}});
    let good = json!({"fields": {"name": "a", "below": {"name": "b"}}, "quotes": []});
    let bad = json!({"fields": {"name": "a", "below": {}}, "quotes": []});
    let host = answering(&[bad, good]);
    let output = extracted(tree).unwrap();
    assert_eq!(output["fields"]["below"]["name"], "b");
    assert_eq!(host.requests().len(), 2, "the first answer does not fit");
}

#[test]
fn what_cannot_be_asked_is_refused_before_anything_is_paid() {
    let host = answering(&[]);
    assert_eq!(extracted(json!({"pattern": "a"})).unwrap_err().kind, StepErrorKind::Permanent);
    let blank = call(extract, &json!({"text": " "}), &json!({"schema": {}})).unwrap_err();
    assert_eq!(blank.kind, StepErrorKind::InvalidInput);
    assert!(host.requests().is_empty());
}

#[test]
fn names_with_slashes_are_pointed_to_as_json_pointers_do() {
    assert_eq!(leaves(&json!({"a/b": {"c~d": 1}, "e": [], "f": null, "g": [true]})), ["/a~1b/c~0d", "/g/0"]);
}
