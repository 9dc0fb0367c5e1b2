//! Personal data, by its shape and, where it has one, its checksum.
//!
//! Names, addresses of houses and dates of birth have no shape: they are not found.

mod card;
mod iban;
mod national;
mod net;
mod number;
mod phone;

use std::collections::BTreeMap;
use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;
use stepwell_sdk::StepError;

use crate::Then;
use crate::content::Text;
use crate::deny::{Match, Patterns};

/// What stands where something was found: no kind of data goes on over it.
const TAKEN: char = '\u{fffc}';

/// Which personal data is looked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What is done about it. `redact` puts a placeholder in its place, the same for the same value.
    #[serde(default = "redact")]
    pub(crate) then: Then,
    /// What is looked for; all where it is left out.
    #[serde(default = "all")]
    kinds: Vec<Kind>,
    /// More kinds, by name: regular expressions, such as `{"CUSTOMER": "\\bC-[0-9]{6}\\b"}`.
    #[serde(default)]
    patterns: BTreeMap<String, String>,
}

fn redact() -> Then {
    Then::Redact
}

fn all() -> Vec<Kind> {
    vec![Kind::Email, Kind::Iban, Kind::Card, Kind::UsSsn, Kind::UkNino, Kind::Ip, Kind::Phone]
}

/// A kind of personal data.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// An e-mail address.
    Email,
    /// A bank account, by country, length and checksum.
    Iban,
    /// A payment card, by its length and Luhn's checksum.
    Card,
    /// A social security number of the USA: `123-45-6789`.
    UsSsn,
    /// A national insurance number of the UK: `QQ 12 34 56 C`.
    UkNino,
    /// An IP address, of version 4 or 6.
    Ip,
    /// A telephone number: with `+` or `00` and a country, or as it is written in the USA, or in groups that begin with 0.
    Phone,
}

impl Kind {
    /// As placeholders call it.
    fn name(self) -> &'static str {
        match self {
            Self::Email => "EMAIL",
            Self::Iban => "IBAN",
            Self::Card => "CARD",
            Self::UsSsn => "SSN",
            Self::UkNino => "NINO",
            Self::Ip => "IP",
            Self::Phone => "PHONE",
        }
    }

    fn find(self, chars: &[char]) -> Vec<Range<usize>> {
        match self {
            Self::Email => net::emails(chars),
            Self::Iban => iban::find(chars),
            Self::Card => card::find(chars),
            Self::UsSsn => national::us_ssns(chars),
            Self::UkNino => national::uk_ninos(chars),
            Self::Ip => net::addresses(chars),
            Self::Phone => phone::find(chars),
        }
    }
}

/// One thing that was found, and what kind it is of.
pub(crate) struct Datum {
    pub(crate) kind: String,
    pub(crate) span: Range<usize>,
}

/// What is looked for, ready.
pub(crate) struct Search {
    patterns: Patterns,
    kinds: Vec<Kind>,
}

impl Search {
    pub(crate) fn new(config: &Config) -> Result<Self, StepError> {
        for name in config.patterns.keys() {
            let is_name =
                name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
            if name.is_empty() || !is_name {
                let message =
                    format!("`pii.patterns`: `{name}` is no kind: it consists of A to Z, 0 to 9 and `_`");
                return Err(StepError::permanent(message));
            }
        }
        // What is surer comes first: a card is no telephone number.
        let kinds = all().into_iter().filter(|kind| config.kinds.contains(kind)).collect();
        Ok(Self { patterns: Patterns::new("pii.patterns", &config.patterns)?, kinds })
    }

    /// In order, none over another.
    pub(crate) fn look(&self, text: &Text) -> Vec<Datum> {
        let mut rest = text.chars.clone();
        let mut data = Vec::new();
        let mut take = |rest: &mut [char], kind: &str, span: Range<usize>| {
            if rest[span.clone()] == text.chars[span.clone()] {
                rest[span.clone()].fill(TAKEN);
                data.push(Datum { kind: kind.into(), span });
            }
        };
        for Match { name, span } in self.patterns.look(text) {
            take(&mut rest, &name, span);
        }
        for kind in &self.kinds {
            for span in kind.find(&rest) {
                take(&mut rest, kind.name(), span);
            }
        }
        data.sort_by_key(|datum| datum.span.start);
        data
    }
}
