//! How new runs are divided between a workflow's current version and its canary.
//!
//! Who gets what is decided by the run's id alone: whoever asks again is told the same, and nothing is drawn or counted.

use std::fmt;
use std::str::FromStr;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::RunId;

/// The share of new runs that a canary gets: 1 to 99 percent. None and all are no canary.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(try_from = "u64", into = "u64")]
#[schema(value_type = u8, minimum = 1, maximum = 99, example = 10)]
pub struct Percent(u8);

/// A number that is no share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no share for a canary: give 1 to 99 percent of new runs (`promote` gives it all of them, ending the canary none)"
)]
pub struct InvalidPercent(String);

impl Percent {
    /// Checks and wraps a number.
    pub fn new(percent: u64) -> Result<Self, InvalidPercent> {
        match u8::try_from(percent) {
            Ok(small @ 1..=99) => Ok(Self(small)),
            _ => Err(InvalidPercent(percent.to_string())),
        }
    }

    /// Whether this run is among the share. One that is stays so when the share grows.
    #[must_use]
    pub fn takes(self, run: RunId) -> bool {
        let digest = Digest::of(run.0.as_bytes());
        let first: [u8; 8] = std::array::from_fn(|index| digest.as_bytes()[index]);
        u64::from_be_bytes(first) % 100 < u64::from(self.0)
    }
}

impl TryFrom<u64> for Percent {
    type Error = InvalidPercent;
    fn try_from(percent: u64) -> Result<Self, InvalidPercent> {
        Self::new(percent)
    }
}

impl FromStr for Percent {
    type Err = InvalidPercent;
    fn from_str(text: &str) -> Result<Self, InvalidPercent> {
        let wrong = |_| InvalidPercent(text.chars().take(20).collect());
        text.parse().map_err(wrong).and_then(Self::new)
    }
}

impl From<Percent> for u64 {
    fn from(percent: Percent) -> u64 {
        percent.0.into()
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.0)
    }
}

/// What a run's version was chosen from, of a run that named none while there was a canary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Split {
    /// The canary's version.
    #[schema(value_type = String)]
    pub canary: Version,
    /// Its share of new runs at that time.
    pub percent: Percent,
    /// Which of the two the run got.
    pub chosen: Chosen,
}

/// One side of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Chosen {
    /// The version that is the current one.
    Current,
    /// The version that is tried.
    Canary,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_share_is_neither_nothing_nor_all() {
        for (text, good) in
            [("1", true), ("99", true), ("0", false), ("100", false), ("-1", false), ("x", false)]
        {
            assert_eq!(text.parse::<Percent>().is_ok(), good, "{text}");
        }
        let refused = serde_json::from_str::<Percent>("300").unwrap_err().to_string();
        assert!(refused.contains("1 to 99"), "{refused}");
        assert_eq!(serde_json::to_string(&Percent::new(10).unwrap()).unwrap(), "10");
    }

    /// Ids of runs that start one after the other differ in their last bits and little else.
    #[test]
    fn a_canary_gets_about_its_share_of_neighbouring_ids() {
        let percent = Percent::new(20).unwrap();
        let first = 0x0193_6b2e_8f0a_7cc3_a2cf_5f7d_3a1a_9e11_u128;
        let taken = (0..10_000).filter(|n| percent.takes(RunId(Uuid::from_u128(first + n)))).count();
        assert!((1_800..2_200).contains(&taken), "{taken} of 10,000");
    }

    proptest! {
        #[test]
        fn a_larger_share_holds_all_of_a_smaller_one(id: u128, small in 1..=99_u64, more in 0..=98_u64) {
            let run = RunId(Uuid::from_u128(id));
            let (small, large) = (Percent::new(small).unwrap(), Percent::new((small + more).min(99)).unwrap());
            prop_assert!(!small.takes(run) || large.takes(run));
            prop_assert_eq!(small.takes(run), small.takes(run));
        }
    }
}
