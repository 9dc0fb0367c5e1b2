//! Sheets of paper that fill from the top: what is put on them, where.

use stepwell_sdk::StepError;

use crate::config::Config;
use crate::lines::Line;

const POINTS_PER_MM: f32 = 72.0 / 25.4;

/// Something at a place, in points from the page's upper left corner.
pub(crate) enum Mark {
    /// A line of text, by where its base line begins.
    Text {
        x: f32,
        y: f32,
        size: f32,
        grey: u8,
        line: Line,
    },
    Box {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
        grey: u8,
    },
    Image {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
        name: String,
    },
}

/// The pages so far.
pub(crate) struct Paper {
    pub(crate) pages: Vec<Vec<Mark>>,
    pub(crate) width: f32,
    pub(crate) height: f32,
    pub(crate) margin: f32,
    /// How far down the page is used.
    y: f32,
    max_pages: usize,
}

impl Paper {
    pub(crate) fn new(config: &Config) -> Self {
        let (width, height) = config.page_size.points();
        let margin = config.margin_mm * POINTS_PER_MM;
        Self { pages: vec![Vec::new()], width, height, margin, y: margin, max_pages: config.max_pages }
    }

    /// The width of the text.
    pub(crate) fn measure(&self) -> f32 {
        self.width - 2.0 * self.margin
    }

    /// The height of the text.
    pub(crate) fn room(&self) -> f32 {
        self.height - 2.0 * self.margin
    }

    /// Leaves some space, except at the top of a page.
    pub(crate) fn space(&mut self, height: f32) {
        if self.y > self.margin {
            self.y += height;
        }
    }

    /// Goes to the next page if this one has less room.
    pub(crate) fn need(&mut self, height: f32) -> Result<(), StepError> {
        if self.y + height > self.height - self.margin && self.y > self.margin {
            self.next_page()?;
        }
        Ok(())
    }

    pub(crate) fn next_page(&mut self) -> Result<(), StepError> {
        if self.pages.len() >= self.max_pages {
            return Err(StepError::invalid_input(format!(
                "the PDF has more than {} pages: raise `max_pages` in the config, or shorten the text",
                self.max_pages
            )));
        }
        self.pages.push(Vec::new());
        self.y = self.margin;
        Ok(())
    }

    /// Uses the next so many points; gives where they begin.
    pub(crate) fn take(&mut self, height: f32) -> Result<f32, StepError> {
        self.need(height)?;
        let y = self.y;
        self.y += height;
        Ok(y)
    }

    pub(crate) fn put(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }
}
