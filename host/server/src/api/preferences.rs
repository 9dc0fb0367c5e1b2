//! The headers by which a caller shapes a start: `Prefer: wait` (RFC 7240) and `Idempotency-Key`.

use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::App;
use crate::problem::Problem;

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LONGEST_KEY: usize = 255;

/// How a run is to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StartPreferences {
    /// How long the caller is ready to wait for the run's end; no time at all if it says so.
    pub(crate) wait: Option<Duration>,
    /// How long the answer waits where the caller does not say.
    pub(crate) wait_anyway: Option<Duration>,
    /// By which a start that is sent again is known.
    pub(crate) idempotency_key: Option<String>,
}

impl StartPreferences {
    /// Reads the headers; a wait is cut to the longest that the operator allows.
    pub(crate) fn of(headers: &HeaderMap, longest_wait: Duration) -> Result<Self, Problem> {
        let wait = wait(headers).map(|seconds| Duration::from_secs(seconds).min(longest_wait));
        Ok(Self { wait, wait_anyway: None, idempotency_key: idempotency_key(headers)? })
    }

    /// The same, but that the answer waits for the run's end in any case: so long, unless the caller said how long.
    pub(crate) fn or_waiting(self, wait: Duration) -> Self {
        Self { wait_anyway: Some(wait), ..self }
    }

    /// How long the answer may wait for the run's end.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.wait.or(self.wait_anyway).filter(|wait| !wait.is_zero())
    }

    /// The answer's `Preference-Applied`, of a call that asked to wait.
    pub(crate) fn applied(&self) -> Option<(HeaderName, HeaderValue)> {
        let seconds = self.wait?.as_secs();
        let value = HeaderValue::from_str(&format!("wait={seconds}")).ok()?;
        Some((PREFERENCE_APPLIED, value))
    }
}

impl FromRequestParts<App> for StartPreferences {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Self::of(&parts.headers, app.http.max_wait)
    }
}

/// The first `wait` in seconds. What is not understood in `Prefer` is passed over: RFC 7240 says so.
fn wait(headers: &HeaderMap) -> Option<u64> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).find_map(|preference| {
        let token = preference.split(';').next()?;
        let (name, value) = token.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("wait") {
            return None;
        }
        value.trim().trim_matches('"').parse().ok()
    })
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().unwrap_or_default().trim();
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Err(Problem::header(
            "Idempotency-Key",
            format!("an `Idempotency-Key` is 1 to {LONGEST_KEY} visible ASCII characters, such as a UUID"),
        ));
    }
    Ok(Some(key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(HeaderName, &str)]) -> Result<StartPreferences, Problem> {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        StartPreferences::of(&headers, Duration::from_secs(60))
    }

    #[test]
    fn a_wait_is_found_among_other_preferences_and_is_cut() {
        for (prefer, seconds) in [
            ("wait=10", Some(10)),
            ("respond-async, Wait=\"5\"; x=y", Some(5)),
            ("wait=100000", Some(60)),
            ("wait=0", Some(0)),
            ("wait=soon", None),
            ("return=minimal", None),
        ] {
            let wait = read(&[(PREFER, prefer)]).unwrap().wait;
            assert_eq!(wait.map(|wait| wait.as_secs()), seconds, "{prefer}");
        }
    }

    #[test]
    fn who_wants_no_wait_is_not_made_to() {
        let patience = |headers| read(headers).unwrap().or_waiting(Duration::from_secs(30)).patience();
        assert_eq!(patience(&[]), Some(Duration::from_secs(30)));
        assert_eq!(patience(&[(PREFER, "wait=0")]), None);
    }

    #[test]
    fn the_wait_that_was_applied_is_told() {
        let (name, value) = read(&[(PREFER, "wait=100000")]).unwrap().applied().unwrap();
        assert_eq!((name, value.to_str().unwrap()), (PREFERENCE_APPLIED, "wait=60"));
        assert_eq!(read(&[]).unwrap().applied(), None);
    }

    #[test]
    fn an_idempotency_key_has_bounds() {
        assert_eq!(read(&[(IDEMPOTENCY_KEY, "abc")]).unwrap().idempotency_key.as_deref(), Some("abc"));
        assert!(read(&[(IDEMPOTENCY_KEY, "")]).is_err());
        assert!(read(&[(IDEMPOTENCY_KEY, &"k".repeat(256))]).is_err());
    }
}
