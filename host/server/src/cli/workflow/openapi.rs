//! `stepwell workflow openapi`: the HTTP triggers of workflows as an API of their own, in OpenAPI 3.1.
//!
//! What a trigger reads of a request is read off the expressions of its `input`, where these are plain: `{{ request.body.subject }}`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::lint::{self, Source};
use crate::cli::{CliError, Screen};

#[derive(Debug, Args)]
pub(crate) struct OpenApiArgs {
    /// Definitions in JSON or YAML.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// What the API is called.
    #[arg(long, default_value = "Workflows")]
    title: String,
    /// The API's version.
    #[arg(long = "api-version", value_name = "VERSION", default_value = "1.0.0")]
    version: String,
    /// Write to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn openapi(args: &OpenApiArgs, screen: &Screen) -> Result<ExitCode, CliError> {
    let mut paths = Map::new();
    for file in &args.files {
        let source = Source::read(file)?;
        let mistakes = lint::check_offline(source.definition());
        if !mistakes.is_empty() {
            screen.note(source.point_at(&mistakes));
            return Err(CliError::Mistakes { count: mistakes.len(), path: file.clone() });
        }
        add(&mut paths, source.definition());
    }
    let text = format!("{:#}\n", document(&args.title, &args.version, &paths));
    match &args.output {
        None => screen.line(text.trim_end())?,
        Some(path) => {
            std::fs::write(path, text).map_err(|source| CliError::file("write", path, source))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn document(title: &str, version: &str, paths: &Map<String, Value>) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Accepted": {
                    "type": "object",
                    "required": ["run_id", "status", "status_url"],
                    "properties": {
                        "run_id": {"type": "string", "format": "uuid"},
                        "status": {"type": "string"},
                        "status_url": {"type": "string"},
                    },
                },
                "Problem": {
                    "type": "object",
                    "required": ["type", "title", "status"],
                    "properties": {
                        "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
                        "detail": {"type": "string"},
                    },
                },
            },
        },
    })
}

/// Adds a workflow's HTTP triggers.
fn add(paths: &mut Map<String, Value>, definition: &Value) {
    let triggers = definition["triggers"].as_array().into_iter().flatten();
    for http in triggers.map(|trigger| &trigger["http"]).filter(|http| http.is_object()) {
        let Some(path) = http["path"].as_str() else { continue };
        let method = http["method"].as_str().unwrap_or("POST").to_ascii_lowercase();
        let entry = paths.entry(format!("/hooks{path}")).or_insert_with(|| json!({}));
        entry[method] = operation(definition, http, path);
    }
}

fn operation(definition: &Value, http: &Value, path: &str) -> Value {
    let asked = Asked::of(&http["input"], &definition["input"]);
    let method = http["method"].as_str().unwrap_or("POST");
    let mut operation = json!({
        "operationId": definition["name"],
        "parameters": asked.parameters(path),
        "responses": responses(http),
        "security": if http["open"] == true { json!([]) } else { json!([{"key": []}]) },
    });
    if let Some(summary) = definition["summary"].as_str() {
        operation["summary"] = json!(summary);
    }
    if let Some(body) = asked.body.filter(|_| method != "GET") {
        operation["requestBody"] = json!({
            "required": body["required"].as_array().is_some_and(|names| !names.is_empty()),
            "content": {"application/json": {"schema": body}},
        });
    }
    operation
}

fn responses(http: &Value) -> Value {
    let problem = |words: &str| json!({"description": words, "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}});
    let accepted = json!({
        "description": "The run is accepted, and has not ended in time",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Accepted"}}},
    });
    let mut responses = json!({
        "202": accepted,
        "422": problem("The request does not fit"),
    });
    if http["open"] != true {
        responses["401"] = problem("The call needs an API key");
    }
    if let Some(respond) = http["respond"].as_object() {
        let status = respond.get("status").and_then(Value::as_u64).unwrap_or(200).to_string();
        let words = match respond.get("status") {
            Some(Value::String(_)) => "What the run gave; the status may be another",
            _ => "What the run gave",
        };
        responses[status] = json!({"description": words, "content": {"application/json": {"schema": {}}}});
        responses["500"] = problem("The run did not succeed");
    }
    responses
}

/// What a trigger asks of a request.
struct Asked {
    /// The names of parameters of the query, whether each must be there, and their schemas.
    query: Vec<(String, bool, Value)>,
    body: Option<Value>,
}

impl Asked {
    fn of(input: &Value, schema: &Value) -> Self {
        let Some(fields) = input.as_object() else {
            let whole = input.is_null() || plain(input).is_some_and(|plain| plain.way == ["body"]);
            return Self { query: Vec::new(), body: whole.then(|| body_schema(schema)) };
        };
        let mut asked = Self { query: Vec::new(), body: None };
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for (field, value) in fields {
            let Some(Plain { way, is_optional }) = plain(value) else { continue };
            let schema = schema["properties"].get(field).cloned().unwrap_or_else(|| json!({}));
            match way.as_slice() {
                ["body"] => return Self { body: Some(schema), ..asked },
                ["body", name] => {
                    properties.insert((*name).to_owned(), schema);
                    if !is_optional {
                        required.push(json!(name));
                    }
                }
                ["query", name] => asked.query.push(((*name).to_owned(), !is_optional, schema)),
                _ => {}
            }
        }
        if !properties.is_empty() {
            asked.body = Some(json!({"type": "object", "properties": properties, "required": required}));
        }
        asked
    }

    fn parameters(&self, path: &str) -> Vec<Value> {
        let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let in_path = names
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
        let in_query = self
            .query
            .iter()
            .map(|(name, required, schema)| json!({"name": name, "in": "query", "required": required, "schema": schema}));
        in_path.chain(in_query).collect()
    }
}

fn body_schema(schema: &Value) -> Value {
    if schema.is_null() { json!({}) } else { schema.clone() }
}

/// An expression that is a way into the request and nothing else, but for a default.
struct Plain<'a> {
    way: Vec<&'a str>,
    is_optional: bool,
}

fn plain(template: &Value) -> Option<Plain<'_>> {
    let expression = template.as_str()?.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let (way, filter) = match expression.split_once('|') {
        Some((way, filter)) => (way.trim(), filter.trim()),
        None => (expression.trim(), ""),
    };
    let is_optional = filter.starts_with("default(");
    let way: Vec<&str> = way.strip_prefix("request.")?.split('.').collect();
    let is_name = |part: &&str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (way.iter().all(is_name) && (filter.is_empty() || is_optional)).then_some(Plain { way, is_optional })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(definition: &Value) -> Value {
        let mut paths = Map::new();
        add(&mut paths, definition);
        Value::Object(paths)
    }

    #[test]
    fn a_trigger_is_an_operation_that_asks_for_what_its_input_reads() {
        let paths = of(&json!({
            "name": "route", "version": "1.0.0", "summary": "Routes a ticket",
            "input": {"type": "object", "properties": {"id": {"type": "string"}, "to": {"enum": ["a", "b"]}, "limit": {"type": "integer"}}},
            "triggers": [{"http": {
                "path": "/tickets/{id}/route", "method": "PUT",
                "input": {"id": "{{ request.params.id }}", "to": "{{ request.body.to }}", "limit": "{{ request.query.limit | default(20) }}",
                          "odd": "{{ request.body.a | length }}"},
                "respond": {"status": 201},
            }}],
            "nodes": {},
        }));
        let put = &paths["/hooks/tickets/{id}/route"]["put"];
        assert_eq!(put["summary"], "Routes a ticket");
        let expected = json!([
            {"name": "id", "in": "path", "required": true, "schema": {"type": "string"}},
            {"name": "limit", "in": "query", "required": false, "schema": {"type": "integer"}},
        ]);
        assert_eq!(put["parameters"], expected);
        let body = &put["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(
            *body,
            json!({"type": "object", "properties": {"to": {"enum": ["a", "b"]}}, "required": ["to"]})
        );
        for status in ["201", "202", "401", "422", "500"] {
            assert!(put["responses"][status].is_object(), "{status} in {put:#}");
        }
    }

    #[test]
    fn a_body_that_is_the_input_has_the_workflows_schema() {
        let schema = json!({"type": "object", "required": ["a"]});
        let paths = of(
            &json!({"name": "w", "input": schema, "triggers": [{"http": {"path": "/w", "open": true}}, {"cron": {}}]}),
        );
        let post = &paths["/hooks/w"]["post"];
        assert_eq!(post["requestBody"]["content"]["application/json"]["schema"], schema);
        assert_eq!(post["requestBody"]["required"], true);
        assert_eq!(post["security"], json!([]));
        assert!(post["responses"]["401"].is_null());
    }
}
