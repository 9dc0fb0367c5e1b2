//! What cargo knows of a step's crate, before anything is compiled.

use std::path::{Path, PathBuf};
use std::process::Command;

use semver::Version;
use serde::Deserialize;

use crate::build::BuildError;
use crate::command;

/// A crate that makes a step.
#[derive(Debug)]
pub(crate) struct CrateInfo {
    pub(crate) manifest: PathBuf,
    pub(crate) name: String,
    pub(crate) version: Version,
    /// The compiled module's file name.
    pub(crate) module: String,
    /// Where cargo builds by default.
    pub(crate) target_dir: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: Version,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

impl CrateInfo {
    pub(crate) fn read(crate_dir: &Path) -> Result<Self, BuildError> {
        let manifest = crate_dir.join("Cargo.toml");
        let manifest = manifest.canonicalize().map_err(|_| BuildError::NoCrate { path: crate_dir.into() })?;
        let mut cargo = Command::new("cargo");
        cargo.args(["metadata", "--no-deps", "--format-version=1", "--manifest-path"]).arg(&manifest);
        let metadata: Metadata = serde_json::from_str(&command::ask(&mut cargo)?)
            .map_err(|source| BuildError::Metadata { manifest: manifest.clone(), source })?;
        let is_ours = |package: &Package| package.manifest_path == manifest;
        let Some(package) = metadata.packages.into_iter().find(is_ours) else {
            return Err(BuildError::NoCrate { path: crate_dir.into() });
        };
        let is_module = |target: &&Target| target.crate_types.iter().any(|kind| kind == "cdylib");
        let Some(library) = package.targets.iter().find(is_module) else {
            return Err(BuildError::NoModule { manifest });
        };
        Ok(Self {
            module: format!("{}.wasm", library.name.replace('-', "_")),
            manifest,
            name: package.name,
            version: package.version,
            target_dir: metadata.target_directory,
        })
    }
}
