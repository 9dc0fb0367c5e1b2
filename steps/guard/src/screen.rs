//! The checks, in order: what is found, what is done about it, what is recorded.

use std::collections::BTreeMap;

use serde_json::json;
use stepwell_sdk::StepError;
use stepwell_sdk::decision::{self, Verdict as Decision};

use crate::content::{Content, Text};
use crate::deny::{Match, Patterns};
use crate::finding::Finding;
use crate::pii::{Datum, Search};
use crate::redact::{self, Cut, Placeholders, REMOVED};
use crate::{Config, Input, OnBlock, Output, Then, Verdict, injection};

/// More would make the output longer than the text.
const MOST_FINDINGS: usize = 100;

/// What the checks have come to.
struct Screening {
    texts: Vec<Text>,
    verdict: Verdict,
    findings: Vec<Finding>,
    injection_score: Option<f64>,
    /// By text.
    cuts: Vec<Vec<Cut>>,
    placeholders: Placeholders,
}

pub(crate) fn screen(mut input: Input, config: &Config) -> Result<Output, StepError> {
    let mut content = Content::of(&mut input)?;
    let texts = content.texts();
    let mut screening = Screening {
        cuts: texts.iter().map(|_| Vec::new()).collect(),
        placeholders: Placeholders::new(input.placeholders, &texts),
        texts,
        verdict: Verdict::Pass,
        findings: Vec::new(),
        injection_score: None,
    };
    screening.injection(config)?;
    screening.deny(config)?;
    screening.pii(config)?;
    redact::apply(&mut content, std::mem::take(&mut screening.cuts));
    screening.limits(config, &mut content)?;
    screening.schema(config, &content)?;
    screening.output(config, content)
}

impl Screening {
    fn injection(&mut self, config: &Config) -> Result<(), StepError> {
        let Some(config) = &config.injection else { return Ok(()) };
        let found = injection::look(config, &self.texts)?;
        let is_over = found.score >= config.threshold && found.score > 0.0;
        if is_over && config.then == Then::Redact {
            for (cuts, findings) in self.cuts.iter_mut().zip(&found.findings) {
                cuts.extend(findings.iter().map(|finding| removed(finding.place.start..finding.place.end)));
            }
        }
        self.injection_score = Some(found.score);
        let then = is_over.then_some(config.then);
        let confidence = if is_over { found.score } else { 1.0 - found.score };
        self.decide("injection", then, found.findings.into_iter().flatten().collect(), Some(confidence));
        Ok(())
    }

    fn deny(&mut self, config: &Config) -> Result<(), StepError> {
        let Some(config) = &config.deny else { return Ok(()) };
        let patterns = Patterns::new("deny.patterns", &config.patterns)?;
        let mut findings = Vec::new();
        for (text, cuts) in self.texts.iter().zip(&mut self.cuts) {
            for Match { name, span } in patterns.look(text) {
                if config.then == Then::Redact {
                    cuts.push(removed(span.clone()));
                }
                findings.push(Finding::new("deny", &text.pointer, span, name, 1.0));
            }
        }
        let then = (!findings.is_empty()).then_some(config.then);
        self.decide("deny", then, findings, None);
        Ok(())
    }

    fn pii(&mut self, config: &Config) -> Result<(), StepError> {
        let Some(config) = &config.pii else { return Ok(()) };
        let search = Search::new(config)?;
        let mut findings = Vec::new();
        for (text, cuts) in self.texts.iter().zip(&mut self.cuts) {
            for Datum { kind, span } in search.look(text) {
                if config.then == Then::Redact {
                    let value: String = text.chars[span.clone()].iter().collect();
                    // What is taken out for good needs no placeholder.
                    let is_gone =
                        cuts.iter().any(|cut| cut.span.start < span.end && span.start < cut.span.end);
                    let instead =
                        if is_gone { REMOVED.to_owned() } else { self.placeholders.of(&kind, &value) };
                    cuts.push(Cut { span: span.clone(), instead });
                }
                findings.push(Finding::new("pii", &text.pointer, span, kind, 1.0));
            }
        }
        let then = (!findings.is_empty()).then_some(config.then);
        self.decide("pii", then, findings, None);
        Ok(())
    }

    fn limits(&mut self, config: &Config, content: &mut Content) -> Result<(), StepError> {
        let Some(config) = &config.limits else { return Ok(()) };
        config.check()?;
        let findings = config.look(&content.texts());
        let then = (!findings.is_empty()).then_some(config.then);
        if then == Some(Then::Redact) {
            config.cut(content);
        }
        self.decide("limits", then, findings, None);
        Ok(())
    }

    fn schema(&mut self, config: &Config, content: &Content) -> Result<(), StepError> {
        let Some(config) = &config.schema else { return Ok(()) };
        let findings = config.look(content)?;
        let then = (!findings.is_empty()).then_some(config.then);
        self.decide("schema", then, findings, None);
        Ok(())
    }

    /// Takes note of what a check found, and records what was decided.
    fn decide(&mut self, check: &str, then: Option<Then>, findings: Vec<Finding>, confidence: Option<f64>) {
        let (decided, verdict) = match then {
            None => ("passed", Verdict::Pass),
            Some(Then::Redact) => ("redacted", Verdict::Pass),
            Some(Then::Flag) => ("flagged", Verdict::Flagged),
            Some(Then::Block) => ("blocked", Verdict::Blocked),
        };
        self.verdict = self.verdict.max(verdict);
        let mut found: Vec<&str> = Vec::new();
        for finding in &findings {
            if !found.contains(&finding.what.as_str()) {
                found.push(&finding.what);
            }
        }
        decision::record(Decision {
            decided: json!(format!("{check}:{decided}")),
            confidence,
            explanation: Some(if found.is_empty() { "nothing found".into() } else { found.join(", ") }),
            model_version: concat!("guard/", env!("CARGO_PKG_VERSION")).into(),
        });
        self.findings.extend(findings);
    }

    fn output(mut self, config: &Config, content: Content) -> Result<Output, StepError> {
        self.findings.truncate(MOST_FINDINGS);
        let is_blocked = self.verdict == Verdict::Blocked;
        if is_blocked && matches!(config.on_block, OnBlock::Error) {
            let mut found: Vec<String> =
                self.findings.iter().map(|finding| format!("{}: {}", finding.check, finding.what)).collect();
            found.dedup();
            found.truncate(5);
            let message = format!("the text is blocked: {}", found.join("; "));
            return Err(StepError::permanent(message).detail(json!({"findings": self.findings})));
        }
        let Self { verdict, findings, injection_score, placeholders, .. } = self;
        let (text, value) = if is_blocked { (None, None) } else { content.into_parts() };
        let placeholders = if is_blocked { BTreeMap::new() } else { placeholders.into_values() };
        Ok(Output { verdict, text, value, findings, injection_score, placeholders })
    }
}

fn removed(span: std::ops::Range<usize>) -> Cut {
    Cut { span, instead: REMOVED.into() }
}
