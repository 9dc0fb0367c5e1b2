//! How easy a text is to read: Flesch's reading ease, by the length of sentences and words.

use schemars::JsonSchema;
use serde::Deserialize;

use super::one;
use crate::{Measured, rounded, text, written};

/// How easy it is to be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// The reading ease that is wanted, 1 to 100: 60 is plain language, 30 a scientific paper.
    #[serde(default = "plain")]
    #[schemars(range(min = 1, max = 100))]
    ease: f64,
    /// The language, which decides how syllables count.
    #[serde(default)]
    language: Language,
    /// How much the measure counts.
    #[serde(default = "one")]
    weight: f64,
    /// Below this, the output does not pass, whatever the total.
    at_least: Option<f64>,
}

fn plain() -> f64 {
    60.0
}

/// A language whose ease can be told.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
enum Language {
    /// English (Flesch).
    #[default]
    #[serde(rename = "en")]
    English,
    /// German (Amstad).
    #[serde(rename = "de")]
    German,
}

impl Rule {
    pub(super) fn measure(&self, said: &str) -> Measured {
        let words = text::words(said);
        let count = words.len().max(1) as f64;
        let sentence = count / text::sentences(said) as f64;
        let word = words.iter().map(|word| syllables(word, self.language)).sum::<usize>() as f64 / count;
        let ease = match self.language {
            Language::English => 206.835 - 1.015 * sentence - 84.6 * word,
            Language::German => 180.0 - sentence - 58.5 * word,
        };
        let ease = if words.is_empty() { 0.0 } else { ease.clamp(0.0, 100.0) };
        let why = ["a reading ease of ", &written(ease)].concat();
        Measured {
            name: "readability",
            score: rounded(ease / self.ease),
            weight: self.weight,
            at_least: self.at_least,
            why,
        }
    }
}

/// Vowels that stand together are one syllable; an English `e` at the end is none.
fn syllables(word: &str, language: Language) -> usize {
    let is_vowel = |c: char| "aeiouyäöüáéíóúàèìòùâêîôû".contains(c);
    let mut count = 0;
    let mut after_vowel = false;
    for c in word.chars() {
        count += usize::from(is_vowel(c) && !after_vowel);
        after_vowel = is_vowel(c);
    }
    let is_silent =
        matches!(language, Language::English) && word.ends_with('e') && !word.ends_with("le") && count > 1;
    (count - usize::from(is_silent)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syllables_are_counted_as_they_are_spoken() {
        for (word, count) in
            [("cat", 1), ("table", 2), ("make", 1), ("readability", 5), ("the", 1), ("hmm", 1)]
        {
            assert_eq!(syllables(word, Language::English), count, "{word}");
        }
        assert_eq!(syllables("straße", Language::German), 2);
    }
}
