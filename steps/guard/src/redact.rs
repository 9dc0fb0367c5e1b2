//! Taking things out of texts.

use std::ops::Range;

use serde_json::Value;

use crate::content::{Content, Text, written};
use crate::pii::Datum;
use crate::placeholder::{Original, Placeholders};

/// What stands in the place of what is not to come back.
const REMOVED: &str = "[REMOVED]";

/// What is taken out of one text.
pub(crate) struct Cuts<'a> {
    text: &'a Text,
    cuts: Vec<Cut>,
}

/// What is taken out, and what comes there.
struct Cut {
    span: Range<usize>,
    instead: String,
}

impl<'a> Cuts<'a> {
    pub(crate) fn of(text: &'a Text) -> Self {
        Self { text, cuts: Vec::new() }
    }

    /// Takes something out for good.
    pub(crate) fn remove(&mut self, span: Range<usize>) {
        let span = self.whole(span);
        self.cuts.push(Cut { span, instead: REMOVED.into() });
    }

    /// Takes out what a placeholder is to stand for; what is taken out for good needs none.
    pub(crate) fn replace(&mut self, data: &[Datum], placeholders: &mut Placeholders) {
        let mut is_gone = vec![false; self.text.chars.len()];
        for cut in &self.cuts {
            is_gone[cut.span.clone()].fill(true);
        }
        for Datum { kind, span } in data {
            let span = self.whole(span.clone());
            if is_gone[span.clone()].contains(&true) {
                self.remove(span);
            } else {
                is_gone[span.clone()].fill(true);
                let instead = placeholders.of(kind, self.original(&span));
                self.cuts.push(Cut { span, instead });
            }
        }
    }

    /// A number is no number without a part of it.
    fn whole(&self, span: Range<usize>) -> Range<usize> {
        if self.text.number.is_some() { 0..self.text.chars.len() } else { span }
    }

    fn original(&self, span: &Range<usize>) -> Original {
        match &self.text.number {
            Some(number) => Original::Number(number.clone()),
            None => Original::Text(self.text.chars[span.clone()].iter().collect()),
        }
    }
}

/// Makes the cuts, text by text. What is taken out of a number makes it a text.
pub(crate) fn apply(content: &mut Content, cuts: Vec<Cuts<'_>>) {
    let mut cuts = cuts.into_iter();
    content.change(|value| {
        let own = cuts.next().map(|own| own.cuts).unwrap_or_default();
        if !own.is_empty() {
            *value = Value::String(without(&written(value), own));
        }
    });
}

fn without(text: &str, cuts: Vec<Cut>) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for cut in merged(cuts) {
        out.extend(&chars[at..cut.span.start]);
        out.push_str(&cut.instead);
        at = cut.span.end;
    }
    out.extend(&chars[at..]);
    out
}

/// In order, none over another. Of those that overlap, the first one in the list is made, and spreads over the others.
fn merged(cuts: Vec<Cut>) -> Vec<Cut> {
    let mut ordered: Vec<(usize, Cut)> = cuts.into_iter().enumerate().collect();
    ordered.sort_by_key(|(_, cut)| cut.span.start);
    let mut merged: Vec<(usize, Cut)> = Vec::new();
    for (rank, cut) in ordered {
        match merged.last_mut().filter(|(_, last)| cut.span.start < last.span.end) {
            Some((best, last)) => {
                last.span.end = last.span.end.max(cut.span.end);
                if rank < *best {
                    (*best, last.instead) = (rank, cut.instead);
                }
            }
            None => merged.push((rank, cut)),
        }
    }
    merged.into_iter().map(|(_, cut)| cut).collect()
}
