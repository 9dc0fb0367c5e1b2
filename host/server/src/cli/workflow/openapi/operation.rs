//! Each HTTP trigger as an operation: what it asks, and how it may answer.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::asked::Asked;
use crate::operation_id::operation_id;

/// The operations of any number of workflows, by path and method.
#[derive(Default)]
pub(super) struct Paths {
    paths: Map<String, Value>,
    ids: BTreeSet<String>,
}

impl Paths {
    /// Adds a workflow's HTTP triggers.
    pub(super) fn add(&mut self, definition: &Value) {
        let triggers = definition["triggers"].as_array().into_iter().flatten();
        for http in triggers.map(|trigger| &trigger["http"]).filter(|http| http.is_object()) {
            let Some(path) = http["path"].as_str() else { continue };
            let method = http["method"].as_str().unwrap_or("POST").to_ascii_lowercase();
            let id = self.new_id(&method, path);
            let entry = self.paths.entry(format!("/hooks{path}")).or_insert_with(|| json!({}));
            entry[method] = operation(definition, http, path, &id);
        }
    }

    pub(super) fn into_object(self) -> Map<String, Value> {
        self.paths
    }

    /// A name that no other operation of the document has.
    fn new_id(&mut self, method: &str, path: &str) -> String {
        let id = operation_id(method, path);
        let mut ids = std::iter::once(id.clone()).chain((2..).map(|number| format!("{id}_{number}")));
        ids.find(|id| self.ids.insert(id.clone())).unwrap_or(id)
    }
}

fn operation(definition: &Value, http: &Value, path: &str, id: &str) -> Value {
    let asked = Asked::of(&http["input"], &definition["input"]);
    let mut operation = json!({
        "operationId": id,
        "parameters": asked.parameters(path),
        "responses": responses(http),
        "security": if http["open"] == true { json!([]) } else { json!([{"key": []}]) },
    });
    if let Some(summary) = definition["summary"].as_str() {
        operation["summary"] = json!(summary);
    }
    if let Some(body) = request_body(http, asked.body) {
        operation["requestBody"] = body;
    }
    operation
}

fn request_body(http: &Value, asked: Option<Value>) -> Option<Value> {
    if http["method"] == "GET" {
        return None;
    }
    if http["body"] == "blob" {
        return Some(json!({"required": true, "content": {"*/*": {}}}));
    }
    let schema = asked?;
    let required = schema["required"].as_array().is_some_and(|names| !names.is_empty());
    Some(json!({"required": required, "content": {"application/json": {"schema": schema}}}))
}

fn responses(http: &Value) -> Value {
    let mut responses = json!({
        "202": json_body("The run is accepted, and has not ended in time", &reference("Accepted")),
        "422": problem("The request does not fit"),
    });
    if http["open"] != true {
        responses["401"] = problem("The call needs an API key");
    }
    if let Some(respond) = http["respond"].as_object() {
        responses["500"] = problem("The run did not succeed");
        let given = shape(respond.get("body").unwrap_or(&Value::Null));
        for status in statuses(respond.get("status")) {
            // The same status may come of a run that has not ended.
            let schema = match status.as_str() {
                "202" => json!({"anyOf": [given, reference("Accepted")]}),
                _ => given.clone(),
            };
            responses[&status] = json_body(&words(&status), &schema);
        }
    }
    responses
}

fn problem(words: &str) -> Value {
    json!({"description": words, "content": {"application/problem+json": {"schema": reference("Problem")}}})
}

fn json_body(words: &str, schema: &Value) -> Value {
    json!({"description": words, "content": {"application/json": {"schema": schema}}})
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

/// The statuses of an answer: the one that is written, or those that stand in the expression; `default` if none does.
fn statuses(status: Option<&Value>) -> BTreeSet<String> {
    let is_status = |number: &u64| (200..600).contains(number);
    let found: BTreeSet<String> = match status {
        None => BTreeSet::from(["200".to_owned()]),
        Some(Value::String(expression)) => expression
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| word.parse().is_ok_and(|number| is_status(&number)))
            .map(ToOwned::to_owned)
            .collect(),
        Some(number) => {
            number.as_u64().filter(is_status).map(|number| number.to_string()).into_iter().collect()
        }
    };
    if found.is_empty() { BTreeSet::from(["default".to_owned()]) } else { found }
}

fn words(status: &str) -> String {
    let reason = status.parse().ok().and_then(|status: StatusCode| status.canonical_reason());
    reason.unwrap_or("What the run gave").to_owned()
}

/// The schema of what a template gives: the fields are written, what an expression gives may be anything.
fn shape(template: &Value) -> Value {
    match template {
        Value::Object(fields) => {
            let properties: Map<String, Value> =
                fields.iter().map(|(name, field)| (name.clone(), shape(field))).collect();
            let required: Vec<&String> = fields.keys().collect();
            json!({"type": "object", "required": required, "properties": properties})
        }
        Value::Array(_) => json!({"type": "array"}),
        Value::Bool(_) => json!({"type": "boolean"}),
        Value::Number(_) => json!({"type": "number"}),
        Value::String(text) if !text.contains("{{") => json!({"type": "string"}),
        Value::String(_) | Value::Null => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(definition: &Value) -> Value {
        let mut paths = Paths::default();
        paths.add(definition);
        Value::Object(paths.into_object())
    }

    #[test]
    fn a_trigger_is_an_operation_that_asks_for_what_its_input_reads() {
        let paths = of(&json!({
            "name": "route", "version": "1.0.0", "summary": "Routes a ticket",
            "input": {"type": "object", "properties": {"id": {"pattern": "^t"}, "to": {"enum": ["a", "b"]}, "limit": {"type": "integer"}}},
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
            {"name": "id", "in": "path", "required": true, "schema": {"pattern": "^t"}},
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

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let trigger = |path: &str, method: &str| json!({"http": {"path": path, "method": method}});
        let triggers = [trigger("/a-b", "POST"), trigger("/a/{b}", "POST"), trigger("/a/{b}", "GET")];
        let paths = of(&json!({"name": "w", "triggers": triggers}));
        assert_eq!(paths["/hooks/a-b"]["post"]["operationId"], "post_a_b");
        assert_eq!(paths["/hooks/a/{b}"]["post"]["operationId"], "post_a_b_2");
        assert_eq!(paths["/hooks/a/{b}"]["get"]["operationId"], "get_a_b");
    }

    #[test]
    fn an_upload_takes_any_bytes() {
        let trigger =
            json!({"http": {"path": "/files", "body": "blob", "input": {"file": "{{ request.body }}"}}});
        let paths = of(&json!({"name": "w", "triggers": [trigger]}));
        assert_eq!(
            paths["/hooks/files"]["post"]["requestBody"],
            json!({"required": true, "content": {"*/*": {}}})
        );
    }

    #[test]
    fn every_status_that_the_answer_may_have_is_told_with_the_body_s_fields() {
        let respond = json!({
            "status": "{{ 201 if output.status == 'routed' else (404 if output.gone else 202) }}",
            "body": {"id": "{{ output.id }}", "kind": "ticket"},
        });
        let told = responses(&json!({"open": true, "respond": respond}));
        let given = json!({"type": "object", "required": ["id", "kind"], "properties": {"id": {}, "kind": {"type": "string"}}});
        let schema = |status: &str| &told[status]["content"]["application/json"]["schema"];
        assert_eq!(told["201"]["description"], "Created");
        assert_eq!((schema("201"), schema("404")), (&given, &given));
        assert_eq!(schema("202")["anyOf"][0], given);
        let whatever = responses(&json!({"open": true, "respond": {"status": "{{ output.status }}"}}));
        assert_eq!(whatever["default"]["description"], "What the run gave");
    }
}
