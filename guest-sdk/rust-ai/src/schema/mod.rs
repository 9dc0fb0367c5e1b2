//! Checks an answer against its JSON Schema: the part of the language that models are constrained with.
//!
//! A whole validator would be ten times this step's size. What this one does not know is refused when the step starts,
//! rather than let pass.

#[cfg(test)]
mod tests;
mod told;

use serde_json::{Map, Value};
use stepwell_sdk::StepError;

pub(crate) use told::{is_object, is_strict, shape};

/// Keywords that are checked.
const CHECKED: [&str; 20] = [
    "$ref",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "oneOf",
    "properties",
    "required",
    "type",
    "uniqueItems",
];

/// Keywords that say nothing about an answer.
const ANNOTATIONS: [&str; 12] = [
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "default",
    "definitions",
    "deprecated",
    "description",
    "examples",
    "format",
    "readOnly",
    "title",
];

/// How deep references may lead: one that leads to itself ends here.
const MAX_DEPTH: usize = 100;

/// More than these are no help to the model that is asked again.
const MAX_VIOLATIONS: usize = 10;

/// A schema that consists of checked keywords alone.
#[derive(Debug, Clone, Copy)]
pub struct Schema<'a> {
    root: &'a Value,
}

impl<'a> Schema<'a> {
    /// Takes a schema in.
    ///
    /// # Errors
    ///
    /// When it has a keyword that cannot be checked: the config is at fault.
    pub fn new(root: &'a Value) -> Result<Self, StepError> {
        match unknown_keyword(root, "") {
            None => Ok(Self { root }),
            Some(place) => Err(StepError::permanent(format!(
                "`schema` uses a keyword that this step cannot check, at {place}: it knows {}",
                CHECKED.join(", ")
            ))),
        }
    }

    /// What in an answer does not fit, each with its place; empty if it fits.
    #[must_use]
    pub fn violations(&self, answer: &Value) -> Vec<String> {
        let mut check = Check { root: self.root, violations: Vec::new() };
        check.value(answer, self.root, "", MAX_DEPTH);
        check.violations.truncate(MAX_VIOLATIONS);
        check.violations
    }
}

fn unknown_keyword(schema: &Value, place: &str) -> Option<String> {
    let keywords = schema.as_object()?;
    let is_known = |name: &str| CHECKED.contains(&name) || ANNOTATIONS.contains(&name);
    if let Some(name) = keywords.keys().find(|name| !is_known(name)) {
        return Some(format!("{place}/{name}"));
    }
    subschemas(keywords).find_map(|(name, schema)| unknown_keyword(schema, &format!("{place}/{name}")))
}

fn subschemas(keywords: &Map<String, Value>) -> impl Iterator<Item = (String, &Value)> {
    let single = ["additionalProperties", "items"]
        .into_iter()
        .filter_map(|name| keywords.get(name).map(|schema| (name.to_string(), schema)));
    let named = ["$defs", "definitions", "properties"].into_iter().flat_map(|name| {
        let map = keywords.get(name).and_then(Value::as_object);
        map.into_iter().flatten().map(move |(key, schema)| (format!("{name}/{key}"), schema))
    });
    let listed = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|name| {
        let list = keywords.get(name).and_then(Value::as_array);
        list.into_iter().flatten().enumerate().map(move |(index, schema)| (format!("{name}/{index}"), schema))
    });
    single.chain(named).chain(listed)
}

struct Check<'a> {
    root: &'a Value,
    violations: Vec<String>,
}

impl Check<'_> {
    fn violation(&mut self, at: &str, what: impl AsRef<str>) {
        let at = if at.is_empty() { "the answer" } else { at };
        self.violations.push(format!("{at} {}", what.as_ref()));
    }

    fn value(&mut self, value: &Value, schema: &Value, at: &str, depth: usize) {
        if depth == 0 {
            return self.violation(at, "nests deeper than its schema is followed");
        }
        let keywords = match schema {
            Value::Bool(false) => return self.violation(at, "is not allowed"),
            Value::Object(keywords) => keywords,
            _ => return,
        };
        for (name, keyword) in keywords {
            self.keyword(name, keyword, keywords, value, at, depth - 1);
        }
    }

    fn keyword(
        &mut self,
        name: &str,
        keyword: &Value,
        siblings: &Map<String, Value>,
        value: &Value,
        at: &str,
        depth: usize,
    ) {
        match name {
            "$ref" => self.reference(keyword, value, at, depth),
            "type" if !has_type(value, keyword) => self.violation(at, format!("is not of type {keyword}")),
            "enum" if !keyword.as_array().is_some_and(|list| list.iter().any(|one| equal(one, value))) => {
                self.violation(at, format!("is {value}, which is none of {keyword}"));
            }
            "const" if !equal(keyword, value) => self.violation(at, format!("is {value} and not {keyword}")),
            "required" | "properties" | "additionalProperties" => {
                if let Some(object) = value.as_object() {
                    self.object(name, keyword, siblings, object, at, depth);
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    self.value(item, keyword, &format!("{at}/{index}"), depth);
                }
            }
            "uniqueItems" if *keyword == Value::Bool(true) && has_twins(value) => {
                self.violation(at, "holds an item twice");
            }
            "allOf" => {
                keyword.as_array().into_iter().flatten().for_each(|one| self.value(value, one, at, depth))
            }
            "anyOf" | "oneOf" => self.alternatives(name, keyword, value, at, depth),
            _ => self.bound(name, keyword, value, at),
        }
    }

    fn reference(&mut self, reference: &Value, value: &Value, at: &str, depth: usize) {
        let root = self.root;
        let target = reference
            .as_str()
            .and_then(|text| text.strip_prefix('#'))
            .and_then(|pointer| root.pointer(pointer));
        match target {
            Some(schema) => self.value(value, schema, at, depth),
            None => self.violation(at, format!("cannot be checked: the schema's {reference} leads nowhere")),
        }
    }

    fn object(
        &mut self,
        name: &str,
        keyword: &Value,
        siblings: &Map<String, Value>,
        object: &Map<String, Value>,
        at: &str,
        depth: usize,
    ) {
        match name {
            "required" => {
                let names = keyword.as_array().into_iter().flatten().filter_map(Value::as_str);
                names.filter(|name| !object.contains_key(*name)).for_each(|name| {
                    self.violation(at, format!("lacks `{name}`"));
                });
            }
            "properties" => {
                for (name, schema) in keyword.as_object().into_iter().flatten() {
                    if let Some(value) = object.get(name) {
                        self.value(value, schema, &format!("{at}/{name}"), depth);
                    }
                }
            }
            _ => {
                let listed = siblings.get("properties").and_then(Value::as_object);
                for (name, value) in object {
                    if !listed.is_some_and(|listed| listed.contains_key(name)) {
                        self.value(value, keyword, &format!("{at}/{name}"), depth);
                    }
                }
            }
        }
    }

    fn alternatives(&mut self, name: &str, schemas: &Value, value: &Value, at: &str, depth: usize) {
        let fits = |schema: &&Value| {
            let mut check = Check { root: self.root, violations: Vec::new() };
            check.value(value, schema, at, depth);
            check.violations.is_empty()
        };
        let fitting = schemas.as_array().into_iter().flatten().filter(fits).count();
        match (name, fitting) {
            (_, 0) => self.violation(at, "fits none of the schema's alternatives"),
            ("oneOf", 2..) => self.violation(at, "fits more than one of the schema's alternatives"),
            _ => {}
        }
    }

    /// Limits of numbers, texts and lists; each says nothing about values of other types.
    fn bound(&mut self, name: &str, keyword: &Value, value: &Value, at: &str) {
        let Some(limit) = keyword.as_f64() else { return };
        let (measure, unit) = match (name, value) {
            ("minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum", Value::Number(number)) => {
                (number.as_f64(), "")
            }
            ("minLength" | "maxLength", Value::String(text)) => {
                (Some(text.chars().count() as f64), " characters")
            }
            ("minItems" | "maxItems", Value::Array(items)) => (Some(items.len() as f64), " items"),
            _ => return,
        };
        let Some(measure) = measure else { return };
        let (fits, words) = match name {
            "exclusiveMinimum" => (measure > limit, "more than"),
            "exclusiveMaximum" => (measure < limit, "less than"),
            name if name.starts_with("min") => (measure >= limit, "at least"),
            _ => (measure <= limit, "at most"),
        };
        if !fits {
            let measure = match value {
                Value::Number(number) => number.to_string(),
                _ => (measure as u64).to_string(),
            };
            self.violation(at, format!("has {measure}{unit}, which is not {words} {keyword}"));
        }
    }
}

fn has_type(value: &Value, types: &Value) -> bool {
    let is = |name: &str| match name {
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => false,
    };
    match types {
        Value::Array(types) => types.iter().filter_map(Value::as_str).any(is),
        types => types.as_str().is_some_and(is),
    }
}

/// JSON Schema knows one kind of number: `1.0` is `1`.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        _ => left == right,
    }
}

fn has_twins(value: &Value) -> bool {
    let items = value.as_array().map_or(&[][..], Vec::as_slice);
    items.iter().enumerate().any(|(index, item)| items[..index].iter().any(|other| equal(other, item)))
}
