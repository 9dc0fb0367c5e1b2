//! CloudEvents 1.0 over HTTP, in binary mode: the attributes are headers, the data is the body. (In structured mode the body is the whole
//! event; there is nothing to translate.)

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value};

use stepwell_core::cloud_event::{AttributeMistake, CloudEvent, EventData};

use crate::document::{self, Format, SyntaxError};

/// The content type of one event in structured mode.
pub(crate) const STRUCTURED: &str = "application/cloudevents+json";
/// The content type of several.
pub(crate) const BATCH: &str = "application/cloudevents-batch+json";
/// What the content types of other formats begin with, which are not taken here.
pub(crate) const OTHER_FORMATS: &str = "application/cloudevents";

const PREFIX: &str = "ce-";
const CONTENT_TYPE_ATTRIBUTE: &str = "datacontenttype";

/// What a header cannot hold as it is; all that is not ASCII is encoded in any case.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// The attributes that the headers tell.
pub(crate) fn attributes_of(headers: &HeaderMap) -> Result<Map<String, Value>, Vec<AttributeMistake>> {
    let mut attributes = Map::new();
    let mut mistakes = Vec::new();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix(PREFIX) else { continue };
        match decode(value) {
            _ if name == CONTENT_TYPE_ATTRIBUTE => {
                mistakes.push(AttributeMistake::new(name, "in binary mode it is the header `Content-Type`"));
            }
            Some(text) => {
                if attributes.insert(name.to_owned(), Value::String(text)).is_some() {
                    mistakes.push(AttributeMistake::new(
                        name,
                        format!("the header `{PREFIX}{name}` stands there twice"),
                    ));
                }
            }
            None => mistakes.push(AttributeMistake::new(name, "its header is not UTF-8")),
        }
    }
    if let Some(content_type) = content_type(headers) {
        attributes.insert(CONTENT_TYPE_ATTRIBUTE.to_owned(), Value::String(content_type));
    }
    if mistakes.is_empty() { Ok(attributes) } else { Err(mistakes) }
}

/// The data that a body is. What says that it is JSON must be.
pub(crate) fn data_of(headers: &HeaderMap, body: &Bytes) -> Result<Option<EventData>, SyntaxError> {
    let content_type = content_type(headers);
    if body.is_empty() {
        return Ok(None);
    }
    let media_type = media_type(content_type.as_deref().unwrap_or_default());
    if is_json(&media_type) {
        return document::read(Format::Json, body).map(|json| Some(EventData::Json(json)));
    }
    Ok(Some(match std::str::from_utf8(body) {
        Ok(text) if is_text(&media_type) => EventData::Json(Value::String(text.to_owned())),
        _ => EventData::Bytes(body.to_vec()),
    }))
}

/// The headers that tell an event's attributes.
pub(crate) fn headers_of(event: &CloudEvent) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in event.attributes().filter(|(name, _)| *name != CONTENT_TYPE_ATTRIBUTE) {
        let text = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let encoded = utf8_percent_encode(&text, ENCODED).to_string();
        // Names of attributes are letters and digits, and what is encoded is visible ASCII: both can be headers.
        if let (Ok(name), Ok(value)) =
            (HeaderName::try_from(format!("{PREFIX}{name}")), HeaderValue::try_from(encoded))
        {
            headers.insert(name, value);
        }
    }
    let default = event.data.as_ref().map(|data| match data {
        EventData::Json(_) => "application/json",
        EventData::Bytes(_) => "application/octet-stream",
    });
    let content_type = event.data_content_type.as_deref().or(default);
    if let Some(Ok(content_type)) = content_type.map(HeaderValue::from_str) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    headers
}

/// The body that is an event's data.
pub(crate) fn body_of(event: &CloudEvent) -> Vec<u8> {
    let says_json = event.data_content_type.as_deref().is_none_or(|kind| is_json(&media_type(kind)));
    match &event.data {
        None => Vec::new(),
        Some(EventData::Bytes(bytes)) => bytes.clone(),
        Some(EventData::Json(Value::String(text))) if !says_json => text.clone().into_bytes(),
        Some(EventData::Json(json)) => json.to_string().into_bytes(),
    }
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Without parameters, in lower case.
fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || media_type.ends_with("+json")
}

/// Whether people could read it. Without a content type, it is taken for text if it can be.
fn is_text(media_type: &str) -> bool {
    media_type.is_empty()
        || media_type.starts_with("text/")
        || media_type.ends_with("/xml")
        || media_type.ends_with("+xml")
        || media_type == "application/x-www-form-urlencoded"
}

/// A header's value: percent-encoded, and perhaps in quotes.
fn decode(value: &HeaderValue) -> Option<String> {
    let text = std::str::from_utf8(value.as_bytes()).ok()?;
    let unquoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map(unescape);
    let text = unquoted.as_deref().unwrap_or(text);
    percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned())
}

fn unescape(quoted: &str) -> String {
    let mut characters = quoted.chars();
    let next = std::iter::from_fn(|| match characters.next() {
        Some('\\') => characters.next(),
        other => other,
    });
    next.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        of.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn headers_become_attributes_and_attributes_headers() {
        let given = headers(&[
            ("ce-specversion", "1.0"),
            ("ce-id", "a%20b"),
            ("ce-source", "\"/shop\\\\x\""),
            ("ce-type", "order"),
            ("ce-subject", "Gr%C3%BC%C3%9Fe 100%25"),
            ("content-type", "text/plain; charset=utf-8"),
            ("host", "example.com"),
        ]);
        let attributes = attributes_of(&given).unwrap();
        let expected = json!({
            "specversion": "1.0", "id": "a b", "source": "/shop\\x", "type": "order",
            "subject": "Gr\u{fc}\u{df}e 100%", "datacontenttype": "text/plain; charset=utf-8",
        });
        assert_eq!(Value::Object(attributes.clone()), expected);
        let data = data_of(&given, &Bytes::from("hello")).unwrap();
        let event = CloudEvent::from_attributes(attributes.clone(), data).unwrap();
        let written = headers_of(&event);
        assert_eq!(written["ce-subject"], "Gr%C3%BC%C3%9Fe%20100%25");
        assert_eq!(attributes_of(&written).unwrap(), attributes);
        assert_eq!(body_of(&event), b"hello");
    }

    #[test]
    fn a_body_is_taken_for_what_its_content_type_says() {
        let data = |kind: &str, body: &'static [u8]| {
            data_of(&headers(&[("content-type", kind)]), &Bytes::from(body))
        };
        assert_eq!(data("application/json", b"{\"a\":1}"), Ok(Some(EventData::Json(json!({"a": 1})))));
        assert_eq!(data("application/vnd.x+json; v=1", b"1"), Ok(Some(EventData::Json(json!(1)))));
        assert_eq!(data("text/plain", b"1"), Ok(Some(EventData::Json(json!("1")))));
        assert_eq!(data("image/png", b"1"), Ok(Some(EventData::Bytes(b"1".to_vec()))));
        assert_eq!(data("text/plain", b"\xff"), Ok(Some(EventData::Bytes(b"\xff".to_vec()))));
        assert_eq!(data("application/json", b""), Ok(None));
        assert!(data("application/json", b"{").is_err());
    }

    #[test]
    fn what_headers_say_wrongly_is_told_by_its_attribute() {
        let mut twice = headers(&[("ce-id", "1"), ("ce-datacontenttype", "text/plain")]);
        twice.append("ce-id", "2".parse().unwrap());
        let wrong: Vec<_> =
            attributes_of(&twice).unwrap_err().into_iter().map(|mistake| mistake.attribute).collect();
        assert!(
            wrong.contains(&"id".to_owned()) && wrong.contains(&"datacontenttype".to_owned()),
            "{wrong:?}"
        );
    }
}
