//! The rules: phrases with scores, as data.

use schemars::JsonSchema;
use serde::Deserialize;
use stepwell_sdk::StepError;

use super::words::{Phrase, folded};

/// The step's own.
const OWN: &str = include_str!("rules.json");

/// A phrase that is looked for: `words` or `literal`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// What findings call it.
    name: String,
    /// How likely it is that whoever writes so wants to command a model, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    score: f64,
    /// Words in order: `ignor*|forget .. previous|prior .. instruction*`. `|` parts alternatives, `*` ends a word's beginning, and `..` stands for up to three words.
    #[serde(default)]
    words: Vec<String>,
    /// Texts that stand as they are, in whatever case: `<|im_start|>`.
    #[serde(default)]
    literal: Vec<String>,
}

/// Rules that are ready to be looked for.
pub(super) struct Rules {
    pub(super) phrases: Vec<(Phrase, String, f64)>,
    pub(super) literals: Vec<(String, String, f64)>,
}

impl Rules {
    pub(super) fn with(more: &[Rule]) -> Result<Self, StepError> {
        let own: Vec<Rule> = serde_json::from_str(OWN)?;
        let mut rules = Self { phrases: Vec::new(), literals: Vec::new() };
        for Rule { name, score, words, literal } in own.iter().chain(more) {
            for text in words {
                let phrase = Phrase::parse(text).ok_or_else(|| {
                    StepError::permanent(format!(
                        "`injection.rules`: `{name}` has words that are none: `{text}`"
                    ))
                })?;
                rules.phrases.push((phrase, name.clone(), *score));
            }
            for text in literal.iter().map(|text| folded(text)).filter(|text| !text.is_empty()) {
                rules.literals.push((text, name.clone(), *score));
            }
        }
        Ok(rules)
    }
}
