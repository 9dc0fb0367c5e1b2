//! One request of an exchange: the guest's own, or the one that a redirect leads to. Pure.

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_TYPE, COOKIE, HeaderName,
    PROXY_AUTHORIZATION,
};
use http::{Method, StatusCode};
use stepwell_core::id::SecretName;
use url::Url;

use super::message::{self, HttpError, HttpRequest, Part, shown};
use super::placeholder;

/// The longest URL, in bytes.
const LONGEST_URL: usize = 16 << 10;

/// Headers that frame a message or steer a connection (RFC 9110 section 7.6.1): the host's own to write.
const OF_THE_HOST: [&str; 11] = [
    "accept-encoding",
    "connection",
    "content-length",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request that is well-formed. Whether it may be sent is for the gate to say.
#[derive(Debug, Clone)]
pub(super) struct Hop {
    pub(super) method: Method,
    /// With marks in the places of secrets ([`placeholder`]).
    pub(super) url: Url,
    /// Values as the guest wrote them, secret placeholders included.
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Bytes,
    /// The rest of the body.
    pub(super) parts: Vec<Part>,
}

impl Hop {
    /// The guest's own request.
    pub(super) fn first(request: &HttpRequest) -> Result<Self, HttpError> {
        let headers = request.headers.iter().map(|(name, value)| Ok((header(name)?, value.clone())));
        Ok(Self {
            method: method(&request.method)?,
            url: url(&request.url)?,
            headers: headers.collect::<Result<_, HttpError>>()?,
            body: request.body.clone(),
            parts: request.parts.clone(),
        })
    }

    /// Adds a header unless the guest wrote it.
    pub(super) fn default_header(&mut self, name: &'static str, value: impl FnOnce() -> String) {
        if !self.headers.iter().any(|(written, _)| written == name) {
            self.headers.push((HeaderName::from_static(name), value()));
        }
    }

    /// What of its body is in memory.
    pub(super) fn body_size(&self) -> u64 {
        let parts = self.parts.iter().map(|part| if let Part::Bytes(bytes) = part { bytes.len() } else { 0 });
        (self.body.len() + parts.sum::<usize>()) as u64
    }

    /// Host and port, for messages.
    pub(super) fn host(&self) -> String {
        message::host(&self.url)
    }

    /// The secrets that it names.
    pub(super) fn secrets(&self) -> Vec<SecretName> {
        let of_headers = self.headers.iter().flat_map(|(_, value)| placeholder::named_in(value));
        of_headers.chain(placeholder::marked_in(self.url.as_str())).collect()
    }

    /// Where an answer leads: the next request, or none if it is no redirect (RFC 9110 section 15.4). `sent` is the URL as it left.
    pub(super) fn redirected(
        &self,
        sent: &Url,
        status: StatusCode,
        location: Option<&[u8]>,
    ) -> Result<Option<Self>, HttpError> {
        let (true, Some(location)) = (is_redirect(status), location) else { return Ok(None) };
        let url = self.target(sent, location)?;
        let mut next = self.clone();
        if becomes_get(&self.method, status) {
            next.method = Method::GET;
            next.body = Bytes::new();
            next.parts = Vec::new();
            next.headers.retain(|(name, _)| !describes_body(name));
        }
        if url.origin() != self.url.origin() {
            next.headers
                .retain(|(name, value)| !is_credential(name) && placeholder::named_in(value).is_empty());
        }
        next.url = url;
        Ok(Some(next))
    }

    fn target(&self, sent: &Url, location: &[u8]) -> Result<Url, HttpError> {
        let wrong = |why: &str| {
            let location = String::from_utf8_lossy(location);
            HttpError::Protocol(format!("`{}` redirected to `{location}`: {why}", self.host()))
        };
        let location = std::str::from_utf8(location).map_err(|_| wrong("it is no URL"))?;
        let url = sent.join(location).map_err(|_| wrong("it is no URL"))?;
        check_url(url).map_err(wrong)
    }
}

fn method(text: &str) -> Result<Method, HttpError> {
    let wrong = |why| HttpError::InvalidRequest(format!("the method `{}` {why}", shown(text)));
    match Method::from_bytes(text.to_ascii_uppercase().as_bytes()) {
        // A tunnel would carry what no grant can judge; a trace would give the request back, secrets included.
        Ok(Method::CONNECT | Method::TRACE) => Err(wrong("is not allowed")),
        Ok(method) => Ok(method),
        Err(_) => Err(wrong("is not a method")),
    }
}

fn url(text: &str) -> Result<Url, HttpError> {
    let wrong = |why: &str| HttpError::InvalidRequest(format!("the URL `{}` {why}", shown(text)));
    if text.len() > LONGEST_URL {
        return Err(wrong("is longer than 16 KiB"));
    }
    let marked = placeholder::mark(text).map_err(|why| wrong(&format!("can't be read: {why}")))?;
    let url = Url::parse(&marked).map_err(|error| wrong(&format!("can't be read: {error}")))?;
    if url.host_str().is_some_and(|host| !placeholder::marked_in(host).is_empty()) {
        return Err(wrong("names a secret as its host: grants go by the host, so it can't be secret"));
    }
    check_url(url).map_err(|why| HttpError::InvalidRequest(format!("the URL: {why}")))
}

/// The URL without its fragment, which is never sent.
fn check_url(mut url: Url) -> Result<Url, &'static str> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err("its scheme is neither `http` nor `https`");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a user name or password: send an `authorization` header instead");
    }
    url.set_fragment(None);
    Ok(url)
}

fn header(name: &str) -> Result<HeaderName, HttpError> {
    let wrong = |why| HttpError::InvalidRequest(format!("the header `{}` {why}", shown(name)));
    let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("has no valid name"))?;
    if OF_THE_HOST.contains(&header.as_str()) {
        return Err(wrong("is written by the host: leave it out"));
    }
    Ok(header)
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    )
}

fn becomes_get(method: &Method, status: StatusCode) -> bool {
    match status {
        StatusCode::SEE_OTHER => method != Method::HEAD,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => method == Method::POST,
        _ => false,
    }
}

fn describes_body(name: &HeaderName) -> bool {
    [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION].contains(name)
}

fn is_credential(name: &HeaderName) -> bool {
    [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION].contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, url: &str, headers: &[(&str, &str)]) -> HttpRequest {
        HttpRequest {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: Bytes::from_static(b"body"),
            timeout_ms: None,
            max_redirects: 5,
            parts: Vec::new(),
            keep: false,
        }
    }

    fn redirect(method: &str, status: u16, location: &str) -> Hop {
        let headers = [
            ("Accept", "a/b"),
            ("content-type", "text/plain"),
            ("Authorization", "Bearer x"),
            ("cookie", "a=b"),
            ("x-key", "{{secret.KEY}}"),
        ];
        let hop = Hop::first(&request(method, "https://a.example/v1/x?q#f", &headers)).expect("a request");
        let status = StatusCode::from_u16(status).expect("a status");
        hop.redirected(&hop.url, status, Some(location.as_bytes())).expect("a redirect").expect("a next hop")
    }

    fn names(hop: &Hop) -> Vec<&str> {
        hop.headers.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn a_malformed_request_is_refused_by_what_is_wrong() {
        for (method, url, headers, part) in [
            ("G T", "https://a/", &[][..], "`G T` is not a method"),
            ("CONNECT", "https://a/", &[], "`CONNECT` is not allowed"),
            ("trace", "https://a/", &[], "`trace` is not allowed"),
            ("GET", "a/b", &[], "`a/b` can't be read"),
            ("GET", "ftp://a/", &[], "neither `http` nor `https`"),
            ("GET", "file:///etc/passwd", &[], "neither `http` nor `https`"),
            ("GET", "https://me:hunter2@a/", &[], "send an `authorization` header"),
            ("GET", "https://a/", &[("Host", "b")], "`Host` is written by the host"),
            ("GET", "https://a/", &[("content-length", "1")], "`content-length`"),
            ("GET", "https://a/", &[("Transfer-Encoding", "chunked")], "`Transfer-Encoding`"),
            ("GET", "https://a/", &[("a b", "c")], "`a b` has no valid name"),
            ("GET", "https://a/{{secret.A-B}}", &[], "`A-B` is not a name"),
            ("GET", "https://{{secret.a}}/", &[], "grants go by the host"),
        ] {
            let error = Hop::first(&request(method, url, headers)).expect_err(url);
            assert!(matches!(&error, HttpError::InvalidRequest(why) if why.contains(part)), "{error:?}");
            assert!(!error.to_string().contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn a_request_is_read_as_it_will_be_sent() {
        let hop = Hop::first(&request("post", "HTTPS://A.example:443/b/../c#d", &[("X-Y", "z")]))
            .expect("a request");
        assert_eq!((hop.method.as_str(), hop.url.as_str()), ("POST", "https://a.example/c"));
        assert_eq!(names(&hop), ["x-y"]);
    }

    #[test]
    fn a_redirect_keeps_or_changes_the_method_as_its_status_says() {
        for (method, status, expected) in [
            ("POST", 301, "GET"),
            ("POST", 302, "GET"),
            ("POST", 303, "GET"),
            ("PUT", 302, "PUT"),
            ("PUT", 303, "GET"),
            ("HEAD", 303, "HEAD"),
            ("POST", 307, "POST"),
            ("POST", 308, "POST"),
        ] {
            let next = redirect(method, status, "/y");
            assert_eq!(next.method, expected, "{method} {status}");
            assert_eq!(next.url.as_str(), "https://a.example/y");
            assert_eq!(next.body.is_empty(), expected == "GET", "{method} {status}");
            assert_eq!(names(&next).contains(&"content-type"), expected != "GET", "{method} {status}");
            assert!(names(&next).contains(&"authorization"), "the same origin keeps credentials");
        }
    }

    #[test]
    fn credentials_stay_with_their_origin() {
        for elsewhere in ["https://b.example/", "http://a.example/", "https://a.example:444/", "//b.example/"]
        {
            assert_eq!(names(&redirect("POST", 307, elsewhere)), ["accept", "content-type"], "{elsewhere}");
        }
    }

    #[test]
    fn a_redirect_to_nowhere_is_the_peers_fault() {
        let hop = Hop::first(&request("GET", "https://a.example/", &[])).expect("a request");
        for location in ["ftp://b/", "https://me:word@b/", "https://[", "javascript:alert(1)"] {
            let error =
                hop.redirected(&hop.url, StatusCode::FOUND, Some(location.as_bytes())).expect_err(location);
            assert!(matches!(error, HttpError::Protocol(_)), "{error:?}");
        }
        for (status, location) in [(200, Some("/x")), (304, Some("/x")), (302, None)] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert!(matches!(hop.redirected(&hop.url, status, location.map(str::as_bytes)), Ok(None)));
        }
    }
}
