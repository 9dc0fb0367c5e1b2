//! Black-box tests: the real binary, real HTTP, real files, real kills. One module a feature, one test binary.

#![allow(
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod api;
mod cli;
mod durability;
mod faults;
mod hostile;
mod sequencing;
mod standard_steps;
mod support;
mod triage;
mod versions;
