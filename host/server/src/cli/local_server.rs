//! A server of a command's own: a child process on a free loopback port, with a data folder that goes when it goes.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rand::distr::{Alphanumeric, SampleString as _};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::{CliError, Client, Connection};

/// How long a server may take to be ready.
const START: Duration = Duration::from_secs(60);
/// How long a server may take to end.
const STOP: Duration = Duration::from_secs(20);

/// A running server of our own.
pub(crate) struct LocalServer {
    child: Child,
    connection: Connection,
    folder: TempDir,
}

impl LocalServer {
    /// Starts one that may reach this machine's loopback addresses: the stand-ins are there.
    pub(crate) async fn start() -> Result<Self, CliError> {
        Self::start_with("").await
    }

    /// The same, with these lines in its configuration as well.
    pub(crate) async fn start_with(more: &str) -> Result<Self, CliError> {
        let folder = tempfile::Builder::new()
            .prefix("stepwell-")
            .tempdir()
            .map_err(|source| CliError::failed("making a data folder", source))?;
        let config = configure(folder.path(), more)?;
        let key = Alphanumeric.sample_string(&mut rand::rng(), 40);
        let (child, url) = spawn(folder.path(), &config, &key).await?;
        Ok(Self { child, connection: Connection { url, key: Some(key) }, folder })
    }

    /// Starts it again over the same data, wherever it was stopped.
    pub(crate) async fn restart(&mut self) -> Result<(), CliError> {
        let config = self.folder.path().join("stepwell.toml");
        let key = self.connection.key.clone().unwrap_or_default();
        let (child, url) = spawn(self.folder.path(), &config, &key).await?;
        self.child = child;
        self.connection.url = url;
        Ok(())
    }

    /// Adds these lines to its configuration, for its next start.
    pub(crate) fn configure(&self, more: &str) -> Result<(), CliError> {
        configure(self.folder.path(), more).map(|_| ())
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn client(&self) -> Result<Client, CliError> {
        Client::new(&self.connection)
    }

    /// The process's id, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Where its data is.
    pub(crate) fn data(&self) -> PathBuf {
        data(self.folder.path())
    }

    /// Ends it as `kill -9` does.
    pub(crate) async fn kill(&mut self) -> Result<(), CliError> {
        self.child.kill().await.map_err(|source| CliError::failed("killing the server", source))
    }

    /// Lets it end what it does, then ends it.
    pub(crate) async fn stop(mut self) -> Result<(), CliError> {
        // Closing its standard input is how a child of ours is asked to end.
        drop(self.child.stdin.take());
        match timeout(STOP, self.child.wait()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(source)) => Err(CliError::failed("ending the server", source)),
            Err(_) => self.kill().await,
        }
    }
}

fn configure(folder: &Path, more: &str) -> Result<PathBuf, CliError> {
    let config = folder.join("stepwell.toml");
    std::fs::write(&config, format!("[network]\nallow_networks = [\"127.0.0.0/8\"]\n{more}"))
        .map_err(|source| CliError::file("write", &config, source))?;
    Ok(config)
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

async fn spawn(folder: &Path, config: &Path, key: &str) -> Result<(Child, String), CliError> {
    let program =
        std::env::current_exe().map_err(|source| CliError::failed("finding this program", source))?;
    let log = folder.join("server.log");
    let log_file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log)
        .map_err(|source| CliError::file("write", &log, source))?;
    let mut child = Command::new(program)
        .args(["serve", "--listen", "127.0.0.1:0", "--exit-with-stdin"])
        .arg("--data")
        .arg(data(folder))
        .arg("--config")
        .arg(config)
        .env("STEPWELL_ADMIN_KEY", key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log_file)
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| CliError::failed("starting the server", source))?;
    let url = ready_url(&mut child).await.map_err(|why| {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        CliError::failed("starting the server", format!("{why}\n{}", said.trim_end()))
    })?;
    Ok((child, url))
}

/// Waits for the line in which a server says where it listens.
async fn ready_url(child: &mut Child) -> Result<String, String> {
    let output = child.stdout.take().ok_or("its output is not there")?;
    let mut lines = BufReader::new(output).lines();
    let line = match timeout(START, lines.next_line()).await {
        Ok(Ok(Some(line))) => line,
        Ok(Ok(None)) => return Err("it ended before it was ready".to_owned()),
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err(format!("it was not ready within {} s", START.as_secs())),
    };
    let ready: Value = serde_json::from_str(&line).map_err(|_| format!("it said `{line}`"))?;
    ready["listening"].as_str().map(str::to_owned).ok_or_else(|| format!("it said `{line}`"))
}
