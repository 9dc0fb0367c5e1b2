#![doc = include_str!("../README.md")]

#[allow(unused_extern_crates, reason = "generated code names this crate as its users do")]
extern crate self as stepwell_sdk;

pub mod blob;
pub mod context;
pub mod decision;
mod error;
mod fault;
mod handler;
mod host;
pub mod http;
pub mod log;
pub mod progress;
#[cfg(any(target_arch = "wasm32", test))]
mod schema;
pub mod state;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod usage;

pub use error::{StepError, StepErrorKind};
pub use fault::Fault;
pub use handler::{Handler, NoConfig};
pub use stepwell_sdk_macro::step;

/// What the attribute's expansion uses: not for people, and free to change.
#[doc(hidden)]
pub mod __private {
    use crate::Handler;

    #[cfg(target_arch = "wasm32")]
    pub use crate::host::{bindings, describe, run};
    #[cfg(target_arch = "wasm32")]
    pub use wit_bindgen;

    /// What the attribute and `Cargo.toml` say of a step.
    #[derive(Debug)]
    pub struct About {
        pub name: &'static str,
        pub version: &'static str,
        pub summary: &'static str,
        pub needs: &'static [Need],
    }

    /// A capability that the step asks for.
    #[derive(Debug)]
    pub struct Need {
        pub capability: Capability,
        pub reason: &'static str,
    }

    /// The capabilities of the contract.
    #[derive(Debug, Clone, Copy)]
    pub enum Capability {
        Http,
        State,
    }

    /// Makes the compiler check a step on every target, and count it as used.
    pub fn assert_step<A>(_: impl Handler<A>, _: &About) {}
}

/// Outside a component there is nobody to export to.
#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_step {
    ($function:path, $about:path) => {};
}
