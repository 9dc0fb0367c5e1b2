//! The components that tests publish, each built once a test process, by the toolchain that users have.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use stepwell_toolchain::{BuildOptions, Progress, Toolchain, build, shared_target_dir};

/// The names of the standard steps: each has a folder.
pub(crate) fn all_standard() -> Vec<String> {
    let entries = std::fs::read_dir(repository().join("steps")).unwrap().map(Result::unwrap);
    let steps = entries.filter(|entry| entry.path().join("Cargo.toml").is_file());
    let mut names: Vec<String> = steps.map(|step| step.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// One of the standard steps.
pub(crate) fn standard(name: &str) -> Vec<u8> {
    built("steps", name)
}

/// One of the steps below `tests/guests`.
pub(crate) fn test(name: &str) -> Vec<u8> {
    built("tests/guests", name)
}

fn built(folder: &str, name: &str) -> Vec<u8> {
    static BUILT: LazyLock<Mutex<BTreeMap<PathBuf, Vec<u8>>>> = LazyLock::new(Mutex::default);
    // Who comes while a step is built waits for it, and does not build it again.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = repository().join(folder).join(name);
    built.entry(folder).or_insert_with_key(|folder| component(folder)).clone()
}

fn component(folder: &Path) -> Vec<u8> {
    let toolchain = Toolchain::ready(&mut OnStderr).expect("what compiles steps");
    let options = BuildOptions { target_dir: Some(shared_target_dir(&repository())) };
    let component = build(&toolchain, folder, &options, &mut OnStderr);
    component.unwrap_or_else(|error| panic!("{}: {error}", folder.display())).bytes
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
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
