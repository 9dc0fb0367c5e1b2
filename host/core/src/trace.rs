//! W3C Trace Context (<https://www.w3.org/TR/trace-context/>): which trace a run belongs to, and the span of each attempt.
//!
//! Nothing here is random: an attempt that is replayed after a crash says the same as it said before.

use crate::digest::Digest;
use crate::id::RunId;

/// Whether a text is a well-formed `traceparent` of version 00. A newer version would be written in a way not known here.
#[must_use]
pub fn is_traceparent(text: &str) -> bool {
    parts(text).is_some()
}

/// The run's `traceparent`: what came with the start if that is well-formed, else one made of the run's id.
#[must_use]
pub fn of_run(given: String, run: RunId) -> String {
    if is_traceparent(&given) {
        return given;
    }
    format!("00-{}-{}-01", run.0.simple(), span(&run.to_string()))
}

/// The `traceparent` that an attempt hands on: the run's trace, a span of its own. `attempt` is what names it among all.
#[must_use]
pub fn of_attempt(traceparent: &str, attempt: &str) -> String {
    let (trace, flags) = parts(traceparent).unwrap_or(("", "01"));
    format!("00-{trace}-{}-{flags}", span(attempt))
}

/// Trace id and flags of a well-formed `traceparent` of version 00.
fn parts(traceparent: &str) -> Option<(&str, &str)> {
    let mut fields = traceparent.split('-');
    let (version, trace, parent, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let well_formed = fields.next().is_none()
        && version == "00"
        && is_id(trace, 32)
        && is_id(parent, 16)
        && is_hex(flags, 2);
    well_formed.then_some((trace, flags))
}

fn is_id(text: &str, length: usize) -> bool {
    is_hex(text, length) && text.bytes().any(|digit| digit != b'0')
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

fn span(of: &str) -> String {
    let [a, b, c, d, e, f, g, h, ..] = *Digest::of(of.as_bytes()).as_bytes();
    format!("{:016x}", u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

    fn run() -> RunId {
        RunId(Uuid::from_u128(7))
    }

    #[test]
    fn what_was_given_is_kept_and_what_is_malformed_is_replaced() {
        assert_eq!(of_run(GIVEN.to_owned(), run()), GIVEN);
        for bad in
            ["", "00-0-0-0", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", &GIVEN.to_uppercase()]
        {
            let made = of_run(bad.to_owned(), run());
            assert!(parts(&made).is_some(), "{bad} gave {made}");
        }
    }

    #[test]
    fn an_attempt_keeps_the_trace_and_has_the_same_span_in_every_life() {
        let first = of_attempt(GIVEN, "run.fetch.1");
        assert_eq!(first, of_attempt(GIVEN, "run.fetch.1"));
        assert_ne!(first, of_attempt(GIVEN, "run.fetch.2"));
        assert!(
            first.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && first.ends_with("-00"),
            "{first}"
        );
    }
}
