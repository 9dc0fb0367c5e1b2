//! From attributes to an event, or to every mistake at once.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{AttributeMistake, CloudEvent, EventData, SPEC_VERSION};

/// The longest text of an attribute, in bytes.
const MAX_TEXT: usize = 4_096;

/// The most extension attributes.
const MAX_EXTENSIONS: usize = 100;

impl AttributeMistake {
    /// A mistake in an attribute.
    pub fn new(attribute: &str, message: impl Into<String>) -> Self {
        Self { attribute: attribute.chars().take(100).collect(), message: message.into() }
    }
}

impl CloudEvent {
    /// Reads an event from its attributes (`specversion` among them) and its data. What is null is not there.
    pub fn from_attributes(
        attributes: Map<String, Value>,
        data: Option<EventData>,
    ) -> Result<Self, Vec<AttributeMistake>> {
        let attributes = attributes.into_iter().filter(|(_, value)| !value.is_null()).collect();
        let mut reader = Reader { attributes, mistakes: Vec::new() };
        reader.spec_version();
        let event = Self {
            id: reader.require("id", "such as a UUID"),
            source: reader.require("source", "a URI reference, such as `/shop/orders`"),
            event_type: reader.require("type", "such as `com.example.order.created`"),
            subject: reader.text("subject"),
            time: reader.time(),
            data_content_type: reader.text("datacontenttype"),
            data_schema: reader.text("dataschema"),
            data,
            extensions: BTreeMap::new(),
        };
        if event.source.contains(|c: char| c.is_whitespace()) {
            reader.wrong("source", "a source is a URI reference: it holds no white space");
        }
        let (extensions, mistakes) = reader.extensions();
        if mistakes.is_empty() { Ok(Self { extensions, ..event }) } else { Err(mistakes) }
    }
}

struct Reader {
    attributes: Map<String, Value>,
    mistakes: Vec<AttributeMistake>,
}

impl Reader {
    fn wrong(&mut self, attribute: &str, message: impl Into<String>) {
        self.mistakes.push(AttributeMistake::new(attribute, message));
    }

    fn spec_version(&mut self) {
        let message = match self.attributes.remove("specversion") {
            Some(Value::String(version)) if version == SPEC_VERSION => return,
            Some(other) => format!("{other} is no version that is understood here: \"{SPEC_VERSION}\" is"),
            None => format!("it is missing: \"{SPEC_VERSION}\""),
        };
        self.wrong("specversion", message);
    }

    /// An attribute that must be there; empty if it is not.
    fn require(&mut self, name: &str, form: &str) -> String {
        if !self.attributes.contains_key(name) {
            self.wrong(name, format!("it is missing: {form}"));
        }
        self.text(name).unwrap_or_default()
    }

    /// An attribute that is a text with something in it.
    fn text(&mut self, name: &str) -> Option<String> {
        match self.attributes.remove(name)? {
            Value::String(text) => match what_is_wrong_with(&text) {
                None => return Some(text),
                Some(message) => self.wrong(name, message),
            },
            other => self.wrong(name, format!("{other} is no text")),
        }
        None
    }

    fn time(&mut self) -> Option<Timestamp> {
        let text = self.text("time")?;
        let time = text.parse();
        if time.is_err() {
            self.wrong("time", format!("`{text}` is no time of RFC 3339, such as `2026-11-24T09:00:00Z`"));
        }
        time.ok()
    }

    /// What is left.
    fn extensions(mut self) -> (BTreeMap<String, Value>, Vec<AttributeMistake>) {
        let extensions: Vec<_> = std::mem::take(&mut self.attributes).into_iter().collect();
        if extensions.len() > MAX_EXTENSIONS {
            self.wrong(
                "",
                format!("{} extension attributes are more than {MAX_EXTENSIONS}", extensions.len()),
            );
        }
        for (name, value) in extensions.iter().take(MAX_EXTENSIONS) {
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
                self.wrong(name, "the name of an attribute is made of a-z and 0-9");
            }
            let message = match value {
                Value::String(text) if text.is_empty() => None,
                Value::String(text) => what_is_wrong_with(text),
                Value::Bool(_) => None,
                Value::Number(number)
                    if number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()) =>
                {
                    None
                }
                _ => Some("an attribute is a text, a whole number of 32 bits, true or false".to_owned()),
            };
            if let Some(message) = message {
                self.wrong(name, message);
            }
        }
        (extensions.into_iter().collect(), self.mistakes)
    }
}

fn what_is_wrong_with(text: &str) -> Option<String> {
    if text.is_empty() {
        Some("it is empty".to_owned())
    } else if text.len() > MAX_TEXT {
        Some(format!("it is longer than {MAX_TEXT} bytes"))
    } else if text.contains(char::is_control) {
        Some("it holds a control character".to_owned())
    } else {
        None
    }
}
