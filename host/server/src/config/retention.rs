//! A duration that may have no end: `"forever"`, or as other durations are written.

use std::time::Duration;

use jiff::fmt::friendly::{Designator, SpanParser, SpanPrinter};
use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};

const FOREVER: &str = "forever";

#[expect(clippy::ref_option, reason = "serde asks for it")]
pub(super) fn serialize<S: Serializer>(retention: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    let printer = SpanPrinter::new().designator(Designator::Compact);
    match retention {
        None => to.serialize_str(FOREVER),
        Some(retention) => to.serialize_str(&printer.unsigned_duration_to_string(retention)),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    if text == FOREVER {
        return Ok(None);
    }
    SpanParser::new().parse_unsigned_duration(&text).map(Some).map_err(|why| {
        D::Error::custom(format!("`{text}` is neither `{FOREVER}` nor a duration such as `720h`: {why}"))
    })
}
