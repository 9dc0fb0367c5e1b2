//! Schemas as providers take them: what each can decode within, and what it refuses.

use serde_json::{Map, Value};

use super::subschemas;

/// What OpenAI's strict decoding knows; it refuses a schema with anything else.
const STRICT: [&str; 23] = [
    "$defs",
    "$ref",
    "$schema",
    "additionalProperties",
    "anyOf",
    "const",
    "definitions",
    "description",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "properties",
    "required",
    "title",
    "type",
];

/// Formats that it knows.
const FORMATS: [&str; 9] =
    ["date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"];

/// What Anthropic's structured outputs know; a limit that they do not know is told in the description.
const SHAPE: [&str; 13] = [
    "$defs",
    "$ref",
    "additionalProperties",
    "anyOf",
    "const",
    "default",
    "definitions",
    "description",
    "enum",
    "items",
    "properties",
    "required",
    "type",
];

/// Limits that are told in words.
const LIMITS: [&str; 9] = [
    "exclusiveMaximum",
    "exclusiveMinimum",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "uniqueItems",
];

/// Whether a schema is an object's, as OpenAI wants it however it decodes.
pub(crate) fn is_object(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "object")
}

/// Whether OpenAI can decode strictly within a schema.
pub(crate) fn is_strict(schema: &Value) -> bool {
    is_object(schema) && schema.get("anyOf").is_none() && is_strict_within(schema)
}

/// Of a schema and all within: each says of what type it is, or refers to one that does and says nothing else; each object lists all its properties and allows no other.
fn is_strict_within(schema: &Value) -> bool {
    let Some(keywords) = schema.as_object() else { return false };
    let is_known = |name: &String| STRICT.contains(&name.as_str());
    let refers = keywords.contains_key("$ref");
    let is_typed = refers || keywords.contains_key("type") || keywords.contains_key("anyOf");
    let format = keywords.get("format").and_then(Value::as_str);
    keywords.keys().all(is_known)
        && is_typed
        && (!refers || keywords.len() == 1)
        && format.is_none_or(|format| FORMATS.contains(&format))
        && is_closed(keywords)
        && lists_all(keywords)
        && subschemas(keywords)
            .filter(|(place, _)| place != "additionalProperties")
            .all(|(_, schema)| is_strict_within(schema))
}

fn lists_all(keywords: &Map<String, Value>) -> bool {
    let required = keywords.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut names = keywords.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys);
    names.all(|name| required.iter().any(|other| other == name))
}

/// A schema without what only a validator knows, for a provider that refuses the rest; none if that would be another schema: one that leaves an object open, asks for one
/// of several at once, or leads to itself.
pub(crate) fn shape(schema: &Value) -> Option<Value> {
    let keywords = schema.as_object().filter(|keywords| !keywords.contains_key("$ref"))?;
    let mut definitions = ["$defs", "definitions"].into_iter().filter_map(|name| keywords.get(name));
    let nested = definitions.any(|all| all.to_string().contains("\"$ref\":"));
    if nested { None } else { shaped(schema) }
}

fn shaped(schema: &Value) -> Option<Value> {
    let Some(keywords) = schema.as_object() else { return Some(schema.clone()) };
    let leads_to_itself = keywords.get("$ref").is_some_and(|reference| reference == "#");
    if !is_closed(keywords)
        || leads_to_itself
        || ["allOf", "oneOf"].iter().any(|name| keywords.contains_key(*name))
    {
        return None;
    }
    let mut shape = Map::new();
    for (name, keyword) in keywords.iter().filter(|(name, _)| SHAPE.contains(&name.as_str())) {
        let keyword = match (name.as_str(), keyword) {
            ("properties" | "$defs" | "definitions", Value::Object(named)) => {
                let mut all = Map::new();
                for (name, schema) in named {
                    all.insert(name.clone(), shaped(schema)?);
                }
                Value::Object(all)
            }
            ("anyOf", Value::Array(list)) => list.iter().map(shaped).collect::<Option<_>>()?,
            ("items", schema) => shaped(schema)?,
            (_, other) => other.clone(),
        };
        shape.insert(name.clone(), keyword);
    }
    if let Some(limits) = limits(keywords) {
        let description = keywords.get("description").and_then(Value::as_str).unwrap_or_default();
        shape.insert("description".into(), [description, &limits].concat().trim_start().into());
    }
    Some(Value::Object(shape))
}

fn limits(keywords: &Map<String, Value>) -> Option<String> {
    let told =
        LIMITS.iter().filter_map(|name| Some([name, ": ", &keywords.get(*name)?.to_string()].concat()));
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| [" (", &told.join(", "), ")"].concat())
}

/// Whether it is no object, or one without other properties than it lists.
fn is_closed(keywords: &Map<String, Value>) -> bool {
    let may_be = |kind: &Value| match kind {
        Value::Array(kinds) => kinds.iter().any(|kind| kind == "object"),
        kind => kind == "object",
    };
    let is_object = keywords.contains_key("properties") || keywords.get("type").is_some_and(may_be);
    !is_object || keywords.get("additionalProperties") == Some(&Value::Bool(false))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_is_strict_when_all_its_objects_list_all_that_they_have() {
        let closed = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
        assert!(is_strict(&closed(json!({"a": {"type": "string"}}), json!(["a"]))));
        assert!(!is_strict(&closed(json!({"a": {}}), json!([]))));
        assert!(!is_strict(&closed(json!({"a": {"items": {"type": "object"}}}), json!(["a"]))));
        assert!(!is_strict(&json!({"type": "object"})));
        let nullable = json!({"type": ["object", "null"], "properties": {}, "required": []});
        assert!(!is_strict(&closed(json!({"a": nullable}), json!(["a"]))));
    }

    #[test]
    fn what_openai_refuses_to_decode_within_is_not_strict() {
        let of = |schema: Value| json!({"type": "object", "properties": {"a": schema}, "required": ["a"], "additionalProperties": false});
        for known in [
            json!({"type": "string", "enum": ["x"], "description": "which", "title": "A"}),
            json!({"type": ["string", "null"], "format": "date"}),
            json!({"type": "array", "items": {"type": "number", "minimum": 0}, "maxItems": 3}),
            json!({"anyOf": [{"type": "null"}, {"$ref": "#"}]}),
        ] {
            assert!(is_strict(&of(known.clone())), "{known}");
        }
        for refused in [
            json!({"type": "string", "default": "x"}),
            json!({"$ref": "#", "description": "another"}),
            json!({"type": "string", "format": "uri"}),
            json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true}),
            json!({"type": "string", "examples": ["x"]}),
            json!({"oneOf": [{"type": "string"}]}),
            json!({"enum": ["x"]}),
            json!({}),
            json!(true),
        ] {
            assert!(!is_strict(&of(refused.clone())), "{refused}");
        }
    }

    #[test]
    fn a_root_that_is_no_plain_object_is_not_strict() {
        let object =
            json!({"type": "object", "properties": {}, "required": [], "additionalProperties": false});
        for root in [
            json!({"type": "array", "items": object}),
            json!({"anyOf": [object]}),
            json!({"$ref": "#/$defs/a", "$defs": {"a": object}}),
            json!({"type": "string"}),
        ] {
            assert!(!is_strict(&root) && !is_object(&root), "{root}");
        }
        let mut either = object.clone();
        either["anyOf"] = json!([object]);
        assert!(!is_strict(&either) && is_object(&either) && is_strict(&object));
    }

    #[test]
    fn a_shape_keeps_what_can_be_decoded_and_tells_limits_in_words() {
        let schema = json!({
            "type": "object", "additionalProperties": false, "required": ["a"], "title": "T",
            "properties": {"a": {"type": "number", "minimum": 0, "maximum": 1, "description": "how sure"}, "b": {"items": {"maxLength": 3}}},
        });
        let expected = json!({
            "type": "object", "additionalProperties": false, "required": ["a"],
            "properties": {"a": {"type": "number", "description": "how sure (maximum: 1, minimum: 0)"}, "b": {"items": {"description": "(maxLength: 3)"}}},
        });
        assert_eq!(shape(&schema), Some(expected));
    }

    #[test]
    fn what_would_be_another_schema_has_no_shape() {
        let closed = |properties: Value| json!({"type": "object", "properties": properties, "additionalProperties": false});
        for schema in [
            json!({"type": "object"}),
            closed(json!({"a": {"type": "object", "properties": {}}})),
            closed(json!({"a": {"oneOf": [{}]}})),
            closed(json!({"a": {"$ref": "#"}})),
            json!({"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}}),
            json!(true),
        ] {
            assert_eq!(shape(&schema), None, "{schema}");
        }
        assert!(
            shape(&json!({"items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"type": "string"}}})).is_some()
        );
    }
}
