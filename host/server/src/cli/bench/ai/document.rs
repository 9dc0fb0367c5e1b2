//! What the server's memory grows by when a large document is uploaded, sent to a service by a step, saved from its answer, and downloaded.

use std::net::SocketAddr;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use stepwell_core::digest::Hasher;

use super::super::process;
use crate::cli::local_server::LocalServer;
use crate::cli::{CliError, Client, Screen, screen};

const WORKFLOW: &str = "document";
const MEGABYTE: u64 = 1_000_000;
const PIECE: usize = 64 << 10;

/// Bytes by which the most resident memory was above what it was before.
pub(super) struct Document {
    megabytes: u64,
    upload: u64,
    step: u64,
    download: u64,
}

pub(super) async fn measure(
    server: LocalServer,
    service: SocketAddr,
    megabytes: u64,
    screen: &Screen,
) -> Result<Document, CliError> {
    let client = server.client()?;
    client.put(&format!("/v1/workflows/{WORKFLOW}"), &definition(service)).await?;
    // Warm-up: what a first use takes for good.
    pass(&server, &client, MEGABYTE).await?;

    let task = screen.task(format!("Passing a document of {megabytes} MB through"));
    let [upload, step, download] = pass(&server, &client, megabytes * MEGABYTE).await?;
    let document = Document { megabytes, upload, step, download };
    task.done(format_args!("the server grew by {:.1} MB at most", mb(document.most())));
    server.stop().await?;
    Ok(document)
}

fn definition(service: SocketAddr) -> Value {
    json!({
        "name": WORKFLOW, "version": "1.0.0",
        "nodes": {"it": {
            "step": "http-request@^1",
            "config": {"save": true},
            "input": {"method": "POST", "url": format!("http://{service}/document"), "blob": "{{ input }}"},
            "grants": {"http": [{"host": service.to_string(), "methods": ["POST"]}]},
            "limits": {"sent_bytes": "256 MiB", "received_bytes": "256 MiB"},
        }},
        "output": "{{ nodes.it.output.blob }}",
    })
}

/// By how much memory grew in each of the three parts; what comes back is what was sent.
async fn pass(server: &LocalServer, client: &Client, bytes: u64) -> Result<[u64; 3], CliError> {
    let sent = digest_of(bytes);
    let upload = Growth::begin(server)?;
    let body = reqwest::Body::wrap_stream(stream::iter(pieces(bytes).map(Ok::<_, std::io::Error>)));
    let reference = client.post_stream("/v1/blobs", "application/octet-stream", Some(bytes), body).await?;
    let upload = upload.end(server)?;

    let step = Growth::begin(server)?;
    let path = format!("/v1/workflows/{WORKFLOW}/runs");
    let wait = Some(std::time::Duration::from_secs(60));
    let run = client.start_run(&path, &json!({"input": reference}), wait, None).await?;
    let step = step.end(server)?;
    let kept = screen::cell(&run["output"]["$blob"]);
    if kept != sent {
        let verdict = format!("`{sent}` was sent, and the run ended as {run}");
        return Err(CliError::failed("the check failed", verdict));
    }

    let download = Growth::begin(server)?;
    let mut answer = client.get_stream(&format!("/v1/blobs/{kept}")).await?.bytes_stream();
    let mut read = Hasher::default();
    while let Some(piece) = answer.next().await {
        read.update(&piece.map_err(|source| CliError::failed("downloading the document", source))?);
    }
    let download = download.end(server)?;
    if read.finish().to_string() != sent {
        return Err(CliError::failed("the check failed", "what was downloaded is not what was uploaded"));
    }
    Ok([upload, step, download])
}

/// Differs from piece to piece, and is the same each time.
fn pieces(bytes: u64) -> impl Iterator<Item = Bytes> {
    let piece = PIECE as u64;
    (0..bytes.div_ceil(piece)).map(move |number| {
        let length = usize::try_from((bytes - number * piece).min(piece)).unwrap_or(PIECE);
        let mut content = number.to_le_bytes().repeat(PIECE / 8);
        content.truncate(length);
        content.into()
    })
}

fn digest_of(bytes: u64) -> String {
    let mut read = Hasher::default();
    pieces(bytes).for_each(|piece| read.update(&piece));
    read.finish().to_string()
}

/// From the memory at a moment to the most of it since.
struct Growth(u64);

impl Growth {
    fn begin(server: &LocalServer) -> Result<Self, CliError> {
        process::forget_peak(server.pid())?;
        Ok(Self(process::memory(server.pid())?))
    }

    fn end(self, server: &LocalServer) -> Result<u64, CliError> {
        Ok(process::peak_memory(server.pid())?.saturating_sub(self.0))
    }
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / MEGABYTE as f64
}

impl Document {
    fn most(&self) -> u64 {
        self.upload.max(self.step).max(self.download)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "megabytes": self.megabytes,
            "upload_growth_mb": mb(self.upload),
            "step_growth_mb": mb(self.step),
            "download_growth_mb": mb(self.download),
        })
    }

    pub(super) fn rows(&self) -> Vec<[String; 2]> {
        let parts = [self.upload, self.step, self.download].map(|bytes| format!("{:.1}", mb(bytes)));
        let what = format!(
            "a document of {} MB: the server grows when it is uploaded / sent and saved by a step / downloaded (MB)",
            self.megabytes
        );
        vec![[what, parts.join(" / ")]]
    }
}
