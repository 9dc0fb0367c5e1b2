//! One run as a pure state machine: the events that the journal keeps, and what follows from them.

mod action;
mod event;
mod view;

pub use action::Action;
pub use event::{Entry, Event, RunOutcome, RunStatus, SkipReason, Trigger};
pub use view::{AttemptStatus, AttemptView, Bill, EffectView, NodeStatus, NodeView, RunView, Totals};
