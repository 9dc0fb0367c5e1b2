//! Finds or installs what compiles Rust steps, and builds them into components.
//!
//! Used by the command line, the tests and the benchmarks alike. It knows cargo, rustup and Debian; it must not
//! know the sandbox or a server. It prints nothing: what there is to say goes through [`Progress`].
//!
//! ```no_run
//! use stepwell_toolchain::{BuildOptions, Quiet, Toolchain, build};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let toolchain = Toolchain::ready(&mut Quiet)?;
//! let component = build(&toolchain, "steps/transform".as_ref(), &BuildOptions::default(), &mut Quiet)?;
//! println!("{}@{}: {} bytes", component.name, component.version, component.bytes.len());
//! # Ok(()) }
//! ```

mod build;
mod command;
mod crate_info;
mod install;
mod machine;
mod progress;
mod scaffold;
mod sdk;
mod toolchain;

pub use build::{BuildError, BuildOptions, Component, TestError, build, shared_target_dir, test};
pub use install::{InstallError, install};
pub use progress::{Progress, Quiet};
pub use scaffold::{ScaffoldError, new_step};
pub use sdk::{SdkError, sdk_path};
pub use toolchain::{Plan, Toolchain, Unavailable, Verdict};

/// What Rust steps are compiled to, before they become components.
const TARGET: &str = "wasm32-unknown-unknown";
