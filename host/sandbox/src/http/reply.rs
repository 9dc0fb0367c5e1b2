//! What an answer says about the destination that it came from: whether it works, and how long it wants to be left alone.

use std::time::{Duration, SystemTime};

use super::message::{Answer, HttpError, HttpKept, HttpResponse, HttpStream, StreamEnd};
use crate::attempt::Exchange;
use crate::effects::Reply;

impl Reply for Answer {
    fn exchange(&self) -> Exchange {
        match self {
            Self::Ok(response)
            | Self::Kept(HttpKept { response, .. })
            | Self::Stream(HttpStream { response, end: StreamEnd::Whole | StreamEnd::Dropped, .. }) => {
                Exchange::Answered { status: response.status, retry_after: of(response) }
            }
            Self::Error(error) | Self::Stream(HttpStream { end: StreamEnd::Broken(error), .. }) => {
                fault(error)
            }
        }
    }
}

fn fault(error: &HttpError) -> Exchange {
    match error {
        HttpError::Dns(why)
        | HttpError::Connection(why)
        | HttpError::Tls(why)
        | HttpError::Timeout(why)
        | HttpError::Protocol(why) => Exchange::Fault { why: why.clone() },
        HttpError::InvalidRequest(_) | HttpError::Denied(_) | HttpError::TooLarge(_) => {
            Exchange::Inconclusive
        }
    }
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date, which is measured by the answer's own clock if it tells its time.
fn of(response: &HttpResponse) -> Option<Duration> {
    let value = header(response, "retry-after")?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = httpdate::parse_http_date(value).ok()?;
    let now = header(response, "date").and_then(|date| httpdate::parse_http_date(date).ok());
    Some(then.duration_since(now.unwrap_or_else(SystemTime::now)).unwrap_or_default())
}

fn header<'a>(response: &'a HttpResponse, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn answer(headers: &[(&str, &str)]) -> HttpResponse {
        HttpResponse {
            status: 429,
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: Bytes::new(),
            url: "https://a/".to_owned(),
        }
    }

    #[test]
    fn a_pause_is_read_in_seconds_or_up_to_a_date() {
        const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (headers, expected) in [
            (&[][..], None),
            (&[("retry-after", "7")], Some(Duration::from_secs(7))),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "-1")], None),
            (
                &[("date", DATE), ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")],
                Some(Duration::from_secs(60)),
            ),
            (&[("retry-after", DATE)], Some(Duration::ZERO)),
        ] {
            assert_eq!(of(&answer(headers)), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_fault_of_the_wire_is_told_from_one_of_the_request() {
        let exchange = |error| Answer::Error(error).exchange();
        let why = "it broke".to_owned();
        assert_eq!(exchange(HttpError::Connection(why.clone())), Exchange::Fault { why: why.clone() });
        assert_eq!(exchange(HttpError::Denied(why.clone())), Exchange::Inconclusive);
        assert_eq!(exchange(HttpError::TooLarge(why)), Exchange::Inconclusive);
        let expected = Exchange::Answered { status: 429, retry_after: None };
        assert_eq!(Answer::Ok(answer(&[])).exchange(), expected);
        let stream =
            |end| Answer::Stream(HttpStream { response: answer(&[]), end, cuts: Vec::new() }).exchange();
        assert_eq!(stream(StreamEnd::Whole), expected);
        assert_eq!(stream(StreamEnd::Dropped), expected, "the step did not want the rest");
        let why = "it broke off".to_owned();
        let broken = stream(StreamEnd::Broken(HttpError::Connection(why.clone())));
        assert_eq!(broken, Exchange::Fault { why });
    }
}
