//! The ZIP archives that DOCX and XLSX are. They are unpacked once to nowhere, so that whoever reads them afterwards cannot be made to
//! fill the memory.

use std::io::{self, Cursor, Read};

use stepwell_sdk::StepError;
use zip::ZipArchive;
use zip::result::ZipError;

use crate::config::Config;
use crate::problem;

/// What unpacks to no more than this may have been packed however well.
const SMALL: u64 = 1 << 20;

/// An archive that keeps to the limits.
pub(crate) struct Archive<'a>(ZipArchive<Cursor<&'a [u8]>>);

impl<'a> Archive<'a> {
    /// Opens one, if it is within the limits.
    pub(crate) fn open(bytes: &'a [u8], what: &str, config: &Config) -> Result<Self, StepError> {
        let mut archive =
            ZipArchive::new(Cursor::new(bytes)).map_err(|error| problem::broken(what, error))?;
        if archive.len() > config.max_entries {
            let many = format!("{what} has {} files", archive.len());
            return Err(problem::limit(&many, "max_entries", config.max_entries as u64));
        }
        let mut unpacked = 0;
        for place in 0..archive.len() {
            unpacked += unpack(&mut archive, place, what, config, unpacked)?;
        }
        Ok(Self(archive))
    }

    /// One of its files; none if it has none of that name.
    pub(crate) fn file(&mut self, name: &str, what: &str) -> Result<Option<Vec<u8>>, StepError> {
        let mut file = match self.0.by_name(name) {
            Ok(file) => file,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(problem::broken(&format!("{name} in {what}"), error)),
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| problem::broken(&format!("{name} in {what}"), error))?;
        Ok(Some(bytes))
    }
}

/// How much one file unpacks to: by unpacking it, because what the archive says of it may be a lie.
fn unpack(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    place: usize,
    what: &str,
    config: &Config,
    before: u64,
) -> Result<u64, StepError> {
    let file = match archive.by_index(place) {
        Ok(file) => file,
        Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => {
            return Err(problem::encrypted(what));
        }
        Err(error) => return Err(problem::broken(what, error)),
    };
    let packed = file.compressed_size().max(1);
    let name = file.name().to_string();
    let left = config.max_unpacked_bytes.saturating_sub(before);
    let by_ratio = packed.saturating_mul(config.max_ratio).max(SMALL);

    let most = left.min(by_ratio);
    let size = io::copy(&mut file.take(most.saturating_add(1)), &mut io::sink())
        .map_err(|error| problem::broken(&format!("{name} in {what}"), error))?;
    if size <= most {
        return Ok(size);
    }
    Err(if left <= by_ratio {
        problem::limit(
            &format!("{what} unpacks to too many bytes"),
            "max_unpacked_bytes",
            config.max_unpacked_bytes,
        )
    } else {
        problem::limit(
            &format!("{name} in {what} unpacks to too many times its {packed} bytes"),
            "max_ratio",
            config.max_ratio,
        )
    })
}
