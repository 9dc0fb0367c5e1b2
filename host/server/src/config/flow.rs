//! `[breaker]` and `[destinations]`: how far a destination is trusted that fails, and how often it is called.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use stepwell_core::breaker::BreakerPolicy;
use stepwell_core::bucket::{Rate, RateLimit};
use stepwell_core::destination::Destination;
use stepwell_engine::{DestinationPolicy, FlowConfig};

/// `[breaker]`: the circuit breaker of every destination that has no line of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerConfig {
    /// Whether there are circuit breakers.
    pub enabled: bool,
    /// So many failures in a row open one.
    pub failures: NonZeroU32,
    /// How long it stays open the first time.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub open_for: Duration,
    /// Each further time in a row is twice as long, but never longer than this.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub cap: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        let BreakerPolicy { failures, open_for, cap } = BreakerPolicy::default();
        Self { enabled: true, failures, open_for, cap }
    }
}

/// `[destinations."HOST"]`: what holds for one destination.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "WrittenDestination")]
pub struct DestinationConfig {
    /// Its circuit breaker, where it is not the usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerChoice>,
    /// How often it is called at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// How many calls may leave at once after a pause; what comes in a second, if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<NonZeroU32>,
}

/// The same, before it is known to make sense.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDestination {
    breaker: Option<BreakerChoice>,
    rate: Option<Rate>,
    burst: Option<NonZeroU32>,
}

impl TryFrom<WrittenDestination> for DestinationConfig {
    type Error = &'static str;

    fn try_from(written: WrittenDestination) -> Result<Self, &'static str> {
        let WrittenDestination { breaker, rate, burst } = written;
        if burst.is_some() && rate.is_none() {
            return Err("a `burst` means nothing without a `rate`: set `rate` as well, such as \"50/s\"");
        }
        Ok(Self { breaker, rate, burst })
    }
}

/// A destination's circuit breaker: `false`, or what is different about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BreakerChoice {
    /// It has none.
    Off,
    /// It has one; what is not set is as in `[breaker]`.
    On(BreakerChanges),
}

/// What is different about one circuit breaker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerChanges {
    /// See [`BreakerConfig::failures`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<NonZeroU32>,
    /// See [`BreakerConfig::open_for`].
    #[serde(
        with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub open_for: Option<Duration>,
    /// See [`BreakerConfig::cap`].
    #[serde(
        with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub cap: Option<Duration>,
}

impl Serialize for BreakerChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_bool(false),
            Self::On(changes) => changes.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for BreakerChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Choice;
        impl<'de> Visitor<'de> for Choice {
            type Value = BreakerChoice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`false`, or a table such as { failures = 5, open_for = \"10s\" }")
            }

            fn visit_bool<E: Error>(self, on: bool) -> Result<BreakerChoice, E> {
                Ok(if on { BreakerChoice::On(BreakerChanges::default()) } else { BreakerChoice::Off })
            }

            fn visit_map<A: MapAccess<'de>>(self, changes: A) -> Result<BreakerChoice, A::Error> {
                BreakerChanges::deserialize(MapAccessDeserializer::new(changes)).map(BreakerChoice::On)
            }
        }
        deserializer.deserialize_any(Choice)
    }
}

/// Both sections, as the engine takes them.
pub(crate) fn policies(
    breaker: &BreakerConfig,
    destinations: &BTreeMap<Destination, DestinationConfig>,
) -> FlowConfig {
    let policy = |config: &DestinationConfig| DestinationPolicy {
        breaker: breaker_of(breaker, config.breaker.as_ref()),
        rate: config
            .rate
            .map(|rate| RateLimit { rate, burst: config.burst.unwrap_or_else(|| rate.usual_burst()) }),
    };
    FlowConfig {
        breaker: breaker_of(breaker, None),
        destinations: destinations.iter().map(|(host, config)| (host.clone(), policy(config))).collect(),
    }
}

fn breaker_of(usual: &BreakerConfig, choice: Option<&BreakerChoice>) -> Option<BreakerPolicy> {
    let BreakerConfig { enabled, failures, open_for, cap } = *usual;
    match choice {
        None => enabled.then_some(BreakerPolicy { failures, open_for, cap }),
        Some(BreakerChoice::Off) => None,
        Some(BreakerChoice::On(changes)) => Some(BreakerPolicy {
            failures: changes.failures.unwrap_or(failures),
            open_for: changes.open_for.unwrap_or(open_for),
            cap: changes.cap.unwrap_or(cap),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn flow(toml: &str) -> FlowConfig {
        let config: Config = toml::from_str(toml).unwrap();
        policies(&config.breaker, &config.destinations)
    }

    #[test]
    fn a_destination_changes_what_it_says_and_keeps_the_rest() {
        let flow = flow(
            "[breaker]\nfailures = 5\n\
             [destinations.\"api.openai.com\"]\nbreaker = { open_for = \"5s\" }\nrate = \"600/m\"\n\
             [destinations.\"10.0.0.1:8080\"]\nbreaker = false\nrate = \"2/s\"\nburst = 20\n",
        );
        let usual = flow.breaker.unwrap();
        assert_eq!((usual.failures.get(), usual.open_for), (5, Duration::from_secs(30)));
        let openai = flow.destinations[&"api.openai.com".parse().unwrap()];
        let expected = BreakerPolicy { open_for: Duration::from_secs(5), ..usual };
        assert_eq!((openai.breaker, openai.rate.unwrap().burst.get()), (Some(expected), 10));
        let inside = flow.destinations[&"10.0.0.1:8080".parse().unwrap()];
        assert_eq!((inside.breaker, inside.rate.unwrap().burst.get()), (None, 20));
    }

    #[test]
    fn breakers_can_be_off_but_for_some() {
        let flow =
            flow("[breaker]\nenabled = false\n[destinations.\"a.example\"]\nbreaker = { failures = 2 }\n");
        assert_eq!(flow.breaker, None);
        assert_eq!(flow.destinations[&"a.example".parse().unwrap()].breaker.unwrap().failures.get(), 2);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_mend() {
        for (toml, part) in [
            ("[destinations.\"https://a.b\"]\n", "without `https://`"),
            ("[destinations.\"a.b\"]\nrate = \"fast\"\n", "`50/s`"),
            ("[destinations.\"a.b\"]\nburst = 5\n", "without a `rate`"),
            ("[destinations.\"a.b\"]\nbreaker = 3\n", "`false`, or a table"),
            ("[destinations.\"a.b\"]\nbreaker = { failures = 0 }\n", "nonzero"),
            ("[breaker]\nopen_for = 30\n", "line 2"),
        ] {
            let error = toml::from_str::<Config>(toml).unwrap_err().to_string();
            assert!(error.contains(part), "{toml}: {error}");
        }
    }
}
