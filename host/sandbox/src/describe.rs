//! A step's `describe`, called once, when the step is published: with every import refused and small limits.

use std::sync::Arc;

use async_trait::async_trait;
use semver::Version;
use serde_json::Value;
use stepwell_core::attempt::{LogLine, ModelCall};
use stepwell_core::destination::Destination;
use stepwell_core::effect::Effect;
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::id::StepName;
use stepwell_core::limits::Limits;
use stepwell_core::manifest::{Capability, CapabilityNeed, Manifest};
use stepwell_core::mistake::Mistake;
use wasmtime::Engine;

use crate::attempt::{AttemptHost, Leave};
use crate::bindings::stepwell::step::types as wit;
use crate::call::{Guest, Time};
use crate::error::PublishError;
use crate::guest::GuestState;
use crate::lives::Past;
use crate::room::Rooms;
use crate::step::Step;

/// The longest summary, in characters: it is one line.
const MAX_SUMMARY_CHARS: usize = 200;

/// Enough for a scripting language to start, and no more.
fn limits() -> Limits {
    Limits { fuel: 5_000_000_000, time_ms: 10_000, log_lines: 100, sent_bytes: 64 << 10, ..Limits::default() }
}

/// Asks the step what it is, and checks the answer.
pub(crate) async fn describe(engine: &Engine, step: &Step, rooms: &Rooms) -> Result<Manifest, PublishError> {
    let _room = rooms.enter(&Nobody).await;
    let limits = limits();
    let nobody: Arc<dyn AttemptHost> = Arc::new(Nobody);
    let past = Past::new(&nobody, &limits, Vec::new());
    let state = GuestState::new(nobody, &limits, past);
    let mut guest =
        Guest::new(engine, state, limits, Time::begin(&limits)).map_err(PublishError::Describe)?;
    let manifest = guest.describe(step).await.map_err(PublishError::Describe)?;
    check(manifest).map_err(PublishError::Manifest)
}

/// The host of a guest that has no business with one.
struct Nobody;

#[async_trait]
impl AttemptHost for Nobody {
    async fn before_effect(&self, _: Option<&Destination>) -> Result<Box<dyn Leave>, Failure> {
        Err(Failure::new(FailureKind::Permanent, "`describe` can't have effects"))
    }
    fn answered(&self, _: Effect) {}
    fn used(&self, _: &ModelCall) {}
    fn logged(&self, _: &LogLine) {}
    fn progress(&self, _: Value) {}
}

/// Turns what the step said into a manifest, or tells all its mistakes.
fn check(said: wit::Manifest) -> Result<Manifest, Vec<Mistake>> {
    let mut mistakes = Mistakes::default();
    let name = mistakes.note("/name", StepName::new(said.name));
    let version = mistakes.note("/version", version(&said.version));
    let summary = mistakes.note("/summary", summary(said.summary));
    let input_schema = mistakes.note("/input-schema", schema(&said.input_schema));
    let config_schema = mistakes.note("/config-schema", schema(&said.config_schema));
    let output_schema = mistakes.note("/output-schema", schema(&said.output_schema));
    let capabilities = said.capabilities.into_iter().map(Into::into).collect();
    match (name, version, summary, input_schema, config_schema, output_schema) {
        (
            Some(name),
            Some(version),
            Some(summary),
            Some(input_schema),
            Some(config_schema),
            Some(output_schema),
        ) => {
            Ok(Manifest { name, version, summary, input_schema, config_schema, output_schema, capabilities })
        }
        _ => Err(mistakes.0),
    }
}

#[derive(Default)]
struct Mistakes(Vec<Mistake>);

impl Mistakes {
    fn note<T, E: ToString>(&mut self, pointer: &str, result: Result<T, E>) -> Option<T> {
        result
            .map_err(|error| {
                self.0.push(Mistake {
                    pointer: pointer.to_owned(),
                    code: "bad-manifest".to_owned(),
                    message: error.to_string(),
                    help: None,
                });
            })
            .ok()
    }
}

fn version(text: &str) -> Result<Version, String> {
    Version::parse(text).map_err(|error| format!("`{text}` is not a version such as `1.4.2`: {error}"))
}

fn summary(text: String) -> Result<String, String> {
    let chars = text.chars().count();
    if chars > MAX_SUMMARY_CHARS || text.contains('\n') {
        return Err(format!("is one line of {MAX_SUMMARY_CHARS} characters at most, and has {chars}"));
    }
    Ok(text)
}

fn schema(text: &str) -> Result<Value, String> {
    let schema: Value = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
    jsonschema::draft202012::new(&schema).map_err(|error| format!("is no JSON Schema (2020-12): {error}"))?;
    Ok(schema)
}

impl From<wit::CapabilityNeed> for CapabilityNeed {
    fn from(need: wit::CapabilityNeed) -> Self {
        let capability = match need.capability {
            wit::Capability::Http => Capability::Http,
            wit::Capability::State => Capability::State,
        };
        Self { capability, reason: need.reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said() -> wit::Manifest {
        wit::Manifest {
            name: "echo".to_owned(),
            version: "1.0.0".to_owned(),
            summary: "Answers its input".to_owned(),
            input_schema: "true".to_owned(),
            config_schema: r#"{"type": "object"}"#.to_owned(),
            output_schema: "{}".to_owned(),
            capabilities: vec![],
        }
    }

    #[test]
    fn a_whole_manifest_passes() {
        let manifest = check(said()).expect("nothing is wrong with it");
        assert_eq!(manifest.name.as_str(), "echo");
        assert_eq!(manifest.input_schema, Value::Bool(true));
    }

    /// An author mends all at once, not one publication at a time.
    #[test]
    fn every_mistake_is_told() {
        let mistakes = check(wit::Manifest {
            name: "Echo!".to_owned(),
            version: "1".to_owned(),
            summary: "two\nlines".to_owned(),
            input_schema: "{".to_owned(),
            config_schema: r#"{"type": "strin"}"#.to_owned(),
            output_schema: "3".to_owned(),
            capabilities: vec![],
        })
        .expect_err("everything is wrong with it");
        let pointers: Vec<_> = mistakes.iter().map(|mistake| mistake.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            ["/name", "/version", "/summary", "/input-schema", "/config-schema", "/output-schema"]
        );
    }

    /// A schema that points elsewhere would make the host fetch it.
    #[test]
    fn a_schema_that_refers_to_another_place_is_refused() {
        let mistakes = check(wit::Manifest {
            input_schema: r#"{"$ref": "http://127.0.0.1/schema.json"}"#.to_owned(),
            ..said()
        });
        assert!(mistakes.is_err());
    }
}
