//! Starts and stops the server: binds the port, opens the rooms below, serves, and closes in order.
//!
//! Prints nothing: what a person or a script is shown at a start is the command line's to say.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt as _;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use stepwell_core::id::TenantId;
use stepwell_engine::{BlobConfig, Engine, EngineConfig, EngineError};
use stepwell_sandbox::{NetworkPolicy, Sandbox, SandboxConfig, SandboxError};
use stepwell_store::{BlobUrlError, Blobs, EmbeddedStore, OpenOptions, StoreError};

use crate::api::{self, App};
use crate::auth::Keys;
use crate::config::{Config, policies};
use crate::sinks;
use crate::telemetry::{self, TelemetryError};

/// Below the data folder: code that was compiled from the components.
const COMPILED: &str = "compiled";
/// Instances beside those of attempts: a component that is published is asked what it is.
const INSTANCES_FOR_PUBLISHING: usize = 8;
/// How long the last answers may take to leave, once nothing runs any more.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another process listens there.
    #[error(
        "the port of {address} is in use by another process: stop it, or choose another with --listen (port 0 takes a free one)"
    )]
    PortInUse {
        /// Where the server was to listen.
        address: SocketAddr,
    },
    /// The operating system does not let this user listen there.
    #[error("this user may not listen on {address}: choose a port of 1024 or above with --listen")]
    PortForbidden {
        /// Where the server was to listen.
        address: SocketAddr,
    },
    /// The address cannot be listened on for another reason.
    #[error("cannot listen on {address}: {why}; choose another address with --listen")]
    Listen {
        /// Where the server was to listen.
        address: SocketAddr,
        /// What the system said.
        why: io::Error,
    },
    /// The data folder cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such place for blobs.
    #[error("`blobs.url`: {0}")]
    BlobUrl(#[from] BlobUrlError),
    /// The sandbox cannot be set up.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The client of the event sinks cannot be set up.
    #[error("cannot set up HTTP for the event sinks: {0}")]
    Sinks(reqwest::Error),
    /// The engine cannot go on with what is stored.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The metrics cannot be recorded.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
}

/// A server that is bound and can serve.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    engine: Engine,
    metrics: PrometheusHandle,
    closing: CancellationToken,
    shutdown_grace: Duration,
    generated_admin_key: Option<SecretString>,
}

/// Binds the port and opens the data folder, the sandbox and the engine.
pub async fn start(config: Config) -> Result<Server, ServeError> {
    let metrics = telemetry::metrics()?;
    // The cheapest thing that can be wrong comes first, and leaves no data folder behind.
    let (listener, address) = bind(config.listen).await?;
    let store = open_store(&config).await?;
    let sandbox = Arc::new(Sandbox::new(sandbox_config(&config))?);
    let blobs = open_blobs(&config, store.id()).await?;
    let engine_config = engine_config(&config, address, blobs)?;
    let engine = Engine::open(engine_config, store.catalogue(), store.journal(), sandbox).await?;
    let (keys, generated_admin_key) =
        Keys::open(engine.catalogue(), &TenantId::default(), config.admin_key.as_ref()).await?;

    let closing = CancellationToken::new();
    let router = api::router(App::new(api::Parts {
        engine: engine.clone(),
        keys,
        http: config.http,
        metrics: metrics.clone(),
        closing: closing.clone(),
    }));
    let shutdown_grace = config.engine.shutdown_grace;
    Ok(Server { listener, address, router, engine, metrics, closing, shutdown_grace, generated_admin_key })
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The API key that was made because this is the data folder's first start: shown once, kept nowhere.
    #[must_use]
    pub fn generated_admin_key(&self) -> Option<&str> {
        self.generated_admin_key.as_ref().map(ExposeSecret::expose_secret)
    }

    /// Serves until `shutdown` resolves. Then nothing new is started, what is in flight gets the configured grace, and
    /// what has not ended by then goes on at the next start.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let upkeep = tokio::spawn(telemetry::keep(self.metrics));
        let serving = serve(self.listener, self.router, self.closing.clone());
        shutdown.await;

        tracing::info!(grace = ?self.shutdown_grace, "stopping");
        self.closing.cancel();
        self.engine.shutdown(self.shutdown_grace).await;
        let connections = serving.abort_handle();
        if tokio::time::timeout(LAST_ANSWERS, serving).await.is_err() {
            tracing::info!("connections that were still open are closed");
            connections.abort();
        }
        upkeep.abort();
        Ok(())
    }
}

/// Accepts connections until `closing`, then waits for those that are open.
fn serve(listener: TcpListener, router: Router, closing: CancellationToken) -> JoinHandle<io::Result<()>> {
    let listener = listener.tap_io(|connection| {
        // An answer is one small write: it must not wait for the acknowledgement of the one before.
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
    });
    let serving = axum::serve(listener, router).with_graceful_shutdown(closing.cancelled_owned());
    tokio::spawn(serving.into_future())
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |why: io::Error| match why.kind() {
        ErrorKind::AddrInUse => ServeError::PortInUse { address },
        ErrorKind::PermissionDenied => ServeError::PortForbidden { address },
        _ => ServeError::Listen { address, why },
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

async fn open_store(config: &Config) -> Result<EmbeddedStore, StoreError> {
    let options = OpenOptions {
        path: config.data.clone(),
        master_key: config.master_key.clone(),
        reserve_bytes: config.store.reserve_bytes,
    };
    let opened = tokio::task::spawn_blocking(move || EmbeddedStore::open(&options)).await;
    opened.unwrap_or_else(|panic| {
        Err(StoreError::Corrupt {
            what: "the store".to_owned(),
            why: format!("opening it panicked: {panic}"),
        })
    })
}

fn sandbox_config(config: &Config) -> SandboxConfig {
    let max_live = config.engine.max_live_attempts.saturating_add(INSTANCES_FOR_PUBLISHING);
    SandboxConfig {
        cache_dir: config.data.join(COMPILED),
        max_live: u32::try_from(max_live).unwrap_or(u32::MAX),
        ceiling: config.limits.ceiling,
        network: NetworkPolicy {
            allow_networks: config.network.allow_networks.clone(),
            allow_hosts: config.network.allow_hosts.clone(),
            routes: config.network.routes.clone(),
        },
        max_component_bytes: config.http.max_component_bytes,
        ..SandboxConfig::default()
    }
}

async fn open_blobs(config: &Config, owner: Uuid) -> Result<BlobConfig, ServeError> {
    let location = config.blobs.location(&config.data)?;
    let store = Blobs::open(&location, config.blobs.max_bytes, owner).await?;
    Ok(BlobConfig { store, keep_unused: config.blobs.keep_unused })
}

fn engine_config(
    config: &Config,
    address: SocketAddr,
    blobs: BlobConfig,
) -> Result<EngineConfig, ServeError> {
    let public_url = config.http.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
    Ok(EngineConfig {
        max_live_attempts: config.engine.max_live_attempts,
        idempotency_ttl: config.engine.idempotency_ttl,
        retention: config.engine.retention,
        max_state_keys: config.engine.max_state_keys,
        max_input_bytes: config.http.max_json_bytes,
        ceiling: config.limits.ceiling,
        public_url: public_url.into(),
        flow: policies(&config.breaker, &config.destinations),
        sinks: sinks::open(&config.event_sinks).map_err(ServeError::Sinks)?,
        blobs,
        ..EngineConfig::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_named_with_the_mend() {
        let (_held, address) = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let error = bind(address).await.unwrap_err();
        assert!(matches!(error, ServeError::PortInUse { .. }), "{error}");
        let words = error.to_string();
        assert!(words.contains(&address.to_string()) && words.contains("--listen"), "{words}");
    }
}
