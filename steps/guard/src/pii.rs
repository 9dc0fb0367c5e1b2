//! Personal data, by its shape and, where it has one, its checksum.
//!
//! Names, addresses of houses and dates of birth have no shape: they are not found.

mod iban;
mod net;
mod number;

use std::collections::BTreeMap;
use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;
use stepwell_sdk::StepError;

use crate::Then;
use crate::content::Text;
use crate::deny::{self, Patterns};

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
            Self::Card => number::cards(chars),
            Self::UsSsn => number::us_ssns(chars),
            Self::UkNino => number::uk_ninos(chars),
            Self::Ip => net::addresses(chars),
            Self::Phone => number::phones(chars),
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
        let own =
            self.patterns.look(text).into_iter().map(|deny::Match { name, span }| Datum { kind: name, span });
        let known = self.kinds.iter().flat_map(|kind| {
            kind.find(&text.chars).into_iter().map(|span| Datum { kind: kind.name().into(), span })
        });
        let mut data: Vec<Datum> = Vec::new();
        for datum in own.chain(known) {
            let is_free =
                |other: &Datum| other.span.end <= datum.span.start || datum.span.end <= other.span.start;
            if data.iter().all(is_free) {
                let at = data.partition_point(|other| other.span.start < datum.span.start);
                data.insert(at, datum);
            }
        }
        data
    }
}
