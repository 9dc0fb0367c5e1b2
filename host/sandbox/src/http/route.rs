//! Routes: the operator sends what steps ask of one host to another place, such as a gateway or a stand-in.
//!
//! Grants and secrets go by the host that a step names; only the connection goes elsewhere.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

/// A base URL: the paths of what is sent there are put behind its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Route(Url);

/// A text that is no route.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a route: {why}")]
pub struct InvalidRoute {
    /// What was written.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Route {
    /// Where a request toward this URL goes.
    pub(super) fn lead(&self, url: &Url) -> Url {
        let mut led = self.0.clone();
        led.set_path(&format!("{}{}", self.0.path().trim_end_matches('/'), url.path()));
        led.set_query(url.query());
        led
    }
}

impl FromStr for Route {
    type Err = InvalidRoute;

    fn from_str(text: &str) -> Result<Self, InvalidRoute> {
        let wrong = |why| InvalidRoute { text: text.chars().take(200).collect(), why };
        let url =
            Url::parse(text).map_err(|_| wrong("write a URL such as `http://gateway.example.com:8080`"))?;
        match () {
            () if !matches!(url.scheme(), "http" | "https") => {
                Err(wrong("its scheme is neither `http` nor `https`"))
            }
            () if url.query().is_some() || url.fragment().is_some() => {
                Err(wrong("it has a query or a fragment"))
            }
            () if !url.username().is_empty() || url.password().is_some() => {
                Err(wrong("it holds a user name or password"))
            }
            () => Ok(Self(url)),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for Route {
    type Error = InvalidRoute;
    fn try_from(text: String) -> Result<Self, InvalidRoute> {
        text.parse()
    }
}

impl From<Route> for String {
    fn from(route: Route) -> String {
        route.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_queries_go_along() {
        for (route, url, expected) in [
            ("http://127.0.0.1:9", "https://a.example/v1/x?q=1", "http://127.0.0.1:9/v1/x?q=1"),
            (
                "https://gateway.example/openai/",
                "https://a.example/v1%2Fx",
                "https://gateway.example/openai/v1%2Fx",
            ),
            ("http://b.example", "https://a.example", "http://b.example/"),
        ] {
            let led = route.parse::<Route>().expect(route).lead(&Url::parse(url).expect("a URL"));
            assert_eq!(led.as_str(), expected);
        }
    }

    #[test]
    fn what_is_no_route_is_refused() {
        for text in ["gateway:80", "ftp://a", "http://a/?b", "http://a/#b", "http://me:word@a/", ""] {
            assert!(text.parse::<Route>().is_err(), "{text}");
        }
    }
}
