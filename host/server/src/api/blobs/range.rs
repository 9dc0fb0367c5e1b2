//! `Range` (RFC 9110, section 14.2): which bytes are wanted.

use std::ops::Range;

use http::HeaderValue;

/// Which bytes of a blob are wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of them. So it is with a header that is not understood, and with one that wants several ranges.
    All,
    /// These: at least one.
    Part(Range<u64>),
    /// Some that there are not.
    Nothing,
}

impl Wanted {
    pub(super) fn of(header: Option<&HeaderValue>, size: u64) -> Self {
        header.and_then(|header| header.to_str().ok()).and_then(|text| part(text, size)).unwrap_or(Self::All)
    }
}

fn part(text: &str, size: u64) -> Option<Wanted> {
    let (unit, range) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let range = match (first.is_empty(), last.is_empty()) {
        (true, true) => return None,
        // The last so many.
        (true, false) => size.saturating_sub(number(last)?)..size,
        (false, true) => number(first)?..size,
        (false, false) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(size)
        }
    };
    Some(if range.start < range.end { Wanted::Part(range) } else { Wanted::Nothing })
}

/// Digits alone; what is too large for a number is as good as the largest.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, size: u64) -> Wanted {
        Wanted::of(Some(&HeaderValue::from_str(text).unwrap()), size)
    }

    #[test]
    fn a_range_is_read_from_either_end() {
        for (text, range) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-99", 0..100),
            ("Bytes=90-", 90..100),
            ("bytes=-10", 90..100),
            ("bytes=-1000", 0..100),
            ("bytes=50-99999999999999999999999", 50..100),
        ] {
            assert_eq!(of(text, 100), Wanted::Part(range), "{text}");
        }
    }

    #[test]
    fn what_there_is_not_cannot_be_had() {
        for text in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            assert_eq!(of(text, 100), Wanted::Nothing, "{text}");
        }
        assert_eq!(of("bytes=0-", 0), Wanted::Nothing);
    }

    #[test]
    fn what_is_not_understood_is_passed_over() {
        for text in [
            "bytes",
            "bytes=",
            "bytes=-",
            "lines=1-2",
            "bytes=2-1",
            "bytes=0-1,4-5",
            "bytes=a-b",
            "bytes=+1-2",
        ] {
            assert_eq!(of(text, 100), Wanted::All, "{text}");
        }
        assert_eq!(Wanted::of(None, 100), Wanted::All);
    }
}
