//! Whether JSON fits its schema.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use stepwell_ai::schema::Schema;
use stepwell_sdk::StepError;

use crate::Then;
use crate::content::Content;
use crate::finding::Finding;

/// The shape of what is screened.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What is done if it does not fit: `block` or `flag`.
    #[serde(default = "block")]
    pub(crate) then: Then,
    /// JSON Schema of `value`, or of the JSON that `text` is, as it is behind the other checks. It may use the keywords that `llm-chat` checks.
    schema: Value,
}

fn block() -> Then {
    Then::Block
}

impl Config {
    pub(crate) fn look(&self, content: &Content) -> Result<Vec<Finding>, StepError> {
        if self.then == Then::Redact {
            let message = "`schema`: `redact` can't make JSON fit: say `block` or `flag`";
            return Err(StepError::permanent(message));
        }
        let schema = Schema::new(&self.schema)?;
        let (pointer, violations) = match content {
            Content::Json(value) => ("/value", schema.violations(value)),
            Content::Text(text) => (
                "/text",
                match serde_json::from_str(text) {
                    Ok(value) => schema.violations(&value),
                    Err(error) => vec![format!("the text is not JSON: {error}")],
                },
            ),
        };
        let end = if let Content::Text(text) = content { text.chars().count() } else { 0 };
        Ok(violations.into_iter().map(|what| Finding::new("schema", pointer, 0..end, what, 1.0)).collect())
    }
}
