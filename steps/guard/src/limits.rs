//! How long a text may be.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use stepwell_sdk::StepError;

use crate::Then;
use crate::content::{Content, Text};
use crate::finding::Finding;

/// The length of the text; of all texts together, where there are several. Numbers have none.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What is done if it is not kept. `redact` cuts what is too long.
    #[serde(default = "block")]
    pub(crate) then: Then,
    /// The fewest characters.
    min_chars: Option<usize>,
    /// The most characters.
    max_chars: Option<usize>,
    /// The most lines.
    max_lines: Option<usize>,
}

fn block() -> Then {
    Then::Block
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), StepError> {
        if self.then == Then::Redact && self.min_chars.is_some() {
            return Err(StepError::permanent(
                "`limits`: `redact` can't make a text longer: leave `min_chars` out",
            ));
        }
        Ok(())
    }

    pub(crate) fn look(&self, content: &Content) -> Vec<Finding> {
        let texts: Vec<Text> = content.texts().into_iter().filter(|text| text.number.is_none()).collect();
        let chars: usize = texts.iter().map(|text| text.chars.len()).sum();
        let lines: usize = texts.iter().map(|text| lines(&text.chars)).sum();
        let pointer = texts.first().map_or("", |text| text.pointer.as_str());
        let finding = |what: String| {
            Finding::new("limits", pointer, 0..texts.first().map_or(0, |text| text.chars.len()), what, 1.0)
        };
        let mut findings = Vec::new();
        if let Some(least) = self.min_chars.filter(|least| chars < *least) {
            findings.push(finding(format!("{chars} characters, and {least} are the fewest")));
        }
        if let Some(most) = self.max_chars.filter(|most| chars > *most) {
            findings.push(finding(format!("{chars} characters, and {most} are the most")));
        }
        if let Some(most) = self.max_lines.filter(|most| lines > *most) {
            findings.push(finding(format!("{lines} lines, and {most} are the most")));
        }
        findings
    }

    /// Cuts what is too long, from the end.
    pub(crate) fn cut(&self, content: &mut Content) {
        let mut chars = self.max_chars.unwrap_or(usize::MAX);
        let mut lines = self.max_lines.unwrap_or(usize::MAX);
        content.change(|value| {
            let Value::String(text) = value else { return };
            let fitting: Vec<&str> = text.split('\n').take(lines).collect();
            lines -= fitting.len();
            let cut: String = fitting.join("\n").chars().take(chars).collect();
            chars -= cut.chars().count();
            *text = cut;
        });
    }
}

fn lines(chars: &[char]) -> usize {
    chars.iter().filter(|c| **c == '\n').count() + usize::from(!chars.is_empty())
}
