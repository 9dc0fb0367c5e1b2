//! Rows of cells: of CSV, and of the sheets of an XLSX.

use std::io::Cursor;

use calamine::{DataRef, ExcelDateTime, Reader as _, Xlsx, XlsxError};
use stepwell_sdk::StepError;

use crate::archive::Archive;
use crate::blocks::{self, Block};
use crate::config::Config;
use crate::detect::Kind;
use crate::document::{Document, Table};
use crate::problem;

const XLSX: &str = "the XLSX";

/// Reads values that a character separates.
pub(crate) fn read_csv(text: &str, config: &Config) -> Result<Document, StepError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator(text))
        .from_reader(text.as_bytes());
    let mut rows = Rows::new(config);
    for (place, record) in reader.records().enumerate() {
        let record = record.map_err(|error| problem::broken("the CSV", error))?;
        for (column, cell) in record.iter().enumerate() {
            rows.put(place, column, || cell.to_string());
        }
        if rows.is_full(place) {
            break;
        }
    }
    let mut document = Document::new(Kind::Csv);
    document.tables = vec![rows.into_table(None)];
    document.text = written(&document.tables);
    document.truncated = document.tables[0].truncated;
    Ok(document)
}

/// The one that the first lines have most of, outside of quotes.
fn separator(text: &str) -> u8 {
    let mut counts = [(b',', 0_usize), (b';', 0), (b'\t', 0), (b'|', 0)];
    let mut quoted = false;
    for byte in text.bytes().take(16 << 10) {
        quoted ^= byte == b'"';
        for (separator, count) in &mut counts {
            *count += usize::from(!quoted && byte == *separator);
        }
    }
    // Of several with as many, the first.
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(separator, _)| separator)
}

/// Reads a workbook, cell by cell: its sheets may name one that is a million rows away from the next.
pub(crate) fn read_xlsx(bytes: &[u8], config: &Config) -> Result<Document, StepError> {
    Archive::open(bytes, XLSX, config)?;
    let broken = |error: XlsxError| match error {
        XlsxError::Password => problem::encrypted(XLSX),
        error => problem::broken(XLSX, error),
    };
    let mut book = Xlsx::new(Cursor::new(bytes)).map_err(broken)?;
    let mut document = Document::new(Kind::Xlsx);
    for name in book.sheet_names() {
        let mut rows = Rows::new(config);
        let mut cells = match book.worksheet_cells_reader(&name) {
            Ok(cells) => cells,
            // A chart on a sheet of its own.
            Err(XlsxError::NotAWorksheet(_)) => continue,
            Err(error) => return Err(broken(error)),
        };
        while let Some(cell) = cells.next_cell().map_err(broken)? {
            let (row, column) = cell.get_position();
            let (row, column) = (row as usize, column as usize);
            if rows.is_full(row) {
                rows.truncated = true;
                break;
            }
            if !matches!(cell.get_value(), DataRef::Empty) {
                rows.put(row, column, || shown(cell.get_value()));
            }
        }
        document.tables.push(rows.into_table(Some(name)));
    }
    document.text = written(&document.tables);
    document.truncated = document.tables.iter().any(|table| table.truncated);
    Ok(document)
}

/// A cell as people read it; dates as ISO 8601 has them.
fn shown(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Int(value) => value.to_string(),
        DataRef::Float(value) => value.to_string(),
        DataRef::String(value) | DataRef::DateTimeIso(value) | DataRef::DurationIso(value) => value.clone(),
        DataRef::SharedString(value) => (*value).to_string(),
        DataRef::Bool(value) => value.to_string(),
        DataRef::DateTime(value) => date(value),
        DataRef::Error(value) => value.to_string(),
        DataRef::Empty => String::new(),
    }
}

fn date(value: &ExcelDateTime) -> String {
    let days = value.as_f64();
    if value.is_duration() || !(0.0..2_958_466.0).contains(&days) {
        return days.to_string();
    }
    let (year, month, day, hour, minute, second, _) = value.to_ymd_hms_milli();
    let time = format!("{hour:02}:{minute:02}:{second:02}");
    if days < 1.0 {
        time
    } else if days.fract() == 0.0 {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{year:04}-{month:02}-{day:02}T{time}")
    }
}

/// Rows as far as the limits let them grow.
struct Rows {
    rows: Vec<Vec<String>>,
    max_rows: usize,
    max_columns: usize,
    /// Characters that may still come.
    left: usize,
    truncated: bool,
}

impl Rows {
    fn new(config: &Config) -> Self {
        let Config { max_rows, max_columns, max_chars, .. } = *config;
        Self { rows: Vec::new(), max_rows, max_columns, left: max_chars, truncated: false }
    }

    /// Whether a row would be beyond what is kept.
    fn is_full(&self, row: usize) -> bool {
        row >= self.max_rows || self.left == 0
    }

    fn put(&mut self, row: usize, column: usize, cell: impl FnOnce() -> String) {
        if self.is_full(row) || column >= self.max_columns {
            self.truncated = true;
            return;
        }
        let cell = cell();
        if self.rows.len() <= row {
            self.rows.resize_with(row + 1, Vec::new);
        }
        let length = cell.chars().count().max(1);
        self.truncated |= length > self.left;
        self.left = self.left.saturating_sub(length);
        if let Some(row) = self.rows.get_mut(row) {
            if row.len() <= column {
                row.resize(column + 1, String::new());
            }
            row[column] = cell;
        }
    }

    fn into_table(mut self, name: Option<String>) -> Table {
        for row in &mut self.rows {
            let used = row.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
            row.truncate(used);
        }
        Table { name, rows: self.rows, truncated: self.truncated }
    }
}

/// Sheets under their names.
fn written(tables: &[Table]) -> String {
    let mut written = Vec::new();
    for table in tables {
        written.extend(table.name.iter().map(|name| Block::Heading(2, name.clone())));
        let rows: Vec<_> = table.rows.iter().filter(|row| !row.is_empty()).cloned().collect();
        if !rows.is_empty() {
            written.push(Block::Table(rows));
        }
    }
    blocks::write(&written).0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, config: &Config) -> Table {
        read_csv(text, config).unwrap().tables.remove(0)
    }

    #[test]
    fn the_separator_is_found_and_quotes_hold() {
        let config = Config::default();
        for (text, expected) in [
            ("a;b,c;d\n1;2;3\n", vec![vec!["a", "b,c", "d"], vec!["1", "2", "3"]]),
            ("a,\"b;\n;;\"\"c\"\n", vec![vec!["a", "b;\n;;\"c"]]),
            ("a\tb\n", vec![vec!["a", "b"]]),
            ("one\n\ntwo,\n", vec![vec!["one"], vec!["two"]]),
        ] {
            assert_eq!(rows(text, &config).rows, expected, "{text}");
        }
    }

    #[test]
    fn a_table_stops_at_its_limits_and_says_so() {
        let config = Config { max_rows: 2, max_columns: 2, ..Config::default() };
        let table = rows("a,b,c\n1,2\n3,4\n", &config);
        assert_eq!(
            (table.rows, table.truncated),
            (
                vec![vec!["a", "b"], vec!["1", "2"]]
                    .into_iter()
                    .map(|row| row.into_iter().map(String::from).collect())
                    .collect::<Vec<Vec<String>>>(),
                true
            )
        );
        let config = Config { max_chars: 3, ..Config::default() };
        assert!(rows("aaaa,b\nc,d\n", &config).truncated);
        assert!(!rows("a,b\n", &Config::default()).truncated);
    }
}
