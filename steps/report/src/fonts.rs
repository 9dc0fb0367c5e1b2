//! The fonts that come with the step: Noto Sans and Noto Sans Mono, for Latin, Greek and Cyrillic.

use std::cell::RefCell;
use std::collections::BTreeSet;

use krilla::text::Font;
use skrifa::MetadataProvider as _;
use skrifa::charmap::Charmap;
use skrifa::instance::{LocationRef, Size};
use skrifa::metrics::GlyphMetrics;
use skrifa::{FontRef, GlyphId};
use stepwell_sdk::StepError;

use crate::story::Style;

const FILES: [&[u8]; 5] = [
    include_bytes!("../fonts/NotoSans-Regular.ttf"),
    include_bytes!("../fonts/NotoSans-Bold.ttf"),
    include_bytes!("../fonts/NotoSans-Italic.ttf"),
    include_bytes!("../fonts/NotoSans-BoldItalic.ttf"),
    include_bytes!("../fonts/NotoSansMono-Regular.ttf"),
];

/// One font.
pub(crate) struct Face {
    pub(crate) font: Font,
    letters: Charmap<'static>,
    widths: GlyphMetrics<'static>,
    em: f32,
}

/// A character as it is set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Letter {
    pub(crate) glyph: u32,
    /// In ems.
    pub(crate) width: f32,
}

/// All fonts, and what they do not have.
pub(crate) struct Fonts {
    faces: Vec<Face>,
    missing: RefCell<BTreeSet<char>>,
}

impl Fonts {
    pub(crate) fn load() -> Result<Self, StepError> {
        let faces = FILES.into_iter().map(|file| {
            let read =
                FontRef::new(file).map_err(|error| StepError::permanent(format!("a font: {error}")))?;
            let font =
                Font::new(file.into(), 0).ok_or_else(|| StepError::permanent("a font cannot be read"))?;
            let (size, place) = (Size::unscaled(), LocationRef::default());
            let em = f32::from(read.metrics(size, place).units_per_em);
            Ok(Face { font, letters: read.charmap(), widths: read.glyph_metrics(size, place), em })
        });
        Ok(Self { faces: faces.collect::<Result<_, StepError>>()?, missing: RefCell::default() })
    }

    /// The font for a style.
    pub(crate) fn face(&self, style: &Style) -> &Face {
        let place = match (style.code, style.bold, style.italic) {
            (true, ..) => 4,
            (_, bold, italic) => usize::from(bold) + 2 * usize::from(italic),
        };
        &self.faces[place]
    }

    /// A character in a style. One that the font does not have is a mark in its place, and counted.
    pub(crate) fn letter(&self, character: char, style: &Style) -> Letter {
        let face = self.face(style);
        let character = if character.is_whitespace() { ' ' } else { character };
        let glyph = face.letters.map(character).unwrap_or_else(|| {
            self.missing.borrow_mut().insert(character);
            face.letters.map(char::REPLACEMENT_CHARACTER).unwrap_or(GlyphId::NOTDEF)
        });
        Letter { glyph: glyph.to_u32(), width: face.widths.advance_width(glyph).unwrap_or(0.0) / face.em }
    }

    /// Of a text, in ems.
    pub(crate) fn width(&self, text: &str, style: &Style) -> f32 {
        text.chars().map(|character| self.letter(character, style).width).sum()
    }

    /// Says which characters were not set.
    pub(crate) fn tell(&self) {
        let missing: String = self.missing.borrow().iter().take(40).collect();
        if !missing.is_empty() {
            stepwell_sdk::warn!(
                characters = missing,
                "the PDF shows a mark in place of characters that its fonts do not have"
            );
        }
    }
}
