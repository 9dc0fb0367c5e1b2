//! Screens what goes to a model, or what comes from one: text, or the texts within JSON.
//!
//! Each check finds what it looks for, and the workflow says what then: block, flag, or take it out. What was found is told with its place; what was
//! decided is recorded. Personal data that was taken out comes back in by the same step, in the mode `restore`.

mod check;
mod content;
mod deny;
mod finding;
mod injection;
mod limits;
mod pii;
mod placeholder;
mod redact;
mod restore;
mod schema;
mod screen;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stepwell_sdk::StepError;

use finding::Finding;
use placeholder::Original;

/// What is looked for, and what then. A check that is left out is not made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Whether to screen, or to put back what an earlier screening took out.
    #[serde(default)]
    mode: Mode,
    /// Looks for words that try to command a model.
    injection: Option<injection::Config>,
    /// Looks for personal data.
    pii: Option<pii::Config>,
    /// Looks for patterns of one's own.
    deny: Option<deny::Config>,
    /// Holds the text to a length.
    limits: Option<limits::Config>,
    /// Holds JSON to a schema.
    schema: Option<schema::Config>,
    /// What becomes of what is blocked.
    #[serde(default)]
    on_block: OnBlock,
}

/// What the step is to do.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// Makes the checks.
    #[default]
    Screen,
    /// Puts the values of `placeholders` back, and makes no checks.
    Restore,
}

/// What becomes of what is blocked.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum OnBlock {
    /// The step succeeds with the verdict `blocked`, and without the text.
    #[default]
    Output,
    /// The step fails: an error that no retry mends.
    Error,
}

/// What is done about what a check found.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Then {
    /// The verdict is `blocked`.
    Block,
    /// The verdict is `flagged`; the text goes on as it is.
    Flag,
    /// What was found is taken out of the text, which goes on.
    Redact,
}

/// What to screen: `text` or `value`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// A text.
    text: Option<String>,
    /// Any JSON; every text and number within is screened, names of fields are not.
    value: Option<Value>,
    /// What stands for what, as an earlier output of this step has it. `restore` puts it back; a screening goes on with it, so that a value keeps its placeholder.
    #[serde(default)]
    placeholders: BTreeMap<String, Original>,
}

/// What was found.
#[derive(Debug, Serialize, JsonSchema)]
struct Output {
    /// What became of the text.
    verdict: Verdict,
    /// The text, without what was taken out; none if it is blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// The JSON, without what was taken out; none if it is blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    /// What each check found, also what was too little to act on; 100 at most, first those of the strictest checks if there are more.
    findings: Vec<Finding>,
    /// How likely it is that the text tries to command a model, or what is left of it, 0 to 1; with `injection`.
    #[serde(skip_serializing_if = "Option::is_none")]
    injection_score: Option<f64>,
    /// What stands for what, where personal data was taken out: `{"[EMAIL_1]": "ann@example.com"}`. For `restore` alone: keep it from models.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    placeholders: BTreeMap<String, Original>,
}

/// What became of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// Nothing was found, or all of it was taken out.
    Pass,
    /// Something was found that somebody should look at.
    Flagged,
    /// Something was found that must not go on.
    Blocked,
}

#[stepwell_sdk::step]
fn guard(input: Input, config: Config) -> Result<Output, StepError> {
    match config.mode {
        Mode::Screen => screen::screen(input, &config),
        Mode::Restore => restore::restore(input),
    }
}
