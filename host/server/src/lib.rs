//! Stepwell's server: the one crate that knows HTTP, and the command line.
//!
//! A request crosses it one way: [`serve`] accepts, `api` authenticates, parses and limits, the engine below does the
//! work, and `problem` says in HTTP what went wrong. Nothing behind this edge sees a header or a status code.

mod api;
mod auth;
pub mod cli;
mod cloud_events;
pub mod config;
pub mod document;
mod open_files;
mod operation_id;
mod problem;
pub mod serve;
mod sinks;
pub mod telemetry;
