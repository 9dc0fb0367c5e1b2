//! The pure heart of Stepwell: what a workflow means.
//!
//! ```text
//! Definition --compile(catalogue)--> Plan    every mistake at once, each with its JSON pointer
//! RunState::apply(&Entry)                    the fold over the journal: same events, same state
//! RunState::decide(now) -> Vec<Action>       what to do next; never does it
//! ```
//!
//! This crate knows no clock, no files, no sockets, no tasks and no WebAssembly. Whatever it needs of them
//! comes in as a value.

pub mod attempt;
pub mod blob;
pub mod breaker;
pub mod bucket;
pub mod cloud_event;
pub mod definition;
pub mod destination;
pub mod diff;
pub mod digest;
pub mod effect;
pub mod expression;
pub mod failure;
pub mod grant;
pub mod id;
pub mod limits;
pub mod manifest;
pub mod mistake;
pub mod plan;
mod pointer;
pub mod priority;
mod quantity;
pub mod route;
pub mod run;
pub mod schedule;
pub mod schema;
pub mod secret;
pub mod spelling;
pub mod split;
pub mod state;
pub mod trace;
pub mod wildcard;
