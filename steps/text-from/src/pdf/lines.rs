//! From characters at places to words, lines and paragraphs: a PDF has no other notion of them than where things stand.
//!
//! Characters are taken in the order in which they are drawn. Programs that write PDF draw in reading order, columns included; sorting
//! by place would mix what stands side by side.

use hayro_font::kurbo::Point;

/// All in parts of the characters' height: a gap that is a space,
const WORD: f64 = 0.15;
/// one that parts columns of a table,
const COLUMN: f64 = 1.5;
/// how far above or below its line a character may stand,
const LINE: f64 = 0.5;
/// and a step between lines that begins a paragraph.
const PARAGRAPH: f64 = 1.75;

/// Lines that grow, until they have more characters than may come.
pub(super) struct Lines {
    text: String,
    /// In bytes, of which a character has up to four.
    most: usize,
    last: Option<Last>,
}

/// The last character.
struct Last {
    start: Point,
    end: Point,
    height: f64,
}

impl Lines {
    pub(super) fn new(chars: usize) -> Self {
        Self { text: String::new(), most: chars.saturating_mul(4), last: None }
    }

    /// Whether there are more characters than may come.
    pub(super) fn is_full(&self) -> bool {
        self.text.len() > self.most
    }

    /// Adds what is drawn from one point to another.
    pub(super) fn put(&mut self, says: &str, start: Point, end: Point, height: f64) {
        if let Some(last) = &self.last {
            // The same character once more in nearly the same place is how some programs make it bold.
            let again = (start - last.start).hypot() < height * 0.1 && self.text.ends_with(says.trim());
            if again && !says.trim().is_empty() {
                return;
            }
            self.part(gap(last, start, height));
        }
        for character in says.chars() {
            if self.is_full() {
                break;
            }
            match character {
                ' ' | '\u{a0}' | '\t' => self.space(" "),
                '\u{ad}' => {}
                character if character.is_control() => {}
                character => {
                    self.text.push_str(expanded(character).unwrap_or(character.encode_utf8(&mut [0; 4])))
                }
            }
        }
        self.last = Some(Last { start, end, height });
    }

    /// The text; of more than may come, all: what is trimmed would not show that there are more.
    pub(super) fn into_text(self) -> String {
        if self.is_full() {
            return self.text;
        }
        let lines: Vec<&str> = self.text.split('\n').map(str::trim).collect();
        lines.join("\n").trim().to_string()
    }

    fn part(&mut self, gap: Gap) {
        match gap {
            Gap::None => {}
            Gap::Word => self.space(" "),
            Gap::Column => self.space("\t"),
            Gap::Line => self.text.push('\n'),
            Gap::Paragraph => self.text.push_str("\n\n"),
        }
    }

    fn space(&mut self, space: &str) {
        if space == "\t" && self.text.ends_with(' ') {
            self.text.pop();
        }
        if !self.text.is_empty() && !self.text.ends_with([' ', '\t', '\n']) {
            self.text.push_str(space);
        }
    }
}

enum Gap {
    None,
    Word,
    Column,
    Line,
    Paragraph,
}

/// What stands between a character and the next. Both are looked at along the direction in which the last was written.
fn gap(last: &Last, start: Point, height: f64) -> Gap {
    let written = last.end - last.start;
    let along = if written.hypot() > 0.0 { written / written.hypot() } else { (1.0, 0.0).into() };
    let step = start - last.end;
    let (ahead, aside) = (step.dot(along), step.cross(along).abs());
    let height = height.max(last.height).max(f64::EPSILON);
    if aside > height * PARAGRAPH {
        Gap::Paragraph
    } else if aside > height * LINE || ahead < -height * COLUMN {
        Gap::Line
    } else if ahead > height * COLUMN {
        Gap::Column
    } else if ahead > height * WORD {
        Gap::Word
    } else {
        Gap::None
    }
}

/// Letters that are drawn as one, and what only looks like text.
fn expanded(character: char) -> Option<&'static str> {
    match character {
        '\u{fb00}' => Some("ff"),
        '\u{fb01}' => Some("fi"),
        '\u{fb02}' => Some("fl"),
        '\u{fb03}' => Some("ffi"),
        '\u{fb04}' => Some("ffl"),
        // The bullet of symbol fonts.
        '\u{f0b7}' => Some("•"),
        '\u{fb05}' | '\u{fb06}' => Some("st"),
        _ => None,
    }
}
