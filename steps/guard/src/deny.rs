//! Patterns of one's own: regular expressions of bounded size, found in time that the text's length bounds.

use std::collections::BTreeMap;
use std::ops::Range;

use regex_lite::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::Deserialize;
use stepwell_sdk::StepError;

use crate::Then;
use crate::content::Text;

/// Of one expression, compiled: some thousand states.
const MOST_BYTES: usize = 256 << 10;

/// Which patterns must not stand in the text.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What is done about them. `redact` puts `[REMOVED]` in their place.
    #[serde(default = "block")]
    pub(crate) then: Then,
    /// By name: regular expressions, such as `{"codename": "(?i)project\\s+falcon"}`. Classes such as `\\w` know ASCII alone.
    pub(crate) patterns: BTreeMap<String, String>,
}

fn block() -> Then {
    Then::Block
}

/// Patterns that are ready.
pub(crate) struct Patterns(Vec<(String, Regex)>);

/// Where one stands.
pub(crate) struct Match {
    pub(crate) name: String,
    pub(crate) span: Range<usize>,
}

impl Patterns {
    pub(crate) fn new(field: &str, patterns: &BTreeMap<String, String>) -> Result<Self, StepError> {
        let compile = |(name, pattern): (&String, &String)| {
            let regex = RegexBuilder::new(pattern).size_limit(MOST_BYTES).build();
            let regex =
                regex.map_err(|error| StepError::permanent(format!("`{field}`: `{name}`: {error}")))?;
            Ok((name.clone(), regex))
        };
        patterns.iter().map(compile).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn look(&self, text: &Text) -> Vec<Match> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let whole: String = text.chars.iter().collect();
        // Expressions count bytes, and places are counted in characters.
        let mut at = Vec::with_capacity(whole.len() + 1);
        for (index, c) in text.chars.iter().enumerate() {
            at.resize(at.len() + c.len_utf8(), index);
        }
        at.push(text.chars.len());
        let find = |(name, regex): &(String, Regex)| {
            let matches = regex.find_iter(&whole).filter(|found| !found.is_empty());
            matches
                .map(|found| Match { name: name.clone(), span: at[found.start()]..at[found.end()] })
                .collect::<Vec<_>>()
        };
        self.0.iter().flat_map(find).collect()
    }
}
