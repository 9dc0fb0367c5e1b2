//! The text of a DOCX, paragraph by paragraph.

use std::collections::BTreeMap;

use quick_xml::events::BytesStart;

use crate::blocks::{Block, Writer, squeeze};
use crate::config::Config;
use crate::grid::{Flow, Span};

use super::styles::{Numbering, Styles};
use super::{Listener, attribute};

/// The deepest level that lists have.
const DEEPEST: usize = 8;

/// What the main part says, and those with notes.
pub(super) struct Body<'a> {
    config: &'a Config,
    styles: Styles,
    numbering: Numbering,
    pub(super) writer: Writer,
    pub(super) title: Option<String>,
    /// Whether a table has more rows or columns than were read.
    pub(super) truncated: bool,
    paragraph: String,
    style: Option<String>,
    /// The list that the paragraph is in, and how deep.
    list: Option<(String, usize)>,
    /// How far each list has counted, by depth.
    counted: BTreeMap<String, [usize; DEEPEST + 1]>,
    /// The table that is read. A table in a table is read as part of its cell.
    table: Option<Flow>,
    tables: usize,
    /// The cell that is read, and how many columns it takes.
    cell: Option<(String, Span)>,
    /// Within an element whose characters are text.
    in_text: bool,
    /// Within the second version of something, for older readers.
    fallbacks: usize,
}

impl Listener for Body<'_> {
    fn start(&mut self, name: &[u8], element: &BytesStart<'_>) {
        let value = || attribute(element, b"val");
        match name {
            b"Fallback" => self.fallbacks += 1,
            b"t" => self.in_text = true,
            b"tab" if self.tables == 0 => self.paragraph.push('\t'),
            b"br" | b"cr" => self.paragraph.push('\n'),
            b"pStyle" => self.style = value(),
            b"numId" => {
                let depth = self.list.take().map_or(0, |(_, depth)| depth);
                self.list = value().filter(|list| list != "0").map(|list| (list, depth));
            }
            b"ilvl" => {
                let depth = value().and_then(|depth| depth.parse().ok()).unwrap_or(0);
                self.list = Some((String::new(), depth));
            }
            b"tbl" => self.start_table(),
            b"tr" if self.tables == 1 => {
                if let Some(table) = &mut self.table {
                    table.start_row();
                }
            }
            b"tc" if self.tables == 1 => self.cell = Some((String::new(), Span::ONE)),
            b"gridSpan" if self.tables == 1 => {
                if let Some((_, span)) = &mut self.cell {
                    span.columns = value().and_then(|columns| columns.parse().ok()).unwrap_or(1).max(1);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &[u8]) {
        match name {
            b"Fallback" => self.fallbacks = self.fallbacks.saturating_sub(1),
            b"t" => self.in_text = false,
            b"p" => self.end_paragraph(),
            b"tc" if self.tables == 1 => {
                if let (Some((cell, span)), Some(table)) = (self.cell.take(), &mut self.table) {
                    table.put(cell, span);
                }
            }
            b"tbl" => self.end_table(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.in_text && self.fallbacks == 0 {
            self.paragraph.push_str(text);
        }
    }
}

impl<'a> Body<'a> {
    pub(super) fn new(config: &'a Config, writer: Writer, styles: Styles, numbering: Numbering) -> Self {
        Self {
            config,
            styles,
            numbering,
            writer,
            title: None,
            truncated: false,
            paragraph: String::new(),
            style: None,
            list: None,
            counted: BTreeMap::new(),
            table: None,
            tables: 0,
            cell: None,
            in_text: false,
            fallbacks: 0,
        }
    }

    fn start_table(&mut self) {
        self.end_paragraph();
        self.tables += 1;
        if self.tables == 1 {
            self.table = Some(Flow::new(self.config, self.writer.left()));
        }
    }

    fn end_table(&mut self) {
        self.tables = self.tables.saturating_sub(1);
        if self.tables > 0 {
            return;
        }
        let Some(table) = self.table.take() else { return };
        let (rows, truncated) = table.into_rows();
        self.truncated |= truncated;
        if !rows.is_empty() {
            self.writer.push(Block::Table(rows));
        }
    }

    fn end_paragraph(&mut self) {
        let text = std::mem::take(&mut self.paragraph).trim().to_string();
        let style = self.style.take();
        let list = self.list.take().filter(|(list, _)| !list.is_empty());
        if text.is_empty() {
            return;
        }
        if self.tables > 0 {
            if let Some((cell, _)) = &mut self.cell {
                if !cell.is_empty() {
                    cell.push(' ');
                }
                cell.push_str(&text);
            }
            return;
        }
        let role = style.as_deref().map(|style| self.styles.role(style)).unwrap_or_default();
        let list = list.or(role.list);
        if let Some(level) = role.heading {
            if role.is_title {
                self.title.get_or_insert_with(|| text.clone());
            }
            self.writer.push(Block::Heading(level, squeeze(&text)));
        } else if let Some((list, depth)) = list {
            let number = self.numbering.counts(&list, depth).then(|| self.count(&list, depth));
            self.writer.push(Block::Item { depth, number, text: squeeze(&text) });
        } else {
            self.writer.push(Block::Paragraph(text));
        }
    }

    /// The next number of a list; those below it begin anew.
    fn count(&mut self, list: &str, depth: usize) -> usize {
        let counted = self.counted.entry(list.into()).or_default();
        let (above, below) = counted.split_at_mut(depth.min(DEEPEST) + 1);
        below.fill(0);
        let counted = &mut above[depth.min(DEEPEST)];
        *counted += 1;
        *counted
    }
}
