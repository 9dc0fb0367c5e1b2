//! Host patterns: `api.example.com`, `*.example.com`, `192.0.2.1`, `[2001:db8::1]`, each with or without a port.
//!
//! Grants, secrets and the operator's own list of hosts are all written with them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// The hosts that a pattern covers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPattern {
    names: Names,
    /// None: the port that the scheme has by default.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Names {
    /// This one, in its canonical form: lower case, Punycode, no dot at its end.
    One(Host<String>),
    /// Any name that ends in a dot and this one.
    Below(String),
}

/// A text that is no host pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a host: {why}")]
pub struct InvalidHost {
    /// What was written, cut to a length that can be shown.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl HostPattern {
    /// Whether a URL's host and port are among those meant.
    #[must_use]
    pub fn covers(&self, url: &Url) -> bool {
        let Some(host) = url.host() else { return false };
        let port_fits = match self.port {
            Some(port) => url.port_or_known_default() == Some(port),
            None => url.port().is_none(),
        };
        port_fits && self.names.cover(&canonical(host.to_owned()))
    }
}

impl HostPattern {
    /// Of two patterns that cover a host, the more precise one has more.
    pub(super) fn precision(&self) -> usize {
        match &self.names {
            Names::One(_) => usize::MAX,
            Names::Below(parent) => parent.len(),
        }
    }
}

impl Names {
    fn cover(&self, host: &Host<String>) -> bool {
        match (self, host) {
            (Self::One(one), host) => one == host,
            (Self::Below(parent), Host::Domain(name)) => name
                .strip_suffix(parent.as_str())
                .is_some_and(|child| child.len() > 1 && child.ends_with('.')),
            (Self::Below(_), Host::Ipv4(_) | Host::Ipv6(_)) => false,
        }
    }
}

/// `example.com.` and `example.com` are one name.
fn canonical(host: Host<String>) -> Host<String> {
    match host {
        Host::Domain(name) => Host::Domain(name.strip_suffix('.').map_or(name.clone(), str::to_owned)),
        address => address,
    }
}

impl FromStr for HostPattern {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        parse(text).map_err(|why| InvalidHost { text: text.chars().take(80).collect(), why })
    }
}

fn parse(text: &str) -> Result<HostPattern, &'static str> {
    if text.contains("//") {
        return Err("write the host alone, without `https://`");
    }
    if text.contains(['/', '?', '#', '@', '%']) {
        return Err("write the host alone, without user or path");
    }
    let (host, port) = split_port(text)?;
    let names = match host.strip_prefix("*.") {
        Some(parent) => match parse_one(parent)? {
            Host::Domain(parent) => Names::Below(parent),
            Host::Ipv4(_) | Host::Ipv6(_) => return Err("`*.` stands before a name, not before an address"),
        },
        None => Names::One(parse_one(host)?),
    };
    Ok(HostPattern { names, port })
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

fn parse_one(host: &str) -> Result<Host<String>, &'static str> {
    if host.contains('*') {
        return Err("a `*` stands for whole labels at the start alone: `*.example.com`");
    }
    match Host::parse(host).map(canonical) {
        Ok(Host::Domain(name)) if name.is_empty() || name.split('.').any(str::is_empty) => {
            Err("a label of the name is empty")
        }
        Ok(host) => Ok(host),
        Err(url::ParseError::EmptyHost) => Err("it is empty"),
        Err(_) => Err("it is neither a host name nor an IP address"),
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.names {
            Names::One(host) => write!(f, "{host}")?,
            Names::Below(parent) => write!(f, "*.{parent}")?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl TryFrom<String> for HostPattern {
    type Error = InvalidHost;
    fn try_from(text: String) -> Result<Self, InvalidHost> {
        text.parse()
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> String {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, url: &str) -> bool {
        let pattern: HostPattern = pattern.parse().expect("a pattern");
        pattern.covers(&Url::parse(url).expect("a URL"))
    }

    #[test]
    fn a_pattern_covers_what_it_says_and_no_more() {
        for (pattern, url, expected) in [
            ("api.example.com", "https://api.example.com/x", true),
            ("api.example.com", "http://api.example.com/x", true),
            ("API.Example.com.", "https://api.example.COM./", true),
            ("api.example.com", "https://api.example.com:8443/", false),
            ("api.example.com:8443", "https://api.example.com:8443/", true),
            ("api.example.com:443", "https://api.example.com/", true),
            ("api.example.com:443", "http://api.example.com/", false),
            ("api.example.com", "https://example.com/", false),
            ("api.example.com", "https://api.example.com.evil.net/", false),
            ("api.example.com", "https://xapi.example.com/", false),
            ("*.example.com", "https://a.example.com/", true),
            ("*.example.com", "https://a.b.example.com/", true),
            ("*.example.com", "https://example.com/", false),
            ("*.example.com", "https://notexample.com/", false),
            ("*.example.com", "https://.example.com/", false),
            ("*.example.com:81", "http://a.example.com:81/", true),
            ("bücher.example", "https://xn--bcher-kva.example/", true),
            ("xn--bcher-kva.example", "https://BÜCHER.example/", true),
            ("127.0.0.1:8080", "http://127.0.0.1:8080/", true),
            ("127.0.0.1", "http://0x7f.1/", true),
            ("127.0.0.1", "http://127.0.0.1.nip.io/", false),
            ("[::1]:8080", "http://[0:0::1]:8080/", true),
            ("[::1]", "http://[::2]/", false),
            ("*.0.0.1.example", "http://127.0.0.1/", false),
        ] {
            assert_eq!(covers(pattern, url), expected, "{pattern} and {url}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused_with_the_mend() {
        for (text, part) in [
            ("", "empty"),
            ("https://a.b", "without `https://`"),
            ("a.b/c", "without user or path"),
            ("me@a.b", "without user or path"),
            ("*", "`*.example.com`"),
            ("a*.b", "`*.example.com`"),
            ("*.*.b", "`*.example.com`"),
            ("*.10.0.0.1", "not before an address"),
            ("a..b", "empty"),
            ("*.", "empty"),
            ("a.b:", "1 to 65535"),
            ("a.b:0", "1 to 65535"),
            ("a.b:70000", "1 to 65535"),
            ("::1", "brackets"),
            ("[::1", "brackets"),
            ("[::1]x", "brackets"),
            ("[::g]", "neither"),
            ("a b", "neither"),
            ("1.2.3.4.5", "neither"),
        ] {
            let error = text.parse::<HostPattern>().expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_pattern_reads_what_it_writes() {
        for text in ["a.b", "*.a.b:81", "10.0.0.1:8080", "[::1]", "[::1]:9"] {
            let pattern: HostPattern = text.parse().expect(text);
            assert_eq!(pattern.to_string(), text);
        }
    }
}
