//! Sends one message to people: Slack, Microsoft Teams, Discord, or whatever listens at a webhook.
//!
//! A message is said once, in words and fields; each service has its own shape for it, its own limits, and its own way to refuse. The URL of a
//! webhook lets whoever knows it write there: no error shows it.

mod discord;
mod fit;
mod message;
mod refusal;
mod slack;
mod teams;
#[cfg(test)]
mod tests;
mod webhook;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwell_sdk::StepError;
use stepwell_sdk::http::{self, Request, Response};

use message::{Input, Message};

/// Where messages go.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Who carries the message.
    service: Service,
    /// The webhook's URL, for every service but `slack-bot`; the input's wins. It may hold `{{secret.NAME}}`. For `slack-bot`: where
    /// Slack's API is, `https://slack.com/api` where it is left out.
    url: Option<String>,
    /// `slack-bot`: the channel's id or name; the input's wins.
    channel: Option<String>,
    /// `slack-bot`: the secret that holds the bot's token (`xoxb-...`), which needs the scope `chat:write`.
    #[serde(default = "slack_token")]
    token_secret: String,
    /// `webhook`: headers of the request. A value may hold `{{secret.NAME}}`.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Whether `text` is written in the service's own markup. If not, it is shown as it is: no mark-up, no mentions of people or channels.
    #[serde(default)]
    markup: bool,
    /// Milliseconds to wait for the answer; the node's own timeout holds if it is sooner.
    timeout_ms: Option<u64>,
}

fn slack_token() -> String {
    "SLACK_BOT_TOKEN".into()
}

/// Who carries messages.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Service {
    /// Slack, by an incoming webhook.
    Slack,
    /// Slack, by its API `chat.postMessage` with a bot's token.
    SlackBot,
    /// Microsoft Teams, by the webhook of a workflow ("When a Teams webhook request is received").
    Teams,
    /// Discord, by a channel's webhook.
    Discord,
    /// Anything that takes JSON by `POST`.
    Webhook,
}

/// What became of the message.
#[derive(Serialize, JsonSchema)]
struct Output {
    /// Who carried it.
    service: Service,
    /// The channel's id, where the service tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    /// The message's id (Slack: its `ts`), where the service tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Where it can be read, where the service tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

/// What a service tells of a message that it took.
#[derive(Default)]
struct Sent {
    channel: Option<String>,
    id: Option<String>,
    url: Option<String>,
}

#[stepwell_sdk::step(http = "posts the message to the service")]
fn notify(input: Input, config: Config) -> Result<Output, StepError> {
    let service = config.service;
    let message = Message::new(input, &config)?;
    let mut request = match service {
        Service::Slack => slack::by_webhook(&message)?,
        Service::SlackBot => slack::by_bot(&message, &config)?,
        Service::Teams => teams::request(&message)?,
        Service::Discord => discord::request(&message)?,
        Service::Webhook => webhook::request(&message, &config)?,
    };
    if let Some(milliseconds) = config.timeout_ms {
        request = request.timeout(Duration::from_millis(milliseconds));
    }
    let answer = request.send()?;
    let Sent { channel, id, url } = match service {
        Service::Slack => slack::read_webhook(&answer)?,
        Service::SlackBot => slack::read_bot(&answer)?,
        Service::Teams => teams::read(&answer)?,
        Service::Discord => discord::read(&answer)?,
        Service::Webhook => webhook::read(&answer)?,
    };
    Ok(Output { service, channel, id, url })
}

/// A request that carries JSON. A webhook that has moved is no longer the one that was granted.
fn post(url: impl Into<String>, body: &impl Serialize) -> Request {
    http::post(url).max_redirects(0).json(body)
}

/// The body as JSON, where it is.
fn json_of(answer: &Response) -> Option<serde_json::Value> {
    serde_json::from_slice(&answer.body).ok()
}
