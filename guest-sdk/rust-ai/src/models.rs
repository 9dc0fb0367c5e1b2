//! Which model a provider is asked for by default, and what models cost. The prices are data, in `models/`; this file only reads them. There is
//! one file for each field of work, so that a component has those alone that it may ask for.

use serde::Deserialize;
use serde_json::Value;

use crate::Price;

const CHAT: &str = include_str!("models/chat.json");
const VECTORS: &str = include_str!("models/vectors.json");
const MODERATION: &str = include_str!("models/moderation.json");
const IMAGES: &str = include_str!("models/images.json");
const SPEECH: &str = include_str!("models/speech.json");
const OCR: &str = include_str!("models/ocr.json");

/// What models are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// By provider.
    default_models: &'static [(&'static str, &'static str)],
    prices: &'static [&'static str],
}

impl Work {
    /// Answers to prompts.
    pub const CHAT: Self = Self {
        default_models: &[
            ("openai", "gpt-5.6-luna"),
            ("anthropic", "claude-haiku-4-5"),
            ("gemini", "gemini-3.5-flash-lite"),
        ],
        prices: &[CHAT],
    };
    /// Vectors of texts.
    pub const EMBED: Self = Self {
        default_models: &[
            ("openai", "text-embedding-3-small"),
            ("gemini", "gemini-embedding-001"),
            ("cohere", "embed-v4.0"),
            ("voyage", "voyage-3.5"),
        ],
        prices: &[VECTORS],
    };
    /// An order of documents.
    pub const RERANK: Self = Self {
        default_models: &[
            ("cohere", "rerank-v3.5"),
            ("jina", "jina-reranker-v2-base-multilingual"),
            ("voyage", "rerank-2.5"),
            ("openai", "text-embedding-3-small"),
            ("gemini", "gemini-embedding-001"),
        ],
        prices: &[VECTORS],
    };
    /// Judgements of what is said or shown.
    pub const MODERATE: Self = Self {
        default_models: &[("openai", "omni-moderation-latest"), ("mistral", "mistral-moderation-latest")],
        prices: &[MODERATION],
    };
    /// New images.
    pub const IMAGE_GENERATE: Self = Self {
        default_models: &[
            ("openai", "gpt-image-1"),
            ("gemini", "gemini-2.5-flash-image"),
            ("replicate", "black-forest-labs/flux-schnell"),
            ("black-forest-labs", "flux-pro-1.1"),
            ("stability", "generate/core"),
        ],
        prices: &[IMAGES],
    };
    /// Changed images.
    pub const IMAGE_EDIT: Self = Self {
        default_models: &[
            ("openai", "gpt-image-1"),
            ("gemini", "gemini-2.5-flash-image"),
            ("replicate", "black-forest-labs/flux-kontext-pro"),
            ("black-forest-labs", "flux-kontext-pro"),
            ("stability", "edit/inpaint"),
            ("remove-bg", "removebg"),
        ],
        prices: &[IMAGES],
    };
    /// The text of sound.
    pub const TRANSCRIBE: Self =
        Self { default_models: &[("openai", "whisper-1"), ("deepgram", "nova-3")], prices: &[SPEECH] };
    /// The sound of text.
    pub const SPEAK: Self = Self {
        default_models: &[
            ("openai", "tts-1"),
            ("elevenlabs", "eleven_multilingual_v2"),
            ("gemini", "gemini-2.5-flash-preview-tts"),
            ("deepgram", "aura-2-thalia-en"),
        ],
        prices: &[SPEECH],
    };
    /// The text of images: by services for that, and by models that see.
    pub const OCR: Self = Self {
        default_models: &[("mistral-ocr", "mistral-ocr-latest"), ("google-vision", "builtin/stable")],
        prices: &[OCR, CHAT],
    };

    /// The model that a provider is asked for where the config names none.
    pub(crate) fn default_model(self, provider: &str) -> Option<&'static str> {
        self.default_models.iter().find_map(|&(of, model)| (of == provider).then_some(model))
    }

    /// What a model costs, if that is known.
    pub(crate) fn price(self, provider: &str, model: &str) -> Option<Price> {
        self.prices.iter().find_map(|table| price(&serde_json::from_str(table).ok()?, provider, model))
    }
}

/// What one call used up.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Used {
    /// Tokens read, those from a cache among them.
    pub input_tokens: u64,
    /// Of the tokens read, those that came from the provider's cache.
    pub cached_tokens: u64,
    /// Tokens written, those of the model's thinking among them.
    pub output_tokens: u64,
    /// How many of what else the model is paid by: images, seconds of sound, characters, searches.
    pub units: f64,
}

impl Price {
    /// Dollars for a million tokens are millionths of a dollar for one.
    pub(crate) fn micro_usd(&self, used: Used) -> u64 {
        let cached = used.cached_tokens.min(used.input_tokens);
        let cost = (used.input_tokens - cached) as f64 * self.input_per_million_usd
            + cached as f64 * self.cached_per_million_usd.unwrap_or(self.input_per_million_usd)
            + used.output_tokens as f64 * self.output_per_million_usd
            + used.units * self.unit_usd * 1e6;
        cost.round() as u64
    }
}

fn price(table: &Value, provider: &str, model: &str) -> Option<Price> {
    let models = table.get(provider)?.as_object()?;
    let rows = models.iter().filter(|(name, _)| is_of(name, model));
    let (_, row) = rows.max_by_key(|(name, _)| name.len())?;
    Price::deserialize(row.get("price")?).ok()
}

/// Whether a name of the table is this model's: the same, the same but for a version behind it (`gpt-4o-2024-08-06`, `claude-sonnet-4-5@20250929`), or,
/// where it ends in `*`, any with that beginning.
fn is_of(name: &str, model: &str) -> bool {
    if let Some(beginning) = name.strip_suffix('*') {
        return model.starts_with(beginning);
    }
    match model.strip_prefix(name) {
        None => false,
        Some("" | "-latest") => true,
        Some(rest) => rest.starts_with(['-', '@', ':']) && is_version(&rest[1..]),
    }
}

/// A number of three digits or more, which is a date or a build, and no size or generation.
fn is_version(text: &str) -> bool {
    text.bytes().take_while(u8::is_ascii_digit).count() >= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_can_be_read_whole() {
        for table in [CHAT, VECTORS, MODERATION, IMAGES, SPEECH, OCR] {
            let table: Value = serde_json::from_str(table).unwrap();
            for (provider, models) in table.as_object().unwrap() {
                for (model, row) in models.as_object().unwrap() {
                    let place = format!("{provider}/{model}");
                    let price = Price::deserialize(&row["price"]).expect(&place);
                    assert_eq!(row["as_of"].as_str().map(str::len), Some(10), "{place} says when it was so");
                    assert_eq!(
                        price.unit_usd > 0.0,
                        row["unit"].is_string(),
                        "{place} says what its unit is"
                    );
                }
            }
        }
    }

    #[test]
    fn every_default_model_has_a_price() {
        for work in [
            Work::CHAT,
            Work::EMBED,
            Work::RERANK,
            Work::MODERATE,
            Work::IMAGE_GENERATE,
            Work::IMAGE_EDIT,
            Work::TRANSCRIBE,
            Work::SPEAK,
            Work::OCR,
        ] {
            for (provider, model) in work.default_models {
                // What a character costs there depends on the subscription.
                let is_priced = *provider != "elevenlabs";
                assert_eq!(work.price(provider, model).is_some(), is_priced, "{provider}/{model}");
            }
        }
        assert!(Work::OCR.price("openai", "gpt-4o").is_some(), "a model that sees reads as well");
    }

    #[test]
    fn a_version_of_a_model_costs_what_the_model_costs_and_another_size_does_not() {
        let price = |provider, model| Work::CHAT.price(provider, model);
        let mini = price("openai", "gpt-4o-mini").unwrap();
        assert_eq!(price("openai", "gpt-4o-mini-2024-07-18"), Some(mini));
        assert_ne!(price("openai", "gpt-4o-2024-08-06"), Some(mini));
        assert_eq!(price("openai", "gpt-4o-nobody-knows"), None);
        assert_eq!(price("openai", "gpt-5.1"), price("openai", "gpt-5.1-2025-11-13"));
        assert_eq!(price("acme", "gpt-4o"), None);
    }

    #[test]
    fn each_thing_used_is_paid_once() {
        let price = Price {
            input_per_million_usd: 2.5,
            cached_per_million_usd: Some(1.25),
            output_per_million_usd: 10.0,
            unit_usd: 0.04,
        };
        let used = Used { input_tokens: 100, cached_tokens: 40, output_tokens: 10, units: 2.0 };
        assert_eq!(price.micro_usd(used), 150 + 50 + 100 + 80_000);
        let uncached = Price { cached_per_million_usd: None, ..price };
        assert_eq!(uncached.micro_usd(Used { units: 0.0, ..used }), 250 + 100);
    }
}
