//! The engine over a store in memory and a real sandbox, with guests that the users' own toolchain builds.
//!
//! A test's engine lives in a [`support::Life`]: a runtime of its own, so that a test can end it as a crash would.
//! Nothing here sleeps: the stand-in for the world outside holds answers back until a test lets go.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "these are tests")]

mod applying;
mod durability;
mod events;
mod failures;
mod flow;
mod outbox;
mod releasing;
mod retention;
mod schedules;
mod sequencing;
mod starting;
mod state;
mod steering;
mod support;
mod watching;
