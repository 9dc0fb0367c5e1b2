//! An answer whose body comes piece by piece.

use crate::host;
use crate::http::request::find_header;
use crate::http::{Error, Request, Response};

/// An answer whose head has come, and whose body comes piece by piece: see [`Request::open`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Incoming {
    /// 200, 404, ...
    pub status: u16,
    /// In order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// Where the answer comes from, after redirects.
    pub url: String,
    body: host::IncomingBody,
}

impl Incoming {
    pub(crate) fn new(
        status: u16,
        headers: Vec<(String, String)>,
        url: String,
        body: host::IncomingBody,
    ) -> Self {
        Self { status, headers, url, body }
    }

    /// The first header of that name, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        find_header(&self.headers, name)
    }

    /// Waits for the next piece of the body, as it arrives; none at its end. A piece may end anywhere: inside a line, inside a character.
    /// After a crash of the host the pieces may be cut elsewhere.
    ///
    /// # Errors
    ///
    /// When the answer broke off, or is too large.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>, Error> {
        host::read_incoming(&mut self.body)
    }

    /// Waits for the rest, and gives it as an answer that came whole.
    ///
    /// # Errors
    ///
    /// When the answer broke off, or is too large.
    pub fn whole(mut self) -> Result<Response, Error> {
        let mut body = Vec::new();
        while let Some(piece) = self.read()? {
            body.extend_from_slice(&piece);
        }
        Ok(Response::new(self.status, self.headers, body, self.url))
    }
}

impl Request {
    /// Sends the request and waits for the head of the answer, whatever its status. Its body comes as it arrives.
    ///
    /// # Errors
    ///
    /// When there is no answer; [`Error::kind`] says why.
    pub fn open(self) -> Result<Incoming, Error> {
        host::open(&self.checked_whole()?)
    }
}
