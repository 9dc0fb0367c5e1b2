//! The rules, through the usual disguises.

use std::collections::BTreeSet;
use std::ops::Range;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::rules::Rules;
use super::words::{Phrase, Sign, Word, is_invisible, signs, words};

/// So many letters with something between each are words that are spelt out.
const SPELT_OUT: usize = 6;
/// Shorter text is no instruction.
const SHORTEST_BASE64: usize = 20;
/// Base64 within base64.
const MOST_LAYERS: usize = 2;

type Hit = (Range<usize>, String, f64);

/// All that is found in a text.
pub(super) fn look(rules: &Rules, chars: &[char]) -> Vec<Hit> {
    layer(rules, chars, MOST_LAYERS)
}

fn layer(rules: &Rules, chars: &[char], layers: usize) -> Vec<Hit> {
    let signs = signs(chars);
    let words = words(&signs);
    let mut hits = in_words(rules, &words);
    hits.extend(literals(rules, &signs));
    hits.extend(spelt_out(rules, &words));
    hits.extend(mixed(&words));
    hits.extend(invisible(chars));
    if layers > 0 {
        hits.extend(tags(rules, chars, layers - 1));
        hits.extend(in_base64(rules, chars, layers - 1));
    }
    in_order(hits)
}

/// By place, and each rule once at a place.
fn in_order(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort_by_key(|(span, _, _)| span.start);
    let mut told = BTreeSet::new();
    hits.retain(|(span, name, _)| told.insert((span.start, span.end, name.clone())));
    hits
}

fn in_words(rules: &Rules, words: &[Word]) -> Vec<Hit> {
    let hits = |(phrase, name, score): &(Phrase, String, f64)| {
        let hit = |found: Range<usize>| {
            (words[found.start].span.start..words[found.end - 1].span.end, name.clone(), *score)
        };
        phrase.find(words).into_iter().map(hit).collect::<Vec<_>>()
    };
    rules.phrases.iter().flat_map(hits).collect()
}

fn literals(rules: &Rules, signs: &[Sign]) -> Vec<Hit> {
    // A text begins as a line does.
    let text: String = std::iter::once('\n').chain(signs.iter().map(|sign| sign.reads)).collect();
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let chars_before = |byte: usize| starts.partition_point(|start| *start < byte);
    let mut hits = Vec::new();
    for (literal, name, score) in &rules.literals {
        for (at, _) in text.match_indices(literal.as_str()) {
            let start = chars_before(at).saturating_sub(1);
            let end = (chars_before(at + literal.len()) - 1).max(start + 1);
            if let (Some(first), Some(last)) = (signs.get(start), signs.get(end - 1)) {
                hits.push((first.at..last.at + 1, name.clone(), *score));
            }
        }
    }
    hits
}

/// `i g n o r e`, `i.g.n.o.r.e`
fn spelt_out(rules: &Rules, words: &[Word]) -> Vec<Hit> {
    let is_letter = |word: &Word| word.text.chars().count() == 1;
    let runs = words.chunk_by(|one, other| {
        is_letter(one) && is_letter(other) && other.span.start.saturating_sub(one.span.end) <= 4
    });
    let mut hits = Vec::new();
    for run in runs.filter(|run| run.len() >= SPELT_OUT) {
        let letters: String =
            run.iter().map(|word| word.in_digits.as_deref().unwrap_or(&word.text)).collect();
        let span = run[0].span.start..run[run.len() - 1].span.end;
        for (phrase, name, score) in &rules.phrases {
            if phrase.is_in_letters(&letters) {
                hits.push((span.clone(), format!("{name} (spelt out)"), *score));
            }
        }
    }
    hits
}

/// Words that mix scripts are written for a reader who does not see it.
fn mixed(words: &[Word]) -> impl Iterator<Item = Hit> {
    let mixed = words.iter().filter(|word| word.is_mixed && word.text.chars().count() > 2);
    mixed.map(|word| (word.span.clone(), "mixed-scripts".into(), 0.3))
}

/// What is not shown, within words of plain letters.
fn invisible(chars: &[char]) -> Vec<Hit> {
    let is_plain =
        |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(char::is_ascii_alphanumeric);
    // A hyphen that is shown only at the end of a line is what typesetters put into words.
    let is_hidden = |run: &[char]| is_invisible(run[0]) && run.iter().any(|c| *c != '\u{ad}');
    let mut hits = Vec::new();
    let mut at = 0;
    for run in chars.chunk_by(|one, other| is_invisible(*one) == is_invisible(*other)) {
        let span = at..at + run.len();
        at = span.end;
        if is_hidden(run) && is_plain(span.start.checked_sub(1)) && is_plain(Some(span.end)) {
            hits.push((span, "invisible-characters".into(), 0.3));
        }
    }
    hits
}

/// Characters of the block Tags are ASCII that nobody sees.
fn tags(rules: &Rules, chars: &[char], layers: usize) -> Vec<Hit> {
    let is_tag = |c: &char| ('\u{e0020}'..='\u{e007e}').contains(c);
    let Some(first) = chars.iter().position(is_tag) else { return Vec::new() };
    let last = chars.iter().rposition(is_tag).unwrap_or(first);
    let hidden: Vec<char> = chars[first..=last]
        .iter()
        .filter(|c| is_tag(c))
        .filter_map(|c| char::from_u32(u32::from(*c) - 0xe_0000))
        .collect();
    // Flags of regions are written so, with a few letters.
    if hidden.len() < 8 {
        return Vec::new();
    }
    let own = (first..last + 1, "hidden-text".to_owned(), 0.7);
    let within = layer(rules, &hidden, layers)
        .into_iter()
        .map(|(_, name, score)| (first..last + 1, format!("{name} (hidden)"), score));
    std::iter::once(own).chain(within).collect()
}

fn in_base64(rules: &Rules, chars: &[char], layers: usize) -> Vec<Hit> {
    let is_base64 = |c: &char| c.is_ascii_alphanumeric() || "+/-_=".contains(*c);
    let mut hits = Vec::new();
    let mut at = 0;
    for run in chars.chunk_by(|one, other| is_base64(one) == is_base64(other)) {
        let span = at..at + run.len();
        at = span.end;
        if run.len() < SHORTEST_BASE64 || !is_base64(&run[0]) {
            continue;
        }
        let text: String = run.iter().collect();
        let Some(decoded) = decode(text.trim_matches('=')) else { continue };
        let within = layer(rules, &decoded.chars().collect::<Vec<_>>(), layers);
        hits.extend(
            within.into_iter().map(|(_, name, score)| (span.clone(), format!("{name} (base64)"), score)),
        );
    }
    hits
}

/// Text that is in base64; not what happens to be written in the same letters.
fn decode(text: &str) -> Option<String> {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let alphabet = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    let bytes = GeneralPurpose::new(alphabet, lenient).decode(text).ok()?;
    let decoded = String::from_utf8(bytes).ok()?;
    decoded.chars().all(|c| !c.is_control() || c.is_whitespace()).then_some(decoded)
}
