//! What the guest calls: the interface `http` of the contract, in terms of an [`HttpSession`].

use std::sync::Arc;

use stepwell_core::failure::{Failure, FailureKind};
use wasmtime::component::{HasSelf, Linker, Resource};

use super::incoming::Incoming;
use super::message::{HttpError, HttpRequest, HttpResponse};
use super::session::HttpSession;
use crate::bindings::stepwell::step::http as wit;
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
        let answers = self.errand.run(async move { Ok(vec![http.send(request).await?]) }).await?;
        let answer = answers.into_iter().next().ok_or_else(no_answer)?;
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
        let answers = self.errand.run(async move { http.send_all(requests).await }).await?;
        Ok(answers.into_iter().map(told).collect())
    }

    async fn open(
        &mut self,
        _request: wit::Request,
    ) -> wasmtime::Result<Result<Resource<Incoming>, wit::HttpError>> {
        Err(not_yet())
    }

    async fn exchange(
        &mut self,
        _transfer: wit::Transfer,
    ) -> wasmtime::Result<Result<wit::Transferred, wit::HttpError>> {
        Err(not_yet())
    }
}

fn not_yet() -> wasmtime::Error {
    Failure::new(FailureKind::Internal, "this part of `http` is not there yet").into()
}

impl wit::HostIncoming for GuestState {
    async fn status(&mut self, _incoming: Resource<Incoming>) -> wasmtime::Result<u16> {
        Err(not_yet())
    }

    async fn headers(&mut self, _incoming: Resource<Incoming>) -> wasmtime::Result<Vec<(String, String)>> {
        Err(not_yet())
    }

    async fn url(&mut self, _incoming: Resource<Incoming>) -> wasmtime::Result<String> {
        Err(not_yet())
    }

    async fn read(
        &mut self,
        _incoming: Resource<Incoming>,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, wit::HttpError>> {
        Err(not_yet())
    }

    async fn drop(&mut self, _incoming: Resource<Incoming>) -> wasmtime::Result<()> {
        Ok(())
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

fn no_answer() -> Failure {
    Failure::new(FailureKind::Internal, "a request came back without an answer")
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
