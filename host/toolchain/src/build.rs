//! From a step's crate to its component.

use std::io::{self, Write};
use std::path::{self, Path, PathBuf};
use std::process::Command;
use std::{env, fmt, fs};

use semver::Version;
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

use crate::TARGET;
use crate::command::{self, CommandError};
use crate::crate_info::CrateInfo;
use crate::progress::Progress;
use crate::sdk::{self, SdkError};
use crate::toolchain::Toolchain;

/// A step, ready to be published.
#[derive(Clone)]
#[non_exhaustive]
pub struct Component {
    /// Its file.
    pub path: PathBuf,
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// The crate's name, which the SDK makes the step's.
    pub name: String,
    /// The crate's version, which the SDK makes the step's.
    pub version: Version,
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, bytes, name, version } = self;
        write!(f, "{name}@{version} ({} bytes in {})", bytes.len(), path.display())
    }
}

/// How to build.
#[derive(Debug, Clone, Default)]
pub struct BuildOptions {
    /// Where cargo builds; by default `guests` in `$CARGO_TARGET_DIR`, or else the crate's own target folder. Steps that share one
    /// folder share their dependencies' compiled code.
    pub target_dir: Option<PathBuf>,
}

/// Why a crate did not become a component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is nothing to build.
    #[error("{} is no step's folder: it has no Cargo.toml with a package", path.display())]
    NoCrate {
        /// The folder.
        path: PathBuf,
    },
    /// The crate makes no module.
    #[error("{} makes no component: add `crate-type = [\"cdylib\"]` to its `[lib]` section", manifest.display())]
    NoModule {
        /// The crate's manifest.
        manifest: PathBuf,
    },
    /// Cargo spoke in a way that we do not understand.
    #[error("cannot read what `cargo metadata` says of {}: {source}", manifest.display())]
    Metadata {
        /// The crate's manifest.
        manifest: PathBuf,
        /// Where it is not understood.
        source: serde_json::Error,
    },
    /// Cargo failed: most often the step does not compile.
    #[error(transparent)]
    Cargo(#[from] CommandError),
    /// The SDK that the crate refers to cannot be put in its place.
    #[error(transparent)]
    Sdk(#[from] SdkError),
    /// The module is not a step's.
    #[error("{} exports no step: put `#[stepwell_sdk::step]` on one function of the crate", manifest.display())]
    NoStep {
        /// The crate's manifest.
        manifest: PathBuf,
    },
    /// The module cannot be made a component.
    #[error("{} cannot become a component: {reason}", module.display())]
    Encode {
        /// The module.
        module: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Why `cargo test` did not succeed.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct TestError(#[from] CommandError);

/// Compiles a step and makes a component of it: `components/<name>.wasm` in the target folder.
///
/// Builds that share a target folder wait for each other at cargo's own lock.
///
/// # Errors
///
/// When the folder holds no step or it does not compile; the error repeats the compiler's last lines.
pub fn build(
    toolchain: &Toolchain,
    crate_dir: &Path,
    options: &BuildOptions,
    progress: &mut dyn Progress,
) -> Result<Component, BuildError> {
    let info = CrateInfo::read(crate_dir)?;
    sdk::refresh_for(&info.manifest)?;
    let target_dir = options.target_dir.clone().or_else(shared_by_environment).unwrap_or(info.target_dir);
    // Cargo runs in another folder than we do.
    let target_dir =
        path::absolute(&target_dir).map_err(|source| BuildError::File { path: target_dir, source })?;

    progress.doing(&format!("compiling the step {} {}", info.name, info.version));
    // In the crate's own folder, so that its `rust-toolchain.toml` and `.cargo` count.
    let mut cargo = toolchain.cargo_build();
    cargo.current_dir(crate_dir).arg("--manifest-path").arg(&info.manifest);
    cargo.arg("--target-dir").arg(&target_dir);
    command::run(&mut cargo, None, progress)?;

    let module = target_dir.join(TARGET).join("release").join(&info.module);
    let core = fs::read(&module).map_err(|source| BuildError::File { path: module.clone(), source })?;
    if !names_its_world(&core) {
        return Err(BuildError::NoStep { manifest: info.manifest });
    }
    let bytes = encode(&core).map_err(|reason| BuildError::Encode { module, reason })?;
    let path = target_dir.join("components").join(format!("{}.wasm", info.name));
    write_whole(&path, &bytes)?;
    Ok(Component { path, bytes, name: info.name, version: info.version })
}

/// Runs a step's own tests, on this machine and not in a sandbox.
///
/// # Errors
///
/// When a test fails or the crate does not compile; the error repeats the last lines.
pub fn test(crate_dir: &Path, progress: &mut dyn Progress) -> Result<(), TestError> {
    progress.doing(&format!("testing {}", crate_dir.display()));
    Ok(command::run(Command::new("cargo").arg("test").current_dir(crate_dir), None, progress)?)
}

/// Where the steps of a repository are built together: `guests` in `$CARGO_TARGET_DIR` or in the repository's target folder.
#[must_use]
pub fn shared_target_dir(repository: &Path) -> PathBuf {
    shared_by_environment().unwrap_or_else(|| repository.join("target/guests"))
}

fn shared_by_environment() -> Option<PathBuf> {
    env::var_os("CARGO_TARGET_DIR").map(|folder| Path::new(&folder).join("guests"))
}

/// The SDK's bindings leave their WIT in a section of the module; without it there is nothing to encode by.
fn names_its_world(module: &[u8]) -> bool {
    Parser::new(0).parse_all(module).any(|payload| match payload {
        Ok(Payload::CustomSection(section)) => section.name().starts_with("component-type"),
        _ => false,
    })
}

fn encode(module: &[u8]) -> Result<Vec<u8>, String> {
    let encoded =
        ComponentEncoder::default().validate(true).module(module).and_then(|encoder| encoder.encode());
    encoded.map_err(|error| format!("{error:#}"))
}

/// A reader sees the old file or the new one, never half of it.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let write = || {
        fs::create_dir_all(folder)?;
        let mut file = readable_by_all().tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|source| BuildError::File { path: path.into(), source })
}

/// A component is no secret, and a server of another user may publish it.
fn readable_by_all<'a, 'b>() -> tempfile::Builder<'a, 'b> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}
