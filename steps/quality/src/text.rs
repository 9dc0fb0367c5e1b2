//! Text as measures see it.

use serde_json::Value;

/// All that an output says: itself, or the texts within JSON, a line each.
pub(crate) fn of(output: &Value) -> String {
    let mut lines = Vec::new();
    collect(output, &mut lines);
    lines.join("\n")
}

fn collect(value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::String(text) => lines.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, lines)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, lines)),
        Value::Number(number) => lines.push(number.to_string()),
        Value::Bool(_) | Value::Null => {}
    }
}

/// The words, in lower case.
pub(crate) fn words(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '’'));
    parts.filter(|word| word.contains(char::is_alphanumeric)).map(str::to_lowercase).collect()
}

/// How many sentences there are, one at least.
pub(crate) fn sentences(text: &str) -> usize {
    let ends = text.split(['.', '!', '?', '\n', '。', '！', '？']);
    ends.filter(|part| part.contains(char::is_alphabetic)).count().max(1)
}
