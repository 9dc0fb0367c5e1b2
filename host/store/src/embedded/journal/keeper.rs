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
    Failed { why: StoreError, tried_at: Option<Instant> },
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

    /// Closes the database after a failed write; whoever works with it next opens it again. Gives whether it was open.
    pub(super) fn fail(&self, why: &StoreError) -> bool {
        self.close_as(State::Failed { why: why.clone(), tried_at: None })
    }

    /// The same, after it was opened again in vain: the next try has time.
    pub(super) fn give_up(&self, why: &StoreError) {
        tracing::error!(error = %why, "the journal cannot be written");
        self.close_as(State::Failed { why: why.clone(), tried_at: Some(Instant::now()) });
    }

    /// Closes the database for good.
    pub(super) fn close(&self) {
        self.close_as(State::Closed);
    }

    fn close_as(&self, closed: State) -> bool {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let was_open = matches!(*state, State::Open(_));
        if was_open {
            *state = closed;
        }
        was_open
    }

    fn reopen(&self) -> Result<(), StoreError> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let State::Failed { why, tried_at } = &*state else { return Ok(()) };
        if tried_at.is_some_and(|at| at.elapsed() < BETWEEN_TRIES) {
            return Err(why.clone());
        }
        tracing::warn!(error = %why, "the journal could not be written; it is opened again");
        *state = match Database::open(Arc::clone(&self.folder)) {
            Ok(database) => State::Open(database),
            Err(why) => State::Failed { why, tried_at: Some(Instant::now()) },
        };
        Ok(())
    }
}
