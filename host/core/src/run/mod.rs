//! One run as a pure state machine: the events that the journal keeps, and what follows from them.

mod event;

pub use event::{Entry, Event, RunOutcome, RunStatus, SkipReason, Trigger};
