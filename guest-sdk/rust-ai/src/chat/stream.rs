//! Reads an answer that comes piece by piece. What it used up is recorded however it ends.

use serde_json::Value;
use stepwell_sdk::StepError;
use stepwell_sdk::http::Incoming;

use super::draft::{Draft, End};
use super::sse::{Event, Parser};
use super::{Chat, Completion, News};
use crate::Cause;

/// What the last event of OpenAI's streams says.
const DONE: &str = "[DONE]";

pub(super) fn read(
    chat: &Chat<'_>,
    mut incoming: Incoming,
    news: &mut dyn FnMut(News<'_>),
) -> Result<Completion, StepError> {
    let kind = incoming.header("content-type").unwrap_or_default().to_ascii_lowercase();
    if !kind.starts_with("text/event-stream") {
        let answer = incoming.whole().inspect_err(|_| chat.record(&Draft::default()));
        let completion = chat.whole(answer)?;
        news(News::Text(&completion.text));
        return Ok(completion);
    }
    let mut draft = Draft::default();
    let read = events(chat, &mut incoming, &mut draft, news);
    chat.record(&draft);
    read?;
    draft.finish(&chat.endpoint)
}

fn events(
    chat: &Chat<'_>,
    incoming: &mut Incoming,
    draft: &mut Draft,
    news: &mut dyn FnMut(News<'_>),
) -> Result<(), StepError> {
    let mut parser = Parser::default();
    while let Some(bytes) = next(chat, incoming, draft)? {
        for event in parser.take(&bytes) {
            if take(chat, &event, draft, news)? {
                return Ok(());
            }
        }
    }
    match draft.end {
        End::Open => {
            let reason = format!("half a stream came, with {} bytes of text", draft.text.len());
            Err(chat.endpoint.failure(Cause::Cut, &reason))
        }
        _ => Ok(()),
    }
}

/// The next piece. Once the answer has its end, what may still come is its cost at most: a connection that breaks then takes nothing away.
fn next(chat: &Chat<'_>, incoming: &mut Incoming, draft: &Draft) -> Result<Option<Vec<u8>>, StepError> {
    match incoming.read() {
        Err(_) if draft.end != End::Open => Ok(None),
        read => read.map_err(|error| chat.endpoint.broken(error)),
    }
}

/// Takes one event in; whether it is the last one.
fn take(
    chat: &Chat<'_>,
    event: &Event,
    draft: &mut Draft,
    news: &mut dyn FnMut(News<'_>),
) -> Result<bool, StepError> {
    if event.data == DONE {
        return Ok(true);
    }
    let Ok(document) = serde_json::from_str::<Value>(&event.data) else {
        return match (event.name.as_str(), event.data.trim()) {
            (_, "") => Ok(false),
            ("error", reason) => Err(chat.endpoint.failure(Cause::ProviderFailed, reason)),
            (_, data) => Err(chat.endpoint.failure(Cause::NotJson, &excerpt(data))),
        };
    };
    let known = draft.text.len();
    let is_last = chat.dialect.event(&document, draft);
    if draft.text.len() > known {
        news(News::Text(&draft.text[known..]));
    }
    // The failure of OpenAI's responses stands inside the answer that failed.
    let answer = document.get("response").unwrap_or(&document);
    if event.name == "error" {
        return Err(chat.endpoint.inside(answer));
    }
    chat.endpoint.without_error_in(answer).map(|()| is_last)
}

fn excerpt(text: &str) -> String {
    let shown: String = text.chars().take(200).collect();
    format!("an event of the stream is `{shown}`")
}
