//! fjall, opened for a journal: its tables and sizes, and its errors in our words.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fjall::{KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Readable as _, Slice, Snapshot};

use super::super::folder::Folder;
use super::super::{files, panics};
use super::torn;
use crate::StoreError;

/// Where fjall keeps the tables, a folder each.
const TABLES: &str = "keyspaces";
/// What is read often: indexes, filters and the newest entries.
const CACHE_BYTES: u64 = 64 << 20;
/// fjall keeps what was not yet moved into tables in log files, and moves it when they have this size together (beside the one that is
/// being written, of as much). A start reads them back: it takes as long as this is large, whatever the length of the history.
const LOG_BYTES: u64 = 64 << 20;
/// Of a table in memory, before it is written out.
const MEMTABLE_BYTES: u64 = 16 << 20;
/// Of tables whose lines go away again, so that their remains do.
const SMALL_MEMTABLE_BYTES: u64 = 2 << 20;
/// fjall lets a commit wait at four memtables that are being written out, without an end if their writer died. We wait before, and
/// look whether it did.
const MEMTABLES_IN_FLIGHT: usize = 2;
/// Threads that write tables out. With more than one, fjall's first hands a compaction round and round to itself while another works
/// on it, and burns a core.
const WORKERS: usize = 1;
/// How long to let the writer go on before looking again.
const PAUSE: Duration = Duration::from_millis(2);

/// One of the journal's tables. What they hold stands with their [keys](super::keys).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Entries,
    Runs,
    Index,
    Live,
    Claims,
    Marks,
}

impl Table {
    const ALL: [Self; 6] = [Self::Entries, Self::Runs, Self::Index, Self::Live, Self::Claims, Self::Marks];

    fn name(self) -> &'static str {
        match self {
            Self::Entries => "entries",
            Self::Runs => "runs",
            Self::Index => "index",
            Self::Live => "live",
            Self::Claims => "claims",
            Self::Marks => "marks",
        }
    }

    fn options(self) -> KeyspaceCreateOptions {
        let memtable = match self {
            Self::Live | Self::Marks => SMALL_MEMTABLE_BYTES,
            _ => MEMTABLE_BYTES,
        };
        KeyspaceCreateOptions::default().max_memtable_size(memtable)
    }
}

/// Keys and values, from either end.
pub(super) trait Pairs: DoubleEndedIterator<Item = Result<(Slice, Slice), StoreError>> {}

impl<T: DoubleEndedIterator<Item = Result<(Slice, Slice), StoreError>>> Pairs for T {}

/// An open journal.
pub(super) struct Database {
    folder: Arc<Folder>,
    fjall: fjall::Database,
    tables: [fjall::Keyspace; Table::ALL.len()],
}

impl Database {
    pub(super) fn open(folder: Arc<Folder>) -> Result<Self, StoreError> {
        let path = folder.journal();
        folder.make_part(&path, |place| open_tables(&folder, place).map(drop))?;
        let (fjall, tables) = open_tables(&folder, &path)?;
        // fjall leaves the names of new tables' folders to the kernel.
        files::sync_folder(&path.join(TABLES)).map_err(|why| folder.fault("cannot sync `journal`", why))?;
        Ok(Self { folder, fjall, tables })
    }

    /// What the tables hold at this moment. To be kept for a short time: what is written over meanwhile stays until it is dropped.
    pub(super) fn view(&self) -> View<'_> {
        View { database: self, at: self.fjall.snapshot() }
    }

    /// Begins a group of writes.
    pub(super) fn batch(&self) -> Batch<'_> {
        Batch { database: self, batch: self.fjall.batch().durability(Some(PersistMode::SyncData)) }
    }

    fn table(&self, table: Table) -> &fjall::Keyspace {
        let [entries, runs, index, live, claims, marks] = &self.tables;
        match table {
            Table::Entries => entries,
            Table::Runs => runs,
            Table::Index => index,
            Table::Live => live,
            Table::Claims => claims,
            Table::Marks => marks,
        }
    }

    /// Waits while the tables are written out slower than they grow.
    fn keep_pace(&self) -> Result<(), StoreError> {
        while self.tables.iter().any(|table| table.sealed_memtable_count() > MEMTABLES_IN_FLIGHT) {
            // Fails once a background writer died.
            self.fjall.persist(PersistMode::Buffer).map_err(|why| self.unwritable(why))?;
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn unreadable(&self, why: fjall::Error) -> StoreError {
        fault(&self.folder, "cannot read `journal`", why)
    }

    fn unwritable(&self, why: fjall::Error) -> StoreError {
        fault(&self.folder, "cannot write `journal`", why)
    }
}

/// All tables as they stood at one moment: what moves from one list to another stands in one of them here.
pub(super) struct View<'a> {
    database: &'a Database,
    at: Snapshot,
}

impl View<'_> {
    pub(super) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Slice>, StoreError> {
        self.at.get(self.database.table(table), key).map_err(|why| self.database.unreadable(why))
    }

    /// Keys and values from one key to before another.
    pub(super) fn range<'a>(&'a self, table: Table, from: &[u8], to: &[u8]) -> impl Pairs + use<'a> {
        let pairs = self.at.range(self.database.table(table), from..to);
        pairs.map(|pair| pair.into_inner().map_err(|why| self.database.unreadable(why)))
    }

    /// Keys and values that begin with a prefix.
    pub(super) fn prefix<'a>(&'a self, table: Table, prefix: &[u8]) -> impl Pairs + use<'a> {
        let pairs = self.at.prefix(self.database.table(table), prefix);
        pairs.map(|pair| pair.into_inner().map_err(|why| self.database.unreadable(why)))
    }
}

/// A group of writes. A key may be in it once.
pub(super) struct Batch<'a> {
    database: &'a Database,
    batch: OwnedWriteBatch,
}

impl Batch<'_> {
    pub(super) fn insert(&mut self, table: Table, key: impl Into<Slice>, value: impl Into<Slice>) {
        self.batch.insert(self.database.table(table), key, value);
    }

    pub(super) fn remove(&mut self, table: Table, key: impl Into<Slice>) {
        self.batch.remove(self.database.table(table), key);
    }

    /// Writes all of it or nothing. It is on disk when this returns.
    pub(super) fn commit(self) -> Result<(), StoreError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.database.keep_pace()?;
        self.batch.commit().map_err(|why| self.database.unwritable(why))
    }
}

type Opened = (fjall::Database, [fjall::Keyspace; Table::ALL.len()]);

fn open_tables(folder: &Folder, path: &Path) -> Result<Opened, StoreError> {
    let unopened = |why| fault(folder, "cannot open `journal`", why);
    match try_to_open_tables(path)? {
        Err(why @ fjall::Error::JournalRecovery(_)) => {
            match torn::cut_off(path).map_err(|why| folder.fault("cannot mend `journal`", why))? {
                false => Err(unopened(why)),
                true => {
                    tracing::warn!(
                        "the last write before a power cut was torn; it was not acknowledged, and is dropped"
                    );
                    try_to_open_tables(path)?.map_err(unopened)
                }
            }
        }
        opened => opened.map_err(unopened),
    }
}

/// It panics over some damaged files and returns an error over others.
fn try_to_open_tables(path: &Path) -> Result<fjall::Result<Opened>, StoreError> {
    catch_unwind(AssertUnwindSafe(|| fjall_tables(path)))
        .map_err(|panic| StoreError::corrupt("`journal`", panics::message(&*panic)))
}

fn fjall_tables(path: &Path) -> fjall::Result<Opened> {
    let fjall = fjall::Database::builder(path)
        .cache_size(CACHE_BYTES)
        .max_journaling_size(LOG_BYTES)
        .manual_journal_persist(true)
        .worker_threads(WORKERS)
        .open()?;
    let open = |table: Table| fjall.keyspace(table.name(), || table.options());
    let [entries, runs, index, live, claims, marks] = Table::ALL.map(open);
    let tables = [entries?, runs?, index?, live?, claims?, marks?];
    Ok((fjall, tables))
}

fn fault(folder: &Folder, what: &str, why: fjall::Error) -> StoreError {
    match why {
        fjall::Error::Io(why) | fjall::Error::Storage(fjall::LsmError::Io(why)) => {
            folder.fault_in("`journal`", what, why)
        }
        fjall::Error::Poisoned => {
            // A write before, or one in the background, failed. A full disk is the likely reason, and the one that can be told.
            folder.admit().err().unwrap_or_else(|| {
                StoreError::io(what, io::Error::other("an earlier write failed: the log says more"))
            })
        }
        why => StoreError::corrupt("`journal`", why),
    }
}
