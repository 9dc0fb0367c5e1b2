//! Black-box tests: the real binary, real HTTP, real files, real kills. One module a feature, one test binary.

#![allow(
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod ai;
mod api;
mod bench;
mod blobs;
mod cli;
mod control;
mod durability;
mod events;
mod examples;
mod faults;
mod flow;
mod hostile;
mod late;
mod providers;
mod replay;
mod secrets;
mod sequencing;
mod soak;
mod standard_steps;
mod steering;
mod streaming;
mod support;
mod triage;
mod triggers;
mod versions;
mod workflow_test;
