//! One run as a pure state machine: the events that the journal keeps, and what follows from them.

mod acceptance;
mod action;
mod ai;
mod begin;
mod decide;
mod ending;
mod event;
mod fold;
mod judge;
mod map;
mod node;
mod retry;
mod state;
mod task;
mod view;
mod waited;

pub use action::{Action, Mint};
pub use ai::{AiWork, Confidence, Decided, ModelUse, NodeAi, Quality};
pub use event::{
    ApprovalDecision, Edit, Entry, Event, ReopenFrom, RunOutcome, RunStatus, SkipReason, Spent, Trigger,
    Verdict,
};
pub use fold::{FoldError, Misfit};
pub use map::{ItemFailure, ItemsView};
pub use state::{CallbackStanding, OpenApproval, OpenChild, RunState};
pub use task::AttemptInFlight;
pub use view::{
    AttemptStatus, AttemptView, Bill, CancellationView, CompensationView, EffectView, NodeStatus, NodeView,
    RunView, Totals, WaitView,
};

#[cfg(test)]
mod tests;
