//! Requests over real sockets of this machine, through every gate.

mod destinations;
mod effects;
mod exchange;
mod gates;
mod oauth2;
pub(crate) mod peer;
mod secrets;
mod stand_ins;
mod streams;
mod wire;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use stepwell_core::attempt::{LogLine, ModelCall};
use stepwell_core::destination::Destination;
use stepwell_core::effect::Effect;
use stepwell_core::failure::Failure;
use stepwell_core::id::{AttemptNumber, Part, RunId, SecretName};
use stepwell_core::limits::Limits;

use self::peer::Peer;
use super::{HttpClient, HttpError, HttpRequest, HttpResponse, HttpSession, NetworkPolicy, prepare};
use crate::attempt::{Attempt, AttemptContext, AttemptHost, Credential, Exchange, Leave};
use crate::blob::memory::MemoryBlobs;
use crate::blob::{self, BlobStore};
use crate::effects::Effects;
use crate::meter::Meter;

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const RUN: &str = "0190f3a5-0000-7000-8000-000000000000";

/// Where each effect went, and how that went if it was told.
type Exchanges = Mutex<Vec<(Option<Destination>, Option<Exchange>)>>;

/// Keeps what a journal would be told, and how it went with each destination.
#[derive(Default)]
struct Host {
    journal: Mutex<Vec<Effect>>,
    exchanges: Arc<Exchanges>,
    blobs: MemoryBlobs,
}

/// Tells, at its end, how the effect went.
struct Told {
    to: Option<Destination>,
    how: Option<Exchange>,
    exchanges: Arc<Exchanges>,
}

impl Leave for Told {
    fn ended(mut self: Box<Self>, how: Exchange) {
        self.how = Some(how);
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.exchanges.lock().expect("exchanges").push((self.to.take(), self.how.take()));
    }
}

#[async_trait]
impl AttemptHost for Host {
    async fn before_effect(&self, to: Option<&Destination>) -> Result<Box<dyn Leave>, Failure> {
        Ok(Box::new(Told { to: to.cloned(), how: None, exchanges: Arc::clone(&self.exchanges) }))
    }
    fn blobs(&self) -> Arc<dyn BlobStore> {
        Arc::new(self.blobs.clone())
    }
    fn answered(&self, effect: Effect) {
        self.journal.lock().expect("a journal").push(effect);
    }
    fn used(&self, _: &ModelCall) {}
    fn logged(&self, _: &LogLine) {}
    fn progress(&self, _: Value) {}
}

/// An attempt, before it begins.
struct Setup {
    client: HttpClient,
    grants: Value,
    secrets: Vec<(&'static str, &'static str)>,
    /// Those that are no texts.
    credentials: Vec<(&'static str, Credential)>,
    limits: Limits,
    replay: Vec<Effect>,
    /// Names the blobs that the attempt may read.
    input: String,
    blobs: MemoryBlobs,
}

/// By default, everything on 127.0.0.1 is granted and allowed.
fn setup() -> Setup {
    Setup {
        client: client(json!({"allow_networks": ["127.0.0.1/32"]})),
        grants: json!({}),
        secrets: Vec::new(),
        credentials: Vec::new(),
        limits: Limits::default(),
        replay: Vec::new(),
        input: String::new(),
        blobs: MemoryBlobs::default(),
    }
}

fn client(policy: Value) -> HttpClient {
    let policy: NetworkPolicy = serde_json::from_value(policy).expect("a policy");
    HttpClient::new(policy).expect("a client")
}

impl Setup {
    /// Grants all of some peers.
    fn granting(mut self, peers: &[&Peer]) -> Self {
        let grants: Vec<Value> = peers.iter().map(|peer| json!({"host": peer.host()})).collect();
        self.grants["http"] = grants.into();
        self
    }

    fn start(self) -> Running {
        let secret = |(name, value): (&str, &str)| (SecretName::new(name).expect("a name"), value.into());
        let others = self.credentials.into_iter();
        let others = others.map(|(name, credential)| (SecretName::new(name).expect("a name"), credential));
        let attempt = Attempt {
            context: AttemptContext {
                run: RUN.parse::<RunId>().expect("a run"),
                workflow: "flow".parse().expect("a name"),
                version: semver::Version::new(1, 0, 0),
                node: "node".parse().expect("a name"),
                part: Part::Whole,
                attempt: AttemptNumber::FIRST,
                started_at: Timestamp::UNIX_EPOCH,
                deadline: Timestamp::UNIX_EPOCH,
                run_traceparent: TRACEPARENT.into(),
            },
            input: self.input,
            config: "".into(),
            grants: Arc::new(serde_json::from_value(self.grants).expect("grants")),
            secrets: self.secrets.into_iter().map(secret).chain(others).collect(),
            limits: self.limits,
            replay: Vec::new(),
        };
        let host = Arc::new(Host { blobs: self.blobs, ..Host::default() });
        let meter = Arc::new(Meter::new(&self.limits));
        let effects =
            Effects::new(Arc::clone(&host) as Arc<dyn AttemptHost>, Arc::clone(&meter), self.replay);
        let blobs = Arc::new(blob::prepare(&*host, &attempt));
        let session = prepare(Arc::new(self.client), &attempt, (effects, Arc::clone(&meter)), blobs);
        Running { session, host, meter }
    }
}

/// An attempt under way.
struct Running {
    session: HttpSession,
    host: Arc<Host>,
    meter: Arc<Meter>,
}

impl Running {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.session.send(request).await.expect("the attempt goes on")
    }

    /// The message of a refusal.
    async fn denied(&self, request: HttpRequest) -> String {
        match self.send(request).await {
            Err(HttpError::Denied(message)) => message,
            other => panic!("not denied: {other:?}"),
        }
    }

    /// Where each new effect went, and how that went, in the order of their ends.
    fn exchanges(&self) -> Vec<(Option<String>, Option<Exchange>)> {
        let exchanges = self.host.exchanges.lock().expect("exchanges");
        exchanges.iter().map(|(to, how)| (to.as_ref().map(ToString::to_string), how.clone())).collect()
    }

    fn journal(&self) -> Vec<Effect> {
        self.host.journal.lock().expect("a journal").clone()
    }
}

fn get(url: impl Into<String>) -> HttpRequest {
    HttpRequest {
        method: "GET".to_owned(),
        url: url.into(),
        headers: Vec::new(),
        body: Bytes::new(),
        timeout_ms: None,
        max_redirects: 5,
        parts: Vec::new(),
        keep: false,
    }
}

fn post(url: impl Into<String>, body: &'static str) -> HttpRequest {
    HttpRequest { method: "POST".to_owned(), body: Bytes::from_static(body.as_bytes()), ..get(url) }
}

fn with_header(mut request: HttpRequest, name: &str, value: &str) -> HttpRequest {
    request.headers.push((name.to_owned(), value.to_owned()));
    request
}
