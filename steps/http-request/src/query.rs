//! Parameters, and how they are added to a URL's query.

use std::collections::BTreeMap;

use form_urlencoded::byte_serialize;
use schemars::JsonSchema;
use serde::Deserialize;

/// What stands behind one name.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Parameter {
    /// Once.
    One(Scalar),
    /// Once for each.
    Many(Vec<Scalar>),
}

/// One value.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Scalar {
    /// As it is.
    Text(String),
    /// As JSON writes it.
    Number(serde_json::Number),
    /// `true` or `false`.
    Bool(bool),
    /// Left out.
    Null,
}

impl Parameter {
    /// Each value that is not null.
    pub(crate) fn texts(&self) -> impl Iterator<Item = String> {
        let values = match self {
            Self::One(scalar) => std::slice::from_ref(scalar),
            Self::Many(scalars) => scalars,
        };
        values.iter().filter_map(Scalar::text)
    }
}

impl Scalar {
    /// As it is written in a form; none of null.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Number(number) => Some(number.to_string()),
            Self::Bool(bool) => Some(bool.to_string()),
            Self::Null => None,
        }
    }
}

/// The URL with the parameters behind what it has of a query, and before its fragment.
pub(crate) fn append(url: &str, parameters: &BTreeMap<String, Parameter>) -> String {
    let (head, fragment) = match url.find('#') {
        Some(at) => url.split_at(at),
        None => (url, ""),
    };
    let mut whole = head.to_string();
    let mut separator = match head.find('?') {
        None => "?",
        Some(at) if at + 1 == head.len() => "",
        Some(_) => "&",
    };
    for (name, parameter) in parameters {
        for value in parameter.texts() {
            whole.push_str(separator);
            whole.extend(byte_serialize(name.as_bytes()));
            whole.push('=');
            whole.extend(byte_serialize(value.as_bytes()));
            separator = "&";
        }
    }
    whole + fragment
}
