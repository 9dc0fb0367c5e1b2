//! What one attempt leaves behind beside its output: the bill, the audit records, the log.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What one attempt used and recorded, kept with its outcome whether it succeeded or failed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Account {
    /// Units of computation.
    pub fuel: u64,
    /// Microseconds of wall-clock time, waiting included.
    pub duration_us: u64,
    /// Effects asked for.
    pub effects: u32,
    /// Calls of AI models.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub usage: Vec<ModelCall>,
    /// Decisions for the audit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Decision>,
    /// Lines written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<LogLine>,
}

/// What one call of an AI model cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ModelCall {
    /// `openai`, `anthropic`, ...
    pub provider: String,
    /// As the provider names it.
    pub model: String,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Millionths of a US dollar, where the price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_micro_usd: Option<u64>,
}

/// The audit record of an AI decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Decision {
    /// What was decided.
    pub decided: Value,
    /// 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// Who decided.
    pub model_version: String,
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// The finest.
    Trace,
    /// For the step's author.
    Debug,
    /// For the operator.
    Info,
    /// Something is odd.
    Warn,
    /// Something failed.
    Error,
}

/// One line of a run's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// The line.
    pub message: String,
    /// Named values.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    #[schema(value_type = Object)]
    pub fields: serde_json::Map<String, Value>,
}
