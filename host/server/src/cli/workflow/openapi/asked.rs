//! What an HTTP trigger reads of a request, told from the expressions of its `input`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// What a trigger asks of a request.
#[derive(Default)]
pub(super) struct Asked {
    /// Of the parameters in the path, those that an input's field is.
    path: BTreeMap<String, Value>,
    /// The names of parameters of the query, whether each must be there, and their schemas.
    query: Vec<(String, bool, Value)>,
    pub(super) body: Option<Value>,
}

impl Asked {
    pub(super) fn of(input: &Value, schema: &Value) -> Self {
        let Some(fields) = input.as_object() else {
            let whole = input.is_null() || plain(input).is_some_and(|plain| plain.way == ["body"]);
            return Self { body: whole.then(|| body_schema(schema)), ..Self::default() };
        };
        let mut asked = Self::default();
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
                ["params", name] => {
                    asked.path.insert((*name).to_owned(), schema);
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

    pub(super) fn parameters(&self, path: &str) -> Vec<Value> {
        let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let in_path = names.map(|name| {
            let text = json!({"type": "string"});
            let schema = self.path.get(name).filter(|schema| *schema != &json!({})).unwrap_or(&text);
            json!({"name": name, "in": "path", "required": true, "schema": schema})
        });
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
