//! Keeps a workbook from costing more than its bytes: its reader believes what it says of itself, and reads a file as often as sheets name it.

use std::cell::Cell;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use stepwell_sdk::StepError;

use crate::archive::Archive;
use crate::config::Config;
use crate::problem;

const XLSX: &str = "the XLSX";

/// The most bytes of an element's name and attributes, where many elements may ask for the same.
const MAX_TAG: usize = 8 << 10;

/// How far into the file of strings its first element may begin.
const HEAD: u64 = 64 << 10;

/// The fewest bytes of a string in that file: `<si><t/></si>`.
const MIN_STRING: u64 = 13;

/// How much may be read of a workbook beyond twice its size: its directory, and files that are smaller than what is read at once.
const MORE: u64 = 64 << 10;

/// Refuses a workbook that says more than it can hold.
pub(super) fn check(archive: &mut Archive<'_>, config: &Config) -> Result<(), StepError> {
    let mut sheets = 0;
    for name in ["xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/styles.xml"] {
        for (xml, _) in archive.alike(name, u64::MAX)? {
            let mut longest = 0;
            elements(&xml, |element| {
                longest = longest.max(element.len());
                sheets += usize::from(element.local_name().as_ref() == b"sheet");
                true
            });
            if longest > MAX_TAG {
                return Err(problem::broken(
                    XLSX,
                    format!("an element in {name} is longer than {MAX_TAG} bytes"),
                ));
            }
        }
    }
    if sheets > config.max_entries {
        let many = format!("{XLSX} has {sheets} sheets");
        return Err(problem::limit(&many, "max_entries", config.max_entries as u64));
    }
    for (xml, size) in archive.alike("xl/sharedStrings.xml", HEAD)? {
        if strings(&xml).is_none_or(|count| count > size / MIN_STRING) {
            return Err(problem::broken(XLSX, "its file of strings is said to hold more than fit into it"));
        }
    }
    Ok(())
}

/// How many strings there are said to be; none if it does not begin as such a file does.
fn strings(xml: &[u8]) -> Option<u64> {
    let mut strings = None;
    elements(xml, |element| {
        if element.local_name().as_ref() == b"sst" {
            strings = Some(unique_count(element).unwrap_or(0));
        }
        strings.is_none()
    });
    strings
}

/// What is no number is none for its reader.
fn unique_count(element: &BytesStart<'_>) -> Option<u64> {
    let mut attributes = element.attributes();
    let counts = attributes.with_checks(false).flatten().filter(|one| one.key.as_ref() == b"uniqueCount");
    counts.filter_map(|one| std::str::from_utf8(&one.value).ok()?.parse().ok()).max()
}

/// Calls for each element that begins, until told to stop. What is broken, its reader tells.
fn elements(xml: &[u8], mut next: impl FnMut(&BytesStart<'_>) -> bool) {
    let mut reader = Reader::from_reader(xml);
    reader.config_mut().check_end_names = false;
    loop {
        match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element)) if !next(&element) => return,
            Ok(Event::Eof) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// How many bytes may be read of a workbook in all.
pub(super) fn reads(bytes: &[u8]) -> u64 {
    2 * bytes.len() as u64 + MORE
}

/// Bytes of which no more are read than a meter allows.
pub(super) struct Metered<'a> {
    bytes: Cursor<&'a [u8]>,
    left: &'a Cell<u64>,
}

impl<'a> Metered<'a> {
    pub(super) fn new(bytes: &'a [u8], left: &'a Cell<u64>) -> Self {
        Self { bytes: Cursor::new(bytes), left }
    }
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            return Err(io::Error::other("too much is read"));
        }
        let read = self.bytes.read(buffer)?;
        self.left.set(self.left.get().saturating_sub(read as u64));
        Ok(read)
    }
}

impl Seek for Metered<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}
