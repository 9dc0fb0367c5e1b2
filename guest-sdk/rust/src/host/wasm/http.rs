//! `http` over the contract.

use super::bindings::stepwell::step as wit;
use super::to_ms;
use crate::blob::Blob;
use crate::http::{Error, ErrorKind, Incoming, Kept, Part, Request, Response};

/// The body of an answer that comes piece by piece.
#[derive(Debug)]
pub(crate) struct IncomingBody(wit::http::Incoming);

pub(crate) fn send(request: &Request) -> Result<Response, Error> {
    answer_from_wit(wit::http::send(&request_to_wit(request)))
}

pub(crate) fn send_all(requests: Vec<&Request>) -> Vec<Result<Response, Error>> {
    let requests: Vec<_> = requests.into_iter().map(request_to_wit).collect();
    wit::http::send_all(&requests).into_iter().map(answer_from_wit).collect()
}

pub(crate) fn open(request: &Request) -> Result<Incoming, Error> {
    let incoming = wit::http::open(&request_to_wit(request)).map_err(error_from_wit)?;
    Ok(Incoming::new(incoming.status(), incoming.headers(), incoming.url(), IncomingBody(incoming)))
}

pub(crate) fn read_incoming(body: &mut IncomingBody) -> Result<Option<Vec<u8>>, Error> {
    body.0.read().map_err(error_from_wit)
}

pub(crate) fn exchange(request: &Request, keep: bool) -> Result<Kept, Error> {
    let part = |part: &Part| match part {
        Part::Bytes(bytes) => wit::http::Part::Bytes(bytes.clone()),
        Part::Blob(digest) => wit::http::Part::Blob(digest.clone()),
    };
    let parts = request.parts.iter().map(part).collect();
    let transfer = wit::http::Transfer { request: request_to_wit(request), parts, keep };
    let wit::http::Transferred { response, body } = wit::http::exchange(&transfer).map_err(error_from_wit)?;
    let body = body.map(|blob| Blob::new(blob.digest, blob.size, blob.media_type));
    Ok(Kept::new(response_from_wit(response), body))
}

fn request_to_wit(request: &Request) -> wit::http::Request {
    wit::http::Request {
        method: request.method.clone(),
        url: request.url.clone(),
        headers: request.headers.clone(),
        body: request.body.clone(),
        timeout_ms: request.timeout.map(to_ms),
        max_redirects: request.max_redirects,
    }
}

fn answer_from_wit(answer: Result<wit::http::Response, wit::http::HttpError>) -> Result<Response, Error> {
    answer.map(response_from_wit).map_err(error_from_wit)
}

fn response_from_wit(response: wit::http::Response) -> Response {
    Response::new(response.status, response.headers, response.body, response.url)
}

fn error_from_wit(error: wit::http::HttpError) -> Error {
    use wit::http::HttpError;

    let (kind, message) = match error {
        HttpError::InvalidRequest(message) => (ErrorKind::InvalidRequest, message),
        HttpError::Denied(message) => (ErrorKind::Denied, message),
        HttpError::Dns(message) => (ErrorKind::Dns, message),
        HttpError::Connection(message) => (ErrorKind::Connection, message),
        HttpError::Tls(message) => (ErrorKind::Tls, message),
        HttpError::Timeout(message) => (ErrorKind::Timeout, message),
        HttpError::TooLarge(message) => (ErrorKind::TooLarge, message),
        HttpError::Protocol(message) => (ErrorKind::Protocol, message),
    };
    Error::new(kind, message)
}
