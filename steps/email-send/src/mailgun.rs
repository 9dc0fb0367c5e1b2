//! Mailgun: <https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages>.
//!
//! A form with files: they go from the blob store to the provider without entering the step.

use stepwell_sdk::StepError;
use stepwell_sdk::http::{self, Multipart, Request, Response};

use crate::Config;
use crate::address::Address;
use crate::mail::Mail;
use crate::refusal::{Kind, body, is_success, refused, text, unreadable};

/// Of all files together, as documented.
const MOST_BYTES: u64 = 25 << 20;

pub(crate) fn request(mail: &Mail, config: &Config) -> Result<Request, StepError> {
    let url = format!("{}/v3/{}/messages", config.base("https://api.mailgun.net"), domain(config)?);
    let key = format!("Basic {}", config.key("MAILGUN_BASIC"));
    Ok(http::post(url).multipart(form(mail)?).header("authorization", key))
}

fn domain(config: &Config) -> Result<&str, StepError> {
    let is_domain = |domain: &&str| {
        !domain.is_empty() && domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
    };
    config.domain.as_deref().filter(is_domain).ok_or_else(|| {
        StepError::permanent(
            "`mailgun` sends from a domain: give its name as `domain`, such as `mg.example.com`",
        )
    })
}

fn form(mail: &Mail) -> Result<Multipart, StepError> {
    let size = mail.files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.blob.size));
    if size > MOST_BYTES {
        let message =
            format!("the attachments have {size} bytes, and Mailgun takes {MOST_BYTES}: send a link instead");
        return Err(StepError::permanent(message));
    }
    let mut form = Multipart::new().text("from", mail.from.in_header());
    for (name, list) in [("to", &mail.to), ("cc", &mail.cc), ("bcc", &mail.bcc)] {
        form = list.iter().fold(form, |form, address| form.text(name, address.in_header()));
    }
    form = form.text("subject", &mail.subject);
    for (name, part) in [("text", &mail.text), ("html", &mail.html)] {
        if let Some(part) = part {
            form = form.text(name, part);
        }
    }
    if !mail.reply_to.is_empty() {
        let written: Vec<String> = mail.reply_to.iter().map(Address::in_header).collect();
        form = form.text("h:Reply-To", written.join(", "));
    }
    form = mail.headers.iter().fold(form, |form, (name, value)| form.text(&format!("h:{name}"), value));
    form = mail.tags.iter().fold(form, |form, tag| form.text("o:tag", tag));
    form = mail.metadata.iter().fold(form, |form, (name, value)| form.text(&format!("v:{name}"), value));
    for file in &mail.files {
        // A picture within the HTML goes by the name of its file.
        form = match &file.content_id {
            Some(id) => form.blob("inline", id, &file.blob),
            None => form.blob("attachment", &file.name, &file.blob),
        };
    }
    Ok(form)
}

/// `{"id": "<...>", "message": "Queued. Thank you."}`, or a message alone; a wrong key is answered with bare text.
pub(crate) fn read(answer: &Response) -> Result<Option<String>, StepError> {
    let body = body(answer);
    if let (true, Some(id)) = (is_success(answer), text(&body, "/id")) {
        return Ok(Some(id.to_owned()));
    }
    match (text(&body, "/message"), answer.status) {
        (Some(message), 200..300) => Err(refused("Mailgun", answer, message, Kind::Final)),
        (Some(message), _) => Err(refused("Mailgun", answer, message, Kind::ByStatus)),
        (None, 401) => Err(refused("Mailgun", answer, &answer.excerpt(), Kind::ByStatus)),
        (None, _) => Err(unreadable("Mailgun", answer)),
    }
}
