//! A request, and how it is put together.

use std::time::Duration;

use serde::Serialize;

use crate::host;
use crate::http::{Error, ErrorKind, Kept, Part, Response};

/// Enough for `http` to `https` and a moved page; a loop ends soon.
const DEFAULT_MAX_REDIRECTS: u32 = 5;

/// A request, built from left to right and sent by [`Request::send`].
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    /// `GET`, `POST`, ...
    pub method: String,
    /// Absolute.
    pub url: String,
    /// In order; a name may come more than once.
    pub headers: Vec<(String, String)>,
    /// Empty for none.
    pub body: Vec<u8>,
    /// The rest of the body: the host puts it together.
    pub parts: Vec<Part>,
    /// For the whole exchange; the attempt's deadline holds if it is sooner.
    pub timeout: Option<Duration>,
    /// Redirects to follow. Each is checked against the grant again.
    pub max_redirects: u32,
    /// Why the request cannot be sent: kept until then, so that building needs no `?` at each call.
    fault: Option<Error>,
}

/// A `GET` request.
pub fn get(url: impl Into<String>) -> Request {
    Request::new("GET", url)
}

/// A `HEAD` request.
pub fn head(url: impl Into<String>) -> Request {
    Request::new("HEAD", url)
}

/// A `POST` request.
pub fn post(url: impl Into<String>) -> Request {
    Request::new("POST", url)
}

/// A `PUT` request.
pub fn put(url: impl Into<String>) -> Request {
    Request::new("PUT", url)
}

/// A `PATCH` request.
pub fn patch(url: impl Into<String>) -> Request {
    Request::new("PATCH", url)
}

/// A `DELETE` request.
pub fn delete(url: impl Into<String>) -> Request {
    Request::new("DELETE", url)
}

impl Request {
    /// A request of any method.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            parts: Vec::new(),
            timeout: None,
            max_redirects: DEFAULT_MAX_REDIRECTS,
            fault: None,
        }
    }

    /// Adds a header. The value may hold `{{secret.NAME}}`: the host puts the secret in on the way out,
    /// where the node is granted it, and the step never sees it.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds `Authorization: Bearer` with a secret, by its name.
    pub fn bearer_secret(self, name: &str) -> Self {
        self.header("authorization", format!("Bearer {{{{secret.{name}}}}}"))
    }

    /// Sends a body as it is.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends a value as JSON, and says so in `Content-Type` unless a header does already.
    pub fn json(mut self, value: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.body = body,
            Err(error) => {
                self.fault =
                    Some(Error::new(ErrorKind::InvalidRequest, format!("the body cannot be JSON: {error}")))
            }
        }
        if self.header_value("content-type").is_none() {
            return self.header("content-type", "application/json");
        }
        self
    }

    /// Waits no longer than this for the whole answer.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Follows at most so many redirects; with 0, a redirect is the answer.
    pub fn max_redirects(mut self, count: u32) -> Self {
        self.max_redirects = count;
        self
    }

    /// The first header of that name, whatever its case.
    #[must_use]
    pub fn header_value(&self, name: &str) -> Option<&str> {
        find_header(&self.headers, name)
    }

    /// Sends the request and waits for the whole answer, whatever its status.
    ///
    /// # Errors
    ///
    /// When there is no answer; [`Error::kind`] says why.
    pub fn send(self) -> Result<Response, Error> {
        let request = self.checked()?;
        if request.parts.is_empty() {
            return host::send(&request);
        }
        host::exchange(&request, false).map(|kept| kept.response)
    }

    /// Sends the request and waits for the whole answer. If its status is 2xx, its body becomes a blob and does not enter the step, however
    /// large it is.
    ///
    /// # Errors
    ///
    /// When there is no answer; [`Error::kind`] says why.
    pub fn send_and_keep(self) -> Result<Kept, Error> {
        host::exchange(&self.checked()?, true)
    }

    /// The same of a request that is sent with its whole body.
    pub(super) fn checked_whole(self) -> Result<Self, Error> {
        let request = self.checked()?;
        if request.parts.is_empty() {
            return Ok(request);
        }
        let message = "a request whose body has parts can only be sent alone, and waits for its whole answer";
        Err(Error::new(ErrorKind::InvalidRequest, message))
    }

    pub(super) fn checked(self) -> Result<Self, Error> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self),
        }
    }
}

pub(super) fn find_header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}
