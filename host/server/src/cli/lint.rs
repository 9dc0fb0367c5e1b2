//! A definition's mistakes, found without a server and shown where they stand in the file.

use std::path::Path;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report};
use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use stepwell_core::grant::Grants;
use stepwell_core::id::{StepName, WorkflowName};
use stepwell_core::limits::Limits;
use stepwell_core::mistake::Mistake;
use stepwell_core::plan::{self, LockSlot, Resolution, Surroundings, WorkflowResolution};

use super::CliError;
use crate::document::{self, Format};

/// A definition's file.
pub(crate) struct Source {
    name: String,
    text: String,
    definition: Value,
}

impl Source {
    /// Reads a file that holds JSON or YAML.
    pub(crate) fn read(path: &Path) -> Result<Self, CliError> {
        let text = std::fs::read_to_string(path).map_err(|source| CliError::file("read", path, source))?;
        let name = path.display().to_string();
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        let format = if is_json { Format::Json } else { Format::Yaml };
        let definition = document::read(format, text.as_bytes())
            .map_err(|source| CliError::failed(format!("reading {name}"), source))?;
        Ok(Self { name, text, definition })
    }

    pub(crate) fn definition(&self) -> &Value {
        &self.definition
    }

    /// The text of the value that a JSON pointer names, as it stands in a JSON file.
    pub(crate) fn text_of(&self, pointer: &str) -> Option<&str> {
        let rest = self.text.get(locate(&self.text, pointer)?..)?;
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        rest.get(..values.byte_offset())
    }

    /// The mistakes as a person reads them: each with the lines of the file that it is about.
    pub(crate) fn point_at(&self, mistakes: &[Mistake]) -> String {
        let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode()).without_cause_chain();
        let mut shown = String::new();
        for mistake in mistakes {
            let report = self.report(mistake);
            // Writing to a String fails only where the report itself cannot be drawn; then its words are enough.
            if handler.render_report(&mut shown, report.as_ref()).is_err() {
                shown.push_str(&mistake.message);
            }
        }
        shown
    }

    fn report(&self, mistake: &Mistake) -> Report {
        let mut diagnostic = MietteDiagnostic::new(mistake.message.clone()).with_code(mistake.code.clone());
        if let Some(help) = &mistake.help {
            diagnostic = diagnostic.with_help(help.clone());
        }
        if let Some(offset) = locate(&self.text, &mistake.pointer) {
            let length = self.text[offset..].find(['\n', ',']).unwrap_or(1).max(1);
            diagnostic = diagnostic.with_label(LabeledSpan::at(offset..offset + length, "here"));
        } else {
            diagnostic.message = format!("{}: {}", mistake.pointer, diagnostic.message);
        }
        Report::new(diagnostic).with_source_code(NamedSource::new(&self.name, self.text.clone()))
    }
}

/// Every mistake that can be found without the published steps.
pub(crate) fn check_offline(definition: &Value) -> Vec<Mistake> {
    plan::lint(definition, &Offline)
}

/// No catalogue.
struct Offline;

impl Surroundings for Offline {
    fn resolve_workflow(&self, _: &LockSlot, _: &WorkflowName, _: &semver::VersionReq) -> WorkflowResolution {
        WorkflowResolution::Offline
    }

    fn resolve(&self, _: &LockSlot, _: &StepName, _: &semver::VersionReq) -> Resolution {
        Resolution::Offline
    }

    fn check_grants(&self, grants: &Grants) -> Vec<Mistake> {
        stepwell_sandbox::check_grants(grants)
    }

    fn ceiling(&self) -> Limits {
        Limits::default_ceiling()
    }
}

/// The byte at which the value stands that a JSON pointer names, or, where it is not there, the nearest value around it.
/// (JSON is read as the YAML that it also is.)
fn locate(text: &str, pointer: &str) -> Option<usize> {
    let segments: Vec<String> =
        pointer.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect();
    (0..=segments.len()).rev().find_map(|depth| {
        let seek = Seek { segments: &segments[..depth] };
        serde_saphyr::with_deserializer_from_str(text, |deserializer| seek.deserialize(deserializer))
            .ok()
            .flatten()
    })
}

/// Goes down a document, one segment a level.
struct Seek<'a> {
    segments: &'a [String],
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.segments.is_empty() {
            let here = serde_saphyr::Spanned::<IgnoredAny>::deserialize(deserializer)?;
            return Ok(here.referenced.span().byte_offset().and_then(|offset| usize::try_from(offset).ok()));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == self.segments[0] {
                found = map.next_value_seed(Seek { segments: &self.segments[1..] })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let wanted: Option<usize> = self.segments[0].parse().ok();
        let (mut found, mut index) = (None, 0);
        loop {
            if wanted == Some(index) {
                match list.next_element_seed(Seek { segments: &self.segments[1..] })? {
                    Some(offset) => found = offset,
                    None => return Ok(found),
                }
            } else if list.next_element::<IgnoredAny>()?.is_none() {
                return Ok(found);
            }
            index += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_found_in_json_and_in_yaml() {
        let json = "{\n  \"nodes\": {\"a\": {\"needs\": [\"b\", \"c\"]}}\n}";
        assert_eq!(locate(json, "/nodes/a/needs/1"), json.find("\"c\""));
        let yaml = "nodes:\n  a:\n    needs: [b, c]\n";
        assert_eq!(locate(yaml, "/nodes/a/needs/1"), yaml.find("c]"));
    }

    #[test]
    fn a_value_is_shown_as_it_was_written() {
        let text = "{\"nodes\": {\"a\": {\"step\": \"x\",\n  \"input\": {}}, \"b\": 1}}".to_owned();
        let definition = serde_json::from_str(&text).unwrap();
        let source = Source { name: "x.json".to_owned(), text, definition };
        assert_eq!(source.text_of("/nodes/a"), Some("{\"step\": \"x\",\n  \"input\": {}}"));
        assert_eq!(source.text_of("/nodes/b"), Some("1"));
    }

    #[test]
    fn what_is_missing_is_shown_at_what_should_hold_it() {
        let yaml = "name: x\nnodes:\n  first: {when: 'true'}\n";
        assert_eq!(locate(yaml, "/nodes/first/step"), yaml.find("{when"));
    }
}
