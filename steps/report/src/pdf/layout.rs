//! Where the blocks of a story stand on paper.

use stepwell_sdk::StepError;

use crate::About;
use crate::config::Config;
use crate::fonts::Fonts;
use crate::images::Images;
use crate::lines::lines;
use crate::paper::{Mark, Paper};
use crate::story::{Block, Kind, Run, Style};

/// The sizes of text and code, in points.
const TEXT: f32 = 10.5;
const CODE: f32 = 9.0;
/// The sizes of headings by level.
const HEADINGS: [f32; 6] = [18.0, 14.5, 12.5, 11.5, 10.5, 10.5];
/// From one base line to the next, in parts of the size.
const LEADING: f32 = 1.45;
/// How far a list or a quotation stands in.
const INDENT: f32 = 16.0;
/// The least width that text is set in, however deep it stands in lists.
const LEAST: f32 = 80.0;
/// The space between the columns of a table.
const GUTTER: f32 = 10.0;

/// Lays out a whole report.
pub(super) fn lay_out(
    story: &[Block],
    about: &About,
    images: &Images,
    fonts: &Fonts,
    config: &Config,
) -> Result<Paper, StepError> {
    let mut layout = Layout { paper: Paper::new(config), fonts, images };
    layout.head(about)?;
    for block in story {
        layout.block(block)?;
    }
    Ok(layout.paper)
}

struct Layout<'a> {
    paper: Paper,
    fonts: &'a Fonts,
    images: &'a Images,
}

/// How lines are set.
#[derive(Clone, Copy)]
struct Setting {
    size: f32,
    indent: f32,
    grey: u8,
    is_quoted: bool,
    is_code: bool,
}

impl Setting {
    fn text(indent: f32) -> Self {
        Self { size: TEXT, indent, grey: 20, is_quoted: false, is_code: false }
    }
}

impl Layout<'_> {
    fn head(&mut self, about: &About) -> Result<(), StepError> {
        let title = [Run { text: about.title.clone(), style: Style { bold: true, ..Style::default() } }];
        if !about.title.is_empty() {
            self.set(&title, Setting { size: 22.0, ..Setting::text(0.0) })?;
        }
        let byline = [Run { text: about.byline(), style: Style::default() }];
        if !byline[0].text.is_empty() {
            self.set(&byline, Setting { grey: 110, ..Setting::text(0.0) })?;
        }
        self.paper.space(TEXT);
        Ok(())
    }

    fn block(&mut self, block: &Block) -> Result<(), StepError> {
        let most = (self.paper.measure() - LEAST).max(0.0);
        let indent = (block.indent as f32 * INDENT).min(most);
        let grey = if block.is_quoted { 90 } else { 20 };
        let setting = Setting { grey, is_quoted: block.is_quoted, ..Setting::text(indent) };
        match &block.kind {
            Kind::Heading(level) => self.heading(*level, &block.runs, setting),
            Kind::Paragraph => {
                self.paper.space(TEXT * 0.6);
                self.set(&block.runs, setting)
            }
            Kind::Item(mark) => self.item(mark, &block.runs, setting),
            Kind::Code => {
                self.paper.space(TEXT * 0.6);
                let code = |run: &Run| Run {
                    text: run.text.replace('\t', "    "),
                    style: Style { code: true, ..Style::default() },
                };
                let runs: Vec<Run> = block.runs.iter().map(code).collect();
                self.set(&runs, Setting { size: CODE, is_code: true, ..setting })
            }
            Kind::Table(rows) => self.table(rows, setting),
            Kind::Image(name) => self.image(name, &block.runs, setting),
            Kind::Rule => {
                let y = self.paper.take(TEXT * 1.6)?;
                self.rule(indent, y + TEXT * 0.8, 190);
                Ok(())
            }
            Kind::PageBreak => self.paper.next_page(),
        }
    }

    fn heading(&mut self, level: u8, runs: &[Run], setting: Setting) -> Result<(), StepError> {
        let size = HEADINGS[usize::from(level.clamp(1, 6)) - 1];
        let bold =
            |run: &Run| Run { text: run.text.clone(), style: Style { bold: true, ..run.style.clone() } };
        let runs: Vec<Run> = runs.iter().map(bold).collect();
        self.paper.space(size * 0.9);
        // It does not stand alone at a page's end.
        self.paper.need((size + 2.0 * TEXT) * LEADING)?;
        self.set(&runs, Setting { size, ..setting })
    }

    fn item(&mut self, mark: &str, runs: &[Run], setting: Setting) -> Result<(), StepError> {
        self.paper.space(TEXT * 0.25);
        self.paper.need(TEXT * LEADING)?;
        let style = Style::default();
        let mark = [Run { text: mark.into(), style: style.clone() }];
        let width = self.fonts.width(&mark[0].text, &style) * TEXT;
        let before = self.paper.pages.last().map_or(0, Vec::len);
        self.set(runs, setting)?;
        // Where the first line of the item stands, there stands its mark.
        let first = self.paper.pages.last().and_then(|page| page.get(before..)).into_iter().flatten();
        let y = first.into_iter().find_map(|mark| match mark {
            Mark::Text { y, .. } => Some(*y),
            _ => None,
        });
        if let (Some(y), Some(line)) =
            (y, lines(&mark, self.fonts, TEXT, width + 1.0, false).into_iter().next())
        {
            let x = self.paper.margin + setting.indent - width - 5.0;
            self.paper.put(Mark::Text { x, y, size: TEXT, grey: setting.grey, line });
        }
        Ok(())
    }

    /// Sets runs as lines.
    fn set(&mut self, runs: &[Run], setting: Setting) -> Result<(), StepError> {
        let Setting { size, indent, grey, is_quoted, is_code } = setting;
        let pad = if is_code { 6.0 } else { 0.0 };
        let width = self.paper.measure() - indent - 2.0 * pad;
        let x = self.paper.margin + indent + pad;
        for line in lines(runs, self.fonts, size, width, is_code) {
            let height = size * LEADING;
            let y = self.paper.take(height)?;
            if is_code {
                let (x, width) = (x - pad, width + 2.0 * pad);
                self.paper.put(Mark::Box { x, y, width, height: height + 0.5, grey: 243 });
            }
            if is_quoted {
                self.paper.put(Mark::Box { x: x - 10.0, y, width: 2.0, height: height + 0.5, grey: 190 });
            }
            self.paper.put(Mark::Text { x, y: y + size * 1.1, size, grey, line });
        }
        Ok(())
    }

    fn rule(&mut self, indent: f32, y: f32, grey: u8) {
        let (x, width) = (self.paper.margin + indent, self.paper.measure() - indent);
        self.paper.put(Mark::Box { x, y, width, height: 0.6, grey });
    }

    fn table(&mut self, rows: &[Vec<Vec<Run>>], setting: Setting) -> Result<(), StepError> {
        self.paper.space(TEXT * 0.6);
        let columns = self.columns(rows, self.paper.measure() - setting.indent);
        for (place, row) in rows.iter().enumerate() {
            let bold = |run: &Run| Run {
                text: run.text.clone(),
                style: Style { bold: run.style.bold || place == 0, ..run.style.clone() },
            };
            let mut cells: Vec<_> = row
                .iter()
                .zip(&columns)
                .map(|(cell, column)| {
                    let cell: Vec<Run> = cell.iter().map(bold).collect();
                    lines(&cell, self.fonts, TEXT, (column - GUTTER).max(1.0), false).into_iter()
                })
                .collect();
            let most = cells.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
            // A row stays together if a page can hold it.
            let height = most as f32 * TEXT * LEADING + 6.0;
            if height < self.paper.room() {
                self.paper.need(height)?;
            }
            for _ in 0..most {
                let y = self.paper.take(TEXT * LEADING)?;
                let mut x = self.paper.margin + setting.indent;
                for (cell, column) in cells.iter_mut().zip(&columns) {
                    if let Some(line) = cell.next() {
                        self.paper.put(Mark::Text {
                            x,
                            y: y + TEXT * 1.1,
                            size: TEXT,
                            grey: setting.grey,
                            line,
                        });
                    }
                    x += column;
                }
            }
            let y = self.paper.take(6.0)?;
            self.rule(setting.indent, y + 2.0, if place == 0 { 120 } else { 200 });
        }
        Ok(())
    }

    /// How wide columns are: as they need if there is room, else by how much they need.
    fn columns(&self, rows: &[Vec<Vec<Run>>], width: f32) -> Vec<f32> {
        let count = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut wanted = vec![0.0_f32; count];
        for (place, row) in rows.iter().enumerate() {
            for (column, cell) in row.iter().enumerate() {
                let style = |run: &Run| Style { bold: run.style.bold || place == 0, ..run.style.clone() };
                let needs: f32 = cell.iter().map(|run| self.fonts.width(&run.text, &style(run)) * TEXT).sum();
                wanted[column] = wanted[column].max(needs + GUTTER + 1.0);
            }
        }
        let all: f32 = wanted.iter().sum();
        if all <= width {
            return wanted;
        }
        // What is very long may take many lines, so that what is short needs few.
        let share = width / count.max(1) as f32;
        let tempered: Vec<f32> = wanted
            .iter()
            .map(|one| if *one > share { share + (one - share).sqrt() * 3.0 } else { *one })
            .collect();
        let all: f32 = tempered.iter().sum();
        tempered.iter().map(|one| one / all * width).collect()
    }

    /// One that is not there is told by what it says in place of it.
    fn image(&mut self, name: &str, runs: &[Run], setting: Setting) -> Result<(), StepError> {
        self.paper.space(TEXT * 0.6);
        let Some(picture) = self.images.get(name) else {
            stepwell_sdk::warn!(name, "the report has no image of this name: it shows its description");
            let said: String = runs.iter().map(|run| run.text.as_str()).collect();
            let style = Style { italic: true, ..Style::default() };
            return self.set(&[Run { text: format!("[{said}]"), style }], setting);
        };
        let (width, height) = picture.image.size();
        // At 96 dots an inch, unless it is larger than the page.
        let (width, height) = ((width as f32 * 0.75).max(1.0), (height as f32 * 0.75).max(1.0));
        let fit = ((self.paper.measure() - setting.indent) / width).min(self.paper.room() / height).min(1.0);
        let (width, height) = (width * fit, height * fit);
        let y = self.paper.take(height)?;
        let x = self.paper.margin + setting.indent;
        self.paper.put(Mark::Image { x, y, width, height, name: name.into() });
        Ok(())
    }
}
