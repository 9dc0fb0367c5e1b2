//! From a typed function to the contract's JSON: decode, call, encode.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::StepError;

/// A function that can be a step: it takes its input and, if it wants one, its config.
///
/// `Arguments` tells the two shapes apart; nobody writes it.
#[diagnostic::on_unimplemented(
    message = "this function cannot be a step",
    label = "a step is `fn(In) -> Result<Out, E>` or `fn(In, Config) -> Result<Out, E>`",
    note = "In and Config need `serde::Deserialize` and `schemars::JsonSchema`, Out needs `serde::Serialize` and `schemars::JsonSchema`, \
            and E converts into `stepwell_sdk::StepError`"
)]
pub trait Handler<Arguments> {
    /// What an attempt is given.
    type Input: DeserializeOwned + JsonSchema;
    /// What the workflow fixes.
    type Config: DeserializeOwned + JsonSchema;
    /// What it answers.
    type Output: Serialize + JsonSchema;

    /// Does the work.
    ///
    /// # Errors
    ///
    /// The function's own.
    fn call(&self, input: Self::Input, config: Self::Config) -> Result<Self::Output, StepError>;
}

impl<F, In, Out, E> Handler<(In,)> for F
where
    F: Fn(In) -> Result<Out, E>,
    In: DeserializeOwned + JsonSchema,
    Out: Serialize + JsonSchema,
    E: Into<StepError>,
{
    type Input = In;
    type Config = NoConfig;
    type Output = Out;

    fn call(&self, input: In, NoConfig {}: NoConfig) -> Result<Out, StepError> {
        self(input).map_err(Into::into)
    }
}

impl<F, In, Config, Out, E> Handler<(In, Config)> for F
where
    F: Fn(In, Config) -> Result<Out, E>,
    In: DeserializeOwned + JsonSchema,
    Config: DeserializeOwned + JsonSchema,
    Out: Serialize + JsonSchema,
    E: Into<StepError>,
{
    type Input = In;
    type Config = Config;
    type Output = Out;

    fn call(&self, input: In, config: Config) -> Result<Out, StepError> {
        self(input, config).map_err(Into::into)
    }
}

/// The config of a step that takes none: an empty object.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// One attempt, from JSON to JSON.
pub(crate) fn run<A, H: Handler<A>>(handler: &H, input: &str, config: &str) -> Result<String, StepError> {
    let config = serde_json::from_str(config)
        .map_err(|error| StepError::permanent(format!("the config does not fit: {error}")))?;
    let input = serde_json::from_str(input)
        .map_err(|error| StepError::invalid_input(format!("the input does not fit: {error}")))?;
    let output = handler.call(input, config)?;
    serde_json::to_string(&output)
        .map_err(|error| StepError::permanent(format!("the output cannot be JSON: {error}")))
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "a step owns its input")]
mod tests {
    use super::*;
    use crate::StepErrorKind;

    #[derive(Deserialize, JsonSchema)]
    struct In {
        text: String,
        #[serde(default)]
        times: usize,
    }

    #[derive(Serialize, JsonSchema)]
    struct Out {
        text: String,
    }

    fn repeat(input: In) -> Result<Out, StepError> {
        Ok(Out { text: input.text.repeat(input.times) })
    }

    #[test]
    fn json_goes_in_and_comes_out() {
        assert_eq!(run(&repeat, r#"{"text":"ab","times":2}"#, "{}").unwrap(), r#"{"text":"abab"}"#);
    }

    #[test]
    fn whose_document_is_wrong_decides_the_kind_of_the_error() {
        let input = run(&repeat, r#"{"text":1}"#, "{}").unwrap_err();
        assert_eq!(input.kind, StepErrorKind::InvalidInput);
        assert!(input.message.contains("expected a string"), "{input}");

        let config = run(&repeat, r#"{"text":""}"#, r#"{"color":"red"}"#).unwrap_err();
        assert_eq!(config.kind, StepErrorKind::Permanent);
        assert!(config.message.contains("color"), "{config}");
    }

    #[test]
    fn any_error_that_becomes_a_step_error_will_do() {
        fn parse(text: String) -> Result<serde_json::Value, serde_json::Error> {
            serde_json::from_str(&text)
        }
        assert_eq!(run(&parse, r#""[1]""#, "{}").unwrap(), "[1]");
        assert_eq!(run(&parse, r#""[""#, "{}").unwrap_err().kind, StepErrorKind::Permanent);
    }
}
