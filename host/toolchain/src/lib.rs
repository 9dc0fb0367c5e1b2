//! Finds or installs what compiles Rust steps, and builds them into components
