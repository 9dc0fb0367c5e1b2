//! How much a text has in common with another one.

use schemars::JsonSchema;
use serde::Deserialize;

use super::one;
use crate::{Measured, text, written};

/// More words are not compared: the time grows with their square.
const MOST_WORDS: usize = 2000;

/// How texts are compared.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// What counts as common.
    #[serde(default)]
    by: By,
    /// The overlap that is as good as can be expected, 0 to 1: from there on the measure is 1.
    #[serde(default = "one")]
    full: f64,
    /// How much the measure counts.
    #[serde(default = "one")]
    weight: f64,
    /// Below this, the output does not pass, whatever the total.
    at_least: Option<f64>,
}

/// What counts as common. Of both, the harmonic mean of what is found again in either text (F1), of the first 2,000 words.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum By {
    /// Words in the same order, with others between (ROUGE-L).
    #[default]
    RougeL,
    /// Words, in any order.
    TokenF1,
}

impl Rule {
    pub(super) fn measure(&self, said: &str, reference: &str) -> Measured {
        let limited = |text: &str| text::words(text).into_iter().take(MOST_WORDS).collect::<Vec<_>>();
        let (said, reference) = (limited(said), limited(reference));
        let (common, by) = match self.by {
            By::RougeL => (in_order(&said, &reference), "ROUGE-L"),
            By::TokenF1 => (in_any_order(&said, &reference), "F1 of words"),
        };
        let value = match said.len() + reference.len() {
            0 => 1.0,
            all => 2.0 * common as f64 / all as f64,
        };
        let score = if self.full > 0.0 { (value / self.full).min(1.0) } else { 1.0 };
        let why = [by, " with the reference is ", &written(value)].concat();
        Measured { name: "overlap", score, weight: self.weight, at_least: self.at_least, why }
    }
}

/// The longest common subsequence, by one row of the table at a time.
fn in_order(one: &[String], other: &[String]) -> usize {
    let mut row = vec![0; other.len() + 1];
    for word in one {
        let mut diagonal = 0;
        for (index, candidate) in other.iter().enumerate() {
            let above = row[index + 1];
            row[index + 1] = if word == candidate { diagonal + 1 } else { above.max(row[index]) };
            diagonal = above;
        }
    }
    row.last().copied().unwrap_or_default()
}

fn in_any_order(one: &[String], other: &[String]) -> usize {
    let mut rest: Vec<&String> = other.iter().collect();
    let mut is_common = |word: &&String| match rest.iter().position(|candidate| candidate == word) {
        Some(at) => {
            rest.swap_remove(at);
            true
        }
        None => false,
    };
    one.iter().filter(&mut is_common).count()
}
