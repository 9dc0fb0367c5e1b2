//! Effects: the calls that an attempt makes through a granted capability, in the shape in which the journal keeps them.
//!
//! A secret's value never stands here: a request is kept as the guest wrote it, with `{{secret.NAME}}`.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::manifest::Capability;

/// One effect of an attempt, answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Effect {
    /// Counts an attempt's effects from 0, in the order in which the guest asked.
    pub index: u32,
    /// Through which capability.
    pub capability: Capability,
    /// What was asked, for a person: `POST https://api.openai.com/v1/chat/completions`.
    pub summary: String,
    /// Of the whole request as the guest made it: a replay must ask the same.
    pub request_digest: Digest,
    /// What came back, in the capability's own JSON shape, success or error.
    pub answer: serde_json::Value,
}

/// One effect of an attempt, still to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectAsked {
    /// See [`Effect::index`].
    pub index: u32,
    /// See [`Effect::capability`].
    pub capability: Capability,
    /// See [`Effect::summary`].
    pub summary: String,
    /// See [`Effect::request_digest`].
    pub request_digest: Digest,
}

impl EffectAsked {
    /// The effect with its answer.
    #[must_use]
    pub fn answered(self, answer: serde_json::Value) -> Effect {
        let Self { index, capability, summary, request_digest } = self;
        Effect { index, capability, summary, request_digest, answer }
    }
}
