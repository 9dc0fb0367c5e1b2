//! What a node's grants cover: read from the workflow, checked when it is applied, asked before each request.

use serde_json::json;
use stepwell_core::grant::{Grants, HttpGrant};
use stepwell_core::id::SecretName;
use stepwell_core::mistake::Mistake;
use url::Url;

use super::host::{HostPattern, InvalidHost};
use super::message::{self, HttpError, address, shown};
use super::path::{self, PathPattern};
use super::placeholder;

/// One grant, ready to be asked.
#[derive(Debug)]
struct Grant {
    host: HostPattern,
    methods: Vec<String>,
    paths: Vec<PathPattern>,
}

/// The requests that a node may send.
#[derive(Debug)]
pub(crate) struct HttpGrants(Vec<Grant>);

impl HttpGrants {
    /// A grant that `check` finds fault with covers nothing.
    pub(crate) fn new(grants: &[HttpGrant]) -> Self {
        Self(grants.iter().filter_map(Grant::parse).collect())
    }

    /// An error names the missing grant and shows the JSON that would allow the request.
    pub(crate) fn check(&self, method: &str, url: &Url) -> Result<(), HttpError> {
        if self.0.iter().any(|grant| grant.covers(method, url)) {
            return Ok(());
        }
        Err(HttpError::Denied(format!(
            "no grant of this node covers {method} {}: to allow it, add to the node {}",
            address(url),
            missing_grant(method, url)
        )))
    }
}

impl Grant {
    fn parse(grant: &HttpGrant) -> Option<Self> {
        Some(Self {
            host: grant.host.parse().ok()?,
            methods: grant.methods.clone(),
            paths: grant.paths.iter().map(|path| PathPattern::parse(path)).collect::<Result<_, _>>().ok()?,
        })
    }

    fn covers(&self, method: &str, url: &Url) -> bool {
        self.host.covers(url)
            && (self.methods.is_empty() || self.methods.iter().any(|granted| granted == method))
            && (self.paths.is_empty() || self.paths.iter().any(|path| path.covers(url)))
    }
}

/// `"grants": {"http": [{"host": "a", "methods": ["GET"], "paths": ["/b"]}]}`
fn missing_grant(method: &str, url: &Url) -> String {
    // A path with several readings is covered only where paths are not restricted; what a secret makes of one is not said.
    let path = match placeholder::path_before(url.path()) {
        Some(before) => format!("{before}*"),
        None => url.path().to_owned(),
    };
    let paths = match path::is_unambiguous(&path) {
        true => format!(r#", "paths": [{}]"#, json!(path)),
        false => String::new(),
    };
    format!(
        r#""grants": {{"http": [{{"host": {}, "methods": [{}]{paths}}}]}}"#,
        json!(message::host(url)),
        json!(method)
    )
}

/// `"grants": {"secrets": {"NAME": ["host"]}}`
pub(super) fn missing_secret_grant(name: &SecretName, url: &Url) -> String {
    format!(r#""grants": {{"secrets": {{"{name}": [{}]}}}}"#, json!(message::host(url)))
}

/// What is wrong with a node's grants of requests and secrets, with pointers into the grants.
pub(crate) fn check(grants: &Grants) -> Vec<Mistake> {
    let http = grants
        .http
        .iter()
        .enumerate()
        .flat_map(|(index, grant)| check_http(&format!("/http/{index}"), grant));
    let secrets = grants.secrets.iter().flat_map(|(name, hosts)| check_secret(name, hosts));
    http.chain(secrets).collect()
}

fn check_http(pointer: &str, grant: &HttpGrant) -> Vec<Mistake> {
    let host = check_host(format!("{pointer}/host"), &grant.host);
    let methods = grant.methods.iter().enumerate().filter_map(|(index, method)| {
        let pointer = format!("{pointer}/methods/{index}");
        (!is_method(method)).then(|| {
            let help = format!("write it in upper case, such as `{}`", method.trim().to_ascii_uppercase());
            mistake(pointer, "invalid-grant-method", format!("`{}` is not a method", shown(method)), help)
        })
    });
    let paths = grant.paths.iter().enumerate().filter_map(|(index, path)| {
        let pointer = format!("{pointer}/paths/{index}");
        let why = PathPattern::parse(path).err()?;
        let help = "write a path such as `/v1/chat`, or `/v1/*` for all below".to_owned();
        Some(mistake(pointer, "invalid-grant-path", format!("`{}` is not a path: {why}", shown(path)), help))
    });
    host.into_iter().chain(methods).chain(paths).collect()
}

fn check_secret(name: &SecretName, hosts: &[String]) -> Vec<Mistake> {
    let pointer = format!("/secrets/{name}");
    if hosts.is_empty() {
        let message = format!("the grant of the secret `{name}` names no host that may see it");
        let help = format!(r#"name the hosts: "{name}": ["api.example.com"]"#);
        return vec![mistake(pointer, "secret-without-host", message, help)];
    }
    let check = |(index, host): (usize, &String)| check_host(format!("{pointer}/{index}"), host);
    hosts.iter().enumerate().filter_map(check).collect()
}

fn check_host(pointer: String, host: &str) -> Option<Mistake> {
    let error: InvalidHost = host.parse::<HostPattern>().err()?;
    let help = "write a host such as `api.example.com`, `*.example.com` or `10.0.0.1:8080`".to_owned();
    Some(mistake(pointer, "invalid-grant-host", error.to_string(), help))
}

fn is_method(method: &str) -> bool {
    !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
}

fn mistake(pointer: String, code: &str, message: String, help: String) -> Mistake {
    Mistake { pointer, code: code.to_owned(), message, help: Some(help) }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn grants(json: Value) -> Grants {
        serde_json::from_value(json).expect("grants")
    }

    fn allows(json: Value, method: &str, url: &str) -> Result<(), HttpError> {
        let url = placeholder::mark(url).expect("well-formed");
        HttpGrants::new(&grants(json).http).check(method, &Url::parse(&url).expect("a URL"))
    }

    #[test]
    fn host_method_and_path_of_one_grant_must_all_fit() {
        let two = json!({"http": [
            {"host": "a.example", "methods": ["GET"], "paths": ["/v1/*", "/status"]},
            {"host": "b.example"},
        ]});
        for (method, url, allowed) in [
            ("GET", "https://a.example/v1/x", true),
            ("GET", "https://a.example/status", true),
            ("POST", "https://a.example/v1/x", false),
            ("GET", "https://a.example/v2", false),
            ("GET", "https://a.example/v1/../v2", false),
            ("DELETE", "https://b.example/anything", true),
            ("GET", "https://c.example/v1/x", false),
        ] {
            assert_eq!(allows(two.clone(), method, url).is_ok(), allowed, "{method} {url}");
        }
        assert!(allows(json!({}), "GET", "https://a.example/").is_err(), "nothing is granted by default");
    }

    #[test]
    fn a_refusal_shows_the_grant_that_would_allow_it() {
        for (url, expected) in [
            ("https://x/v1", r#""grants": {"http": [{"host": "x", "methods": ["POST"], "paths": ["/v1"]}]}"#),
            ("http://x:81/a%20b?q", r#"[{"host": "x:81", "methods": ["POST"], "paths": ["/a%20b"]}]"#),
            ("http://[::1]:81/..%2fx", r#"[{"host": "[::1]:81", "methods": ["POST"]}]"#),
            ("https://x/bot{{secret.A}}/send", r#"[{"host": "x", "methods": ["POST"], "paths": ["/bot*"]}]"#),
        ] {
            let refusal = allows(json!({}), "POST", url).expect_err(url).to_string();
            assert!(refusal.ends_with(expected) || refusal.contains(expected), "{refusal}");
            let suggested = &refusal[refusal.find(r#""grants""#).expect("a suggestion")..];
            let suggested: Value = serde_json::from_str(&format!("{{{suggested}}}")).expect("JSON");
            assert_eq!(allows(suggested["grants"].clone(), "POST", url), Ok(()), "the suggestion works");
        }
    }

    #[test]
    fn every_mistake_is_named_with_its_pointer() {
        let wrong = grants(json!({
            "http": [
                {"host": "https://a.example"},
                {"host": "a.example", "methods": ["GET", "post", ""], "paths": ["/a", "v1", "/a*b"]},
            ],
            "secrets": {"EMPTY": [], "KEY": ["a.example", "*"]},
        }));
        let pointers: Vec<String> = check(&wrong).into_iter().map(|mistake| mistake.pointer).collect();
        assert_eq!(
            pointers,
            [
                "/http/0/host",
                "/http/1/methods/1",
                "/http/1/methods/2",
                "/http/1/paths/1",
                "/http/1/paths/2",
                "/secrets/EMPTY",
                "/secrets/KEY/1"
            ]
        );
        let right = json!({"http": [{"host": "*.a.example:81", "methods": ["M-SEARCH"], "paths": ["/*"]}], "secrets": {"K": ["a.example"]}});
        assert_eq!(check(&grants(right)), []);
    }
}
