//! Follows what a page draws, as far as it is text: where each character stands, and what it is.

use hayro_font::kurbo::{Affine, Point, Vec2};
use hayro_font::{Font, UNITS_PER_EM};
use hayro_syntax::content::TypedIter;
use hayro_syntax::content::ops::TypedInstruction;
use hayro_syntax::object::dict::keys::{MATRIX, RESOURCES, SUBTYPE};
use hayro_syntax::object::{self, Array, Dict, Name, Number, Object, Stream};
use hayro_syntax::page::{Page, Resources};
use stepwell_sdk::StepError;

use super::content::Content;
use super::fonts::unicode;
use super::lines::Lines;

/// How deep drawings may use other drawings.
const MAX_DEPTH: usize = 16;

/// How many graphics states may be set aside.
const MAX_SAVED: usize = 1_024;

/// Reads a page, no more of it than so many characters and those that show that there are more.
pub(super) fn read<'a>(
    page: &Page<'a>,
    content: &mut Content<'a>,
    chars: usize,
) -> Result<String, StepError> {
    let drawing = content.of_page(page)?;
    let mut reader = Reader { content, lines: Lines::new(chars), state: State::default() };
    reader.follow(TypedIter::new(&drawing), page.resources(), 0)?;
    Ok(reader.lines.into_text())
}

struct Reader<'c, 'a> {
    content: &'c mut Content<'a>,
    lines: Lines,
    state: State<'a>,
}

#[derive(Clone)]
struct State<'a> {
    transform: Affine,
    text: Affine,
    line: Affine,
    font: Option<Font<'a>>,
    size: f64,
    char_space: f64,
    word_space: f64,
    scaling: f64,
    leading: f64,
    rise: f64,
}

impl Default for State<'_> {
    fn default() -> Self {
        Self {
            transform: Affine::IDENTITY,
            text: Affine::IDENTITY,
            line: Affine::IDENTITY,
            font: None,
            size: 1.0,
            char_space: 0.0,
            word_space: 0.0,
            scaling: 1.0,
            leading: 0.0,
            rise: 0.0,
        }
    }
}

impl<'a> Reader<'_, 'a> {
    fn follow(
        &mut self,
        mut drawing: TypedIter<'_>,
        resources: &Resources<'a>,
        depth: usize,
    ) -> Result<(), StepError> {
        let mut saved = Vec::new();
        while let Some(instruction) = drawing.next() {
            if self.lines.is_full() {
                break;
            }
            match instruction {
                TypedInstruction::SaveState(_) if saved.len() < MAX_SAVED => saved.push(self.state.clone()),
                TypedInstruction::RestoreState(_) => {
                    self.state = saved.pop().unwrap_or_else(|| self.state.clone())
                }
                TypedInstruction::Transform(m) => {
                    self.state.transform *= matrix([m.0, m.1, m.2, m.3, m.4, m.5]);
                }
                TypedInstruction::XObject(name) => self.draw(name.0, resources, depth)?,
                other => self.text(other, resources)?,
            }
        }
        Ok(())
    }

    /// A drawing with a name: a form has text, an image has none.
    fn draw(&mut self, name: &Name<'_>, resources: &Resources<'a>, depth: usize) -> Result<(), StepError> {
        let Some(stream) = resources.get_x_object(name) else { return Ok(()) };
        let is_form =
            stream.dict().get::<Name<'_>>(SUBTYPE).is_some_and(|subtype| subtype.as_ref() == b"Form");
        if is_form && depth < MAX_DEPTH {
            self.draw_form(&stream, resources, depth + 1)?;
        }
        Ok(())
    }

    fn draw_form(
        &mut self,
        form: &Stream<'a>,
        resources: &Resources<'a>,
        depth: usize,
    ) -> Result<(), StepError> {
        let drawing = self.content.of_stream(form)?;
        let own = form.dict().get::<Dict<'a>>(RESOURCES).map(Resources::new);
        let before = self.state.clone();
        if let Some(matrix) = form.dict().get::<[f64; 6]>(MATRIX) {
            self.state.transform *= Affine::new(matrix);
        }
        self.follow(TypedIter::new(&drawing), own.as_ref().unwrap_or(resources), depth)?;
        self.state = before;
        Ok(())
    }

    fn text(
        &mut self,
        instruction: TypedInstruction<'_, '_>,
        resources: &Resources<'a>,
    ) -> Result<(), StepError> {
        let state = &mut self.state;
        match instruction {
            TypedInstruction::BeginText(_) => state.set_line(Affine::IDENTITY),
            TypedInstruction::SetTextMatrix(m) => state.set_line(matrix([m.0, m.1, m.2, m.3, m.4, m.5])),
            TypedInstruction::NextLine(by) => state.next_line(by.0.as_f64(), by.1.as_f64()),
            TypedInstruction::NextLineAndSetLeading(by) => {
                state.leading = -by.1.as_f64();
                state.next_line(by.0.as_f64(), by.1.as_f64());
            }
            TypedInstruction::NextLineUsingLeading(_) => state.next_line(0.0, -state.leading),
            TypedInstruction::CharacterSpacing(space) => state.char_space = space.0.as_f64(),
            TypedInstruction::WordSpacing(space) => state.word_space = space.0.as_f64(),
            TypedInstruction::HorizontalScaling(percent) => state.scaling = percent.0.as_f64() / 100.0,
            TypedInstruction::TextLeading(leading) => state.leading = leading.0.as_f64(),
            TypedInstruction::TextRise(rise) => state.rise = rise.0.as_f64(),
            TypedInstruction::TextFont(font) => {
                state.size = font.1.as_f64();
                state.font = resources.get_font(font.0).and_then(|dict| self.content.fonts.font(&dict));
            }
            TypedInstruction::ShowText(text) => return self.show(text.0),
            TypedInstruction::ShowTexts(texts) => return self.show_all(texts.0),
            TypedInstruction::NextLineAndShowText(text) => {
                state.next_line(0.0, -state.leading);
                return self.show(text.0);
            }
            TypedInstruction::ShowTextWithParameters(text) => {
                state.word_space = text.0.as_f64();
                state.char_space = text.1.as_f64();
                state.next_line(0.0, -state.leading);
                return self.show(text.2);
            }
            _ => {}
        }
        Ok(())
    }

    fn show_all(&mut self, texts: &Array<'_>) -> Result<(), StepError> {
        for object in texts.iter::<Object<'_>>() {
            match object {
                Object::Number(back) => {
                    let by = -back.as_f64() / f64::from(UNITS_PER_EM) * self.state.size;
                    self.state.advance(by);
                }
                Object::String(text) => self.show(&text)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn show(&mut self, text: &object::String<'_>) -> Result<(), StepError> {
        let Some(font) = self.state.font.clone() else { return Ok(()) };
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() && !self.lines.is_full() {
            let (code, length) = font.read_code(bytes, at);
            at += length.max(1);
            let start = self.state.place();
            let advance = font.code_advance(code) / f64::from(UNITS_PER_EM);
            let width = if font.is_horizontal() { advance.x } else { advance.y };
            let word_space = if code == 32 && length == 1 { self.state.word_space } else { 0.0 };
            // Where the ink ends: the space behind a character is no part of it.
            let ink = self.state.after(width * self.state.size);
            self.state.advance(width * self.state.size + self.state.char_space + word_space);
            match unicode(&font, code) {
                Some(says) => {
                    // One code may stand for any number of characters.
                    self.content.spend(says.len())?;
                    self.lines.put(&says, start, ink, self.state.height());
                }
                None => self.content.unreadable += 1,
            }
        }
        Ok(())
    }
}

impl State<'_> {
    fn set_line(&mut self, line: Affine) {
        self.line = line;
        self.text = line;
    }

    fn next_line(&mut self, x: f64, y: f64) {
        self.set_line(self.line * Affine::translate((x, y)));
    }

    fn is_horizontal(&self) -> bool {
        self.font.as_ref().is_none_or(Font::is_horizontal)
    }

    fn moved(&self, by: f64) -> Affine {
        let by = if self.is_horizontal() { Vec2::new(by * self.scaling, 0.0) } else { Vec2::new(0.0, by) };
        self.text * Affine::translate(by)
    }

    fn advance(&mut self, by: f64) {
        self.text = self.moved(by);
    }

    fn place(&self) -> Point {
        self.transform * self.text * Point::new(0.0, self.rise)
    }

    fn after(&self, by: f64) -> Point {
        self.transform * self.moved(by) * Point::new(0.0, self.rise)
    }

    /// Of the characters, on the page.
    fn height(&self) -> f64 {
        let up = self.transform * self.text * Point::new(0.0, self.rise + self.size) - self.place();
        up.hypot()
    }
}

fn matrix(numbers: [Number; 6]) -> Affine {
    Affine::new(numbers.map(|number| number.as_f64()))
}
