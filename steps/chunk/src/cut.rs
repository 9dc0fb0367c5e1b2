//! Where to cut. A chunk is as large as it may be, and ends at the best place in its second half: before a heading, else at the end of
//! a paragraph, of a line, of a sentence, of a word; and within a word, between what a reader takes for characters.

use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;
use unicode_segmentation::UnicodeSegmentation as _;

/// How far behind the largest end the text is looked at, in bytes: whether a sentence ends there, what follows tells.
const BEHIND: usize = 64;

/// What the size of a chunk counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unit {
    /// Characters.
    Chars,
    /// Tokens of a model, estimated: four letters of English, two of other alphabets, or one Chinese character are about one.
    Tokens,
}

impl Unit {
    /// In quarters.
    fn cost(self, text: &str) -> usize {
        match self {
            Self::Chars => 4 * text.chars().count(),
            Self::Tokens => text.chars().map(token_quarters).sum(),
        }
    }
}

fn token_quarters(character: char) -> usize {
    match character {
        '\0'..='\u{7f}' => 1,
        '\u{80}'..='\u{7ff}' => 2,
        _ => 4,
    }
}

/// One chunk of a text.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) bytes: Range<usize>,
    /// In characters, as `end`.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Estimated.
    pub(crate) tokens: usize,
}

/// Cuts one text.
pub(crate) struct Cutter<'a> {
    text: &'a str,
    /// Where headings start, and whether a chunk has to start there as well.
    breaks: &'a [(usize, bool)],
    unit: Unit,
    /// In quarters, as `overlap`.
    size: usize,
    overlap: usize,
    /// Where the next chunk starts, in bytes and in characters; none at the end.
    next: Option<(usize, usize)>,
    /// Where the last chunk ended, in bytes.
    reached: usize,
}

impl<'a> Cutter<'a> {
    pub(crate) fn new(
        text: &'a str,
        breaks: &'a [(usize, bool)],
        unit: Unit,
        size: usize,
        overlap: usize,
    ) -> Self {
        let next = (!text.is_empty()).then_some((0, 0));
        Self {
            text,
            breaks,
            unit,
            size: size.saturating_mul(4),
            overlap: overlap.saturating_mul(4),
            next,
            reached: 0,
        }
    }

    pub(crate) fn next(&mut self) -> Option<Piece> {
        let (from, start) = self.next?;
        let to = self.end(from);
        let text = &self.text[from..to];
        let end = start + text.chars().count();
        self.reached = to;
        self.next = (to < self.text.len()).then(|| {
            let again = self.again(from, to);
            (again, start + self.text[from..again].chars().count())
        });
        Some(Piece { bytes: from..to, start, end, tokens: Unit::Tokens.cost(text).div_ceil(4) })
    }

    /// Where a chunk ends that starts here: further on than the last one.
    fn end(&self, from: usize) -> usize {
        let (least, most) = self.reach(from);
        let least = least.max(self.reached + 1);
        let first = self.breaks.partition_point(|(at, _)| *at <= from.max(self.reached));
        let ahead = || self.breaks[first..].iter().take_while(|(at, _)| *at <= most);
        if let Some((at, _)) = ahead().find(|(_, must)| *must) {
            return *at;
        }
        if most == self.text.len() {
            return most;
        }
        let heading = ahead().map(|(at, _)| *at).filter(|at| *at >= least).last();
        heading.or_else(|| self.best(from, least, most)).unwrap_or(most)
    }

    /// How far a chunk goes at most, and where its second half begins. It has one character at least.
    fn reach(&self, from: usize) -> (usize, usize) {
        let (mut cost, mut half) = (0, from);
        for (at, grapheme) in self.text[from..].grapheme_indices(true) {
            cost += self.unit.cost(grapheme);
            if cost > self.size && at > 0 {
                return (half, from + at);
            }
            if cost * 2 <= self.size {
                half = from + at + grapheme.len();
            }
        }
        (half, self.text.len())
    }

    /// The last of the best places to end.
    fn best(&self, from: usize, least: usize, most: usize) -> Option<usize> {
        let least = least.max(from + 1);
        let seen = &self.text[from..self.text.floor_char_boundary(most + BEHIND)];
        let in_reach = |at: &usize| (least..=most).contains(at);
        let last =
            |places: &mut dyn Iterator<Item = usize>| places.map(|at| from + at).filter(in_reach).last();

        let line_ends = || seen.match_indices('\n').map(|(at, _)| at + 1);
        let is_blank = |at: &usize| seen[..*at].ends_with("\n\n") && !seen[*at..].starts_with('\n');
        last(&mut line_ends().filter(is_blank))
            .or_else(|| last(&mut line_ends()))
            .or_else(|| last(&mut seen.split_sentence_bound_indices().map(|(at, _)| at)))
            .or_else(|| last(&mut self.word_starts(seen)))
    }

    fn word_starts<'t>(&self, text: &'t str) -> impl Iterator<Item = usize> + use<'t> {
        let starts_word = |at: usize| {
            let before = text[..at].chars().next_back();
            before.is_some_and(char::is_whitespace) && !text[at..].starts_with(char::is_whitespace)
        };
        let unspaced = |at: usize| {
            // Chinese and the like part words without spaces.
            text[..at].chars().next_back().is_some_and(|before| before >= '\u{2e80}')
        };
        text.split_word_bound_indices()
            .map(|(at, _)| at)
            .filter(move |at| *at > 0 && (starts_word(*at) || unspaced(*at)))
    }

    /// Where the next chunk starts: at a word within the overlap, from where it reaches further than the last one.
    fn again(&self, from: usize, to: usize) -> usize {
        let mut cost = 0;
        let mut earliest = to;
        for (at, grapheme) in self.text[from..to].grapheme_indices(true).rev() {
            cost += self.unit.cost(grapheme);
            if cost > self.overlap || at == 0 {
                break;
            }
            earliest = from + at;
        }
        let starts_here = self.text[..earliest].ends_with(char::is_whitespace);
        let first = self.word_starts(&self.text[earliest..to]).next().map(|at| earliest + at);
        let again = if starts_here { earliest } else { first.unwrap_or(earliest) };
        // What comes next may be too large to stand behind what comes again.
        if self.reach(again).1 > to { again } else { to }
    }
}
