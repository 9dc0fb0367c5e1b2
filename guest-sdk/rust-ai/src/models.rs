//! The table of models: which one a provider is asked for by default, and what each costs. The table is data; this file only reads it.

use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;

use crate::Price;

const TABLE: &str = include_str!("models.json");

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

/// The model that a provider is asked for where the config names none.
pub(crate) fn default_model(provider: &str, work: &str) -> Option<&'static str> {
    table().get("defaults")?.get(work)?.get(provider)?.as_str()
}

/// What a model costs, if that is known.
pub(crate) fn price(provider: &str, model: &str) -> Option<Price> {
    let models = table().get("prices")?.get(provider)?.as_object()?;
    let rows = models.iter().filter(|(name, _)| is_of(name, model));
    let (_, row) = rows.max_by_key(|(name, _)| name.len())?;
    Price::deserialize(row.get("price")?).ok()
}

fn table() -> &'static Value {
    static PARSED: OnceLock<Value> = OnceLock::new();
    PARSED.get_or_init(|| serde_json::from_str(TABLE).unwrap_or_default())
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
    fn the_table_can_be_read_whole() {
        let table: Value = serde_json::from_str(TABLE).unwrap();
        for (provider, models) in table["prices"].as_object().unwrap() {
            for (model, row) in models.as_object().unwrap() {
                let place = format!("{provider}/{model}");
                let price = Price::deserialize(&row["price"]).expect(&place);
                assert_eq!(row["as_of"].as_str().map(str::len), Some(10), "{place} says when it was so");
                assert_eq!(price.unit_usd > 0.0, row["unit"].is_string(), "{place} says what its unit is");
            }
        }
    }

    #[test]
    fn every_default_model_has_a_price() {
        let table: Value = serde_json::from_str(TABLE).unwrap();
        for (work, providers) in table["defaults"].as_object().unwrap() {
            for (provider, model) in providers.as_object().unwrap() {
                let model = model.as_str().unwrap();
                assert!(price(provider, model).is_some(), "{work}: {provider}/{model}");
            }
        }
    }

    #[test]
    fn a_version_of_a_model_costs_what_the_model_costs_and_another_size_does_not() {
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
