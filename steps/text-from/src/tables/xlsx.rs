//! The sheets of an XLSX.

use std::cell::Cell;

use calamine::{DataRef, ExcelDateTime, Reader as _, Xlsx, XlsxError};
use stepwell_sdk::StepError;

use crate::archive::Archive;
use crate::config::Config;
use crate::detect::Kind;
use crate::document::Document;
use crate::grid::Grid;
use crate::problem;
use crate::reading::Left;

use super::guard::{self, Metered};

const XLSX: &str = "the XLSX";

/// Reads a workbook, cell by cell: its sheets may name one that is a million rows away from the next.
pub(crate) fn read(bytes: &[u8], config: &Config, left: &mut Left) -> Result<Document, StepError> {
    guard::check(&mut Archive::open(bytes, XLSX, config)?, config)?;
    let meter = Cell::new(guard::reads(bytes));
    let broken = |error: XlsxError| match error {
        XlsxError::Password => problem::encrypted(XLSX),
        _ if meter.get() == 0 => problem::broken(XLSX, "many of its sheets are one file"),
        error => problem::broken(XLSX, error),
    };
    let mut book = Xlsx::new(Metered::new(bytes, &meter)).map_err(broken)?;
    let mut document = Document::new(Kind::Xlsx);
    for name in book.sheet_names() {
        let mut cells = Grid::new(config, left.cells);
        match book.worksheet_cells_reader(&name) {
            Ok(mut sheet) => {
                while let Some(cell) = sheet.next_cell().map_err(broken)? {
                    let (row, column) = cell.get_position();
                    let (row, column) = (row as usize, column as usize);
                    if cells.is_full(row) {
                        cells.truncate();
                        break;
                    }
                    if !matches!(cell.get_value(), DataRef::Empty) {
                        cells.put(row, column, || shown(cell.get_value()));
                    }
                }
            }
            // A chart on a sheet of its own.
            Err(XlsxError::NotAWorksheet(_)) => continue,
            Err(error) => return Err(broken(error)),
        }
        left.cells = cells.left();
        document.tables.push(super::table(Some(name), cells));
    }
    super::write(&mut document, left);
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
