//! Black-box tests: the real binary, real HTTP, real files, real kills. One module a feature, one test binary.

mod api;
mod cli;
mod durability;
mod faults;
mod hostile;
mod sequencing;
mod standard_steps;
mod support;
mod triage;
