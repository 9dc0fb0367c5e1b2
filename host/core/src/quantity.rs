//! Durations and sizes as people write them: `1m30s`, `256 MiB`.

use std::time::Duration;

use jiff::SignedDuration;

/// The longest duration that a definition may name.
pub(crate) const MAX_DURATION: Duration = Duration::from_secs(366 * 24 * 3600);

/// What a duration looks like, for messages.
pub(crate) const DURATION_FORM: &str = "write it like `250ms`, `20s`, `1m30s` or `2h`";

/// What a size looks like, for messages.
pub(crate) const SIZE_FORM: &str = "write it in bytes, or like `64 KiB`, `256 MiB` or `1 GB`";

/// Reads `20s`, `1m30s`, `250ms`; whole milliseconds, more than none.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let duration: SignedDuration = text.parse().ok()?;
    let duration = Duration::try_from(duration).ok()?;
    let fits = !duration.is_zero() && duration <= MAX_DURATION && duration.subsec_nanos() % 1_000_000 == 0;
    fits.then_some(duration)
}

/// A duration as people write it.
pub(crate) fn words(duration: Duration) -> String {
    SignedDuration::try_from(duration).map_or_else(|_| "for ever".to_owned(), |length| format!("{length:#}"))
}

/// Reads `1024`, `64 KiB`, `1GB`.
pub(crate) fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..end].parse().ok()?;
    number.checked_mul(unit(text[end..].trim_start())?)
}

fn unit(unit: &str) -> Option<u64> {
    Some(match unit {
        "" | "B" => 1,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_as_people_write_it() {
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(duration("2h"), Some(Duration::from_secs(7200)));
        for wrong in ["", "20", "-5s", "0s", "soon", "500us", "10000000h"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_duration_is_told_as_people_write_it() {
        for (millis, words) in [(250, "250ms"), (90_000, "1m 30s"), (7_200_000, "2h")] {
            assert_eq!(super::words(Duration::from_millis(millis)), words);
        }
    }

    #[test]
    fn a_size_is_read_as_people_write_it() {
        assert_eq!(size("1024"), Some(1024));
        assert_eq!(size("64 KiB"), Some(64 << 10));
        assert_eq!(size("1GB"), Some(1_000_000_000));
        for wrong in ["", "MiB", "1.5 MiB", "-1", "5 XB", "99999999999999 GiB"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }
}
