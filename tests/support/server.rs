//! A real `stepwell serve` process on a free port, with a data folder that goes when the test ends.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// The API key of every test server.
pub(crate) const KEY: &str = "sw-test-key-0123456789abcdef";

/// Long enough for anything that ends at all, on a machine that does much else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The binary under test.
pub(crate) fn stepwell() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stepwell"));
    for inherited in ["STEPWELL_URL", "STEPWELL_KEY", "STEPWELL_CONFIG", "STEPWELL_DATA", "STEPWELL_LISTEN"] {
        command.env_remove(inherited);
    }
    command.kill_on_drop(true);
    command
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    http: Client,
    folder: TempDir,
}

impl Server {
    /// Starts one that may reach loopback addresses: stand-ins are there.
    pub(crate) async fn start() -> Self {
        Self::start_with("[network]\nallow_networks = [\"127.0.0.0/8\", \"::1/128\"]\n").await
    }

    /// Starts one with this configuration file.
    pub(crate) async fn start_with(config: &str) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("stepwell.toml"), config).unwrap();
        let (child, url) = spawn(folder.path()).await;
        Self { child, url, http: http_client(), folder }
    }

    /// Ends it as `kill -9` does.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Lets it end what it does.
    pub(crate) async fn stop(&mut self) {
        drop(self.child.stdin.take());
        let status = timeout(PATIENCE, self.child.wait()).await.expect("the server ends when asked").unwrap();
        assert!(status.success(), "the server ended with {status}: {}", self.log());
    }

    /// Starts it again over the same data.
    pub(crate) async fn restart(&mut self) {
        (self.child, self.url) = spawn(self.folder.path()).await;
    }

    /// Gives it another configuration file, for its next start.
    pub(crate) fn configure(&self, config: &str) {
        std::fs::write(self.folder.path().join("stepwell.toml"), config).unwrap();
    }

    /// Its data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Where a path of it is.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// A request with the test's API key.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(KEY)
    }

    /// Sends a request and reads its JSON answer.
    pub(crate) async fn json(&self, request: RequestBuilder) -> (StatusCode, Value) {
        let response = timeout(PATIENCE, request.send()).await.expect("an answer in time").unwrap();
        let status = response.status();
        let body = response.bytes().await.unwrap();
        if status == StatusCode::NO_CONTENT {
            return (status, Value::Null);
        }
        let value = serde_json::from_slice(&body)
            .unwrap_or_else(|_| panic!("{status} without JSON: {}", String::from_utf8_lossy(&body)));
        (status, value)
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.json(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.json(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.json(self.request(Method::PUT, path).json(body)).await
    }

    /// Publishes a component's bytes; it must be accepted.
    pub(crate) async fn publish(&self, component: &[u8]) -> Value {
        let request = self.request(Method::POST, "/v1/steps").header("content-type", "application/wasm");
        let (status, answer) = self.json(request.body(component.to_vec())).await;
        assert!(status.is_success(), "{status}: {answer:#}");
        answer
    }

    /// Applies a workflow; it must be accepted.
    pub(crate) async fn apply(&self, definition: &Value) -> Value {
        let name = definition["name"].as_str().unwrap();
        let (status, answer) = self.put(&format!("/v1/workflows/{name}"), definition).await;
        assert!(status.is_success(), "{status}: {answer:#}");
        answer
    }

    /// Starts a run and gives its id at once.
    pub(crate) async fn start_run(&self, workflow: &str, input: &Value) -> String {
        let (status, answer) =
            self.post(&format!("/v1/workflows/{workflow}/runs"), &json!({"input": input})).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer:#}");
        answer["run_id"].as_str().unwrap().to_owned()
    }

    /// Starts a run, waits for its end, and gives it whole.
    pub(crate) async fn run_to_end(&self, workflow: &str, input: &Value) -> Value {
        let path = format!("/v1/workflows/{workflow}/runs");
        let request =
            self.request(Method::POST, &path).header("prefer", "wait=60").json(&json!({"input": input}));
        let (status, answer) = self.json(request).await;
        assert_eq!(status, StatusCode::OK, "{answer:#}");
        self.run(answer["run_id"].as_str().unwrap()).await
    }

    /// A run as it stands.
    pub(crate) async fn run(&self, id: &str) -> Value {
        let (status, run) = self.get(&format!("/v1/runs/{id}")).await;
        assert_eq!(status, StatusCode::OK, "{run:#}");
        run
    }

    /// Waits, by the run's event stream, until it ended; gives it whole.
    pub(crate) async fn ended(&self, id: &str) -> Value {
        let request = self.request(Method::GET, &format!("/v1/runs/{id}/events"));
        let stream = request.send().await.unwrap();
        assert!(stream.status().is_success(), "{}", stream.status());
        // The stream ends with the run.
        timeout(PATIENCE, stream.bytes()).await.expect("the run ends in time").unwrap();
        self.run(id).await
    }
}

/// A client that reuses nothing between tests and trusts no proxy.
pub(crate) fn http_client() -> Client {
    // Another test may have installed it before: that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().timeout(PATIENCE).build().unwrap()
}

async fn spawn(folder: &Path) -> (Child, String) {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    let mut child = stepwell()
        .args(["serve", "--listen", "127.0.0.1:0", "--exit-with-stdin"])
        .arg("--config")
        .arg(folder.join("stepwell.toml"))
        .arg("--data")
        .arg(folder.join("data"))
        .env("STEPWELL_ADMIN_KEY", KEY)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = timeout(PATIENCE, lines.next_line()).await.expect("ready in time").unwrap();
    let said = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    let line = line.unwrap_or_else(|| panic!("the server ended before it was ready: {}", said()));
    let ready: Value = serde_json::from_str(&line).unwrap();
    (child, ready["listening"].as_str().unwrap().to_owned())
}

/// The nodes of a run by their id.
pub(crate) fn node<'a>(run: &'a Value, id: &str) -> &'a Value {
    let nodes = run["nodes"].as_array().unwrap();
    nodes.iter().find(|node| node["id"] == id).unwrap_or_else(|| panic!("no node {id} in {run:#}"))
}
