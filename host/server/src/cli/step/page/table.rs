//! A JSON Schema as a table of fields, for people. Fields within fields are named by their way: `price.input`.

use serde_json::{Map, Value};

/// Fields within fields, so far and no further: a schema may hold itself.
const MAX_DEPTH: usize = 3;

/// Whether a document is written by the user or by the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The step reads it: what need not be there says what holds without it.
    Read,
    /// The step writes it: what need not be there is marked.
    Written,
}

pub(super) struct Table {
    /// What is to be said where there are no fields: of a document that is no object.
    about: Option<String>,
    rows: Vec<Row>,
    told: Told,
}

struct Row {
    field: String,
    kind: String,
    presence: String,
    means: String,
}

impl Table {
    pub(super) fn of(schema: &Value, told: Told) -> Self {
        let reader = Reader { root: schema, told };
        let mut rows = Vec::new();
        reader.fields(schema, "", 0, &mut rows);
        let about = rows.is_empty().then(|| reader.whole(schema));
        Self { about, rows, told }
    }

    pub(super) fn to_markdown(&self) -> String {
        if let Some(about) = &self.about {
            return about.clone();
        }
        let head = match self.told {
            Told::Read => "| field | type | default | means |\n| --- | --- | --- | --- |",
            Told::Written => "| field | type | means |\n| --- | --- | --- |",
        };
        let row = |row: &Row| match self.told {
            Told::Read => format!("| `{}` | {} | {} | {} |", row.field, row.kind, row.presence, row.means),
            Told::Written => format!("| `{}` | {} | {} |", row.field, row.kind, row.means),
        };
        let rows: Vec<String> = self.rows.iter().map(row).collect();
        format!("{head}\n{}", rows.join("\n"))
    }
}

struct Reader<'a> {
    root: &'a Value,
    told: Told,
}

impl<'a> Reader<'a> {
    /// Adds the fields of an object, and those of the schemas that make it up.
    fn fields(&self, schema: &'a Value, within: &str, depth: usize, rows: &mut Vec<Row>) {
        let schema = self.resolved(schema);
        for part in ["allOf", "oneOf", "anyOf"].iter().filter_map(|word| schema[*word].as_array()).flatten() {
            self.fields(part, within, depth, rows);
        }
        let nothing = Map::new();
        let required = schema["required"].as_array();
        for (name, field) in schema["properties"].as_object().unwrap_or(&nothing) {
            let path = format!("{within}{name}");
            if rows.iter().any(|row| row.field == path) {
                continue;
            }
            let is_required = required.is_some_and(|names| names.iter().any(|it| it == name));
            rows.push(self.row(path.clone(), field, is_required));
            if depth + 1 < MAX_DEPTH {
                self.fields(field, &format!("{path}."), depth + 1, rows);
                self.fields(&self.resolved(field)["items"], &format!("{path}[]."), depth + 1, rows);
            }
        }
    }

    fn row(&self, field: String, schema: &'a Value, is_required: bool) -> Row {
        let target = self.resolved(schema);
        let words = [schema, target].iter().find_map(|it| it["description"].as_str()).unwrap_or_default();
        let mut means = in_a_cell(words);
        let values = self.values(target);
        if !values.is_empty() {
            means = format!("{means}{}{}", if means.is_empty() { "" } else { " " }, values.join("; "));
        }
        if self.told == Told::Written && !is_required {
            means = match means.is_empty() {
                true => "where there is one".to_owned(),
                false => format!("{means} (where there is one)"),
            };
        }
        Row { field, kind: in_a_cell(&self.kind(schema)), presence: presence(schema, is_required), means }
    }

    /// The words that a field may have, each with what it means.
    fn values(&self, schema: &Value) -> Vec<String> {
        let choices = schema["oneOf"].as_array().into_iter().flatten();
        let described = choices.filter_map(|choice| {
            let word = choice["const"].as_str()?;
            let means = choice["description"].as_str()?;
            Some(format!("`{word}`: {}", in_a_cell(means).trim_end_matches('.')))
        });
        described.collect()
    }

    fn kind(&self, schema: &'a Value) -> String {
        let schema = self.resolved(schema);
        if schema["properties"]["$blob"].is_object() {
            return "blob".to_owned();
        }
        if let Some(words) = schema["enum"].as_array() {
            return words.iter().map(|word| format!("`{}`", plain(word))).collect::<Vec<_>>().join(", ");
        }
        if !schema["const"].is_null() {
            return format!("`{}`", plain(&schema["const"]));
        }
        for word in ["oneOf", "anyOf"] {
            if let Some(choices) = schema[word].as_array() {
                return self.choice(choices);
            }
        }
        match &schema["type"] {
            Value::String(kind) => self.simple(kind, schema),
            Value::Array(kinds) => {
                let kinds = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
                kinds.map(|kind| self.simple(kind, schema)).collect::<Vec<_>>().join(" or ")
            }
            _ => "any".to_owned(),
        }
    }

    fn choice(&self, choices: &'a [Value]) -> String {
        let mut kinds: Vec<String> = Vec::new();
        for choice in choices.iter().filter(|choice| choice["type"] != "null") {
            let kind = self.kind(choice);
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds.join(if kinds.iter().all(|kind| kind.starts_with('`')) { ", " } else { " or " })
    }

    fn simple(&self, kind: &str, schema: &'a Value) -> String {
        match kind {
            "array" if schema["items"].is_null() => "list".to_owned(),
            "array" => format!("list of {}", self.kind(&schema["items"])),
            "object" => "object".to_owned(),
            "string" => "text".to_owned(),
            "integer" => "whole number".to_owned(),
            "boolean" => "true or false".to_owned(),
            other => other.to_owned(),
        }
    }

    /// A document without fields of its own.
    fn whole(&self, schema: &'a Value) -> String {
        let target = self.resolved(schema);
        let words = target["description"].as_str().map(|words| words.replace('\n', " "));
        let kind = match self.kind(schema).as_str() {
            "any" => "Any JSON.".to_owned(),
            "object" if target["additionalProperties"] == false => "None.".to_owned(),
            kind => format!("JSON: {kind}."),
        };
        words.unwrap_or(kind)
    }

    /// Where a schema refers to another part of the document, that part.
    fn resolved(&self, schema: &'a Value) -> &'a Value {
        let target = schema["$ref"].as_str().and_then(|target| target.strip_prefix('#'));
        target.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema)
    }
}

fn presence(schema: &Value, is_required: bool) -> String {
    match (&schema["default"], is_required) {
        (_, true) => "required".to_owned(),
        (Value::Null, false) => "none".to_owned(),
        (value, false) => format!("`{}`", in_a_cell(&value.to_string())),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What would end a cell or a row does not.
fn in_a_cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
