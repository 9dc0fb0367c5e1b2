//! How long a text is.

use schemars::JsonSchema;
use serde::Deserialize;

use super::one;
use crate::{Measured, text};

/// Bounds of the length.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// The fewest words.
    min_words: Option<usize>,
    /// The most words.
    max_words: Option<usize>,
    /// The fewest characters.
    min_chars: Option<usize>,
    /// The most characters.
    max_chars: Option<usize>,
    /// How much the measure counts.
    #[serde(default = "one")]
    weight: f64,
    /// Below this, the output does not pass, whatever the total.
    at_least: Option<f64>,
}

impl Rule {
    pub(super) fn measure(&self, said: &str) -> Measured {
        let words = text::words(said).len();
        let chars = said.chars().count();
        let bounds = [
            (words, self.min_words, true),
            (words, self.max_words, false),
            (chars, self.min_chars, true),
            (chars, self.max_chars, false),
        ];
        // Twice too long is half as good, and so is half as long.
        let score = |(length, bound, is_least): (usize, Option<usize>, bool)| {
            let (length, bound) = (length as f64, bound? as f64);
            let ratio = if is_least { length / bound } else { bound / length };
            Some(if ratio.is_nan() { 1.0 } else { ratio.min(1.0) })
        };
        let score = bounds.into_iter().filter_map(score).fold(1.0, f64::min);
        let why = [&words.to_string(), " words, ", &chars.to_string(), " characters"].concat();
        Measured { name: "length", score, weight: self.weight, at_least: self.at_least, why }
    }
}
