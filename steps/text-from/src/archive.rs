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
pub(crate) struct Archive<'a> {
    files: ZipArchive<Cursor<&'a [u8]>>,
    what: &'static str,
    /// How much each file unpacks to. What the archive says of it may be a lie.
    sizes: Vec<u64>,
}

impl<'a> Archive<'a> {
    /// Opens one, if it is within the limits.
    pub(crate) fn open(bytes: &'a [u8], what: &'static str, config: &Config) -> Result<Self, StepError> {
        let mut files = ZipArchive::new(Cursor::new(bytes)).map_err(|error| problem::broken(what, error))?;
        if files.len() > config.max_entries {
            let many = format!("{what} has {} files", files.len());
            return Err(problem::limit(&many, "max_entries", config.max_entries as u64));
        }
        let mut sizes = Vec::new();
        for place in 0..files.len() {
            sizes.push(unpack(&mut files, place, what, config, sizes.iter().sum())?);
        }
        Ok(Self { files, what, sizes })
    }

    /// One of its files; none if it has none of that name.
    pub(crate) fn file(&mut self, name: &str) -> Result<Option<Vec<u8>>, StepError> {
        self.files.index_for_name(name).map(|place| self.head(place, u64::MAX)).transpose()
    }

    /// The beginnings of all files that a reader may take for the one of that name, whatever the case of its letters, each with how many bytes
    /// the file has.
    pub(crate) fn alike(&mut self, name: &str, most: u64) -> Result<Vec<(Vec<u8>, u64)>, StepError> {
        let is_alike = |other: &str| other.replace('\\', "/").eq_ignore_ascii_case(name);
        let places: Vec<_> = (0..self.files.len())
            .filter(|place| self.files.name_for_index(*place).is_some_and(is_alike))
            .collect();
        places.into_iter().map(|place| Ok((self.head(place, most)?, self.sizes[place]))).collect()
    }

    /// The first bytes of a file.
    fn head(&mut self, place: usize, most: u64) -> Result<Vec<u8>, StepError> {
        let most = most.min(self.sizes[place]);
        let mut bytes = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
        let file = self.files.by_index(place).map_err(|error| problem::broken(self.what, error))?;
        file.take(most).read_to_end(&mut bytes).map_err(|error| problem::broken(self.what, error))?;
        Ok(bytes)
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
