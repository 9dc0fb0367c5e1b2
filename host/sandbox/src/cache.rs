//! Compiled steps, on disk and in memory, by the digest of the component they were compiled from.

use std::collections::HashMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use stepwell_core::digest::Digest;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::error::SandboxError;
use crate::step::Step;

/// The folder of compiled code. Only this process's user may enter it.
#[derive(Debug, Clone)]
pub(crate) struct DiskCache {
    folder: PathBuf,
    /// Of wasmtime's version and the engine's configuration: compiled code fits no other.
    engine_hash: u64,
}

impl DiskCache {
    pub(crate) fn open(folder: PathBuf, engine: &Engine) -> Result<Self, SandboxError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(at(&folder))?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self { folder, engine_hash: hasher.finish() })
    }

    /// The compiled component, if it is there and whole. What is damaged counts as absent, and is removed.
    pub(crate) fn load(&self, engine: &Engine, digest: &Digest) -> Result<Option<Component>, SandboxError> {
        let path = self.path(digest);
        if !path.try_exists().map_err(at(&path))? {
            return Ok(None);
        }
        match deserialize(engine, &path) {
            Ok(component) => Ok(Some(component)),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a compiled step is damaged and will be compiled again");
                remove(&path)?;
                Ok(None)
            }
        }
    }

    /// Keeps a compiled component: written whole and synced under another name first, so that no crash leaves half of it.
    pub(crate) fn store(&self, digest: &Digest, component: &Component) -> Result<(), SandboxError> {
        let path = self.path(digest);
        let code = component.serialize().map_err(SandboxError::Engine)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).map_err(at(&self.folder))?;
        file.write_all(&code).map_err(at(&path))?;
        file.as_file().sync_all().map_err(at(&path))?;
        file.persist(&path).map_err(|failed| at(&path)(failed.error))?;
        Ok(())
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{}-{:016x}.cwasm", digest.to_hex(), self.engine_hash))
    }
}

/// Maps compiled code into memory.
#[allow(unsafe_code, reason = "running code that was compiled earlier can't be checked by the compiler")]
fn deserialize(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file must be what `Component::serialize` wrote, unchanged while it is mapped. It is: the folder admits
    // only our own user; `DiskCache::store` alone writes to it, whole files that are renamed into place and never
    // written again; and the name carries the hash of the engine's version and configuration, which wasmtime checks too.
    unsafe { Component::deserialize_file(engine, path) }
}

fn remove(path: &Path) -> Result<(), SandboxError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> SandboxError {
    move |error| SandboxError::Cache { path: path.to_owned(), error }
}

/// The steps that were used last, ready to be instantiated. Every attempt asks for one: to be found is no change that others would
/// have to wait for.
pub(crate) struct MemoryCache {
    capacity: usize,
    steps: RwLock<HashMap<Digest, Recent>>,
    clock: AtomicU64,
}

struct Recent {
    step: Step,
    used: AtomicU64,
}

impl MemoryCache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, steps: RwLock::default(), clock: AtomicU64::new(0) }
    }

    pub(crate) fn get(&self, digest: &Digest) -> Option<Step> {
        let steps = self.steps.read().unwrap_or_else(PoisonError::into_inner);
        let recent = steps.get(digest)?;
        recent.used.store(self.tick(), Ordering::Relaxed);
        Some(recent.step.clone())
    }

    /// Adds a step; the one that was not used for the longest time makes room. Attempts that hold it go on.
    pub(crate) fn put(&self, step: Step) {
        let mut steps = self.steps.write().unwrap_or_else(PoisonError::into_inner);
        let used = AtomicU64::new(self.tick());
        steps.insert(*step.digest(), Recent { step, used });
        if steps.len() > self.capacity {
            let oldest = steps.iter().min_by_key(|(_, recent)| recent.used.load(Ordering::Relaxed));
            oldest.map(|(digest, _)| *digest).and_then(|digest| steps.remove(&digest));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.steps.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}
