//! Slack: an incoming webhook, or `chat.postMessage` with a bot's token. Both take the same blocks.

use serde::Deserialize;
use serde_json::{Value, json};
use stepwell_sdk::StepError;
use stepwell_sdk::http::{Request, Response};

use crate::fit::{FieldLimits, PLAIN};
use crate::message::{Link, Message};
use crate::refusal::{Kind, is_success, refused, unreadable};
use crate::{Config, Sent, json_of, post};

const API: &str = "https://slack.com/api";

/// Of a header, a section, and the text that notifications show.
const TITLE: usize = 150;
const TEXT: usize = 3000;

/// Four sections of ten.
const FIELDS: FieldLimits = FieldLimits { count: 40, name: 250, value: 1700, all: usize::MAX, each: 0 };
const FIELDS_PER_SECTION: usize = 10;

/// Errors of the API that pass (<https://docs.slack.dev/reference/methods/chat.postMessage>).
const PASSING: [&str; 7] = [
    "fatal_error",
    "internal_error",
    "ratelimited",
    "rate_limited",
    "request_timeout",
    "service_unavailable",
    "team_added_to_org",
];

pub(crate) fn by_webhook(message: &Message) -> Result<Request, StepError> {
    Ok(post(message.webhook()?, &content(message)))
}

pub(crate) fn by_bot(message: &Message, config: &Config) -> Result<Request, StepError> {
    let Some(channel) = &message.channel else {
        return Err(StepError::permanent("which channel? Give `channel`, in the config or in the input"));
    };
    let mut body = content(message);
    body["channel"] = json!(channel);
    if let Some(thread) = &message.thread {
        body["thread_ts"] = json!(thread);
    }
    let request = post(format!("{}/chat.postMessage", message.base(API)), &body);
    Ok(request.bearer_secret(&config.token_secret))
}

/// Of a webhook: `ok`, or the reason as bare text.
pub(crate) fn read_webhook(answer: &Response) -> Result<Sent, StepError> {
    let text = answer.text();
    let json = json_of(answer);
    let is_ok = text.trim() == "ok" || json.as_ref().is_some_and(|json| json["ok"] == true);
    if is_success(answer) && is_ok {
        return Ok(Sent::default());
    }
    if let Some(error) = json.as_ref().and_then(|json| json["error"].as_str()) {
        return Err(refused("Slack", answer, error, kind_of(error)));
    }
    match is_word(text.trim()) {
        true if is_success(answer) => Err(refused("Slack", answer, text.trim(), Kind::Final)),
        true => Err(refused("Slack", answer, text.trim(), Kind::ByStatus)),
        false => Err(unreadable("Slack", answer)),
    }
}

/// Of the API: 200 whatever became of it, unless there was too much.
pub(crate) fn read_bot(answer: &Response) -> Result<Sent, StepError> {
    #[derive(Deserialize)]
    struct Answer {
        ok: bool,
        error: Option<String>,
        channel: Option<String>,
        ts: Option<String>,
        needed: Option<String>,
        #[serde(default)]
        response_metadata: Metadata,
    }
    #[derive(Default, Deserialize)]
    struct Metadata {
        #[serde(default)]
        messages: Vec<String>,
    }

    let Ok(read) = serde_json::from_slice::<Answer>(&answer.body) else {
        return Err(unreadable("Slack", answer));
    };
    if read.ok {
        return Ok(Sent { channel: read.channel, id: read.ts, url: None });
    }
    let error = read.error.unwrap_or_default();
    let needed =
        read.needed.map(|scope| format!(" (the token lacks the scope `{scope}`)")).unwrap_or_default();
    let more = read.response_metadata.messages.iter().map(|message| format!("; {message}"));
    let reason = format!("{error}{needed}{}", more.collect::<String>());
    Err(refused("Slack", answer, &reason, kind_of(&error)))
}

fn kind_of(error: &str) -> Kind {
    if PASSING.contains(&error) { Kind::Passing } else { Kind::Final }
}

/// Slack's reasons are single words: `no_service`.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() < 100
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}

fn content(message: &Message) -> Value {
    let blocks: Vec<Value> = [header(message), text(message)]
        .into_iter()
        .flatten()
        .chain(fields(message))
        .chain(message.link.as_ref().map(link))
        .collect();
    json!({"text": notification(message), "blocks": blocks, "unfurl_links": false, "unfurl_media": false})
}

/// What notifications show, and whoever shows no blocks.
fn notification(message: &Message) -> String {
    let title = message.signed_title();
    let text = message.text.as_ref().map(|text| if message.markup { text.clone() } else { escaped(text) });
    let all: Vec<String> = title.as_deref().map(escaped).into_iter().chain(text).collect();
    match all.is_empty() {
        true => message.fields.iter().map(|field| escaped(&field.name)).collect::<Vec<_>>().join(", "),
        false => PLAIN.fit(&all.join("\n"), TEXT),
    }
}

fn header(message: &Message) -> Option<Value> {
    let title = message.signed_title()?;
    Some(json!({"type": "header", "text": plain(&title, TITLE)}))
}

fn text(message: &Message) -> Option<Value> {
    let text = message.text.as_ref()?;
    let text = match message.markup {
        true => json!({"type": "mrkdwn", "text": PLAIN.fit(text, TEXT)}),
        false => plain(text, TEXT),
    };
    Some(json!({"type": "section", "text": text}))
}

fn fields(message: &Message) -> Vec<Value> {
    let shown = PLAIN.fields(&message.fields, FIELDS);
    let field = |(name, value): &(String, String)| plain(&format!("{name}\n{value}"), TEXT);
    let section = |fields: &[(String, String)]| json!({"type": "section", "fields": fields.iter().map(field).collect::<Vec<_>>()});
    shown.chunks(FIELDS_PER_SECTION).map(section).collect()
}

fn link(link: &Link) -> Value {
    let url = link.url.replace('|', "%7C").replace('>', "%3E").replace('<', "%3C");
    let label = escaped(&PLAIN.fit(link.label(), TITLE));
    json!({"type": "section", "text": {"type": "mrkdwn", "text": format!("<{url}|{label}>")}})
}

/// Shown as it is: no markup, no mentions.
fn plain(text: &str, limit: usize) -> Value {
    json!({"type": "plain_text", "emoji": false, "text": PLAIN.fit(text, limit)})
}

/// Without what would mention a person or a channel (<https://docs.slack.dev/messaging/formatting-message-text>).
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
