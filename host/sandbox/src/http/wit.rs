//! What the guest calls: the interface `http` of the contract, in terms of an [`HttpSession`].

use std::sync::Arc;
use std::time::Duration;

use stepwell_core::failure::{Failure, FailureKind};
use wasmtime::component::{HasSelf, Linker, Resource};

use super::incoming::Incoming;
use super::message::{Answer, HttpError, HttpKept, HttpRequest, HttpResponse, Part};
use super::session::HttpSession;
use crate::bindings::stepwell::step::http as wit;
use crate::bindings::stepwell::step::types::BlobRef;
use crate::guest::{GuestState, Work};

/// Puts the interface into the linker.
pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    wit::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

impl wit::Host for GuestState {
    async fn send(
        &mut self,
        request: wit::Request,
    ) -> wasmtime::Result<Result<wit::Response, wit::HttpError>> {
        let http = self.enter("http.send")?.session()?;
        let request = request.into();
        let answer = self.errand.run(Duration::ZERO, async move { http.send(request).await }).await?;
        Ok(told(answer))
    }

    async fn send_all(
        &mut self,
        requests: Vec<wit::Request>,
    ) -> wasmtime::Result<Vec<Result<wit::Response, wit::HttpError>>> {
        let http = self.enter("http.send-all")?.session()?;
        // Each request weighs as much as one that is sent alone.
        self.meter.host_calls.take((requests.len() as u64).saturating_sub(1))?;
        let requests = requests.into_iter().map(HttpRequest::from).collect();
        let answers = self.errand.run(Duration::ZERO, async move { http.send_all(requests).await }).await?;
        Ok(answers.into_iter().map(told).collect())
    }

    async fn open(
        &mut self,
        request: wit::Request,
    ) -> wasmtime::Result<Result<Resource<Incoming>, wit::HttpError>> {
        let stream = self.enter("http.open")?.session()?.open(request.into())?;
        let opened = Arc::clone(&stream);
        match self.errand.run(Duration::ZERO, async move { opened.head().await }).await? {
            Ok(head) => Ok(Ok(self.table.push(Incoming::new(head, stream))?)),
            Err(error) => Ok(Err(error.into())),
        }
    }

    async fn exchange(
        &mut self,
        transfer: wit::Transfer,
    ) -> wasmtime::Result<Result<wit::Transferred, wit::HttpError>> {
        let http = self.enter("http.exchange")?.session()?;
        let wit::Transfer { request, parts, keep } = transfer;
        let parts = parts.into_iter().map(Part::from).collect();
        let request = HttpRequest { parts, keep, ..request.into() };
        let answer = self.errand.run(Duration::ZERO, async move { http.exchange(request).await }).await?;
        Ok(transferred(answer))
    }
}

fn transferred(answer: Answer) -> Result<wit::Transferred, wit::HttpError> {
    if let Answer::Kept(HttpKept { response, blob }) = answer {
        let body =
            BlobRef { digest: blob.digest.to_string(), size: blob.size, media_type: blob.media_type.into() };
        return Ok(wit::Transferred { response: response.into(), body: Some(body) });
    }
    told(answer.into()).map(|response| wit::Transferred { response, body: None })
}

impl From<wit::Part> for Part {
    fn from(part: wit::Part) -> Self {
        match part {
            wit::Part::Bytes(bytes) => Self::Bytes(bytes.into()),
            wit::Part::Blob(digest) => Self::Blob(digest),
        }
    }
}

impl Work {
    fn session(&self) -> Result<Arc<HttpSession>, Failure> {
        self.http.clone().ok_or_else(|| {
            Failure::new(
                FailureKind::Internal,
                "a component that imports `http` was started without a session",
            )
        })
    }
}

fn told(answer: Result<HttpResponse, HttpError>) -> Result<wit::Response, wit::HttpError> {
    answer.map(wit::Response::from).map_err(wit::HttpError::from)
}

impl From<wit::Request> for HttpRequest {
    fn from(request: wit::Request) -> Self {
        Self {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: request.body.into(),
            timeout_ms: request.timeout_ms,
            max_redirects: request.max_redirects,
            parts: Vec::new(),
            keep: false,
        }
    }
}

impl From<HttpResponse> for wit::Response {
    fn from(response: HttpResponse) -> Self {
        Self {
            status: response.status,
            headers: response.headers,
            body: response.body.into(),
            url: response.url,
        }
    }
}

impl From<HttpError> for wit::HttpError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::InvalidRequest(message) => Self::InvalidRequest(message),
            HttpError::Denied(message) => Self::Denied(message),
            HttpError::Dns(message) => Self::Dns(message),
            HttpError::Connection(message) => Self::Connection(message),
            HttpError::Tls(message) => Self::Tls(message),
            HttpError::Timeout(message) => Self::Timeout(message),
            HttpError::TooLarge(message) => Self::TooLarge(message),
            HttpError::Protocol(message) => Self::Protocol(message),
        }
    }
}
