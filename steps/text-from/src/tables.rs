//! Rows of cells: of CSV, and of the sheets of an XLSX.

mod guard;
mod xlsx;

use stepwell_sdk::StepError;

use crate::blocks::{Block, Writer};
use crate::config::Config;
use crate::detect::Kind;
use crate::document::{Document, Table};
use crate::grid::Grid;
use crate::problem;
use crate::reading::Left;

pub(crate) use xlsx::read as read_xlsx;

/// Reads values that a character separates.
pub(crate) fn read_csv(text: &str, config: &Config, left: &mut Left) -> Result<Document, StepError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator(text))
        .from_reader(text.as_bytes());
    let mut cells = Grid::new(config, left.cells);
    for (place, record) in reader.records().enumerate() {
        if cells.is_full(place) {
            cells.truncate();
            break;
        }
        let record = record.map_err(|error| problem::broken("the CSV", error))?;
        for (column, cell) in record.iter().enumerate() {
            cells.put(place, column, || cell.to_string());
        }
    }
    let mut document = Document::new(Kind::Csv);
    left.cells = cells.left();
    document.tables = vec![table(None, cells)];
    write(&mut document, left);
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

fn table(name: Option<String>, cells: Grid) -> Table {
    let (rows, truncated) = cells.into_rows();
    Table { name, rows, truncated }
}

/// Makes the text of the tables: sheets under their names.
fn write(document: &mut Document, left: &Left) {
    let mut writer = Writer::new(left.chars);
    for table in &document.tables {
        if let Some(name) = &table.name {
            writer.push(Block::Heading(2, name.clone()));
        }
        let rows: Vec<_> = table.rows.iter().filter(|row| !row.is_empty()).cloned().collect();
        if !rows.is_empty() {
            writer.push(Block::Table(rows));
        }
    }
    document.text = writer.finish().0;
    document.truncated = document.tables.iter().any(|table| table.truncated);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, config: &Config) -> Table {
        read_csv(text, config, &mut Left::all(config)).unwrap().tables.remove(0)
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
        for max_chars in [3, 4, 5, 8] {
            let config = Config { max_chars, ..Config::default() };
            assert!(rows("aaaa,b\nc,d\n", &config).truncated, "{max_chars}");
        }
        assert!(!rows("a,b\n", &Config::default()).truncated);
    }
}
