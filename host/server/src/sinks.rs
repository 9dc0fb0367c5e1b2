//! Event sinks: posts the events that workflows emit where the operator wants them, as CloudEvents 1.0 over HTTP.
//!
//! When an event is posted, and again, is for the engine to say. The operator's own configuration names the sinks, so that nothing of
//! what bounds a step's requests holds here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, redirect};
use secrecy::{ExposeSecret as _, SecretString};

use stepwell_core::cloud_event::CloudEvent;
use stepwell_engine::{PostError, PostEvent, Sink};

use crate::cloud_events::{STRUCTURED, body_of, headers_of};
use crate::config::{EventMode, EventSinkConfig};

/// How long a sink has to take an event.
const PATIENCE: Duration = Duration::from_secs(10);

/// The sinks that the operator configured.
pub(crate) fn open(configured: &[EventSinkConfig]) -> Result<Vec<Sink>, reqwest::Error> {
    if configured.is_empty() {
        return Ok(Vec::new());
    }
    let client = Client::builder()
        .tls_backend_rustls()
        .timeout(PATIENCE)
        // A post that is sent elsewhere may become a GET: the operator is to name the right place.
        .redirect(redirect::Policy::none())
        .user_agent(concat!("stepwell/", env!("CARGO_PKG_VERSION")))
        .build()?;
    let open = |sink: &EventSinkConfig| Sink {
        name: sink.name.clone(),
        types: sink.types.clone(),
        post: Arc::new(HttpSink {
            client: client.clone(),
            url: sink.url.clone(),
            token: sink.token.clone(),
            mode: sink.mode,
        }),
    };
    Ok(configured.iter().map(open).collect())
}

struct HttpSink {
    client: Client,
    url: String,
    token: Option<SecretString>,
    mode: EventMode,
}

impl HttpSink {
    fn request(&self, event: &CloudEvent) -> RequestBuilder {
        let request = self.client.post(&self.url);
        let request = match self.mode {
            EventMode::Structured => {
                request.header(CONTENT_TYPE, STRUCTURED).body(event.to_json().to_string())
            }
            EventMode::Binary => request.headers(headers_of(event)).body(body_of(event)),
        };
        match &self.token {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        }
    }
}

#[async_trait]
impl PostEvent for HttpSink {
    async fn post(&self, event: &CloudEvent) -> Result<(), PostError> {
        match self.request(event).send().await {
            Ok(response) => judge(&response),
            // The address may hold what is nobody's business.
            Err(error) => Err(unavailable(error.without_url().to_string(), None)),
        }
    }
}

/// What an answer means: the event has arrived, the sink is out of order, or it does not want this event.
fn judge(response: &Response) -> Result<(), PostError> {
    let status = response.status();
    let why = format!("it answers {status}");
    match status {
        _ if status.is_success() => Ok(()),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            Err(unavailable(why, retry_after(response)))
        }
        _ if status.is_server_error() => Err(unavailable(why, retry_after(response))),
        _ => Err(PostError::Refused(why)),
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn unavailable(why: String, retry_after: Option<Duration>) -> PostError {
    PostError::Unavailable { why, retry_after }
}

impl fmt::Debug for HttpSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSink").field("mode", &self.mode).finish_non_exhaustive()
    }
}
