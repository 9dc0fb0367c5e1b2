//! Putting back what a screening took out.

use std::collections::BTreeMap;

use stepwell_sdk::StepError;

use crate::content::Content;
use crate::finding::Finding;
use crate::{Input, Output, Verdict};

pub(crate) fn restore(mut input: Input) -> Result<Output, StepError> {
    let mut content = Content::of(&mut input)?;
    let pointers: Vec<String> = content.texts().into_iter().map(|text| text.pointer).collect();
    let mut findings = Vec::new();
    let mut index = 0;
    content.change(|text| {
        let pointer = &pointers[index];
        index += 1;
        filled(text, &input.placeholders, |start, name| {
            let span = start..start + name.chars().count();
            let what = format!("{name} stands for nothing: it was made up");
            findings.push(Finding::new("restore", pointer, span, what, 1.0));
        })
    });
    let verdict = if findings.is_empty() { Verdict::Pass } else { Verdict::Flagged };
    let (text, value) = content.into_parts();
    Ok(Output { verdict, text, value, findings, injection_score: None, placeholders: BTreeMap::new() })
}

/// One pass: what is put in is not looked through again.
fn filled(text: &str, values: &BTreeMap<String, String>, mut unknown: impl FnMut(usize, &str)) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('[') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let name = rest.find(']').map(|end| &rest[..=end]).filter(|name| is_placeholder(name));
        match name.and_then(|name| values.get(name).map(|value| (name, value))) {
            Some((name, value)) => {
                out.push_str(value);
                rest = &rest[name.len()..];
            }
            None => {
                if let Some(name) = name {
                    unknown(text[..text.len() - rest.len()].chars().count(), name);
                }
                out.push('[');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

/// `[EMAIL_1]`
fn is_placeholder(name: &str) -> bool {
    let inside = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    inside.and_then(|inside| inside.rsplit_once('_')).is_some_and(|(kind, number)| {
        let is_kind = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        !kind.is_empty()
            && kind.bytes().all(is_kind)
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}
