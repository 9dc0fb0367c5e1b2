//! Keeps the database open. After a failed write fjall takes no more, so that nothing is built on what may not be on disk:
//! it is closed then and opened again, which drops a batch that was half written.

use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::{Duration, Instant};

use super::super::folder::Folder;
use super::database::Database;
use crate::StoreError;

/// Between two tries of what failed: a disk that was full a moment ago still is.
pub(super) const BETWEEN_TRIES: Duration = Duration::from_millis(500);

/// The database, or why there is none.
pub(super) struct Keeper {
    folder: Arc<Folder>,
    state: RwLock<State>,
}

enum State {
    Open(Database),
    Failed { why: StoreError, at: Instant },
    Closed,
}

impl Keeper {
    pub(super) fn open(folder: Arc<Folder>) -> Result<Self, StoreError> {
        let database = Database::open(Arc::clone(&folder))?;
        Ok(Self { folder, state: RwLock::new(State::Open(database)) })
    }

    /// Works with the database, which is opened first if it could not be opened again before.
    pub(super) fn with<T>(&self, work: impl Fn(&Database) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if let State::Open(database) = &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            return work(database);
        }
        self.open_if_it_is_time();
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Open(database) => work(database),
            State::Failed { why, .. } => Err(why.clone()),
            State::Closed => Err(StoreError::Closed),
        }
    }

    /// Closes the database and opens it again, after a write failed for this reason.
    pub(super) fn restart(&self, why: &StoreError) {
        tracing::warn!(error = %why, "the journal could not be written, and is opened again");
        let mut state = self.lock();
        if matches!(*state, State::Open(_)) {
            // The old one has to be gone before there can be a new one.
            *state = State::Failed { why: why.clone(), at: Instant::now() };
            self.open_into(&mut state);
        }
    }

    /// Closes the database for good.
    pub(super) fn close(&self) {
        *self.lock() = State::Closed;
    }

    fn open_if_it_is_time(&self) {
        let mut state = self.lock();
        if matches!(&*state, State::Failed { at, .. } if at.elapsed() >= BETWEEN_TRIES) {
            self.open_into(&mut state);
        }
    }

    fn open_into(&self, state: &mut State) {
        *state = match Database::open(Arc::clone(&self.folder)) {
            Ok(database) => State::Open(database),
            Err(why) => State::Failed { why, at: Instant::now() },
        };
    }

    fn lock(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}
