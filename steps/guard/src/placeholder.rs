//! What stands for personal data in a text: `[EMAIL_1]`.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use crate::content::Text;

/// What was taken out.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Original {
    /// A text, or a part of one.
    Text(String),
    /// A number of JSON.
    Number(Number),
}

/// Placeholders: the same for the same value.
pub(crate) struct Placeholders {
    /// By placeholder.
    values: BTreeMap<String, Original>,
    /// By kind and value as JSON: a text is another value than a number that is written so.
    names: BTreeMap<(String, String), String>,
    /// Those that a text has already, as its own words.
    taken: BTreeSet<String>,
    /// Of each kind, the number that was given last.
    last: BTreeMap<String, usize>,
}

impl Placeholders {
    /// Goes on with those that there are.
    pub(crate) fn new(values: BTreeMap<String, Original>, texts: &[Text]) -> Self {
        let mut names = BTreeMap::new();
        for (name, value) in &values {
            if let Some((kind, _)) = name.trim_start_matches('[').rsplit_once('_') {
                names.entry((kind.to_owned(), value.to_json())).or_insert_with(|| name.clone());
            }
        }
        let mut taken = BTreeSet::new();
        for text in texts {
            let text: String = text.chars.iter().collect();
            taken.extend(within(&text).map(|(_, name)| name.to_owned()));
        }
        Self { values, names, taken, last: BTreeMap::new() }
    }

    /// The placeholder of a value.
    pub(crate) fn of(&mut self, kind: &str, value: Original) -> String {
        let key = (kind.to_owned(), value.to_json());
        if let Some(name) = self.names.get(&key) {
            return name.clone();
        }
        let last = self.last.entry(kind.to_owned()).or_default();
        let name = loop {
            *last += 1;
            let name = format!("[{kind}_{last}]");
            if !self.values.contains_key(&name) && !self.taken.contains(&name) {
                break name;
            }
        };
        self.names.insert(key, name.clone());
        self.values.insert(name.clone(), value);
        name
    }

    pub(crate) fn into_values(self) -> BTreeMap<String, Original> {
        self.values
    }
}

impl Original {
    /// As it is put into a text.
    pub(crate) fn written(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        }
    }

    fn to_json(&self) -> String {
        match self {
            Self::Text(text) => Value::from(text.as_str()).to_string(),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// The placeholders within a text, each with the byte that it begins at.
pub(crate) fn within(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices('[').filter_map(|(at, _)| Some((at, first(&text[at..])?)))
}

/// The placeholder that a text begins with.
fn first(text: &str) -> Option<&str> {
    let is_inside = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let inside = text.strip_prefix('[')?;
    let inside = &inside[..inside.bytes().position(|byte| !is_inside(byte))?];
    let name = text.get(..inside.len() + 2).filter(|name| name.ends_with(']'))?;
    let (kind, number) = inside.rsplit_once('_')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (!kind.is_empty() && is_number).then_some(name)
}
