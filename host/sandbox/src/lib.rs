//! Loads, limits and calls one component; gives it the capabilities that it was granted.
//!
//! This crate knows no workflow, no journal and no HTTP API. Its caller says what an attempt may do
//! ([`Attempt`]), is asked before each effect and told each answer ([`AttemptHost`]), and gets a report.

mod attempt;

pub use attempt::{Attempt, AttemptContext, AttemptHost, AttemptReport};
