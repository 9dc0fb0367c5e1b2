//! What can go wrong with memory.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use stepwell_core::id::RunId;
use uuid::Uuid;

/// A failure of the store.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Something of that name is there already, and is not the same.
    #[error("{0}")]
    Conflict(String),
    /// No room, or so little that only running work may still write.
    #[error("the disk that holds `{}` has {free} bytes free, below the reserve of {reserve}: free some space, then try again", path.display())]
    DiskFull {
        /// The data folder.
        path: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes kept back for running work.
        reserve: u64,
    },
    /// The data folder is in use by another process.
    #[error("the data folder `{}` is in use by another process: stop it, or choose another folder with --data", path.display())]
    Locked {
        /// The data folder.
        path: PathBuf,
    },
    /// A file or record cannot be read back.
    #[error(
        "{what} in the data folder is damaged: {why}. Restore the folder from a backup, or start with another one (--data)"
    )]
    Corrupt {
        /// Which file or record.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The blobs at a place are those of another data folder.
    #[error(
        "the blobs at `{place}` belong to another data folder: `.owner` there names {found}, and this one is {owner} (its file `ID`). Each \
         server needs a place of its own, such as another prefix in `blobs.url`, or it would remove the other's blobs. If the other data folder \
         is gone for good, remove `.owner` there"
    )]
    ForeignBlobs {
        /// Where they are.
        place: String,
        /// The id of the data folder that has them.
        found: String,
        /// The id of this data folder.
        owner: Uuid,
    },
    /// The store was written by a newer version.
    #[error("the data folder `{}` has format {found}, and this version reads up to {known}: run the newer version", path.display())]
    NewerFormat {
        /// The data folder.
        path: PathBuf,
        /// The folder's format.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// The operating system refused.
    #[error("{what}: {why}")]
    Io {
        /// What was being done, with what.
        what: String,
        /// What the system said.
        why: Arc<io::Error>,
    },
    /// The master key is missing or is not the one that the secrets were encrypted with.
    #[error("{0}")]
    MasterKey(String),
    /// Entries of this run were lost in a failed commit, and this batch does not go on from what is on disk.
    #[error(
        "an earlier part of the journal of run {run} could not be written: read the run back, and go on from where it ends"
    )]
    JournalGap {
        /// The run.
        run: RunId,
    },
    /// A mark cannot be kept under its key.
    #[error(
        "the key of a mark of the kind {kind} has {bytes} bytes, and may have {limit}: take a shorter one, or its digest"
    )]
    MarkKey {
        /// The mark's kind.
        kind: &'static str,
        /// The key's length.
        bytes: usize,
        /// The longest that there may be.
        limit: usize,
    },
    /// The store was closed before.
    #[error("the store is closed: the server is shutting down")]
    Closed,
}

impl StoreError {
    /// The operating system refused `what`.
    pub(crate) fn io(what: impl Into<String>, why: io::Error) -> Self {
        Self::Io { what: what.into(), why: Arc::new(why) }
    }

    /// `what` cannot be read back.
    pub(crate) fn corrupt(what: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self::Corrupt { what: what.into(), why: why.to_string() }
    }
}
