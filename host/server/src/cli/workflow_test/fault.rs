//! The ways in which an effect fails: each is an answer, or an error of the wire, in place of the one that was to come.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use stepwell_sandbox::{HttpAnswer, HttpError, HttpResponse, HttpStream, StreamEnd};

/// How much later a slow answer comes: too late for whoever waits for less, by a clock on which that takes no time.
const SLOW: Duration = Duration::from_secs(30);

/// What no reader of JSON takes, and no reader of text takes for what it waits for.
const MALFORMED: &[u8] = b"{\"<!DOCTYPE html><title>502 Bad Gateway</title>";

/// One way to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// The peer wants fewer requests.
    TooManyRequests,
    /// The peer is broken.
    ServerError,
    /// No whole answer in time.
    Timeout,
    /// The connection breaks before the answer is whole.
    Cut,
    /// Half of the body comes, as if it were all of it.
    Truncated,
    /// The body is something else.
    Malformed,
    /// The answer comes, but later.
    Slow,
}

impl Fault {
    pub(super) const ALL: [Self; 7] = [
        Self::TooManyRequests,
        Self::ServerError,
        Self::Timeout,
        Self::Cut,
        Self::Truncated,
        Self::Malformed,
        Self::Slow,
    ];

    /// As test files and reports name it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::TooManyRequests => "429",
            Self::ServerError => "500",
            Self::Timeout => "timeout",
            Self::Cut => "cut",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
            Self::Slow => "slow",
        }
    }

    /// Every word with what it means, for whoever reads a file.
    pub(super) fn words() -> Vec<(&'static str, Self)> {
        Self::ALL.into_iter().map(|fault| (fault.word(), fault)).collect()
    }

    /// Whether there is an answer that it spoils; the others come in its place.
    pub(super) fn spoils_an_answer(self) -> bool {
        matches!(self, Self::Truncated | Self::Malformed | Self::Slow)
    }

    /// How long the answer is held back.
    pub(super) fn delay(self) -> Option<Duration> {
        (self == Self::Slow).then_some(SLOW)
    }

    /// What comes in place of what was to come.
    pub(super) fn strike(self, intended: HttpAnswer, host: &str) -> HttpAnswer {
        match (self, intended) {
            (Self::TooManyRequests, intended) => refusal(429, "too many requests", intended),
            (Self::ServerError, intended) => refusal(500, "internal server error", intended),
            (Self::Timeout, _) => {
                HttpAnswer::Error(HttpError::Timeout(format!("no whole answer from `{host}` in time")))
            }
            (Self::Cut, HttpAnswer::Stream(stream)) => {
                let why = format!("`{host}` closed the connection before its answer was whole");
                HttpAnswer::Stream(HttpStream {
                    end: StreamEnd::Broken(HttpError::Connection(why)),
                    ..half(stream)
                })
            }
            (Self::Cut, _) => HttpAnswer::Error(HttpError::Connection(format!(
                "`{host}` closed the connection before its answer was whole"
            ))),
            (Self::Truncated, HttpAnswer::Ok(response)) => {
                let half = response.body.slice(..response.body.len() / 2);
                HttpAnswer::Ok(HttpResponse { body: half, ..response })
            }
            (Self::Truncated, HttpAnswer::Stream(stream)) => HttpAnswer::Stream(half(stream)),
            (Self::Malformed, HttpAnswer::Ok(response) | HttpAnswer::Stream(HttpStream { response, .. })) => {
                HttpAnswer::Ok(HttpResponse { body: Bytes::from_static(MALFORMED), ..response })
            }
            (Self::Truncated | Self::Malformed | Self::Slow, intended) => intended,
        }
    }
}

/// The first half of its body; what is cut there is cut still.
fn half(stream: HttpStream) -> HttpStream {
    let body = stream.response.body.slice(..stream.response.body.len() / 2);
    HttpStream { response: HttpResponse { body, ..stream.response }, ..stream }
}

fn refusal(status: u16, message: &str, intended: HttpAnswer) -> HttpAnswer {
    let url = match intended {
        HttpAnswer::Ok(response) | HttpAnswer::Stream(HttpStream { response, .. }) => response.url,
        HttpAnswer::Kept(kept) => kept.response.url,
        HttpAnswer::Error(_) => String::new(),
    };
    HttpAnswer::Ok(HttpResponse {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: json!({"error": {"message": message}}).to_string().into(),
        url,
    })
}
