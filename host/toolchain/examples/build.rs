//! Builds the steps in the given folders, installing the toolchain if there is none.
//!
//!     cargo run -p stepwell-toolchain --example build -- steps/transform

use std::error::Error;

use stepwell_toolchain::{BuildOptions, Progress, Toolchain, build};

struct Terminal;

#[expect(clippy::print_stderr, reason = "an example for a terminal")]
impl Progress for Terminal {
    fn doing(&mut self, what: &str) {
        eprintln!("{what}");
    }

    fn output(&mut self, line: &str) {
        eprintln!("  {line}");
    }
}

#[expect(clippy::print_stdout, reason = "an example for a terminal")]
fn main() -> Result<(), Box<dyn Error>> {
    let toolchain = Toolchain::ready(&mut Terminal)?;
    println!("using {toolchain}");
    for folder in std::env::args().skip(1) {
        let component = build(&toolchain, folder.as_ref(), &BuildOptions::default(), &mut Terminal)?;
        println!("{}: {} bytes", component.path.display(), component.bytes.len());
    }
    Ok(())
}
