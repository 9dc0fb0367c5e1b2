use serde_json::{Value, json};

use super::first_letter_small;
use super::table::{Table, Told};

fn read(schema: &Value) -> String {
    Table::of(schema, Told::Read).to_markdown()
}

#[test]
fn each_field_tells_its_type_its_default_and_what_it_means() {
    let table = read(&json!({
        "type": "object",
        "required": ["model"],
        "properties": {
            "model": {"type": "string", "description": "As the provider\nnames it."},
            "retries": {"type": ["integer", "null"], "default": 3, "description": "One | two."},
            "labels": {"type": "array", "items": {"type": "string"}},
        },
    }));
    for row in [
        "| `model` | text | required | As the provider names it. |",
        "| `retries` | whole number | `3` | One \\| two. |",
        "| `labels` | list of text | none |  |",
    ] {
        assert!(table.contains(row), "{row} in {table}");
    }
}

#[test]
fn fields_within_fields_are_named_by_their_way() {
    let table = read(&json!({
        "type": "object",
        "properties": {
            "price": {"anyOf": [{"$ref": "#/$defs/Price"}, {"type": "null"}], "description": "What it costs."},
            "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}},
        },
        "$defs": {
            "Price": {"type": "object", "properties": {"input": {"type": "number"}}, "required": ["input"]},
            "Part": {"type": "object", "properties": {"file": {"$ref": "#/$defs/Blob"}, "more": {"$ref": "#/$defs/Part"}}},
            "Blob": {"type": "object", "properties": {"$blob": {"type": "string"}}, "description": "Names a blob."},
        },
    }));
    for row in [
        "| `price` | object | none | What it costs. |",
        "| `price.input` | number | required |  |",
        "| `parts[].file` | blob | none | Names a blob. |",
    ] {
        assert!(table.contains(row), "{row} in {table}");
    }
}

#[test]
fn words_that_a_field_may_have_are_told_with_their_meaning() {
    let table = read(&json!({
        "type": "object",
        "properties": {
            "mode": {"$ref": "#/$defs/Mode", "default": "fast", "description": "How."},
            "plain": {"enum": ["a", "b"]},
        },
        "$defs": {"Mode": {"oneOf": [
            {"const": "fast", "type": "string", "description": "At once."},
            {"const": "slow", "type": "string", "description": "Later."},
        ]}},
    }));
    assert!(
        table.contains("| `mode` | `fast`, `slow` | `\"fast\"` | How. `fast`: At once; `slow`: Later |"),
        "{table}"
    );
    assert!(table.contains("| `plain` | `a`, `b` | none |"), "{table}");
}

#[test]
fn a_document_without_fields_is_told_in_words() {
    assert_eq!(read(&json!(true)), "Any JSON.");
    assert_eq!(read(&json!({"type": "object", "additionalProperties": false})), "None.");
    assert_eq!(read(&json!({"type": "array", "items": {"type": "number"}})), "JSON: list of number.");
}

#[test]
fn what_a_step_may_leave_out_is_marked() {
    let schema = json!({"type": "object", "required": ["a"], "properties": {
        "a": {"type": "string", "description": "Always."}, "b": {"type": "string", "description": "Sometimes."}, "c": {"type": "string"}}});
    let table = Table::of(&schema, Told::Written).to_markdown();
    assert!(table.contains("| `a` | text | Always. |"), "{table}");
    assert!(table.contains("| `b` | text | Sometimes. (where there is one) |"), "{table}");
    assert!(table.contains("| `c` | text | where there is one |"), "{table}");
}

#[test]
fn a_summary_goes_on_behind_the_name() {
    assert_eq!(first_letter_small("Asks a model"), "asks a model");
    assert_eq!(first_letter_small("HTTP, once"), "HTTP, once");
}
