//! The parts of an e-mail: where each begins and ends, which ones are its text, and which are attached. Found line by line, in one pass and
//! without recursion: parts may be as many, and as deep in one another, as a sender likes. What is in an attached message is left to whoever
//! reads that.

use std::ops::Range;

use mail_parser::{Message, MessageParser, MimeHeaders as _};
use stepwell_sdk::StepError;

use crate::config::Config;
use crate::problem;

use super::part::{Part, before_line_end};

/// The most of a head that is parsed: of short fields, each takes many times its bytes.
pub(super) const MAX_HEAD: usize = 1 << 20;

/// What an e-mail has.
pub(super) struct Parts<'a> {
    pub(super) bodies: Vec<Part<'a>>,
    pub(super) attachments: Vec<Part<'a>>,
}

/// Where a message's head ends, and its body begins.
pub(super) fn divide(message: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.trim_ascii().is_empty() {
            return (&message[..at], &message[at + line.len()..]);
        }
        at += line.len();
    }
    (message, &[])
}

/// Reads a head's fields.
pub(super) fn head(head: &[u8]) -> Option<Message<'_>> {
    MessageParser::default().parse_headers(&head[..head.len().min(MAX_HEAD)])
}

/// Finds the parts of a message with this head and body.
pub(super) fn split<'a>(head: &Message<'_>, body: &'a [u8], config: &Config) -> Result<Parts<'a>, StepError> {
    let found = Parts { bodies: Vec::new(), attachments: Vec::new() };
    let mut splitter = Splitter { body, config, found, parts: 0, around: Vec::new(), place: Place::Between };
    splitter.start_part(Some(head), 0)?;
    let mut at = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        splitter.line(line, at)?;
        at += line.len();
    }
    splitter.end_part(at)?;
    while let Some(multipart) = splitter.around.pop() {
        splitter.close(multipart, at);
    }
    Ok(splitter.found)
}

struct Splitter<'a, 'c> {
    body: &'a [u8],
    config: &'c Config,
    found: Parts<'a>,
    parts: usize,
    /// The multiparts around this place.
    around: Vec<Multipart>,
    place: Place<'a>,
}

/// Where a line stands.
enum Place<'a> {
    /// In no part.
    Between,
    /// In a head that begins there.
    Head(usize),
    /// In a part whose content begins there.
    Body(Part<'a>, usize),
}

/// A part that has others.
struct Multipart {
    /// What parts them.
    boundary: Vec<u8>,
    kind: Kind,
    /// Where its content begins.
    start: usize,
    /// How many bodies there were when each of its parts began.
    bodies: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The same in several forms.
    Alternative,
    /// One, and what it shows.
    Related,
    /// Messages.
    Digest,
    Mixed,
}

impl<'a> Splitter<'a, '_> {
    fn line(&mut self, line: &[u8], at: usize) -> Result<(), StepError> {
        if let Some((depth, is_last)) = self.delimiter(line) {
            self.end_part(before_line_end(self.body, at))?;
            let keep = if is_last { depth } else { depth + 1 };
            while self.around.len() > keep
                && let Some(multipart) = self.around.pop()
            {
                self.close(multipart, at);
            }
            if !is_last && let Some(multipart) = self.around.last_mut() {
                multipart.bodies.push(self.found.bodies.len());
                self.place = Place::Head(at + line.len());
            }
        } else if let Place::Head(start) = self.place
            && line.trim_ascii().is_empty()
        {
            let message = head(&self.body[start..at]);
            self.start_part(message.as_ref(), at + line.len())?;
        }
        Ok(())
    }

    /// Which multipart a line ends a part of, and whether it was its last.
    fn delimiter(&self, line: &[u8]) -> Option<(usize, bool)> {
        let line = line.strip_prefix(b"--")?.trim_ascii_end();
        self.around.iter().enumerate().rev().find_map(|(depth, multipart)| {
            match line.strip_prefix(multipart.boundary.as_slice())? {
                b"" => Some((depth, false)),
                b"--" => Some((depth, true)),
                _ => None,
            }
        })
    }

    /// Begins a part with this head, whose content begins there.
    fn start_part(&mut self, head: Option<&Message<'_>>, start: usize) -> Result<(), StepError> {
        self.parts += 1;
        if self.parts > self.config.max_entries {
            return Err(over("has too many parts", "max_entries", self.config.max_entries));
        }
        if let Some(multipart) = head.and_then(|head| multipart(head, start)) {
            if self.around.len() >= self.config.max_depth {
                return Err(over("nests its parts too deeply", "max_depth", self.config.max_depth));
            }
            self.around.push(multipart);
            self.place = Place::Between;
        } else {
            let is_digest = self.around.last().is_some_and(|around| around.kind == Kind::Digest);
            let usual = if is_digest { "message/rfc822" } else { "text/plain" };
            self.place = Place::Body(Part::new(head, usual), start);
        }
        Ok(())
    }

    fn end_part(&mut self, end: usize) -> Result<(), StepError> {
        if let Place::Head(start) = self.place {
            let message = head(&self.body[start..end.max(start)]);
            self.start_part(message.as_ref(), end.max(start))?;
        }
        if let Place::Body(part, start) = std::mem::replace(&mut self.place, Place::Between) {
            self.file(part.holding(self.body.get(start..end).unwrap_or_default()));
        }
        Ok(())
    }

    /// Text that is not said to be attached is the message's, unless it belongs to another or has a name.
    fn file(&mut self, part: Part<'a>) {
        let is_first = self.around.last().is_none_or(|around| around.bodies.len() == 1);
        let kind = self.around.last().map_or(Kind::Mixed, |around| around.kind);
        let is_shown = is_first || kind != Kind::Related && part.name.is_none();
        if part.is_body() && (kind == Kind::Alternative || !part.is_attached && is_shown) {
            self.found.bodies.push(part);
        } else {
            self.found.attachments.push(part);
        }
    }

    fn close(&mut self, multipart: Multipart, end: usize) {
        if multipart.bodies.is_empty() {
            // Its parts cannot be told apart.
            let body = self.body.get(multipart.start..end).unwrap_or_default();
            self.found.bodies.push(Part::new(None, "text/plain").holding(body));
        } else if multipart.kind == Kind::Alternative {
            self.choose(&multipart.bodies);
        }
    }

    /// Of the same in several forms, the first with plain text, else the last with any: the last is the richest.
    fn choose(&mut self, starts: &[usize]) {
        let bodies = &self.found.bodies;
        let ends = starts.iter().skip(1).copied().chain([bodies.len()]);
        let forms: Vec<Range<usize>> =
            starts.iter().zip(ends).map(|(start, end)| *start..end).filter(|form| !form.is_empty()).collect();
        let is_plain = |form: &&Range<usize>| bodies[(*form).clone()].iter().any(|part| !part.is_html());
        if let (Some(first), Some(chosen)) = (forms.first(), forms.iter().find(is_plain).or(forms.last())) {
            self.found.bodies.truncate(chosen.end);
            self.found.bodies.drain(first.start..chosen.start);
        }
    }
}

fn over(what: &str, limit: &str, value: usize) -> StepError {
    problem::limit(&format!("the e-mail {what}"), limit, value as u64)
}

fn multipart(head: &Message<'_>, start: usize) -> Option<Multipart> {
    let content = head.content_type().filter(|content| content.ctype().eq_ignore_ascii_case("multipart"))?;
    let boundary = content.attribute("boundary")?.trim_ascii_end().as_bytes().to_vec();
    let kind = match content.subtype().unwrap_or_default().to_ascii_lowercase().as_str() {
        "alternative" => Kind::Alternative,
        "related" => Kind::Related,
        "digest" => Kind::Digest,
        _ => Kind::Mixed,
    };
    (!boundary.is_empty()).then_some(Multipart { boundary, kind, start, bodies: Vec::new() })
}
