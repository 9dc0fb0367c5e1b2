//! E-mail: its text, what its head says, and what is attached.

mod part;
mod parts;
#[cfg(test)]
mod tests;

use mail_parser::{Address, Message};
use stepwell_sdk::StepError;
use stepwell_sdk::blob;

use crate::blocks::{self, Block, Writer};
use crate::detect::{Kind, Said};
use crate::document::{Attachment, Document};
use crate::html;
use crate::problem;
use crate::reading::Reading;

use part::Part;

/// The longest name that a media type's halves may have, as RFC 6838 has it.
const MAX_MEDIA_TYPE: usize = 127;

/// Reads a message. `depth` is how deep its attachments are read.
pub(crate) fn read(bytes: &[u8], reading: &mut Reading<'_>, depth: usize) -> Result<Document, StepError> {
    let (fields, content) = parts::divide(bytes.trim_ascii_start());
    let message =
        parts::head(fields).ok_or_else(|| problem::broken("the e-mail", "it has no header fields"))?;
    let parts = parts::split(&message, content, reading.config())?;
    let mut document = Document::new(Kind::Email);
    document.truncated = fields.len() > parts::MAX_HEAD;
    head(&message, &mut document);
    body(&parts.bodies, &mut document, reading);
    reading.fit(&mut document)?;
    if depth > 0 {
        attachments(&parts.attachments, &mut document, reading, depth)?;
    } else {
        document.truncated |= !parts.attachments.is_empty();
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

fn body(bodies: &[Part<'_>], document: &mut Document, reading: &Reading<'_>) {
    let mut writer = Writer::new(reading.chars());
    for part in bodies {
        let text = part.text();
        if part.is_html() {
            document.truncated |= html::read(&text, reading.config(), &mut writer).truncated;
        } else if !text.trim().is_empty() {
            writer.push(Block::Paragraph(text.replace("\r\n", "\n").trim().into()));
        }
    }
    (document.text, document.headings) = writer.finish();
}

fn attachments(
    parts: &[Part<'_>],
    document: &mut Document,
    reading: &mut Reading<'_>,
    depth: usize,
) -> Result<(), StepError> {
    for part in parts {
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
fn attachment(part: &Part<'_>, reading: &mut Reading<'_>, depth: usize) -> Result<Attachment, StepError> {
    let name = part.name.as_deref().map(file_name);
    let media_type = media_type(part);
    let bytes = if part.is_text() { part.text().into_bytes().into() } else { part.bytes() };
    let mut blob = blob::put(&media_type, &bytes)?;
    blob.name = name.clone();
    reading.spend(&blob);

    let said = Said { name: name.as_deref(), media_type: Some(&media_type) };
    let (document, problem) = match reading.document(&bytes, said, depth - 1) {
        Ok(document) => (Some(Box::new(document)), None),
        Err(error) if reading.is_refused() => return Err(error),
        Err(error) => (None, Some(error.message)),
    };
    if let Some(problem) = &problem {
        reading.spend(problem);
    }
    Ok(Attachment { blob, document, problem })
}

/// What a sender writes there may be anything.
fn media_type(part: &Part<'_>) -> String {
    let is_plain = |name: &str| {
        (1..=MAX_MEDIA_TYPE).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';')
    };
    match part.media_type.split_once('/') {
        // The text has been decoded.
        Some(("text", subtype)) if is_plain(subtype) => format!("text/{subtype}; charset=utf-8"),
        Some((kind, subtype)) if is_plain(kind) && is_plain(subtype) => part.media_type.clone(),
        _ => "application/octet-stream".into(),
    }
}

/// Without the folders that a sender may have put before it.
fn file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    last.chars().filter(|character| !character.is_control()).take(255).collect()
}
