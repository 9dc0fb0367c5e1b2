//! What a call of an AI model cost: recorded with the attempt, summed up on the run.

use crate::host;

/// The cost of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelCall {
    /// `openai`, `anthropic`, ...
    pub provider: String,
    /// As the provider names it.
    pub model: String,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Millionths of a US dollar; `None` where the price is not known.
    pub cost_micro_usd: Option<u64>,
}

/// Records one call.
pub fn record(call: ModelCall) {
    host::record_usage(call);
}
