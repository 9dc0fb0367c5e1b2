//! Answers that must fit a schema: a model that misses is told why, and asked once more.

use serde_json::{Value, json};
use stepwell_sdk::{StepError, info, warn};

use super::{Ask, Chat, Completion, Message, News, Role};
use crate::Cause;
use crate::schema::Schema;

/// An answer that fits.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Fitting {
    /// The answer's JSON.
    pub answer: Value,
    /// The answer as it came.
    pub completion: Completion,
}

impl Chat<'_> {
    /// Asks until the answer fits the schema, but no more than twice: a model that misses its own mistake will miss it again. With `news`, the answers are streamed
    /// to it.
    ///
    /// # Errors
    ///
    /// As [`Chat::complete`] has them; and, retryable, when neither answer fits: its detail holds both, with what was wrong with each.
    pub fn fitting(
        &self,
        ask: &mut Ask<'_>,
        schema: &Schema<'_>,
        mut news: Option<&mut dyn FnMut(News<'_>)>,
    ) -> Result<Fitting, StepError> {
        let first = self.once(ask, &mut news)?;
        let missed = match check(schema, &first.text) {
            Ok(answer) => return Ok(Fitting { answer, completion: first }),
            Err(violations) => violations,
        };
        info!(violations = missed, "the answer does not fit the schema: asking once more");
        ask.messages.push(Message::new(Role::Assistant, first.text.as_str()));
        ask.messages.push(Message::user(correction(&missed)));
        if let Some(news) = &mut news {
            news(News::Again);
        }
        let second = self.once(ask, &mut news)?;
        match check(schema, &second.text) {
            Ok(answer) => Ok(Fitting { answer, completion: second }),
            Err(violations) => {
                Err(self.missed_twice(&second.model, [&first.text, &second.text], &[missed, violations]))
            }
        }
    }

    fn once(
        &self,
        ask: &Ask<'_>,
        news: &mut Option<&mut dyn FnMut(News<'_>)>,
    ) -> Result<Completion, StepError> {
        match news {
            Some(news) => self.stream(ask, *news),
            None => self.complete(ask),
        }
    }

    fn missed_twice(&self, model: &str, answers: [&str; 2], violations: &[Vec<String>; 2]) -> StepError {
        warn!(violations = violations[1], "the second answer does not fit the schema either");
        let [first, second] = violations.each_ref().map(|violations| violations.join("; "));
        let reason = [
            model,
            " gave twice an answer that does not fit the schema: first, ",
            &first,
            "; then, ",
            &second,
        ]
        .concat();
        let cause = Cause::Misfit;
        let detail = json!({
            "provider": self.endpoint.provider(), "cause": cause.name(), "answers": answers, "violations": violations
        });
        self.endpoint.failure(cause, &reason).detail(detail)
    }
}

fn check(schema: &Schema<'_>, text: &str) -> Result<Value, Vec<String>> {
    let answer = serde_json::from_str(without_fence(text))
        .map_err(|error| vec![format!("it is not JSON: {error}")])?;
    let violations = schema.violations(&answer);
    if violations.is_empty() { Ok(answer) } else { Err(violations) }
}

/// Models without constrained decoding like to wrap JSON as Markdown.
fn without_fence(text: &str) -> &str {
    let text = text.trim();
    let fenced = text.strip_prefix("```").and_then(|text| text.strip_suffix("```"));
    fenced.map_or(text, |text| text.strip_prefix("json").unwrap_or(text))
}

fn correction(violations: &[String]) -> String {
    let before = "Your answer does not fit the schema: ";
    let behind = ". Answer again with one JSON document that fits it, and nothing else.";
    [before, &violations.join("; "), behind].concat()
}
