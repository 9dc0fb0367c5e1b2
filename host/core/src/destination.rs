//! Destinations: where effects go, written as a grant names a host.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest destination, in bytes: a host name has 253, and a port may follow it.
const MAX_LENGTH: usize = 260;

/// Host and port of what an effect calls: `api.openai.com`, `10.1.2.3:8080`, `[::1]:9000`.
///
/// The usual ports of HTTP and HTTPS are left out, so that one host is one destination whichever scheme it is called by.
/// A clone shares its text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "api.openai.com")]
pub struct Destination(Arc<str>);

/// A text that names no destination.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no destination: {why}")]
pub struct InvalidDestination {
    /// What was written, cut to a length that can be shown.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Destination {
    /// Checks and wraps a host, with its port unless that is a usual one.
    pub fn new(text: &str) -> Result<Self, InvalidDestination> {
        let canonical = canonical(text);
        canonical.map_err(|why| InvalidDestination { text: text.chars().take(80).collect(), why })
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn canonical(text: &str) -> Result<Destination, &'static str> {
    if text.contains("//") {
        return Err("write the host alone, without `https://`");
    }
    if text.len() > MAX_LENGTH {
        return Err("it is longer than a host can be");
    }
    let (host, port) = split_port(text)?;
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    check_host(&host)?;
    Ok(Destination(match port {
        None | Some(80 | 443) => host.into(),
        Some(port) => format!("{host}:{port}").into(),
    }))
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), &'static str> {
    if text.ends_with(']') {
        return Ok((text, None));
    }
    let Some((host, port)) = text.rsplit_once(':') else { return Ok((text, None)) };
    if host.contains(':') && !host.ends_with(']') {
        return Err("write an IPv6 address in brackets: `[::1]`");
    }
    let port = port.parse().ok().filter(|port| *port != 0).ok_or("a port is a number from 1 to 65535")?;
    Ok((host, Some(port)))
}

fn check_host(host: &str) -> Result<(), &'static str> {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let is_address = address.parse::<std::net::Ipv6Addr>().is_ok();
        return is_address.then_some(()).ok_or("in brackets stands an IPv6 address");
    }
    if host.contains('*') {
        return Err("a destination is one host: name each of them");
    }
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if host.split('.').all(is_label) {
        return Ok(());
    }
    Err("it is neither a host name (in ASCII: `xn--...`) nor an IP address")
}

impl TryFrom<String> for Destination {
    type Error = InvalidDestination;
    fn try_from(text: String) -> Result<Self, InvalidDestination> {
        Self::new(&text)
    }
}

impl FromStr for Destination {
    type Err = InvalidDestination;
    fn from_str(text: &str) -> Result<Self, InvalidDestination> {
        Self::new(text)
    }
}

impl From<Destination> for String {
    fn from(destination: Destination) -> String {
        destination.0.as_ref().to_owned()
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_is_one_destination_however_it_is_written() {
        for (text, expected) in [
            ("api.example.com", "api.example.com"),
            ("API.Example.com.", "api.example.com"),
            ("api.example.com:443", "api.example.com"),
            ("api.example.com:80", "api.example.com"),
            ("api.example.com:8443", "api.example.com:8443"),
            ("10.1.2.3:8080", "10.1.2.3:8080"),
            ("[::1]:9000", "[::1]:9000"),
            ("[::1]", "[::1]"),
            ("localhost", "localhost"),
        ] {
            let destination = Destination::new(text).unwrap();
            assert_eq!(destination.as_str(), expected);
            assert_eq!(
                Destination::new(destination.as_str()).unwrap(),
                destination,
                "it reads what it writes"
            );
        }
    }

    #[test]
    fn what_is_no_destination_is_refused_with_the_mend() {
        for (text, part) in [
            ("", "neither"),
            ("https://a.b", "without `https://`"),
            ("a.b/c", "neither"),
            ("me@a.b", "neither"),
            ("*.a.b", "one host"),
            ("a..b", "neither"),
            ("a b", "neither"),
            ("bücher.example", "in ASCII"),
            ("a.b:0", "1 to 65535"),
            ("a.b:x", "1 to 65535"),
            ("::1", "brackets"),
            ("[::g]", "IPv6"),
            (&"x".repeat(300), "longer"),
        ] {
            let error = Destination::new(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
