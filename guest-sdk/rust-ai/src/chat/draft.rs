//! An answer while it is read, and what becomes of it: one judgement for all providers.

use serde_json::json;
use stepwell_sdk::StepError;

use super::Completion;
use crate::{Cause, Endpoint, Used};

/// What has been read of an answer so far.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) text: String,
    pub(super) model: Option<String>,
    pub(super) used: Option<Used>,
    /// Why it ended, in the provider's word.
    pub(super) finish: String,
    pub(super) end: End,
    /// What the model, or who watches over it, says instead of an answer.
    pub(super) refusal: String,
    /// A tool that the model calls, though it was given none.
    pub(super) tool: Option<String>,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum End {
    /// It has not, or nobody said how.
    #[default]
    Open,
    /// With its last word.
    Whole,
    /// At the most tokens.
    Length,
    /// Somebody kept it back.
    Refused,
    /// The provider gave it up, or has not made it.
    Failed,
}

impl Draft {
    /// Notes how it ended, in the provider's word and in ours.
    pub(super) fn ended(&mut self, finish: &str, end: End) {
        finish.clone_into(&mut self.finish);
        self.end = end;
    }

    /// The provider's refusal comes before everything else; an answer that was cut is none; a tool that nobody offered is let be if there is an answer besides.
    pub(super) fn finish(self, endpoint: &Endpoint<'_>) -> Result<Completion, StepError> {
        let model = self.model.unwrap_or_else(|| endpoint.model().to_owned());
        if !self.refusal.is_empty() || self.end == End::Refused {
            let why = if self.refusal.is_empty() { &self.finish } else { &self.refusal };
            return Err(endpoint.failure(Cause::Refused, &[&model, ": ", why].concat()));
        }
        if self.end == End::Failed {
            let reason = format!("the answer's status is `{}`", self.finish);
            return Err(crate::failure::told(endpoint.provider(), Cause::ProviderFailed, &reason));
        }
        if self.end == End::Length {
            let reason = [&model, " (", &self.finish, "): raise `max_tokens`, or ask for less"].concat();
            let error = endpoint.failure(Cause::LengthLimit, &reason);
            let detail = json!({"provider": endpoint.provider(), "cause": Cause::LengthLimit.name(), "answer": self.text});
            return Err(error.detail(detail));
        }
        if self.text.trim().is_empty() {
            let reason = match &self.tool {
                Some(tool) => [&model, " calls the tool `", tool, "`, which it was not given"].concat(),
                None if self.finish.is_empty() => [&model, " gave no reason"].concat(),
                None => [&model, " ended with `", &self.finish, "`"].concat(),
            };
            return Err(endpoint.failure(Cause::Empty, &reason));
        }
        Ok(Completion { text: self.text, model, finish: self.finish, used: self.used })
    }
}
