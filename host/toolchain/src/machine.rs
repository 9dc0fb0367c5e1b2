//! What this machine has: looked up, not changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use semver::Version;

use crate::TARGET;
use crate::command::{ask, exists};

/// Where Debian's packages put their Rust.
pub(crate) const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// See [`DEBIAN_RUSTC`].
pub(crate) const DEBIAN_CARGO: &str = "/usr/bin/cargo";

/// What decides how steps can be compiled here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Machine {
    /// The Rust that `rustc` means here.
    pub(crate) active: Option<Rust>,
    /// Whether there is a rustup to ask.
    pub(crate) rustup: bool,
    /// What Debian adds; `None` elsewhere.
    pub(crate) debian: Option<Debian>,
}

/// An installed Rust.
#[derive(Debug, Clone)]
pub(crate) struct Rust {
    pub(crate) version: Version,
    pub(crate) sysroot: PathBuf,
    /// The target's standard library is there, compiled.
    pub(crate) has_target: bool,
    /// The standard library's sources are there.
    pub(crate) has_sources: bool,
    /// A linker for the target.
    pub(crate) linker: Option<PathBuf>,
}

/// What matters of a Debian.
#[derive(Debug, Clone)]
pub(crate) struct Debian {
    /// We may install packages.
    pub(crate) is_root: bool,
    /// The Rust of its packages.
    pub(crate) rust: Option<Rust>,
}

impl Machine {
    pub(crate) fn look() -> Self {
        Self {
            active: Rust::look(Path::new("rustc")),
            rustup: exists("rustup"),
            debian: is_debian().then(Debian::look),
        }
    }
}

impl Rust {
    /// `None` where there is none, or none that answers.
    fn look(rustc: &Path) -> Option<Self> {
        let verbose = ask(Command::new(rustc).arg("-vV")).ok()?;
        let sysroot = PathBuf::from(ask(Command::new(rustc).args(["--print", "sysroot"])).ok()?);
        let field = |name: &str| verbose.lines().find_map(|line| line.strip_prefix(name));
        let rustlib = sysroot.join("lib/rustlib");
        let linker = rustlib.join(field("host: ")?).join("bin/rust-lld");
        Some(Self {
            version: field("release: ")?.parse().ok()?,
            has_target: has_library(&rustlib.join(TARGET).join("lib"), "libstd-"),
            has_sources: rustlib.join("src/rust/library/std/Cargo.toml").is_file(),
            linker: linker.is_file().then_some(linker),
            sysroot,
        })
    }
}

impl Debian {
    fn look() -> Self {
        let is_packaged = Path::new(DEBIAN_RUSTC).is_file() && Path::new(DEBIAN_CARGO).is_file();
        Self {
            is_root: is_root(),
            rust: is_packaged
                .then(|| Rust::look(Path::new(DEBIAN_RUSTC)))
                .flatten()
                .map(|rust| Rust { linker: rust.linker.or_else(llvm_linker), ..rust }),
        }
    }
}

fn has_library(folder: &Path, prefix: &str) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
}

fn is_debian() -> bool {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    release.lines().any(|line| line == "ID=debian") && exists("apt-get")
}

#[cfg(unix)]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

/// Debian's own `rust-lld` points to LLVM's, which is a package of its own.
fn llvm_linker() -> Option<PathBuf> {
    let path = Path::new("/usr/bin/rust-lld");
    path.is_file().then(|| path.to_path_buf())
}
