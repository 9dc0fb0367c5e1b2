//! The contract of `wit/`, as Rust.
//!
//! Only `http` waits for the world, so only it is asynchronous here. Every import may trap: that is how a
//! limit or a refusal ends an attempt.

#![allow(
    missing_docs,
    unreachable_pub,
    reason = "generated from the WIT files, which hold the documentation"
)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "step",
    imports: {
        "stepwell:step/http": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    ownership: Borrowing { duplicate_if_necessary: false },
});
