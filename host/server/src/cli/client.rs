//! The HTTP API as the command line sees it.

use std::time::Duration;

use clap::Args;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;

use super::error::CliError;

/// Where the server is, and who asks.
#[derive(Debug, Clone, Args)]
pub(crate) struct Connection {
    /// The server's URL.
    #[arg(long, env = "STEPWELL_URL", default_value = "http://127.0.0.1:7700", value_name = "URL")]
    pub(crate) url: String,
    /// An API key.
    #[arg(long, env = "STEPWELL_KEY", hide_env_values = true, value_name = "KEY")]
    pub(crate) key: Option<String>,
}

/// A client of one server.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    key: Option<String>,
}

impl Client {
    pub(crate) fn new(connection: &Connection) -> Result<Self, CliError> {
        let http = reqwest::Client::builder()
            .tls_backend_rustls()
            .connect_timeout(Duration::from_secs(5))
            .build()
            .map_err(|source| CliError::failed("setting up HTTP", source))?;
        let url = connection.url.trim_end_matches('/').to_owned();
        Ok(Self { http, url, key: connection.key.clone() })
    }

    /// Where the server is, without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, CliError> {
        self.answer(self.request(Method::GET, path)).await
    }

    pub(crate) async fn get_with(&self, path: &str, query: &[(&str, String)]) -> Result<Value, CliError> {
        self.answer(self.request(Method::GET, path).query(query)).await
    }

    /// What is not JSON.
    pub(crate) async fn get_bytes(&self, path: &str) -> Result<Vec<u8>, CliError> {
        let response = self.accepted(self.request(Method::GET, path)).await?;
        Ok(response.bytes().await.map_err(|error| self.unreachable(error))?.into())
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        self.answer(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn post_nothing(&self, path: &str) -> Result<Value, CliError> {
        self.answer(self.request(Method::POST, path)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        self.answer(self.request(Method::PUT, path).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Value, CliError> {
        self.answer(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn post_bytes(&self, path: &str, kind: &str, body: Vec<u8>) -> Result<Value, CliError> {
        self.answer(self.request(Method::POST, path).header(CONTENT_TYPE, kind).body(body)).await
    }

    /// Sends what may be larger than memory.
    pub(crate) async fn post_stream(
        &self,
        path: &str,
        kind: &str,
        size: Option<u64>,
        body: reqwest::Body,
    ) -> Result<Value, CliError> {
        let request = self.request(Method::POST, path).header(CONTENT_TYPE, kind).body(body);
        self.answer(match size {
            Some(size) => request.header(CONTENT_LENGTH, size),
            None => request,
        })
        .await
    }

    /// Fetches what may be larger than memory.
    pub(crate) async fn get_stream(&self, path: &str) -> Result<Response, CliError> {
        self.accepted(self.request(Method::GET, path)).await
    }

    /// Starts a run, and waits so long for its end.
    pub(crate) async fn start_run(
        &self,
        path: &str,
        body: &Value,
        wait: Option<Duration>,
        idempotency_key: Option<&str>,
    ) -> Result<Value, CliError> {
        let mut request = self.request(Method::POST, path).json(body);
        if let Some(wait) = wait {
            request = request.header("prefer", format!("wait={}", wait.as_secs()));
        }
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        self.answer(request).await
    }

    /// Opens a stream of server-sent events.
    pub(crate) async fn events(&self, path: &str, after: Option<&str>) -> Result<Response, CliError> {
        let mut request = self.request(Method::GET, path).header(ACCEPT, "text/event-stream");
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        self.accepted(request).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Value, CliError> {
        let body = self.accepted(request).await?.bytes().await.map_err(|error| self.unreachable(error))?;
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body)
            .map_err(|source| CliError::failed("reading the server's answer", source))
    }

    async fn accepted(&self, request: RequestBuilder) -> Result<Response, CliError> {
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let body = response.bytes().await.unwrap_or_default();
        let problem = serde_json::from_slice(&body).unwrap_or_else(|_| {
            serde_json::json!({"status": status, "title": format!("status {status}"), "detail": String::from_utf8_lossy(&body)})
        });
        Err(CliError::Problem(Box::new(problem)))
    }

    fn unreachable(&self, source: reqwest::Error) -> CliError {
        CliError::Unreachable { url: self.url.clone(), source: source.without_url() }
    }
}
