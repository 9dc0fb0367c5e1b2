//! Keeps the database open. After a failed write fjall takes no more, so that nothing is built on what may not be on disk:
//! it is closed then, and opened again, which drops a batch that was half written.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::super::folder::Folder;
use super::database::Database;
use crate::StoreError;

/// Between two tries to open it again: a disk that was full a moment ago still is.
const BETWEEN_TRIES: Duration = Duration::from_millis(500);

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

    /// Works with the database, which is opened again first if it failed.
    pub(super) fn with<T>(&self, work: impl Fn(&Database) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if let State::Open(database) = &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            return work(database);
        }
        self.reopen()?;
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Open(database) => work(database),
            State::Failed { why, .. } => Err(why.clone()),
            State::Closed => Err(StoreError::Closed),
        }
    }

    /// Closes the database after a failed write.
    pub(super) fn fail(&self, why: &StoreError) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if let State::Open(_) = &*state {
            tracing::error!(error = %why, "the journal could not be written; it will be opened again");
            *state = State::Failed { why: why.clone(), at: Instant::now() };
        }
    }

    /// Opens the database again at once.
    pub(super) fn recover(&self) -> Result<(), StoreError> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        self.open_into(&mut state)
    }

    pub(super) fn close(&self) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = State::Closed;
    }

    fn reopen(&self) -> Result<(), StoreError> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Failed { why, at } if at.elapsed() < BETWEEN_TRIES => Err(why.clone()),
            _ => self.open_into(&mut state),
        }
    }

    fn open_into(&self, state: &mut State) -> Result<(), StoreError> {
        if !matches!(state, State::Failed { .. }) {
            return Ok(());
        }
        match Database::open(Arc::clone(&self.folder)) {
            Ok(database) => {
                tracing::info!("the journal is open again");
                *state = State::Open(database);
                Ok(())
            }
            Err(why) => {
                *state = State::Failed { why: why.clone(), at: Instant::now() };
                Err(why)
            }
        }
    }
}
