//! Tests of the whole store through its public face.

mod conformance;
mod crash;
mod damage;
mod full_disk;
mod golden;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod power_cut;

use std::path::Path;

use tempfile::TempDir;

use crate::{EmbeddedStore, OpenOptions, StoreError};

/// Opens a data folder as a server does.
fn open(path: &Path) -> Result<EmbeddedStore, StoreError> {
    EmbeddedStore::open(&OpenOptions::new(path))
}

/// A store in a folder of its own, which is gone with the second value.
fn fresh() -> (EmbeddedStore, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (open(folder.path()).unwrap(), folder)
}
