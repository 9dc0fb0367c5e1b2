//! Rows of cells, as far as the limits let them grow. What a table costs is bounded by what it holds: a document may name a cell that is far
//! from all others, or say of one that it spans all columns.

use crate::answer;
use crate::config::Config;

/// Cells at their places.
pub(crate) struct Grid {
    rows: Vec<Vec<String>>,
    max_rows: usize,
    max_columns: usize,
    /// What may still come: characters, and one more for each cell and each row.
    left: usize,
    truncated: bool,
}

impl Grid {
    pub(crate) fn new(config: &Config, left: usize) -> Self {
        let Config { max_rows, max_columns, .. } = *config;
        Self { rows: Vec::new(), max_rows, max_columns, left, truncated: false }
    }

    /// Whether a row would be beyond what is kept.
    pub(crate) fn is_full(&self, row: usize) -> bool {
        row >= self.max_rows || self.left == 0
    }

    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// Notes that something is left out.
    pub(crate) fn truncate(&mut self) {
        self.truncated = true;
    }

    pub(crate) fn put(&mut self, row: usize, column: usize, cell: impl FnOnce() -> String) {
        if self.is_full(row) || column >= self.max_columns {
            self.truncated = true;
            return;
        }
        self.reach(row, column);
        let mut cell = cell();
        let length = cell.chars().count();
        if length > self.left {
            answer::cut_text(&mut cell, self.left);
            self.truncated = true;
        }
        self.left = self.left.saturating_sub(length);
        self.rows[row][column] = cell;
    }

    /// Makes a place, and all those before it.
    fn reach(&mut self, row: usize, column: usize) {
        let new_rows = (row + 1).saturating_sub(self.rows.len());
        self.rows.resize_with(self.rows.len() + new_rows, Vec::new);
        let cells = &mut self.rows[row];
        let new_cells = (column + 1).saturating_sub(cells.len());
        cells.resize(cells.len() + new_cells, String::new());
        self.left = self.left.saturating_sub(new_rows + new_cells);
    }

    /// The rows, none with empty cells at its end, and whether anything was left out.
    pub(crate) fn into_rows(mut self) -> (Vec<Vec<String>>, bool) {
        for row in &mut self.rows {
            let used = row.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
            row.truncate(used);
        }
        (self.rows, self.truncated)
    }
}

/// How many places a cell takes, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl Span {
    pub(crate) const ONE: Self = Self { rows: 1, columns: 1 };
}

/// Cells that come one after the other, each at the next place that those which span rows leave. Rows without any text are none.
pub(crate) struct Flow {
    grid: Grid,
    row: usize,
    column: usize,
    is_row_empty: bool,
    /// For how many rows, this one included, each column is taken.
    taken: Vec<usize>,
}

impl Flow {
    pub(crate) fn new(config: &Config, left: usize) -> Self {
        Self { grid: Grid::new(config, left), row: 0, column: 0, is_row_empty: true, taken: Vec::new() }
    }

    pub(crate) fn start_row(&mut self) {
        self.row += usize::from(!self.is_row_empty);
        self.is_row_empty = true;
        self.column = 0;
        for rows in &mut self.taken {
            *rows = rows.saturating_sub(1);
        }
    }

    /// Rows of another kind begin, into which none before them reach.
    pub(crate) fn start_group(&mut self) {
        self.taken.clear();
    }

    pub(crate) fn put(&mut self, cell: String, span: Span) {
        while self.taken.get(self.column).is_some_and(|rows| *rows > 0) {
            self.column += 1;
        }
        if !cell.is_empty() {
            self.grid.put(self.row, self.column, || cell);
            self.is_row_empty = false;
        }
        let end = self.column.saturating_add(span.columns);
        if span.rows > 1 {
            self.take(end.min(self.grid.max_columns), span.rows);
        }
        self.column = end;
    }

    fn take(&mut self, end: usize, rows: usize) {
        if self.taken.len() < end {
            self.taken.resize(end, 0);
        }
        if let Some(taken) = self.taken.get_mut(self.column..end) {
            taken.fill(rows);
        }
    }

    /// The rows, and whether anything was left out.
    pub(crate) fn into_rows(self) -> (Vec<Vec<String>>, bool) {
        self.grid.into_rows()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Span = Span::ONE;

    fn flow(config: &Config, rows: &[&[(&str, Span)]]) -> (Vec<Vec<String>>, bool) {
        let mut flow = Flow::new(config, config.max_chars);
        for row in rows {
            flow.start_row();
            for (cell, span) in *row {
                flow.put((*cell).into(), *span);
            }
        }
        flow.into_rows()
    }

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect()
    }

    #[test]
    fn cells_that_span_push_others_aside() {
        let (tall, wide) = (Span { rows: 2, ..ONE }, Span { columns: 2, ..ONE });
        let (read, truncated) = flow(
            &Config::default(),
            &[&[("a", tall), ("b", wide), ("c", ONE)], &[("", ONE)], &[("d", ONE), ("", ONE), ("e", ONE)]],
        );
        assert_eq!((read, truncated), (rows(&[&["a", "b", "", "c"], &["d", "", "e"]]), false));
        let (read, _) = flow(&Config::default(), &[&[("a", tall), ("b", ONE)], &[("c", ONE)], &[("d", ONE)]]);
        assert_eq!(read, rows(&[&["a", "b"], &["", "c"], &["d"]]));
    }

    #[test]
    fn a_span_makes_no_more_cells_than_the_limits_allow() {
        let config = Config { max_columns: 3, ..Config::default() };
        let all = Span { rows: usize::MAX, columns: usize::MAX };
        let (read, truncated) = flow(&config, &[&[("a", all), ("b", ONE)], &[("c", ONE)]]);
        assert_eq!((read, truncated), (rows(&[&["a"]]), true));
    }

    #[test]
    fn cells_between_count() {
        let config = Config::default();
        let mut grid = Grid::new(&config, 10);
        grid.put(0, 5, || "far".into());
        assert_eq!((grid.left(), grid.is_full(1)), (0, true));
        let mut grid = Grid::new(&config, 10);
        grid.put(0, 0, || "much too long".into());
        assert_eq!(grid.into_rows(), (rows(&[&["much too[…]"]]), true));
    }
}
