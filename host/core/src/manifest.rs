//! What is known of a published step: what it says of itself, and what its component proves.

use std::collections::BTreeSet;

use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::id::StepName;

/// A kind of authority that an interface of the contract gives, named as the interface is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// Sends HTTP requests.
    Http,
    /// Keeps small values between runs.
    State,
}

impl Capability {
    /// As written in WIT and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::State => "state",
        }
    }
}

/// A capability that a step wants, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CapabilityNeed {
    /// What it wants.
    pub capability: Capability,
    /// One line for the operator.
    pub reason: String,
}

/// What a step says of itself: the answer of its `describe`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Manifest {
    /// The step's name.
    pub name: StepName,
    /// The step's version.
    #[schema(value_type = String)]
    pub version: Version,
    /// One line: what it does.
    pub summary: String,
    /// JSON Schema of its input.
    pub input_schema: Value,
    /// JSON Schema of its config.
    pub config_schema: Value,
    /// JSON Schema of its output.
    pub output_schema: Value,
    /// What it needs beyond computing.
    pub capabilities: Vec<CapabilityNeed>,
}

/// A step as the catalogue keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PublishedStep {
    /// What it says of itself.
    #[serde(flatten)]
    pub manifest: Manifest,
    /// Of the component's bytes.
    pub digest: Digest,
    /// Every interface that the component imports, by its full name.
    pub imports: BTreeSet<String>,
    /// The effect interfaces among them, as capabilities. This is what the component *can* do, whatever it says.
    pub effects: BTreeSet<Capability>,
    /// Size of the component in bytes.
    pub size: u64,
}

impl PublishedStep {
    /// Proved by the imports: running it twice cannot be told from running it once.
    #[must_use]
    pub fn is_effect_free(&self) -> bool {
        self.effects.is_empty()
    }
}
