//! E-mail: its text, what its head says, and what is attached.

use mail_parser::{Address, Message, MessageParser, MessagePart, MimeHeaders as _, PartType};
use stepwell_sdk::StepError;
use stepwell_sdk::blob;

use crate::blocks::{self, Block};
use crate::detect::{Kind, Said};
use crate::document::{Attachment, Document};
use crate::html;
use crate::problem;
use crate::reading::Reading;

/// Reads a message. `depth` is how deep its attachments are read.
pub(crate) fn read(bytes: &[u8], reading: &mut Reading<'_>, depth: usize) -> Result<Document, StepError> {
    let message = MessageParser::default()
        .parse(bytes)
        .ok_or_else(|| problem::broken("the e-mail", "it has no header fields"))?;
    let mut document = Document::new(Kind::Email);
    head(&message, &mut document);
    body(&message, &mut document);
    reading.fit(&mut document)?;
    if depth > 0 {
        attachments(&message, &mut document, reading, depth)?;
    } else {
        document.truncated |= message.attachments().next().is_some();
    }
    Ok(document)
}

fn head(message: &Message<'_>, document: &mut Document) {
    document.title = message.subject().map(blocks::squeeze).filter(|subject| !subject.is_empty());
    for (name, addresses) in [
        ("from", message.from()),
        ("to", message.to()),
        ("cc", message.cc()),
        ("reply_to", message.reply_to()),
    ] {
        document.note(name, addresses.map(people));
    }
    document.note("date", message.date().map(|date| date.to_rfc3339()));
    document.note("message_id", message.message_id());
    document.note("in_reply_to", message.in_reply_to().as_text());
}

fn people(addresses: &Address<'_>) -> String {
    let people = addresses.iter().map(|one| match (one.name(), one.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (name, address) => name.or(address).unwrap_or_default().to_string(),
    });
    people.collect::<Vec<_>>().join(", ")
}

/// The plain text if there is one, else what the HTML says.
fn body(message: &Message<'_>, document: &mut Document) {
    let mut read = Vec::new();
    for part in message.text_bodies() {
        match &part.body {
            PartType::Text(text) => read.push(Block::Paragraph(text.replace("\r\n", "\n").trim().into())),
            PartType::Html(html) => read.extend(html::read(html).blocks),
            _ => {}
        }
    }
    read.retain(|block| !matches!(block, Block::Paragraph(text) if text.is_empty()));
    (document.text, document.headings) = blocks::write(&read);
}

fn attachments(
    message: &Message<'_>,
    document: &mut Document,
    reading: &mut Reading<'_>,
    depth: usize,
) -> Result<(), StepError> {
    for part in message.attachments() {
        if !reading.take_attachment() {
            document.truncated = true;
            break;
        }
        let attachment = attachment(part, reading, depth)?;
        document.truncated |= attachment.document.as_ref().is_some_and(|inner| inner.truncated);
        document.attachments.push(attachment);
    }
    Ok(())
}

/// One that cannot be read is still there for others.
fn attachment(
    part: &MessagePart<'_>,
    reading: &mut Reading<'_>,
    depth: usize,
) -> Result<Attachment, StepError> {
    let name = part.attachment_name().map(file_name);
    let media_type = media_type(part);
    let bytes = match &part.body {
        PartType::Message(message) => message.raw_message(),
        _ => part.contents(),
    };
    let mut blob = blob::put(&media_type, bytes)?;
    blob.name = name.clone();

    let said = Said { name: name.as_deref(), media_type: Some(&media_type) };
    let (document, problem) = match reading.document(bytes, said, depth - 1) {
        Ok(document) => (Some(Box::new(document)), None),
        Err(error) if reading.is_refused() => return Err(error),
        Err(error) => (None, Some(error.message)),
    };
    Ok(Attachment { blob, document, problem })
}

fn media_type(part: &MessagePart<'_>) -> String {
    if let PartType::Message(_) = &part.body {
        return "message/rfc822".into();
    }
    let Some(content) = part.content_type() else { return "application/octet-stream".into() };
    let subtype = content.subtype().unwrap_or("octet-stream");
    let plain =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';');
    // What a sender writes there may be anything.
    if !plain(content.ctype()) || !plain(subtype) {
        return "application/octet-stream".into();
    }
    // The text has been decoded.
    let charset =
        if matches!(part.body, PartType::Text(_) | PartType::Html(_)) { "; charset=utf-8" } else { "" };
    format!("{}/{}{charset}", content.ctype(), subtype).to_ascii_lowercase()
}

/// Without the folders that a sender may have put before it.
fn file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    last.chars().filter(|character| !character.is_control()).take(255).collect()
}
