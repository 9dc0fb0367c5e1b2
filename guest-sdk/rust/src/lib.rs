//! Write a Stepwell step in Rust
