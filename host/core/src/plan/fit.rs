//! Whether a node's input can match its step's schema, as far as that is known before any run.
//!
//! The template is filled with stand-ins for what expressions will give, the whole is checked against the schema, and
//! those violations count that no value of an expression could take away.

use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value};

use crate::expression::Part;
use crate::pointer;
use crate::schema::{Schema, SchemaViolation};

/// Every way in which the template can never match.
pub(super) fn misfits(template: &Part, schema: &Schema) -> Vec<SchemaViolation> {
    let mut holes = Vec::new();
    let filled = fill(template, "", &mut holes);
    schema.violations(&filled, |violation| holes.is_empty() || is_certain(violation, &holes))
}

/// A value that an expression will give.
struct Hole {
    pointer: String,
    /// It is a text for certain; only which text is open.
    is_text: bool,
}

fn fill(part: &Part, place: &str, holes: &mut Vec<Hole>) -> Value {
    match part {
        Part::Literal(value) => Value::clone(value),
        Part::List(parts) => parts
            .iter()
            .enumerate()
            .map(|(index, part)| fill(part, &pointer::item(place, index), holes))
            .collect(),
        Part::Object(parts) => {
            let fields = parts
                .iter()
                .map(|(name, part)| (name.clone(), fill(part, &pointer::field(place, name), holes)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Part::Text(_) => {
            holes.push(Hole { pointer: place.to_owned(), is_text: true });
            Value::String(String::new())
        }
        Part::Whole(_) => {
            holes.push(Hole { pointer: place.to_owned(), is_text: false });
            Value::Null
        }
    }
}

/// Whether a violation stays whatever the expressions give.
fn is_certain(violation: &jsonschema::ValidationError<'_>, holes: &[Hole]) -> bool {
    // Which branch of an `if` counts may hang on an expression.
    let path = violation.evaluation_path().to_string();
    if path.split('/').any(|keyword| matches!(keyword, "then" | "else")) {
        return false;
    }
    let place = violation.instance_path().to_string();
    if let Some(hole) = holes.iter().find(|hole| hole.pointer == place) {
        return hole.is_text && matches!(violation.kind(), ValidationErrorKind::Type { .. });
    }
    let has_holes =
        holes.iter().any(|hole| hole.pointer.strip_prefix(&place).is_some_and(|rest| rest.starts_with('/')));
    !has_holes || is_about_the_frame(violation.kind())
}

/// Whether a violation is about which fields or how many items there are, not about what they hold.
fn is_about_the_frame(kind: &ValidationErrorKind) -> bool {
    use ValidationErrorKind as Kind;
    matches!(
        kind,
        Kind::Type { .. }
            | Kind::Required { .. }
            | Kind::AdditionalProperties { .. }
            | Kind::AdditionalItems { .. }
            | Kind::PropertyNames { .. }
            | Kind::MinProperties { .. }
            | Kind::MaxProperties { .. }
            | Kind::MinItems { .. }
            | Kind::MaxItems { .. }
    )
}
