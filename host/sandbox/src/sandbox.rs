//! The sandbox's public face: publish and load. To run is [`crate::lives`]'s.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use stepwell_core::digest::Digest;
use stepwell_core::manifest::PublishedStep;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use wasmtime::Engine;

use crate::cache::{DiskCache, MemoryCache};
use crate::compiler::Compiler;
use crate::component::Imports;
use crate::config::SandboxConfig;
use crate::error::{PublishError, SandboxError};
use crate::http::HttpClient;
use crate::room::Rooms;
use crate::step::Step;
use crate::{describe, engine};

/// Runs steps, each attempt in an instance of its own. One for the whole process.
pub struct Sandbox {
    compiler: Arc<Compiler>,
    compilations: Arc<Semaphore>,
    compile_timeout: Duration,
    loaded: MemoryCache,
    http: Arc<HttpClient>,
    rooms: Rooms,
}

/// What the sandbox is doing right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxStats {
    /// Instances that live.
    pub live: u32,
    /// Instances that may live at the same time.
    pub max_live: u32,
    /// Attempts that wait for an answer without an instance.
    pub away: u32,
    /// Steps that are ready in memory.
    pub loaded: usize,
}

impl Sandbox {
    /// Sets up the engine, its pool and its cache.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        let engine = engine::build(config.max_live, &config.ceiling)?;
        let compiler = Compiler {
            linker: engine::linker(&engine)?,
            disk: DiskCache::open(config.cache_dir, &engine)?,
            max_component_bytes: config.max_component_bytes,
            engine,
        };
        let http = HttpClient::new(config.network).map_err(|error| SandboxError::Http(error.to_string()))?;
        let http = http.answered_by(config.stand_in);
        Ok(Self {
            compiler: Arc::new(compiler),
            compilations: Arc::new(Semaphore::new(config.compile_parallelism.max(1))),
            compile_timeout: config.compile_timeout,
            loaded: MemoryCache::new(config.max_loaded),
            http: Arc::new(http),
            rooms: Rooms::new(config.max_live, config.park_after),
        })
    }

    /// Checks a component that somebody wants to publish, compiles it, and asks it what it is.
    pub async fn publish(&self, component: Bytes) -> Result<PublishedStep, PublishError> {
        let size = component.len() as u64;
        let (step, imports) = self.compile_checked(component).await?;
        let manifest = describe::describe(&self.compiler.engine, &step, &self.rooms).await?;
        Ok(PublishedStep {
            manifest,
            digest: *step.digest(),
            imports: imports.names,
            effects: imports.effects,
            size,
        })
    }

    /// The step of this digest, if this machine has compiled it before; else its bytes are wanted: [`Self::compile`].
    pub async fn load(&self, digest: &Digest) -> Result<Option<Step>, SandboxError> {
        if let Some(step) = self.loaded.get(digest) {
            return Ok(Some(step));
        }
        let (compiler, digest) = (Arc::clone(&self.compiler), *digest);
        let loaded =
            spawn_blocking(move || compiler.load(&digest)).await.map_err(|_| SandboxError::Compiler)??;
        if let Some(step) = &loaded {
            self.loaded.put(step.clone());
        }
        Ok(loaded)
    }

    /// Compiles a component that was published.
    pub async fn compile(&self, component: Bytes) -> Result<Step, PublishError> {
        self.compile_checked(component).await.map(|(step, _)| step)
    }

    /// What the sandbox is doing right now.
    #[must_use]
    pub fn stats(&self) -> SandboxStats {
        SandboxStats {
            live: self.rooms.live(),
            max_live: self.rooms.max_live(),
            away: self.rooms.away(),
            loaded: self.loaded.len(),
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.compiler.engine
    }

    pub(crate) fn http(&self) -> Arc<HttpClient> {
        Arc::clone(&self.http)
    }

    pub(crate) fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    /// Compiles on a thread that may block, in its turn. A compilation that takes too long can't be stopped: it keeps
    /// its turn until it ends, so that not more are under way than may be.
    async fn compile_checked(&self, component: Bytes) -> Result<(Step, Imports), PublishError> {
        let turn = Arc::clone(&self.compilations).acquire_owned().await;
        let compiler = Arc::clone(&self.compiler);
        let compilation = spawn_blocking(move || {
            let _turn = turn;
            compiler.compile(&component)
        });
        let (step, imports) = timeout(self.compile_timeout, compilation)
            .await
            .map_err(|_| PublishError::CompileTimeout(self.compile_timeout))?
            .map_err(|_| SandboxError::Compiler)??;
        self.loaded.put(step.clone());
        Ok((step, imports))
    }
}
