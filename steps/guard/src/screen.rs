//! The checks, in order: what is found, what is done about it, what is left.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use stepwell_sdk::StepError;

use crate::check::{Check, MOST_FINDINGS};
use crate::content::{Content, Text};
use crate::deny::Patterns;
use crate::finding::Finding;
use crate::pii::{Datum, Search};
use crate::placeholder::Placeholders;
use crate::redact::{self, Cuts};
use crate::{Config, Input, OnBlock, Output, Then, Verdict, injection};

/// What the checks have come to.
struct Screening<'a> {
    config: &'a Config,
    texts: &'a [Text],
    cuts: Vec<Cuts<'a>>,
    placeholders: Placeholders,
    checks: Vec<Check>,
    injection_score: Option<f64>,
}

pub(crate) fn screen(mut input: Input, config: &Config) -> Result<Output, StepError> {
    let mut content = Content::of(&mut input)?;
    let texts = content.texts();
    let mut screening = Screening {
        config,
        texts: &texts,
        cuts: texts.iter().map(Cuts::of).collect(),
        placeholders: Placeholders::new(input.placeholders, &texts),
        checks: Vec::new(),
        injection_score: None,
    };
    screening.injection()?;
    screening.deny()?;
    screening.pii()?;
    redact::apply(&mut content, std::mem::take(&mut screening.cuts));
    screening.limits(&mut content)?;
    screening.schema(&content)?;
    screening.injection_in_what_is_left(&content)?;
    screening.output(content)
}

impl Screening<'_> {
    fn injection(&mut self) -> Result<(), StepError> {
        let Some(config) = &self.config.injection else { return Ok(()) };
        let found = injection::look(config, self.texts)?;
        let is_over = found.is_over(config);
        if is_over && config.then == Then::Redact {
            for (cuts, findings) in self.cuts.iter_mut().zip(&found.findings) {
                findings.iter().for_each(|finding| cuts.remove(finding.place.start..finding.place.end));
            }
        }
        self.injection_score = Some(found.score);
        self.checks.push(Check {
            name: "injection",
            then: is_over.then_some(config.then),
            findings: found.findings.into_iter().flatten().collect(),
            confidence: Some(if is_over { found.score } else { 1.0 - found.score }),
        });
        Ok(())
    }

    fn deny(&mut self) -> Result<(), StepError> {
        let Some(config) = &self.config.deny else { return Ok(()) };
        let patterns = Patterns::new("deny.patterns", &config.patterns)?;
        let mut findings = Vec::new();
        for (text, cuts) in self.texts.iter().zip(&mut self.cuts) {
            for found in patterns.look(text) {
                if config.then == Then::Redact {
                    cuts.remove(found.span.clone());
                }
                findings.push(Finding::new("deny", &text.pointer, found.span, found.name, 1.0));
            }
        }
        self.checks.push(Check::new("deny", config.then, findings));
        Ok(())
    }

    fn pii(&mut self) -> Result<(), StepError> {
        let Some(config) = &self.config.pii else { return Ok(()) };
        let search = Search::new(config)?;
        let mut findings = Vec::new();
        for (text, cuts) in self.texts.iter().zip(&mut self.cuts) {
            let data = search.look(text);
            if config.then == Then::Redact {
                cuts.replace(&data, &mut self.placeholders);
            }
            let finding = |datum: Datum| Finding::new("pii", &text.pointer, datum.span, datum.kind, 1.0);
            findings.extend(data.into_iter().map(finding));
        }
        self.checks.push(Check::new("pii", config.then, findings));
        Ok(())
    }

    fn limits(&mut self, content: &mut Content) -> Result<(), StepError> {
        let Some(config) = &self.config.limits else { return Ok(()) };
        config.check()?;
        let check = Check::new("limits", config.then, config.look(content));
        if check.then == Some(Then::Redact) {
            config.cut(content);
        }
        self.checks.push(check);
        Ok(())
    }

    fn schema(&mut self, content: &Content) -> Result<(), StepError> {
        let Some(config) = &self.config.schema else { return Ok(()) };
        self.checks.push(Check::new("schema", config.then, config.look(content)?));
        Ok(())
    }

    /// What is taken out joins the words around it, and those may command as well.
    fn injection_in_what_is_left(&mut self, content: &Content) -> Result<(), StepError> {
        let Some(config) = &self.config.injection else { return Ok(()) };
        let is_changed = self.checks.iter().any(|check| check.then == Some(Then::Redact));
        let check = self.checks.iter_mut().find(|check| check.name == "injection");
        let Some(check) = check.filter(|check| matches!(check.then, None | Some(Then::Redact))) else {
            return Ok(());
        };
        if !is_changed {
            return Ok(());
        }
        let left = injection::look(config, &content.texts())?;
        if left.is_over(config) {
            check.then = Some(if config.then == Then::Redact { Then::Block } else { config.then });
            check.confidence = Some(left.score);
            check.findings.splice(0..0, left.findings.into_iter().zip(self.texts).flat_map(in_what_is_left));
            self.injection_score = self.injection_score.map(|score| score.max(left.score));
        }
        Ok(())
    }

    /// Records what was decided, and gives what goes on.
    fn output(self, content: Content) -> Result<Output, StepError> {
        self.checks.iter().for_each(Check::record);
        let verdict = self.checks.iter().map(Check::verdict).max().unwrap_or(Verdict::Pass);
        let is_blocked = verdict == Verdict::Blocked;
        let findings = most_telling(self.checks);
        if is_blocked && matches!(self.config.on_block, OnBlock::Error) {
            return Err(blocked(&findings));
        }
        let (text, value) = if is_blocked { (None, None) } else { content.into_parts() };
        let placeholders = if is_blocked { BTreeMap::new() } else { self.placeholders.into_values() };
        Ok(Output { verdict, text, value, findings, injection_score: self.injection_score, placeholders })
    }
}

/// Each rule once: the words have no place in the input, where they stand apart.
fn in_what_is_left((mut findings, text): (Vec<Finding>, &Text)) -> Vec<Finding> {
    let mut told = BTreeSet::new();
    findings.retain(|finding| told.insert(finding.what.clone()));
    let finding = |found: Finding| {
        let what = format!("{} (in what is left)", found.what);
        Finding::new("injection", &text.pointer, 0..text.chars.len(), what, found.score)
    };
    findings.into_iter().map(finding).collect()
}

/// In the order of the checks; of too many, those that made the verdict.
fn most_telling(mut checks: Vec<Check>) -> Vec<Finding> {
    if checks.iter().map(|check| check.findings.len()).sum::<usize>() > MOST_FINDINGS {
        checks.sort_by_key(|check| Reverse(check.verdict()));
    }
    checks.into_iter().flat_map(|check| check.findings).take(MOST_FINDINGS).collect()
}

fn blocked(findings: &[Finding]) -> StepError {
    let mut found: Vec<String> =
        findings.iter().map(|finding| format!("{}: {}", finding.check, finding.what)).collect();
    found.dedup();
    found.truncate(5);
    let message = format!("the text is blocked: {}", found.join("; "));
    StepError::permanent(message).detail(json!({"findings": findings}))
}
