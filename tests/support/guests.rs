//! The components that tests publish, each built once a test process, by the toolchain that users have.

use std::collections::HashMap;
use std::path::Path;
use std::sync::LazyLock;

use stepwell_toolchain::{BuildOptions, Progress, Toolchain, build, shared_target_dir};

/// The standard steps.
pub(crate) const STANDARD: [&str; 3] = ["transform", "http-request", "llm-chat"];

/// The steps that only tests run.
const TEST: [&str; 3] = ["copyist", "courier", "hostile"];

/// One of the standard steps.
pub(crate) fn standard(name: &str) -> Vec<u8> {
    static BUILT: LazyLock<HashMap<&str, Vec<u8>>> = LazyLock::new(|| build_all("steps", &STANDARD));
    BUILT[name].clone()
}

/// One of the steps below `tests/guests`.
pub(crate) fn test(name: &str) -> Vec<u8> {
    static BUILT: LazyLock<HashMap<&str, Vec<u8>>> = LazyLock::new(|| build_all("tests/guests", &TEST));
    BUILT[name].clone()
}

fn build_all(folder: &str, names: &[&'static str]) -> HashMap<&'static str, Vec<u8>> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = repository.join(folder);
    let toolchain = Toolchain::ready(&mut OnStderr).expect("what compiles steps");
    let options = BuildOptions { target_dir: Some(shared_target_dir(&repository)) };
    let one = |name: &&'static str| {
        let component = build(&toolchain, &folder.join(name), &options, &mut OnStderr).expect(name);
        (*name, component.bytes)
    };
    names.iter().map(one).collect()
}

/// Shows what is done, where a test's output is shown.
struct OnStderr;

impl Progress for OnStderr {
    fn doing(&mut self, what: &str) {
        eprintln!("{what}");
    }

    fn output(&mut self, line: &str) {
        eprintln!("    {line}");
    }
}
