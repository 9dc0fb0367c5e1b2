//! A table while it is read: where its cells begin and end.

use html5gum::StartTag;

use crate::config::Config;
use crate::grid::{Flow, Span};

use super::tags;

/// A table, with the cell that is open.
pub(super) struct Table {
    cells: Flow,
    open: Option<Span>,
}

impl Table {
    pub(super) fn new(config: &Config, left: usize) -> Self {
        Self { cells: Flow::new(config, left), open: None }
    }

    /// A row, a cell or a group of rows begins.
    pub(super) fn start(&mut self, tag: &StartTag<()>) {
        match tag.name.as_slice() {
            b"tr" => self.cells.start_row(),
            b"td" | b"th" => self.open = Some(tags::span(tag)),
            _ => self.cells.start_group(),
        }
    }

    /// Ends the cell that is open, whatever it holds; gives a text back that stands in none.
    pub(super) fn end_cell(&mut self, text: String) -> Option<String> {
        if let Some(span) = self.open.take() {
            self.cells.put(text, span);
            return None;
        }
        Some(text).filter(|text| !text.is_empty())
    }

    /// Its rows, and whether any were left out.
    pub(super) fn into_rows(self) -> (Vec<Vec<String>>, bool) {
        let (mut rows, truncated) = self.cells.into_rows();
        drop_empty_columns(&mut rows);
        (rows, truncated)
    }
}

/// A column with nothing in any row, its head included, is there for the layout.
fn drop_empty_columns(rows: &mut [Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut used = vec![false; columns];
    for row in rows.iter() {
        for (used, cell) in used.iter_mut().zip(row) {
            *used |= !cell.is_empty();
        }
    }
    for row in rows {
        let mut used = used.iter();
        row.retain(|_| used.next().copied().unwrap_or(true));
    }
}
