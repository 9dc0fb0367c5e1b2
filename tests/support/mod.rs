//! What the tests stand on: servers of their own, guests built once, stand-ins for the world outside.

pub(crate) mod client;
pub(crate) mod guests;
pub(crate) mod server;
pub(crate) mod workflows;
pub(crate) mod world;

#[path = "../../examples/support-ticket-triage/stand-ins.rs"]
pub(crate) mod stand_ins;
