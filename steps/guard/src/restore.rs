//! Putting back what a screening took out.

use std::collections::BTreeMap;

use serde_json::Value;
use stepwell_sdk::StepError;

use crate::check::{Check, MOST_FINDINGS};
use crate::content::Content;
use crate::finding::Finding;
use crate::placeholder::{self, Original};
use crate::{Input, Output, Then};

pub(crate) fn restore(mut input: Input) -> Result<Output, StepError> {
    let mut content = Content::of(&mut input)?;
    let pointers: Vec<String> = content.texts().into_iter().map(|text| text.pointer).collect();
    let mut pointers = pointers.iter();
    let mut findings = Vec::new();
    content.change(|value| {
        let pointer = pointers.next();
        let (Value::String(text), Some(pointer)) = (&*value, pointer) else { return };
        let filled = filled(text, &input.placeholders, |start, name| {
            let span = start..start + name.len();
            let what = format!("{name} stands for nothing: it was made up");
            findings.push(Finding::new("restore", pointer, span, what, 1.0));
        });
        *value = filled;
    });
    findings.truncate(MOST_FINDINGS);
    let check = Check::new("restore", Then::Flag, findings);
    check.record();
    let (text, value) = content.into_parts();
    Ok(Output {
        verdict: check.verdict(),
        text,
        value,
        findings: check.findings,
        injection_score: None,
        placeholders: BTreeMap::new(),
    })
}

/// One pass: what is put in is not looked through again. Where a placeholder is all that there is, a number comes back as one.
fn filled(text: &str, values: &BTreeMap<String, Original>, mut unknown: impl FnMut(usize, &str)) -> Value {
    let mut out = String::with_capacity(text.len());
    let (mut at, mut chars) = (0, 0);
    let mut rest = 0;
    for (start, name) in placeholder::within(text) {
        chars += text[at..start].chars().count();
        at = start;
        match values.get(name) {
            Some(Original::Number(number)) if name == text => return Value::Number(number.clone()),
            Some(value) => {
                out.push_str(&text[rest..start]);
                out.push_str(&value.written());
                rest = start + name.len();
            }
            None => unknown(chars, name),
        }
    }
    Value::String(out + &text[rest..])
}
