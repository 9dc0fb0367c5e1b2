//! What a run is put through: nothing, a crash, or an effect that fails. Each has a name by which it is run alone.

use std::fmt;
use std::str::FromStr;

use super::fault::Fault;

/// An effect of a run: `<node>.<attempt>.<index>`; of a run that the one under test caused: `<workflow>:<node>.<attempt>.<index>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct EffectName(pub(super) String);

/// One disruption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Disruption {
    /// The engine is gone when the journal has kept this entry (counted from 0) and is handed the next one.
    Crash(u64),
    /// This effect fails in this way.
    Fault(Fault, EffectName),
}

impl fmt::Display for Disruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash(entry) => write!(f, "crash@{entry}"),
            Self::Fault(fault, EffectName(effect)) => write!(f, "{}@{effect}", fault.word()),
        }
    }
}

/// A name that is no disruption's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no disruption: write it as a report names it, `crash@7` (after entry 7 of the journal) or `429@ask.1.0` \
     (the first effect of the first attempt at the node `ask`)"
)]
pub(super) struct UnknownDisruption(String);

impl FromStr for Disruption {
    type Err = UnknownDisruption;

    fn from_str(text: &str) -> Result<Self, UnknownDisruption> {
        let wrong = || UnknownDisruption(text.to_owned());
        let (what, place) = text.split_once('@').ok_or_else(wrong)?;
        if what == "crash" {
            return place.parse().map(Self::Crash).map_err(|_| wrong());
        }
        let fault = Fault::ALL.into_iter().find(|fault| fault.word() == what).ok_or_else(wrong)?;
        if place.split('.').count() < 3 {
            return Err(wrong());
        }
        Ok(Self::Fault(fault, EffectName(place.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disruption_reads_what_it_writes() {
        for text in ["crash@0", "crash@17", "429@ask.1.0", "malformed@a-b.12.3", "cut@resize:ask.1.0"] {
            assert_eq!(text.parse::<Disruption>().unwrap().to_string(), text);
        }
        for wrong in ["crash", "crash@x", "crash@-1", "418@ask.1.0", "429@ask", ""] {
            assert!(wrong.parse::<Disruption>().is_err(), "{wrong}");
        }
    }
}
