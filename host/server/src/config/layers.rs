//! Puts the layers of the configuration together: defaults, file, environment, command line.
//!
//! All layers but the last are TOML tables that are merged before anything is read out of them, so that a key set
//! in one layer never resets its neighbours. Each layer is checked by itself first: an error names the file's line
//! or the variable, not the sum of everything.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize as _;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use stepwell_core::id::SinkName;
use stepwell_core::spelling::nearest;
use stepwell_store::BlobUrlError;

use super::{Config, EventSinkConfig, LogFormat, MIN_ADMIN_KEY_LENGTH};

/// The file that is read if no other is named and it is there.
const DEFAULT_FILE: &str = "stepwell.toml";
/// What the name of every variable starts with.
const PREFIX: &str = "STEPWELL_";

/// What the command line sets: the outermost layer.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Overrides {
    /// The configuration file [env: STEPWELL_CONFIG] [default: ./stepwell.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The address to listen on; port 0 takes a free one [env: STEPWELL_LISTEN] [default: 127.0.0.1:7700]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// The folder that holds everything the server remembers [env: STEPWELL_DATA] [default: stepwell-data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// How much the server logs: error, warn, info, debug or trace [env: STEPWELL_LOG_LEVEL] [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// How log lines look [env: STEPWELL_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file `{}`: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// The file is no TOML, or a value in it is of the wrong type.
    #[error("the configuration file `{}` does not fit: {why}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Where, and what is wrong.
        why: toml::de::Error,
    },
    /// The file sets keys that do not exist.
    #[error("the configuration file `{}` sets what does not exist: {}", path.display(), list(keys))]
    UnknownKeys {
        /// The file.
        path: PathBuf,
        /// Every unknown key.
        keys: Vec<UnknownKey>,
    },
    /// A variable's value does not fit.
    #[error("the environment variable {variable} does not fit: {why}")]
    Variable {
        /// Its name.
        variable: String,
        /// What is wrong.
        why: String,
    },
    /// The admin key could be guessed.
    #[error(
        "the admin key (STEPWELL_ADMIN_KEY) is shorter than {MIN_ADMIN_KEY_LENGTH} characters: take a longer one"
    )]
    WeakAdminKey,
    /// A repeated start could be answered with a run that is gone.
    #[error(
        "`engine.retention` is shorter than `engine.idempotency_ttl`: a start that is repeated would be answered with a run that is \
         gone. Keep runs for longer, or their keys for less long"
    )]
    ShortRetention,
    /// Blobs cannot be kept there.
    #[error("`blobs.url`: {0}")]
    BlobUrl(#[from] BlobUrlError),
    /// A blob would be removed before a run can name it.
    #[error("`blobs.keep_unused` is shorter than a second: a blob would be removed before a run can name it")]
    ShortKeepUnused,
    /// An event sink cannot be.
    #[error("the event sink `{name}` cannot be used: {why}")]
    EventSink {
        /// Its name.
        name: SinkName,
        /// What is wrong.
        why: String,
    },
}

/// A key that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKey {
    /// The whole key, `http.max_wait`.
    pub key: String,
    /// The file's line, from 1.
    pub line: usize,
    /// The known key that looks most like it.
    pub nearest: Option<String>,
}

impl std::fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` (line {}", self.key, self.line)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; did you mean `{nearest}`?)"),
            None => f.write_str(")"),
        }
    }
}

fn list(keys: &[UnknownKey]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Config {
    /// Reads every layer: the file, this process's environment, and what the command line set.
    pub fn load(overrides: &Overrides) -> Result<Self, ConfigError> {
        Self::load_from(overrides, &|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn load_from(
        overrides: &Overrides,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let mut table = known_keys();
        if let Some(path) = config_file(overrides, environment) {
            merge(&mut table, read_file(&path)?);
        }
        merge_environment(&mut table, environment)?;

        let mut config = Self::deserialize(table).map_err(|error| ConfigError::Variable {
            variable: format!("{PREFIX}*"),
            why: error.message().to_owned(),
        })?;
        config.master_key = environment("STEPWELL_MASTER_KEY").map(Into::into);
        config.apply(overrides);
        config.check()?;
        Ok(config)
    }

    fn apply(&mut self, overrides: &Overrides) {
        let Overrides { config: _, listen, data, log_level, log_format } = overrides.clone();
        self.listen = listen.unwrap_or(self.listen);
        self.log.format = log_format.unwrap_or(self.log.format);
        if let Some(data) = data {
            self.data = data;
        }
        if let Some(level) = log_level {
            self.log.level = level;
        }
    }

    fn check(&mut self) -> Result<(), ConfigError> {
        use secrecy::ExposeSecret as _;
        // An empty text is the same as none: that is how the default is written among the known keys.
        self.admin_key.take_if(|key| key.expose_secret().is_empty());
        self.http.public_url.take_if(|url| url.is_empty());
        match &self.admin_key {
            Some(key) if key.expose_secret().chars().count() < MIN_ADMIN_KEY_LENGTH => {
                return Err(ConfigError::WeakAdminKey);
            }
            _ if self.engine.retention.is_some_and(|kept| kept < self.engine.idempotency_ttl) => {
                return Err(ConfigError::ShortRetention);
            }
            _ if self.blobs.keep_unused.is_some_and(|kept| kept < Duration::from_secs(1)) => {
                return Err(ConfigError::ShortKeepUnused);
            }
            _ => {}
        }
        self.blobs.location(&self.data)?;
        self.event_sinks.iter().enumerate().try_for_each(|(at, sink)| {
            let twice = self.event_sinks[..at].iter().any(|other| other.name == sink.name);
            let why = if twice { Some("another one has this name".to_owned()) } else { what_is_wrong(sink) };
            why.map_or(Ok(()), |why| Err(ConfigError::EventSink { name: sink.name.clone(), why }))
        })
    }

    /// The configuration as TOML, without its secrets.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(&self.to_table()).unwrap_or_default()
    }

    #[expect(clippy::expect_used, reason = "every field is a table, an array, a text or a number")]
    fn to_table(&self) -> Table {
        Table::try_from(self).expect("a configuration is TOML")
    }
}

fn what_is_wrong(sink: &EventSinkConfig) -> Option<String> {
    match url::Url::parse(&sink.url) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            Some(format!("its `url` is of the scheme `{}`, and only http and https are spoken", url.scheme()))
        }
        Ok(_) if sink.types.is_empty() => {
            Some("its `types` are an empty list: leave them out to have all events sent".to_owned())
        }
        Ok(_) => None,
        Err(error) => Some(format!("its `url` is none: {error}")),
    }
}

/// Every key that can be set, with its default: the innermost layer, and the list of what is known.
fn known_keys() -> Table {
    let mut table = Config::default().to_table();
    // Those without a default: empty is the same as none.
    table.insert("admin_key".to_owned(), Value::String(String::new()));
    if let Some(Value::Table(http)) = table.get_mut("http") {
        http.insert("public_url".to_owned(), Value::String(String::new()));
    }
    table
}

/// Stands for the names that are the operator's own: below it is what may be set for each.
const ANY: &str = "*";

/// Every key that a file can set: those that are known, and what may stand below names of the operator's own.
fn keys_of_a_file() -> Table {
    let mut table = known_keys();
    let changes = ["failures", "open_for", "cap"].map(|key| (key.to_owned(), Value::String(String::new())));
    let one = Table::from_iter([
        ("breaker".to_owned(), Value::Table(Table::from_iter(changes))),
        ("rate".to_owned(), Value::String(String::new())),
        ("burst".to_owned(), Value::Integer(0)),
    ]);
    let each = Table::from_iter([(ANY.to_owned(), Value::Table(one))]);
    table.insert("destinations".to_owned(), Value::Table(each));
    let routes = Table::from_iter([(ANY.to_owned(), Value::String(String::new()))]);
    if let Some(Value::Table(network)) = table.get_mut("network") {
        network.insert("routes".to_owned(), Value::Table(routes));
    }
    table
}

fn config_file(overrides: &Overrides, environment: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let named = overrides.config.clone().or_else(|| environment("STEPWELL_CONFIG").map(PathBuf::from));
    named.or_else(|| Path::new(DEFAULT_FILE).exists().then(|| PathBuf::from(DEFAULT_FILE)))
}

fn read_file(path: &Path) -> Result<Table, ConfigError> {
    let path = path.to_owned();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(why) => return Err(ConfigError::Unreadable { path, why }),
    };
    check_file(&path, &text)?;
    toml::from_str(&text).map_err(|why| ConfigError::Invalid { path, why })
}

/// Unknown keys first, all of them; then whether each value is of its key's type.
fn check_file(path: &Path, text: &str) -> Result<(), ConfigError> {
    let invalid = |why| ConfigError::Invalid { path: path.to_owned(), why };
    let spanned = DeTable::parse(text).map_err(invalid)?;
    let mut keys = Vec::new();
    collect_unknown(spanned.get_ref(), &keys_of_a_file(), "", text, &mut keys);
    if !keys.is_empty() {
        keys.sort_by_key(|unknown: &UnknownKey| unknown.line);
        return Err(ConfigError::UnknownKeys { path: path.to_owned(), keys });
    }
    toml::from_str::<Config>(text).map(drop).map_err(invalid)
}

fn collect_unknown(given: &DeTable<'_>, known: &Table, prefix: &str, text: &str, out: &mut Vec<UnknownKey>) {
    for (key, value) in given {
        let name = key.get_ref().as_ref();
        match (known.get(name).or_else(|| known.get(ANY)), value.get_ref()) {
            (Some(Value::Table(known)), DeValue::Table(given)) => {
                collect_unknown(given, known, &format!("{prefix}{name}."), text, out);
            }
            (Some(_), _) => {}
            (None, _) => out.push(UnknownKey {
                key: format!("{prefix}{name}"),
                line: line_of(key, text),
                nearest: nearest(name, &known_names(known)).map(|near| format!("{prefix}{near}")),
            }),
        }
    }
}

fn known_names(known: &Table) -> Vec<&str> {
    known.keys().map(String::as_str).collect()
}

fn line_of<T>(key: &Spanned<T>, text: &str) -> usize {
    text[..key.span().start].matches('\n').count() + 1
}

fn merge(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(under)), Value::Table(over)) => merge(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

/// `STEPWELL_HTTP_MAX_WAIT` sets `http.max_wait`, and so for every key. Variables that name no key are left alone:
/// Kubernetes sets some of its own for a service called `stepwell`.
fn merge_environment(
    table: &mut Table,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<(), ConfigError> {
    let mut paths = Vec::new();
    collect_paths(table, &mut Vec::new(), &mut paths);
    for path in paths {
        let variable = format!("{PREFIX}{}", path.join("_").to_uppercase());
        let Some(text) = environment(&variable) else { continue };
        set(table, &path, |old| parse_as(old, &text))
            .and_then(|()| {
                Config::deserialize(table.clone()).map(drop).map_err(|error| error.message().to_owned())
            })
            .map_err(|why| ConfigError::Variable { variable, why })?;
    }
    Ok(())
}

fn collect_paths(table: &Table, prefix: &mut Vec<String>, out: &mut Vec<Vec<String>>) {
    for (key, value) in table {
        prefix.push(key.clone());
        match value {
            Value::Table(inner) => collect_paths(inner, prefix, out),
            _ => out.push(prefix.clone()),
        }
        prefix.pop();
    }
}

fn set(
    table: &mut Table,
    path: &[String],
    new: impl FnOnce(&Value) -> Result<Value, String>,
) -> Result<(), String> {
    match path {
        [key] => {
            if let Some(value) = table.get_mut(key) {
                *value = new(value)?;
            }
            Ok(())
        }
        [key, rest @ ..] => match table.get_mut(key) {
            Some(Value::Table(inner)) => set(inner, rest, new),
            _ => Ok(()),
        },
        [] => Ok(()),
    }
}

/// Reads a variable as what stands in its place: a number, a truth, a list with commas, or a text.
fn parse_as(old: &Value, text: &str) -> Result<Value, String> {
    match old {
        Value::Integer(_) => {
            text.parse().map(Value::Integer).map_err(|_| format!("`{text}` is not a whole number"))
        }
        Value::Boolean(_) => {
            text.parse().map(Value::Boolean).map_err(|_| format!("`{text}` is neither `true` nor `false`"))
        }
        Value::Array(_) => Ok(Value::Array(text.split(',').map(|item| item.trim().into()).collect())),
        _ => Ok(Value::String(text.to_owned())),
    }
}

#[cfg(test)]
mod tests;
