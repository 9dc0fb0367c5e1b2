//! What a check came to: what it found, what is done about that, and the record of it.

use serde_json::json;
use stepwell_sdk::decision;

use crate::finding::Finding;
use crate::{Then, Verdict};

/// More would make the output longer than the text.
pub(crate) const MOST_FINDINGS: usize = 100;

pub(crate) struct Check {
    pub(crate) name: &'static str,
    /// Nothing, if too little was found.
    pub(crate) then: Option<Then>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) confidence: Option<f64>,
}

impl Check {
    /// One that acts on whatever it finds.
    pub(crate) fn new(name: &'static str, then: Then, findings: Vec<Finding>) -> Self {
        Self { name, then: (!findings.is_empty()).then_some(then), findings, confidence: None }
    }

    pub(crate) fn verdict(&self) -> Verdict {
        match self.then {
            None | Some(Then::Redact) => Verdict::Pass,
            Some(Then::Flag) => Verdict::Flagged,
            Some(Then::Block) => Verdict::Blocked,
        }
    }

    /// Records what was decided, and why.
    pub(crate) fn record(&self) {
        let decided = match self.then {
            None => "passed",
            Some(Then::Redact) => "redacted",
            Some(Then::Flag) => "flagged",
            Some(Then::Block) => "blocked",
        };
        decision::record(decision::Verdict {
            decided: json!(format!("{}:{decided}", self.name)),
            confidence: self.confidence,
            explanation: Some(self.explanation()),
            model_version: concat!("guard/", env!("CARGO_PKG_VERSION")).into(),
        });
    }

    fn explanation(&self) -> String {
        let mut found: Vec<&str> = Vec::new();
        for finding in &self.findings {
            if found.len() < MOST_FINDINGS && !found.contains(&finding.what.as_str()) {
                found.push(&finding.what);
            }
        }
        if found.is_empty() { "nothing found".into() } else { found.join(", ") }
    }
}
