//! The dialler: connects to addresses that the operator's policy allows, and to no others.
//!
//! A name is resolved here, once, and what is connected to is one of the addresses that were checked: no
//! second look-up can give another answer. The HTTP library does not resolve an address written in a URL, so those are
//! checked before ([`check_literal`]).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::{ClientConfig, RootCertStore};
use url::{Host, Url};

use super::network::NetworkPolicy;

/// How long a peer has to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections to one host that are kept for the next request.
const IDLE_CONNECTIONS: usize = 64;

/// Every address of a host is in a network that steps may not reach.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the host is in a network that steps may not reach")]
pub(super) struct BlockedAddress;

/// An HTTP client that follows no redirects, asks no proxy, keeps no cookies and dials through the policy.
pub(super) fn client(
    policy: Arc<NetworkPolicy>,
    roots: RootCertStore,
) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls_config(roots))
        .dns_resolver(CheckedResolver { policy })
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .user_agent(concat!("stepwell/", env!("CARGO_PKG_VERSION")))
        .build()
}

fn tls_config(roots: RootCertStore) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    #[expect(clippy::expect_used, reason = "fails only for a provider that lacks the versions")]
    let versions = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3");
    let mut config = versions.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

/// The machine's authorities (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured); Mozilla's where it has none.
pub(super) fn trusted_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::warn!(%error, "a certificate authority of this machine can't be read");
    }
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    tracing::debug!(added, ignored, "certificate authorities of this machine");
    if roots.is_empty() {
        tracing::info!("this machine has no certificate authorities: Mozilla's are used");
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

/// Checks the address of a URL whose host is one; a name is checked when it is resolved.
pub(super) fn check_literal(policy: &NetworkPolicy, url: &Url) -> Result<(), BlockedAddress> {
    match url.host() {
        // Its path may hold what nobody is to read in a log.
        Some(Host::Ipv4(address)) => check(policy, &address.to_string(), address.into()),
        Some(Host::Ipv6(address)) => check(policy, &address.to_string(), address.into()),
        Some(Host::Domain(_)) | None => Ok(()),
    }
}

fn check(policy: &NetworkPolicy, host: &str, address: IpAddr) -> Result<(), BlockedAddress> {
    match policy.blocked(address) {
        None => Ok(()),
        Some(kind) => {
            // The operator may know the address; the guest is told no more than it asked for.
            tracing::info!(host, %address, kind, "refused to dial");
            Err(BlockedAddress)
        }
    }
}

struct CheckedResolver {
    policy: Arc<NetworkPolicy>,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.policy);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(reachable(&policy, name.as_str(), found)?.into_iter()) as Addrs)
        })
    }
}

fn reachable(
    policy: &NetworkPolicy,
    host: &str,
    mut addresses: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, BlockedAddress> {
    let found = addresses.len();
    addresses.retain(|address| check(policy, host, address.ip()).is_ok());
    if addresses.is_empty() && found > 0 { Err(BlockedAddress) } else { Ok(addresses) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_its_allowed_addresses_alone() {
        let addresses = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| SocketAddr::new(text.parse().expect("an address"), 0)).collect()
        };
        let policy = NetworkPolicy::default();
        let mixed = addresses(&["10.0.0.1", "8.8.8.8", "::1"]);
        assert_eq!(reachable(&policy, "a", mixed), Ok(addresses(&["8.8.8.8"])));
        assert_eq!(reachable(&policy, "a", addresses(&["127.0.0.1", "::1"])), Err(BlockedAddress));
    }

    #[test]
    fn a_client_can_be_built_without_certificates_on_the_machine() {
        assert!(client(Arc::default(), RootCertStore::empty()).is_ok());
        assert!(!trusted_roots().is_empty());
    }
}
