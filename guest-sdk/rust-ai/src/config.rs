//! What a workflow says of the provider: the same words in every AI step.

use std::time::Duration;

use schemars::{JsonSchema, Schema};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use stepwell_sdk::StepError;

use crate::{Endpoint, Vendor};

// Serde could flatten both parts into one, for 15 KB of the component. Fields that neither knows are refused by the schema, which the host holds each config
// against; so the step's own part must not deny unknown fields by itself.
/// What the step asks, and of whom.
#[derive(Debug, JsonSchema)]
#[schemars(extend("unevaluatedProperties" = false))]
pub struct Config<P: Default, C> {
    /// Which provider is asked, and how.
    #[schemars(flatten)]
    pub provider: ProviderConfig<P>,
    /// The step's own.
    #[schemars(flatten)]
    pub step: C,
}

impl<'de, P: Default + DeserializeOwned, C: DeserializeOwned> Deserialize<'de> for Config<P, C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let whole = Map::<String, Value>::deserialize(deserializer)?;
        let provider = ProviderConfig::deserialize(&whole).map_err(D::Error::custom)?;
        Ok(Self { provider, step: C::deserialize(&whole).map_err(D::Error::custom)? })
    }
}

/// Which provider is asked, and how: the part of a step's [`Config`] that is the same in all AI steps.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ProviderConfig<P: Default> {
    /// Whose API is asked; the first of these where it is left out.
    #[serde(default)]
    pub provider: P,
    /// As the provider names it; the provider's usual one where it is left out.
    pub model: Option<String>,
    /// Where the API is, in place of the provider's own address; the path of the call is added. Required where the provider has no address of its own.
    pub base_url: Option<String>,
    /// The secret that holds the API key: left out, the provider's usual name, such as `OPENAI_API_KEY`; null for a server that wants no key.
    #[serde(default, deserialize_with = "told")]
    #[schemars(with = "Option<String>", transform = without_default)]
    pub api_key_secret: Option<Option<String>>,
    /// Milliseconds to wait for one answer; the node's own timeout holds if it is sooner.
    pub timeout_ms: Option<u64>,
    /// What calls cost, in place of the price that is known for the model.
    pub price: Option<Price>,
    /// Further fields of the request, as the provider documents them. They win over the step's own: objects are merged, and null takes a field away (RFC 7396).
    #[serde(default)]
    pub extra: Map<String, Value>,
}

/// What a model costs in US dollars. What is left out costs nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Price {
    /// A million tokens read.
    #[schemars(range(min = 0))]
    pub input_per_million_usd: f64,
    /// A million tokens read from the provider's cache; left out, as much as the others.
    #[schemars(range(min = 0))]
    pub cached_per_million_usd: Option<f64>,
    /// A million tokens written.
    #[schemars(range(min = 0))]
    pub output_per_million_usd: f64,
    /// One of what else the model is paid by: an image, a second of sound, a character, a search.
    #[schemars(range(min = 0))]
    pub unit_usd: f64,
}

impl<P: Vendor + Default> ProviderConfig<P> {
    /// Where to ask, and as whom.
    ///
    /// # Errors
    ///
    /// When the config leaves out what this provider cannot do without.
    pub fn endpoint(&self) -> Result<Endpoint<'_>, StepError> {
        let api = self.provider.api();
        let missing = |field: &str| {
            StepError::permanent(format!("`config.{field}` is required with the provider `{}`", api.provider))
        };
        let model = self.model.as_deref().or_else(|| P::WORK.default_model(api.provider));
        let base_url = self.base_url.as_deref().or(api.base_url);
        let key_secret = match &self.api_key_secret {
            Some(told) => told.as_deref(),
            None => api.key_secret,
        };
        Ok(Endpoint {
            api,
            work: P::WORK,
            model: model.ok_or_else(|| missing("model"))?,
            base_url: base_url.ok_or_else(|| missing("base_url"))?.trim_end_matches('/'),
            key_secret,
            timeout: self.timeout_ms.map(Duration::from_millis),
            price: self.price,
            extra: &self.extra,
        })
    }
}

/// Null is told, too.
fn told<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Where null says something else than nothing.
fn without_default(schema: &mut Schema) {
    schema.remove("default");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Api, Work};

    #[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    enum Provider {
        #[default]
        Openai,
        OpenaiCompatible,
    }

    impl Vendor for Provider {
        const WORK: Work = Work::CHAT;

        fn api(self) -> Api {
            match self {
                Self::Openai => Api::OPENAI,
                Self::OpenaiCompatible => Api::OPENAI_COMPATIBLE,
            }
        }
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    struct Own {
        count: Option<u32>,
    }

    type Config = super::Config<Provider, Own>;

    fn config(value: Value) -> Config {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_config_without_a_word_asks_the_default_provider_for_its_default_model() {
        let config = config(json!({}));
        let endpoint = config.provider.endpoint().unwrap();
        assert_eq!(endpoint.base_url, "https://api.openai.com/v1");
        assert_eq!(endpoint.key_secret, Some("OPENAI_API_KEY"));
        assert!(endpoint.model().starts_with("gpt-"), "{}", endpoint.model());
    }

    #[test]
    fn a_key_can_be_renamed_or_left_out() {
        let renamed = config(json!({"api_key_secret": "MINE", "count": 1}));
        assert_eq!(renamed.step.count, Some(1));
        assert_eq!(renamed.provider.endpoint().unwrap().key_secret, Some("MINE"));
        let none = config(json!({"api_key_secret": null}));
        assert_eq!(none.provider.endpoint().unwrap().key_secret, None);
    }

    #[test]
    fn what_a_provider_cannot_do_without_is_asked_for_by_name() {
        let nowhere = config(json!({"provider": "openai-compatible", "model": "m"}));
        let error = nowhere.provider.endpoint().unwrap_err();
        assert_eq!(error.message, "`config.base_url` is required with the provider `openai-compatible`");
        let nobody = config(json!({"provider": "openai-compatible", "base_url": "http://a"}));
        assert!(nobody.provider.endpoint().unwrap_err().message.contains("`config.model`"));
    }

    #[test]
    fn the_schema_of_a_config_refuses_what_it_does_not_know() {
        let schema = schemars::schema_for!(Config);
        let fits = |value: Value| jsonschema::is_valid(schema.as_value(), &value);
        assert!(fits(json!({"provider": "openai", "model": "m", "api_key_secret": null, "count": 1})));
        assert!(fits(json!({})));
        let key = schema.as_value().pointer("/properties/api_key_secret").unwrap();
        assert_eq!(key.get("default"), None, "null is no key, and not the default");
        for wrong in [json!({"modell": "m"}), json!({"provider": "acme"}), json!({"price": {"usd": 1}})] {
            assert!(!fits(wrong.clone()), "{wrong}");
        }
    }
}
