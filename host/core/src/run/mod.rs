//! One run as a pure state machine: the events that the journal keeps, and what follows from them.

mod action;
mod decide;
mod event;
mod fold;
mod node;
mod retry;
mod state;
mod view;

pub use action::Action;
pub use event::{Entry, Event, RunOutcome, RunStatus, SkipReason, Trigger};
pub use fold::{FoldError, Misfit};
pub use node::AttemptInFlight;
pub use state::RunState;
pub use view::{AttemptStatus, AttemptView, Bill, EffectView, NodeStatus, NodeView, RunView, Totals};

#[cfg(test)]
mod tests;
