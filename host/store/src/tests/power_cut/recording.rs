//! What a process did to a folder, in order.

use serde::{Deserialize, Serialize};

/// A file or folder, however it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct FileId(pub(super) u32);

/// The folder that is recorded. It was there before.
pub(super) const ROOT: FileId = FileId(0);

/// What happened, once it had happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Event {
    /// A file or folder came to be. It has no name yet.
    Made { file: FileId, is_folder: bool },
    /// Names changed, all at once, in one folder.
    Named { folder: FileId, changes: Vec<(String, Option<FileId>)> },
    /// Bytes were written into a file.
    Written { file: FileId, at: u64, bytes: Vec<u8> },
    /// A file was given a length.
    Resized { file: FileId, len: u64 },
    /// All that had happened to a file, or to the names in a folder, when this began is on disk.
    Synced { file: FileId },
    /// The process told somebody something.
    Said(String),
}

/// An event, and how many events had happened when it began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Recorded {
    pub(super) begun: usize,
    pub(super) event: Event,
}

/// What was said by a moment: after so many events.
pub(super) fn said(events: &[Recorded], by: usize) -> Vec<&str> {
    let begun = events.iter().filter(|recorded| recorded.begun <= by);
    begun
        .filter_map(|recorded| match &recorded.event {
            Event::Said(line) => Some(line.as_str()),
            _ => None,
        })
        .collect()
}
