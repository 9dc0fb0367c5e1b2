//! Sends one e-mail by a provider's HTTP API: Resend, SendGrid, Postmark, Mailgun.
//!
//! An e-mail is said once, and checked before any provider sees it: addresses are addresses, and nothing that stands in a header can begin
//! another one. What differs from provider to provider is in one module each: the shape of the request, and of the answer.

mod address;
mod content;
mod mail;
mod mailgun;
mod postmark;
mod refusal;
mod resend;
mod sendgrid;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;

use address::Mailbox;
use mail::Mail;

/// Who sends, and by whom.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The provider whose API is used.
    provider: Provider,
    /// The sender, one that the provider knows: `Support <help@example.com>`. The input's wins.
    from: Option<Mailbox>,
    /// `mailgun`: the sending domain.
    domain: Option<String>,
    /// The secret that holds the API key: `RESEND_API_KEY`, `SENDGRID_API_KEY`, `POSTMARK_SERVER_TOKEN`, `MAILGUN_BASIC` where it is left out. Mailgun's is
    /// a user, `api`, with the key as password.
    api_key_secret: Option<String>,
    /// Where the API is, in place of the provider's usual place: `https://api.eu.mailgun.net`, `https://api.eu.sendgrid.com`.
    base_url: Option<String>,
    /// `postmark`: the message stream; `outbound` where it is left out.
    stream: Option<String>,
    /// Milliseconds to wait for the answer; the node's own timeout holds if it is sooner.
    timeout_ms: Option<u64>,
}

/// A provider that sends e-mail.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Provider {
    /// resend.com
    Resend,
    /// sendgrid.com
    Sendgrid,
    /// postmarkapp.com
    Postmark,
    /// mailgun.com
    Mailgun,
}

/// One e-mail. It has a `text`, an `html`, or both.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The sender, in place of the config's.
    from: Option<Mailbox>,
    /// The recipients: `ann@example.com`, `Ann <ann@example.com>`, `{"email": ..., "name": ...}`, or a list of them.
    to: Mailboxes,
    /// Who gets a copy.
    #[serde(default)]
    cc: Mailboxes,
    /// Who gets a copy that the others do not see.
    #[serde(default)]
    bcc: Mailboxes,
    /// Where answers go; to the sender where it is left out.
    #[serde(default)]
    reply_to: Mailboxes,
    /// One line.
    subject: String,
    /// The e-mail as plain text.
    text: Option<String>,
    /// The e-mail as HTML.
    html: Option<String>,
    /// Files: blobs, or objects with a blob and what it is called.
    #[serde(default)]
    attachments: Vec<Attachment>,
    /// Further headers, such as `List-Unsubscribe`. Those that the provider writes are refused.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// What the provider's statistics sort by. `postmark` takes one.
    #[serde(default)]
    tags: Vec<String>,
    /// Names and values that the provider keeps with the e-mail and gives back in its events.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

/// One mailbox, or several.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Mailboxes {
    // Before the other: serde would read a list of two as the two fields of a mailbox.
    /// Several.
    Many(Vec<Mailbox>),
    /// One.
    One(Mailbox),
}

impl Default for Mailboxes {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

/// A file that goes with an e-mail.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Attachment {
    /// As the blob says.
    Plain(Blob),
    /// A blob, called otherwise.
    Named(Named),
}

/// A blob, and what it is called.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Named {
    /// The file.
    blob: Blob,
    /// Its name; the blob's own, or else `attachment`, where it is left out.
    name: Option<String>,
    /// Makes it a picture within the HTML: `<img src="cid:logo">` shows the one whose `content_id` is `logo`.
    content_id: Option<String>,
}

/// What became of the e-mail.
#[derive(Serialize, JsonSchema)]
struct Output {
    /// Who took it.
    provider: Provider,
    /// The provider's id of it, which its events name.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// How many mailboxes it goes to, each counted once.
    recipients: usize,
}

#[stepwell_sdk::step(http = "hands the e-mail to the provider's API")]
fn email_send(input: Input, config: Config) -> Result<Output, StepError> {
    let provider = config.provider;
    let mail = Mail::new(input, &config)?;
    let mut request = match provider {
        Provider::Resend => resend::request(&mail, &config)?,
        Provider::Sendgrid => sendgrid::request(&mail, &config)?,
        Provider::Postmark => postmark::request(&mail, &config)?,
        Provider::Mailgun => mailgun::request(&mail, &config)?,
    };
    if let Some(milliseconds) = config.timeout_ms {
        request = request.timeout(Duration::from_millis(milliseconds));
    }
    let answer = request.send()?;
    let id = match provider {
        Provider::Resend => resend::read(&answer)?,
        Provider::Sendgrid => sendgrid::read(&answer)?,
        Provider::Postmark => postmark::read(&answer)?,
        Provider::Mailgun => mailgun::read(&answer)?,
    };
    Ok(Output { provider, id, recipients: mail.recipients() })
}

impl Config {
    fn base<'a>(&'a self, default: &'a str) -> &'a str {
        self.base_url.as_deref().unwrap_or(default).trim_end_matches('/')
    }

    /// The API key, for the host to fill in.
    fn key(&self, default: &str) -> String {
        format!("{{{{secret.{}}}}}", self.api_key_secret.as_deref().unwrap_or(default))
    }
}
