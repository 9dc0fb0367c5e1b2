//! What an operator sets: every key with its default, in one place.
//!
//! The layers, each over the one before: the defaults here, one TOML file, the environment, the command line
//! ([`Overrides`]). How they are put together is `layers`' to know; what a key does is its owner's.
//! `docs/configuration.md` is this page for readers without the source.

mod flow;
mod layers;
mod retention;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use stepwell_core::destination::Destination;
use stepwell_core::id::SinkName;
use stepwell_core::limits::Limits;
use stepwell_core::wildcard::Wildcard;
use stepwell_store::{BlobLocation, BlobUrlError};

pub(crate) use flow::policies;
pub use flow::{BreakerChanges, BreakerChoice, BreakerConfig, DestinationConfig};
pub use layers::{ConfigError, Overrides};

/// The shortest admin key that is accepted, in characters.
pub const MIN_ADMIN_KEY_LENGTH: usize = 16;

/// Where a server listens, and a client looks, unless told otherwise.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7700);

/// Everything that an operator can set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The folder that holds everything the server remembers.
    pub data: PathBuf,
    /// The first API key, instead of a generated one. Never printed.
    #[serde(skip_serializing)]
    pub admin_key: Option<SecretString>,
    /// The key that secrets are encrypted with, instead of the key file in the data folder: base64 of 32 bytes. From the
    /// environment alone (`STEPWELL_MASTER_KEY`), so that it never lies beside the data.
    #[serde(skip)]
    pub master_key: Option<SecretString>,
    /// What attempts may use.
    pub limits: LimitsConfig,
    /// Where steps may connect to.
    pub network: NetworkConfig,
    /// What happens to destinations that fail.
    pub breaker: BreakerConfig,
    /// What holds for some destinations.
    pub destinations: BTreeMap<Destination, DestinationConfig>,
    /// The HTTP API.
    pub http: HttpConfig,
    /// The engine.
    pub engine: EngineSection,
    /// The data folder.
    pub store: StoreConfig,
    /// Values that are not JSON.
    pub blobs: BlobsConfig,
    /// The server's own log.
    pub log: LogConfig,
    /// Where the events that workflows emit are sent.
    pub event_sinks: Vec<EventSinkConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: DEFAULT_LISTEN,
            data: PathBuf::from("stepwell-data"),
            admin_key: None,
            master_key: None,
            limits: LimitsConfig::default(),
            network: NetworkConfig::default(),
            breaker: BreakerConfig::default(),
            destinations: BTreeMap::new(),
            http: HttpConfig::default(),
            engine: EngineSection::default(),
            store: StoreConfig::default(),
            blobs: BlobsConfig::default(),
            log: LogConfig::default(),
            event_sinks: Vec::new(),
        }
    }
}

/// `[[event_sinks]]`: where the events that workflows emit are sent, as CloudEvents 1.0 over HTTP.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventSinkConfig {
    /// Its name: events that wait for a sink are kept under it.
    pub name: SinkName,
    /// Where events are posted.
    pub url: String,
    /// Sent along as `Authorization: Bearer`. Never printed.
    #[serde(default, skip_serializing)]
    pub token: Option<SecretString>,
    /// The types of the events that are sent, each perhaps with a `*` at its end.
    #[serde(default = "every_type")]
    pub types: Vec<Wildcard>,
    /// How an event is put into a request.
    #[serde(default)]
    pub mode: EventMode,
}

fn every_type() -> Vec<Wildcard> {
    Wildcard::try_from("*".to_owned()).into_iter().collect()
}

/// How an event is put into a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventMode {
    /// The body is the event.
    #[default]
    Structured,
    /// The body is the event's data, and headers are its attributes.
    Binary,
}

/// `[blobs]`: values that are not JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlobsConfig {
    /// Where their bytes are kept: `s3://bucket/prefix`, `gs://...`, `az://...` or `file:///...`. Empty: in the data folder.
    pub url: String,
    /// The largest blob.
    pub max_bytes: u64,
    /// How long a blob is kept that no run and no workflow names; none: for ever, written `"forever"`.
    #[serde(with = "retention")]
    pub keep_unused: Option<Duration>,
}

impl Default for BlobsConfig {
    fn default() -> Self {
        Self { url: String::new(), max_bytes: 1 << 30, keep_unused: Some(Duration::from_secs(24 * 3600)) }
    }
}

impl BlobsConfig {
    /// Where their bytes are kept.
    pub(crate) fn location(&self, data: &Path) -> Result<BlobLocation, BlobUrlError> {
        match self.url.as_str() {
            "" => Ok(BlobLocation::Folder(data.join("blobs"))),
            url => url.parse(),
        }
    }
}

/// `[limits]`: what attempts may use.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// The most that a node of a workflow may set for itself.
    pub ceiling: Limits,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { ceiling: Limits::default_ceiling() }
    }
}

/// `[network]`: the outer bound of every HTTP grant.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// Private, loopback and other special networks that steps may reach all the same, such as `10.1.0.0/16`.
    pub allow_networks: Vec<ipnet::IpNet>,
    /// The only hosts that steps may reach, written as in a grant; empty for all.
    pub allow_hosts: Vec<stepwell_sandbox::HostPattern>,
    /// Where requests toward some hosts are sent instead.
    pub routes: BTreeMap<stepwell_sandbox::HostPattern, stepwell_sandbox::Route>,
}

/// `[http]`: the HTTP API.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// The largest JSON or YAML body, and with it the largest input of a run.
    pub max_json_bytes: usize,
    /// The largest component that can be published.
    pub max_component_bytes: usize,
    /// The longest that `Prefer: wait` makes a call wait.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub max_wait: Duration,
    /// Whether `/metrics` needs no API key.
    pub metrics_open: bool,
    /// How others reach this server, such as `https://stepwell.example.com`: callbacks' URLs begin with it. None: `http://` and the
    /// address that it listens at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            max_json_bytes: 1 << 20,
            max_component_bytes: 64 << 20,
            max_wait: Duration::from_secs(60),
            metrics_open: false,
            public_url: None,
        }
    }
}

/// `[engine]`: how much runs at once, and how it stops.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineSection {
    /// Attempts that run at the same time; more of them queue.
    pub max_live_attempts: usize,
    /// How long an `Idempotency-Key` is remembered.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub idempotency_ttl: Duration,
    /// How long runs that have ended are kept; none: for ever, written `"forever"`.
    #[serde(with = "retention")]
    pub retention: Option<Duration>,
    /// Keys that a workflow's state may have.
    pub max_state_keys: usize,
    /// How long attempts in flight may go on once the server is told to stop.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub shutdown_grace: Duration,
}

impl Default for EngineSection {
    fn default() -> Self {
        Self {
            max_live_attempts: 512,
            idempotency_ttl: Duration::from_secs(24 * 3600),
            retention: None,
            max_state_keys: 100_000,
            shutdown_grace: Duration::from_secs(10),
        }
    }
}

/// `[store]`: the data folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Bytes of the disk that are kept back for running work: no new run is accepted once they are touched.
    pub reserve_bytes: u64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { reserve_bytes: 64 << 20 }
    }
}

/// `[log]`: the server's own log, on stderr.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug` or `trace`, also by part: `info,stepwell_sandbox=debug`.
    pub level: String,
    /// For people or for programs.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}
