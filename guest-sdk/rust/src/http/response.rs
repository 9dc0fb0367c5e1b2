//! An answer, and what can be read from it.

use std::borrow::Cow;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::json;

use crate::StepError;
use crate::blob::Blob;
use crate::http::request::find_header;
use crate::http::{Error, ErrorKind};

/// How much of a body an error shows: enough to recognise an API's message or a proxy's page.
const EXCERPT_CHARS: usize = 500;

/// An answer, whole, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// 200, 404, ...
    pub status: u16,
    /// In order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// After any content coding is undone.
    pub body: Vec<u8>,
    /// Where the answer came from, after redirects.
    pub url: String,
}

/// The answer to [`Request::send_and_keep`](crate::http::Request::send_and_keep).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// The answer, without its body where that is a blob.
    pub response: Response,
    /// The body, of a 2xx.
    pub body: Option<Blob>,
}

impl Kept {
    pub(crate) fn new(response: Response, body: Option<Blob>) -> Self {
        Self { response, body }
    }

    /// The body of a 2xx.
    ///
    /// # Errors
    ///
    /// As [`Response::success`] has them.
    pub fn success(self) -> Result<Blob, StepError> {
        let Self { response, body } = self;
        let response = response.success()?;
        let lost = || StepError::permanent(format!("the host did not keep what {} answered", response.url));
        body.ok_or_else(lost)
    }
}

impl Response {
    pub(crate) fn new(status: u16, headers: Vec<(String, String)>, body: Vec<u8>, url: String) -> Self {
        Self { status, headers, body, url }
    }

    /// The first header of that name, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        find_header(&self.headers, name)
    }

    /// The body as text; bytes that are no UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// The body as JSON of that type.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Body`], with the beginning of what came instead.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let kind = self.header("content-type").unwrap_or("no content type");
            let message = format!(
                "{} answered {} with {kind} that is not the expected JSON ({error}): {}",
                self.url,
                self.status,
                self.excerpt()
            );
            Error::new(ErrorKind::Body, message)
        })
    }

    /// This answer if its status is 2xx.
    ///
    /// # Errors
    ///
    /// Else an error with the status and the beginning of the body: retryable for 408, 425, 429 and 5xx, with the
    /// delay of `Retry-After`; permanent for the rest.
    pub fn success(self) -> Result<Self, StepError> {
        match self.status {
            200..=299 => Ok(self),
            _ => Err(self.to_error()),
        }
    }

    /// The error that this answer stands for, whatever its status: see [`Response::success`].
    #[must_use]
    pub fn to_error(&self) -> StepError {
        let message = format!("{} answered {}", self.url, self.status);
        let error = match (self.is_retryable(), self.retry_after()) {
            (true, Some(after)) => StepError::retryable_after(message, after),
            (true, None) => StepError::retryable(message),
            (false, _) => StepError::permanent(message),
        };
        error.detail(json!({"status": self.status, "url": self.url, "body": self.excerpt()}))
    }

    /// Whether the status says that the same request may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.status, 408 | 425 | 429 | 500..=599)
    }

    /// The delay that the peer asks for in `Retry-After`, in seconds or as a date. A date counts from the answer's
    /// own `Date`, so that no clock but the peer's is needed.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.header("retry-after")?.trim();
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let until = httpdate::parse_http_date(value).ok()?;
        let now = httpdate::parse_http_date(self.header("date")?).ok()?;
        Some(until.duration_since(now).unwrap_or_default())
    }

    /// The beginning of the body, for an error or a log line.
    #[must_use]
    pub fn excerpt(&self) -> String {
        let text = self.text();
        match text.char_indices().nth(EXCERPT_CHARS) {
            Some((end, _)) => format!("{}...", &text[..end]),
            None => text.into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StepErrorKind;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Response::new(status, headers, body.into(), "https://a.example/".into())
    }

    #[test]
    fn an_overloaded_peer_is_retried_when_it_asks_for_it() {
        let error = answer(429, &[("retry-after", "7")], "slow down").success().unwrap_err();
        assert_eq!(error.kind, StepErrorKind::Retryable);
        assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(error.detail.unwrap()["body"], "slow down");
    }

    #[test]
    fn a_refused_request_is_not_retried() {
        assert_eq!(answer(403, &[], "no").success().unwrap_err().kind, StepErrorKind::Permanent);
    }

    #[test]
    fn a_retry_date_counts_from_the_peers_own_clock() {
        let headers =
            [("Date", "Wed, 21 Oct 2015 07:28:00 GMT"), ("Retry-After", "Wed, 21 Oct 2015 07:28:30 GMT")];
        assert_eq!(answer(503, &headers, "").retry_after(), Some(Duration::from_secs(30)));
        let past = [headers[0], ("Retry-After", "Wed, 21 Oct 2015 07:00:00 GMT")];
        assert_eq!(answer(503, &past, "").retry_after(), Some(Duration::ZERO));
        assert_eq!(answer(503, &[("Retry-After", "soon")], "").retry_after(), None);
    }

    #[test]
    fn a_page_instead_of_json_is_shown_and_cut() {
        let page = format!("<!DOCTYPE html>{}", "ä".repeat(1000));
        let error = answer(200, &[("content-type", "text/html")], &page).json::<u8>().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Body);
        assert!(error.message.contains("text/html") && error.message.contains("<!DOCTYPE html>"));
        assert!(error.message.ends_with("...") && error.message.len() < 1300);
    }
}
