//! Lines: runs of text, broken where a line is full.

use crate::fonts::{Fonts, Letter};
use crate::story::{Run, Style};

/// A part of a line in one style.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) text: String,
    pub(crate) letters: Vec<Letter>,
    pub(crate) style: Style,
    /// In points.
    pub(crate) width: f32,
}

/// One line.
pub(crate) type Line = Vec<Span>;

/// Breaks runs into lines of this width, in points, at this size. Code keeps its spaces.
pub(crate) fn lines(runs: &[Run], fonts: &Fonts, size: f32, width: f32, is_code: bool) -> Vec<Line> {
    let mut setter = Setter { fonts, size, width, is_code, lines: vec![Vec::new()], used: 0.0 };
    for run in runs {
        for (place, line) in run.text.split('\n').enumerate() {
            if place > 0 {
                setter.next_line();
            }
            for word in words(line) {
                setter.word(word, &run.style);
            }
        }
    }
    if setter.lines.last().is_some_and(Vec::is_empty) && setter.lines.len() > 1 {
        setter.lines.pop();
    }
    setter.lines
}

/// Words, each with the spaces behind it. Where a script has no spaces, each character may begin a line.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let mut before = None;
        let end = rest.char_indices().find_map(|(at, character)| {
            let parts = before.is_some_and(|before: char| {
                before == '\u{200b}' || (character != ' ' && (before == ' ' || before >= '\u{2e80}'))
            });
            before = Some(character);
            parts.then_some(at)
        });
        let (word, others) = rest.split_at(end.unwrap_or(rest.len()));
        rest = others;
        (!word.is_empty()).then_some(word)
    })
}

struct Setter<'f> {
    fonts: &'f Fonts,
    size: f32,
    width: f32,
    is_code: bool,
    lines: Vec<Line>,
    used: f32,
}

impl Setter<'_> {
    fn word(&mut self, word: &str, style: &Style) {
        let ink = self.fonts.width(word.trim_end_matches(' '), style) * self.size;
        if self.used > 0.0 && self.used + ink > self.width {
            self.next_line();
        }
        if self.used == 0.0 && !self.is_code && word.trim().is_empty() {
            return;
        }
        for character in word.chars() {
            let letter = self.fonts.letter(character, style);
            let width = letter.width * self.size;
            // A word that is wider than a line.
            if self.used > 0.0 && self.used + width > self.width && character != ' ' {
                self.next_line();
            }
            self.put(character, letter, width, style);
        }
    }

    fn put(&mut self, character: char, letter: Letter, width: f32, style: &Style) {
        self.used += width;
        let Some(line) = self.lines.last_mut() else { return };
        if line.last().is_none_or(|span| span.style != *style) {
            line.push(Span { text: String::new(), letters: Vec::new(), style: style.clone(), width: 0.0 });
        }
        if let Some(span) = line.last_mut() {
            span.text.push(character);
            span.letters.push(letter);
            span.width += width;
        }
    }

    fn next_line(&mut self) {
        self.lines.push(Vec::new());
        self.used = 0.0;
    }
}
