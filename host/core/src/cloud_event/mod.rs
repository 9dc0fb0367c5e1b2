//! Events as CloudEvents 1.0 have them: what happened somewhere, told in a form that everybody's tools know.
//!
//! An event is read from its attributes and its data, whichever mode of a transport brought them; every mistake is told at once,
//! by its attribute. How attributes become headers is for who speaks HTTP.

mod json;
mod read;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::digest::Digest;

/// The version of the specification that events are read and written in.
pub const SPEC_VERSION: &str = "1.0";

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudEvent {
    /// Unique in its source: an event of the same id and source is the same event.
    pub id: String,
    /// Where it comes from: a URI reference.
    pub source: String,
    /// What kind of event it is, such as `com.example.order.created`.
    pub event_type: String,
    /// What it is about, within its source.
    pub subject: Option<String>,
    /// When it happened.
    pub time: Option<Timestamp>,
    /// The media type of its data; none: JSON.
    pub data_content_type: Option<String>,
    /// What its data adheres to: a URI.
    pub data_schema: Option<String>,
    /// What happened.
    pub data: Option<EventData>,
    /// Attributes beyond those of the specification: texts, whole numbers, true and false.
    pub extensions: BTreeMap<String, Value>,
}

/// What an event carries.
#[derive(Debug, Clone, PartialEq)]
pub enum EventData {
    /// JSON; a text as well, if the content type says so.
    Json(Value),
    /// Anything else.
    Bytes(Vec<u8>),
}

/// An attribute that is missing or cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct AttributeMistake {
    /// Which one, such as `source`.
    pub attribute: String,
    /// What is wrong with it.
    pub message: String,
}

impl CloudEvent {
    /// What expressions see of an event.
    pub(crate) const SHOWN: &[&str] =
        &["id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data", "extensions"];

    /// An event with JSON data, and nothing but what an event must have.
    pub fn new(
        id: impl Into<String>,
        source: impl Into<String>,
        event_type: impl Into<String>,
        data: Value,
    ) -> Self {
        Self {
            id: id.into(),
            source: source.into(),
            event_type: event_type.into(),
            subject: None,
            time: None,
            data_content_type: None,
            data_schema: None,
            data: Some(EventData::Json(data)),
            extensions: BTreeMap::new(),
        }
    }

    /// The same for the same event, however often it is told.
    #[must_use]
    pub fn identity(&self) -> Digest {
        Digest::of(json!([self.source, self.id]).to_string().as_bytes())
    }

    /// Its data as JSON; what is no JSON and no text is in base64.
    #[must_use]
    pub fn data_as_json(&self) -> Option<Value> {
        Some(match self.data.as_ref()? {
            EventData::Json(value) => value.clone(),
            EventData::Bytes(bytes) => Value::String(BASE64_STANDARD.encode(bytes)),
        })
    }

    /// As expressions see it: what the event does not have is null.
    #[must_use]
    pub fn to_shown(&self) -> Arc<Value> {
        Arc::new(json!({
            "id": self.id,
            "source": self.source,
            "type": self.event_type,
            "subject": self.subject,
            "time": self.time,
            "datacontenttype": self.data_content_type,
            "dataschema": self.data_schema,
            "data": self.data_as_json(),
            "extensions": self.extensions,
        }))
    }
}

#[cfg(test)]
mod tests;
