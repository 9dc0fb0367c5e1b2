//! The JSON Schemas of a step's three documents, as its manifest carries them.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

use crate::handler::Handler;

/// What a step reads and writes.
pub(crate) struct Schemas {
    pub(crate) input: Schema,
    pub(crate) config: Schema,
    pub(crate) output: Schema,
}

impl Schemas {
    pub(crate) fn of<A, H: Handler<A>>(_: &H) -> Self {
        Self {
            input: schema::<H::Input>(SchemaSettings::draft2020_12()),
            config: schema::<H::Config>(SchemaSettings::draft2020_12()),
            output: schema::<H::Output>(SchemaSettings::draft2020_12().for_serialize()),
        }
    }
}

/// Without what says nothing to an operator: the host knows the draft, and a Rust type's name is no title.
fn schema<T: JsonSchema>(settings: SchemaSettings) -> Schema {
    let settings = settings.with(|settings| settings.meta_schema = None::<Cow<'static, str>>);
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.remove("title");
    schema
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;
    use crate::StepError;

    #[derive(Deserialize, Serialize, JsonSchema)]
    struct Document {
        #[serde(default)]
        count: u8,
        /// For a person.
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    }

    #[test]
    fn schemas_tell_what_is_read_and_what_is_written() {
        let schemas = Schemas::of(&|document: Document| Ok::<_, StepError>(document));
        assert_eq!(schemas.input.get("required"), None);
        assert_eq!(schemas.output.get("required"), Some(&json!(["count"])));
        assert_eq!(schemas.input.as_value()["properties"]["note"]["description"], "For a person.");
    }

    #[test]
    fn a_step_without_config_takes_an_empty_object() {
        let schemas = Schemas::of(&|text: String| Ok::<_, StepError>(text));
        assert_eq!(schemas.config.get("type"), Some(&json!("object")));
        assert_eq!(schemas.config.get("additionalProperties"), Some(&json!(false)));
    }
}
