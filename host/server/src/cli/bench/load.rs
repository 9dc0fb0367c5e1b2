//! A load: the same request again and again from so many connections, each answer checked and timed.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::cli::CliError;

/// A request that can be sent again and again, and how its answer is checked.
#[derive(Clone)]
pub(super) struct Load {
    pub(super) address: SocketAddr,
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    /// The request's body, made from a number that the answer must bear again.
    pub(super) body: fn(u64) -> Value,
    /// Whether an answer is right; gives the run that it speaks of, if it speaks of one.
    pub(super) check: fn(u64, &[u8]) -> Result<Option<Uuid>, String>,
}

impl Load {
    /// What the bare echo is asked.
    pub(super) fn echo(address: SocketAddr) -> Self {
        Self {
            address,
            path: "/".to_owned(),
            headers: Vec::new(),
            body: super::scenario::input,
            check: |number, answer| {
                let answer: Value = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
                if answer == super::scenario::input(number) { Ok(None) } else { Err(format!("{answer}")) }
            },
        }
    }
}

/// What came of a load.
#[derive(Default)]
pub(super) struct Sample {
    latencies: Vec<Duration>,
    runs: Vec<Uuid>,
    elapsed: Duration,
}

impl Sample {
    pub(super) fn count(&self) -> usize {
        self.latencies.len()
    }

    pub(super) fn per_second(&self) -> f64 {
        self.count() as f64 / self.elapsed.as_secs_f64()
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = &Uuid> {
        self.runs.iter()
    }

    /// The latencies, shortest first.
    pub(super) fn sorted_latencies(&self) -> Vec<Duration> {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        sorted
    }

    fn absorb(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.runs.extend(other.runs);
    }
}

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Keeps `in_flight` requests under way for so long. A wrong or missing answer is an error.
pub(super) async fn drive(load: &Load, in_flight: usize, time: Duration) -> Result<Sample, CliError> {
    let until = Instant::now() + time;
    let (sample, broken) = drive_workers(load, in_flight, until).await?;
    match broken {
        None => Ok(sample),
        Some(why) => Err(CliError::failed("measuring", why)),
    }
}

/// Keeps `in_flight` requests under way until `breaking` has broken the server; a broken connection ends its worker.
pub(super) async fn drive_until_broken(
    load: &Load,
    in_flight: usize,
    breaking: impl Future<Output = Result<(), CliError>>,
) -> Result<Sample, CliError> {
    let until = Instant::now() + Duration::from_secs(60);
    let (driven, broken) = tokio::join!(drive_workers(load, in_flight, until), breaking);
    broken?;
    driven.map(|(sample, _)| sample)
}

/// The answers that were right, and the first connection's end if one broke before its time.
async fn drive_workers(
    load: &Load,
    in_flight: usize,
    until: Instant,
) -> Result<(Sample, Option<String>), CliError> {
    let load = Arc::new(load.clone());
    let started = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..in_flight {
        workers.spawn(work(Arc::clone(&load), until));
    }
    let (mut total, mut broken) = (Sample::default(), None);
    while let Some(ended) = workers.join_next().await {
        let (sample, end) = ended.map_err(|source| CliError::failed("measuring", source))?;
        total.absorb(sample);
        match end {
            End::InTime => {}
            End::Broken(why) => broken = broken.or(Some(why)),
            End::Wrong(why) => return Err(CliError::failed("an answer was wrong", why)),
        }
    }
    total.elapsed = started.elapsed();
    Ok((total, broken))
}

enum End {
    InTime,
    Broken(String),
    Wrong(String),
}

/// One connection's requests, one after the other.
async fn work(load: Arc<Load>, until: Instant) -> (Sample, End) {
    let mut sample = Sample::default();
    let mut connection = match connect(load.address).await {
        Ok(connection) => connection,
        Err(why) => return (sample, End::Broken(why)),
    };
    while Instant::now() < until {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        let answer = match exchange(&mut connection, &load, number).await {
            Ok(answer) => answer,
            Err(why) => return (sample, End::Broken(why)),
        };
        match (load.check)(number, &answer) {
            Ok(run) => sample.runs.extend(run),
            Err(why) => return (sample, End::Wrong(why)),
        }
        sample.latencies.push(began.elapsed());
    }
    (sample, End::InTime)
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(async move {
        // Its end is seen by the sender.
        let _ = connection.await;
    });
    Ok(sender)
}

async fn exchange(
    connection: &mut SendRequest<Full<Bytes>>,
    load: &Load,
    number: u64,
) -> Result<Bytes, String> {
    let mut request = hyper::Request::post(&load.path)
        .header("host", "127.0.0.1")
        .header("content-type", "application/json");
    for (name, value) in &load.headers {
        request = request.header(*name, value);
    }
    let body = Bytes::from((load.body)(number).to_string());
    let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
    connection.ready().await.map_err(|error| error.to_string())?;
    let response = connection.send_request(request).await.map_err(|error| error.to_string())?;
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
    Ok(body.to_bytes())
}
