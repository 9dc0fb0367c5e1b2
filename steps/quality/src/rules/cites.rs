//! Whether what a text quotes stands in its source.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{one, share};
use crate::{Measured, text};

/// Fewer words in quotation marks are a name or a doubt.
const FEWEST_WORDS: usize = 3;
const MARKS: [(char, char); 6] = [('"', '"'), ('“', '”'), ('„', '“'), ('«', '»'), ('»', '«'), ('‚', '‘')];

/// Where quotations stand.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// JSON pointer to a text or a list of texts that are quotations. Without it: what stands in quotation marks and has three words or more.
    at: Option<String>,
    /// How much the measure counts.
    #[serde(default = "one")]
    weight: f64,
    /// Below this, the output does not pass, whatever the total.
    at_least: Option<f64>,
}

impl Rule {
    pub(super) fn measure(&self, output: &Value, said: &str, source: &str) -> Measured {
        let quotations = match &self.at {
            Some(pointer) => listed(output.pointer(pointer)),
            None => quoted(said),
        };
        let source = [" ", &text::words(source).join(" "), " "].concat();
        let stands = |part: &str| {
            let words = text::words(part);
            words.is_empty() || source.contains(&[" ", &words.join(" "), " "].concat())
        };
        // An ellipsis leaves something out: what stands around it is looked for by itself.
        let stands = |quotation: &&String| quotation.replace("...", "…").split('…').all(stands);
        let found = quotations.iter().filter(stands).count();
        let score = if quotations.is_empty() { 0.0 } else { share(found, quotations.len()) };
        let why = match quotations.len() {
            0 => "quotes nothing".to_owned(),
            all => [&found.to_string(), " of ", &all.to_string(), " quotations stand in the source"].concat(),
        };
        Measured { name: "cites", score, weight: self.weight, at_least: self.at_least, why }
    }
}

fn listed(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn quoted(said: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = said;
    while let Some((at, opening)) = rest.char_indices().find(|(_, c)| MARKS.iter().any(|(open, _)| open == c))
    {
        let inside = &rest[at + opening.len_utf8()..];
        let end = MARKS
            .iter()
            .filter(|(open, _)| *open == opening)
            .filter_map(|(_, close)| inside.find(*close))
            .min();
        let Some(end) = end else {
            rest = inside;
            continue;
        };
        if text::words(&inside[..end]).len() >= FEWEST_WORDS {
            found.push(inside[..end].to_owned());
        }
        let close = inside[end..].chars().next().map_or(0, char::len_utf8);
        rest = &inside[end + close..];
    }
    found
}
