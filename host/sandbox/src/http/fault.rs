//! What went wrong on the wire, in words that a step's author understands.
//!
//! The texts are our own: those of the libraries may hold addresses that the guest did not ask for.

use std::error::Error;
use std::io;

use super::dial::BlockedAddress;
use super::message::HttpError;

/// The fault of an exchange with `host`.
pub(super) fn explain(error: &reqwest::Error, host: &str) -> HttpError {
    if find::<BlockedAddress>(error).is_some() {
        return blocked(host);
    }
    if let Some(fault) = find::<rustls::Error>(error) {
        return HttpError::Tls(format!("no secure connection to `{host}`: {fault}"));
    }
    if error.is_dns() {
        return HttpError::Dns(format!("the name of `{host}` does not resolve"));
    }
    if error.is_timeout() {
        return HttpError::Timeout(format!("`{host}` did not accept a connection in time"));
    }
    if error.is_connect() {
        return HttpError::Connection(format!("no connection to `{host}`: {}", io_reason(error)));
    }
    match find::<hyper::Error>(error) {
        Some(fault) if fault.is_parse() => {
            HttpError::Protocol(format!("what `{host}` answered is no HTTP response: {fault}"))
        }
        Some(fault) if fault.is_incomplete_message() || fault.is_closed() || fault.is_canceled() => {
            HttpError::Connection(format!("`{host}` closed the connection before its answer was whole"))
        }
        _ if find::<io::Error>(error).is_some_and(is_of_the_connection) => {
            HttpError::Connection(format!("the connection to `{host}` broke: {}", io_reason(error)))
        }
        _ if error.is_builder() => {
            HttpError::InvalidRequest(format!("the request to `{host}` can't be sent"))
        }
        _ => HttpError::Protocol(format!("`{host}` does not keep to HTTP: its answer can't be read")),
    }
}

/// The operator's policy keeps steps away from where `host` is.
pub(super) fn blocked(host: &str) -> HttpError {
    HttpError::Denied(format!(
        "`{host}` is not on the public Internet, and this server lets steps reach other networks only where its \
         operator says so: to allow it, add the host's network to `allow_networks` in the server's configuration"
    ))
}

/// A broken body in a content coding is an I/O error too, but not the connection's.
fn is_of_the_connection(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other)
}

fn io_reason(error: &reqwest::Error) -> String {
    find::<io::Error>(error).map_or_else(|| "it was refused".to_owned(), |error| error.kind().to_string())
}

/// The first cause of a type. `io::Error` hides the error that it wraps from `source`.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref() {
            return Some(found);
        }
        next = match current.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => current.source(),
        };
    }
    None
}
