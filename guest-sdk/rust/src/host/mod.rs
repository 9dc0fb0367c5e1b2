//! The other side of the contract: the real host in a component, a fake one everywhere else.
//!
//! Both have the same functions, so that the rest of the crate does not know which one it talks to.

#[cfg(target_arch = "wasm32")]
mod wasm;
#[cfg(target_arch = "wasm32")]
pub use wasm::*;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod fake;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use fake::*;
