//! The contract of `wit/`, as Rust.
//!
//! Only `http`, `blob` and `state` wait for the world, so only they are asynchronous here. Every import may trap: that is how a
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
        "stepwell:step/blob": async | trappable,
        "stepwell:step/state": async | trappable,
        default: trappable,
    },
    with: {
        "stepwell:step/http.incoming": crate::http::Incoming,
        "stepwell:step/blob.reader": crate::capability::blob::BlobReader,
        "stepwell:step/blob.writer": crate::capability::blob::BlobWriter,
    },
    exports: { default: async },
    ownership: Borrowing { duplicate_if_necessary: false },
});
