//! The JSON format of CloudEvents: an object of attributes, with the data in `data` or, in base64, in `data_base64`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use super::{AttributeMistake, CloudEvent, EventData, SPEC_VERSION};

const DATA: &str = "data";
const DATA_BASE64: &str = "data_base64";

impl CloudEvent {
    /// Reads an event from its JSON format, or every mistake in it.
    pub fn from_json(event: Value) -> Result<Self, Vec<AttributeMistake>> {
        let Value::Object(mut attributes) = event else {
            return Err(vec![AttributeMistake::new("", "an event is a JSON object of attributes")]);
        };
        match take_data(&mut attributes) {
            Ok(data) => Self::from_attributes(attributes, data),
            Err(mistake) => {
                let others = Self::from_attributes(attributes, None).err().unwrap_or_default();
                Err(others.into_iter().chain([mistake]).collect())
            }
        }
    }

    /// The event in its JSON format.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json: Map<String, Value> =
            self.attributes().map(|(name, value)| (name.to_owned(), value)).collect();
        match &self.data {
            Some(EventData::Json(data)) => _ = json.insert(DATA.to_owned(), data.clone()),
            Some(EventData::Bytes(bytes)) => {
                json.insert(DATA_BASE64.to_owned(), BASE64_STANDARD.encode(bytes).into());
            }
            None => {}
        }
        Value::Object(json)
    }

    /// Every attribute that the event has, `specversion` included.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, Value)> {
        let text =
            |name: &'static str, value: Option<&String>| value.map(|value| (name, value.as_str().into()));
        let own = [
            Some(("specversion", SPEC_VERSION.into())),
            text("id", Some(&self.id)),
            text("source", Some(&self.source)),
            text("type", Some(&self.event_type)),
            text("subject", self.subject.as_ref()),
            self.time.map(|time| ("time", time.to_string().into())),
            text("datacontenttype", self.data_content_type.as_ref()),
            text("dataschema", self.data_schema.as_ref()),
        ];
        let extensions = self.extensions.iter().map(|(name, value)| (name.as_str(), value.clone()));
        own.into_iter().flatten().chain(extensions)
    }
}

fn take_data(attributes: &mut Map<String, Value>) -> Result<Option<EventData>, AttributeMistake> {
    let wrong = |message: &str| AttributeMistake::new(DATA_BASE64, message);
    match (attributes.remove(DATA), attributes.remove(DATA_BASE64)) {
        (data, None | Some(Value::Null)) => Ok(data.map(EventData::Json)),
        (Some(_), Some(_)) => Err(wrong("an event has `data` or `data_base64`, not both")),
        (None, Some(Value::String(text))) => {
            let bytes = BASE64_STANDARD.decode(text).map_err(|_| wrong("this is no base64 (RFC 4648)"))?;
            Ok(Some(EventData::Bytes(bytes)))
        }
        (None, Some(_)) => Err(wrong("this is no text in base64")),
    }
}
