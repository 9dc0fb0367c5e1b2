//! Taking things out of texts.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::content::{Content, Text};

/// What stands in the place of what is not to come back.
pub(crate) const REMOVED: &str = "[REMOVED]";

/// What is taken out of a text, and what comes there.
pub(crate) struct Cut {
    pub(crate) span: Range<usize>,
    pub(crate) instead: String,
}

/// Placeholders: the same for the same value.
pub(crate) struct Placeholders {
    /// By placeholder.
    values: BTreeMap<String, String>,
    /// Whether a text has it already, as its own words.
    taken: String,
}

impl Placeholders {
    /// Goes on with those that there are.
    pub(crate) fn new(values: BTreeMap<String, String>, texts: &[Text]) -> Self {
        let taken = texts.iter().flat_map(|text| text.chars.iter().copied().chain(['\n'])).collect();
        Self { values, taken }
    }

    /// The placeholder of a value.
    pub(crate) fn of(&mut self, kind: &str, value: &str) -> String {
        let prefix = format!("[{kind}_");
        let known = self.values.iter().find(|(name, other)| name.starts_with(&prefix) && *other == value);
        if let Some((name, _)) = known {
            return name.clone();
        }
        let mut number = 1;
        let name = loop {
            let name = format!("{prefix}{number}]");
            if !self.values.contains_key(&name) && !self.taken.contains(&name) {
                break name;
            }
            number += 1;
        };
        self.values.insert(name.clone(), value.to_owned());
        name
    }

    pub(crate) fn into_values(self) -> BTreeMap<String, String> {
        self.values
    }
}

/// Makes the cuts, text by text. Of two that overlap, the first one in the list is made, and spreads over the other.
pub(crate) fn apply(content: &mut Content, mut cuts: Vec<Vec<Cut>>) {
    let mut index = 0;
    content.change(|text| {
        let own = cuts.get_mut(index).map(std::mem::take).unwrap_or_default();
        index += 1;
        if own.is_empty() { text.to_owned() } else { without(text, own) }
    });
}

fn without(text: &str, cuts: Vec<Cut>) -> String {
    let mut merged: Vec<Cut> = Vec::new();
    for mut cut in cuts {
        // Each one that it touches is swallowed; the words of the earliest stay.
        while let Some(at) =
            merged.iter().position(|other| other.span.start < cut.span.end && cut.span.start < other.span.end)
        {
            let other = merged.remove(at);
            cut = Cut {
                span: other.span.start.min(cut.span.start)..other.span.end.max(cut.span.end),
                instead: other.instead,
            };
        }
        let at = merged.partition_point(|other| other.span.start < cut.span.start);
        merged.insert(at, cut);
    }
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for cut in merged {
        out.extend(&chars[at..cut.span.start]);
        out.push_str(&cut.instead);
        at = cut.span.end;
    }
    out.extend(&chars[at..]);
    out
}
