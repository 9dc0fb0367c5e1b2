//! The connections of all attempts, and what the operator allows of any of them.
//!
//! Knows nothing of nodes and what they are granted: that is [`super::exchange`]'s.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};
use rustls::RootCertStore;
use url::Url;

use super::dial;
use super::fault::blocked;
use super::message::{self, HttpError};
use super::network::NetworkPolicy;
use super::oauth2::Tokens;
use super::stand_in::EffectStandIn;

/// Tells who answers in a host's place which host it was meant for.
const FORWARDED_HOST: &str = "x-forwarded-host";

/// The connections of all attempts.
pub(crate) struct HttpClient {
    inner: reqwest::Client,
    policy: Arc<NetworkPolicy>,
    /// Of the secrets that are OAuth2 clients.
    pub(super) tokens: Tokens,
    pub(super) stand_in: Option<Arc<dyn EffectStandIn>>,
}

impl HttpClient {
    /// A client that keeps to the operator's policy.
    pub(crate) fn new(policy: NetworkPolicy) -> Result<Self, reqwest::Error> {
        Self::trusting(dial::trusted_roots(), policy)
    }

    /// The same, with certificate authorities of one's own.
    pub(super) fn trusting(roots: RootCertStore, policy: NetworkPolicy) -> Result<Self, reqwest::Error> {
        let policy = Arc::new(policy);
        Ok(Self {
            inner: dial::client(Arc::clone(&policy), roots)?,
            policy,
            tokens: Tokens::default(),
            stand_in: None,
        })
    }

    /// Everything that the operator's policy can say of a URL before there is a connection.
    pub(super) fn allow(&self, url: &Url) -> Result<(), HttpError> {
        self.allow_host(url)?;
        self.check_literal(url)
    }

    pub(super) fn allow_host(&self, url: &Url) -> Result<(), HttpError> {
        if self.policy.allows_host(url) {
            return Ok(());
        }
        Err(HttpError::Denied(format!(
            "this server's operator does not let steps reach `{}`: it is not in `allow_hosts` in the server's \
             configuration",
            message::host(url)
        )))
    }

    pub(super) fn check_literal(&self, url: &Url) -> Result<(), HttpError> {
        let dialled = self.policy.route(url);
        dial::check_literal(&self.policy, dialled.as_ref().unwrap_or(url))
            .map_err(|_| blocked(&message::host(url)))
    }

    /// A request toward a URL, or where the operator has such requests sent.
    pub(super) fn request(
        &self,
        method: Method,
        url: &Url,
        mut headers: HeaderMap,
    ) -> reqwest::RequestBuilder {
        let routed = self.policy.route(url);
        if let (true, Ok(host)) = (routed.is_some(), HeaderValue::from_str(&message::host(url))) {
            // In place of what a guest wrote: who stands there goes by it.
            headers.insert(FORWARDED_HOST, host);
        }
        self.inner.request(method, routed.unwrap_or_else(|| url.clone())).headers(headers)
    }

    /// The same, but that a stand-in answers where there is one.
    pub(crate) fn answered_by(self, stand_in: Option<Arc<dyn EffectStandIn>>) -> Self {
        Self { stand_in, ..self }
    }
}
