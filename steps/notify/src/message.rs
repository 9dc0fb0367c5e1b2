//! A message, whoever carries it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stepwell_sdk::StepError;

use crate::{Config, Service};

/// One message: a title, a text or fields. What is too long for the service is cut, and the message says so.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// One line.
    title: Option<String>,
    /// What there is to say.
    text: Option<String>,
    /// Facts, each with its name.
    #[serde(default)]
    fields: Vec<Field>,
    /// Where to read more.
    link: Option<Link>,
    /// How much it matters: shown as a sign or a colour.
    severity: Option<Severity>,
    /// The webhook's URL, in place of the config's.
    url: Option<String>,
    /// `slack-bot`: the channel's id or name, in place of the config's.
    channel: Option<String>,
    /// The conversation to answer in. `slack-bot`: the `ts` of its first message. `discord`: the thread's id.
    thread: Option<String>,
    /// `webhook`: what to send, in place of title, text, fields, link and severity as JSON.
    body: Option<Value>,
}

/// A fact with its name.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Field {
    /// What it is.
    pub(crate) name: String,
    /// A text, a number, a boolean; anything else is shown as JSON.
    pub(crate) value: Value,
}

impl Field {
    pub(crate) fn text(&self) -> String {
        match &self.value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// A place to read more.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Link {
    /// `https` or `http`.
    pub(crate) url: String,
    /// What the link is called; the URL itself where it is left out.
    pub(crate) label: Option<String>,
}

impl Link {
    pub(crate) fn label(&self) -> &str {
        self.label.as_deref().filter(|label| !label.trim().is_empty()).unwrap_or(&self.url)
    }
}

/// How much a message matters.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// For information.
    Info,
    /// Something went well.
    Success,
    /// Something to look at.
    Warning,
    /// Something failed.
    Error,
    /// Somebody has to act at once.
    Critical,
}

impl Severity {
    /// Before the title, where a service shows no colours.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Info => "ℹ️",
            Self::Success => "✅",
            Self::Warning => "⚠️",
            Self::Error => "❌",
            Self::Critical => "🚨",
        }
    }
}

/// A message that can be sent: it says something, and where it goes is known.
pub(crate) struct Message {
    pub(crate) title: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) fields: Vec<Field>,
    pub(crate) link: Option<Link>,
    pub(crate) severity: Option<Severity>,
    pub(crate) thread: Option<String>,
    pub(crate) body: Option<Value>,
    pub(crate) markup: bool,
    /// The channel, for who is told it.
    pub(crate) channel: Option<String>,
    url: Option<String>,
}

impl Message {
    pub(crate) fn new(input: Input, config: &Config) -> Result<Self, StepError> {
        let service = config.service;
        let said = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        only(
            input.body.is_none() || service == Service::Webhook,
            "/body",
            "only `webhook` sends a body of one's own",
        )?;
        only(
            input.thread.is_none() || matches!(service, Service::SlackBot | Service::Discord),
            "/thread",
            "only `slack-bot` and `discord` can answer in a thread",
        )?;
        only(
            input.channel.is_none() || service == Service::SlackBot,
            "/channel",
            "only `slack-bot` chooses the channel: a webhook has its own",
        )?;
        let message = Self {
            title: said(input.title),
            text: said(input.text),
            fields: input.fields,
            link: input.link,
            severity: input.severity,
            thread: input.thread,
            body: input.body,
            markup: config.markup,
            channel: input.channel.or_else(|| config.channel.clone()),
            url: input.url.or_else(|| config.url.clone()),
        };
        let says_something = message.title.is_some()
            || message.text.is_some()
            || !message.fields.is_empty()
            || message.body.is_some();
        only(says_something, "", "the message is empty: give `title`, `text` or `fields`")?;
        let is_web = |url: &str| url.starts_with("https://") || url.starts_with("http://");
        let link = message.link.as_ref();
        only(
            link.is_none_or(|link| is_web(&link.url)),
            "/link/url",
            "a link begins with `https://` or `http://`",
        )?;
        Ok(message)
    }

    /// Where the webhook is.
    pub(crate) fn webhook(&self) -> Result<&str, StepError> {
        self.url.as_deref().ok_or_else(|| {
            StepError::permanent("where to? Give the webhook's `url`, in the config or in the input")
        })
    }

    /// Where an API is.
    pub(crate) fn base(&self, default: &'static str) -> &str {
        self.url.as_deref().unwrap_or(default).trim_end_matches('/')
    }

    /// The title, with the sign of how much it matters.
    pub(crate) fn signed_title(&self) -> Option<String> {
        match (&self.title, self.severity) {
            (Some(title), Some(severity)) => Some(format!("{} {title}", severity.sign())),
            (Some(title), None) => Some(title.clone()),
            (None, Some(severity)) => Some(severity.sign().into()),
            (None, None) => None,
        }
    }
}

fn only(holds: bool, pointer: &str, otherwise: &str) -> Result<(), StepError> {
    match holds {
        true => Ok(()),
        false if pointer.is_empty() => Err(StepError::invalid_input(otherwise)),
        false => Err(StepError::invalid_input(format!("{pointer}: {otherwise}")).detail([pointer])),
    }
}
