//! News for whoever watches the run, while it happens. Neither an effect nor kept.

use serde::Serialize;

use crate::{host, log};

/// Hands one chunk to the run's watchers.
pub fn emit(chunk: &(impl Serialize + ?Sized)) {
    host::emit_progress(&log::value(chunk));
}
