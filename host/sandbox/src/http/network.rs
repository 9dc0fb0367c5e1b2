//! The operator's outer bound: which addresses and hosts any step may reach, whatever its node is granted.
//!
//! Addresses that are not of the public Internet are refused unless the operator allows their network, so that a
//! workflow cannot look into the house that the server stands in.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use url::Url;

use super::host::HostPattern;
use super::route::Route;

/// Which addresses and hosts steps may reach at all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkPolicy {
    /// Networks beyond the public Internet that steps may reach, such as `127.0.0.0/8` or `10.1.0.0/16`.
    pub allow_networks: Vec<IpNet>,
    /// The only hosts that steps may reach; empty: every host.
    pub allow_hosts: Vec<HostPattern>,
    /// Where requests toward some hosts are sent instead: to a gateway, or to a stand-in.
    pub routes: BTreeMap<HostPattern, Route>,
}

impl NetworkPolicy {
    /// The kind of network that an address belongs to, if steps may not reach it.
    #[must_use]
    pub fn blocked(&self, address: IpAddr) -> Option<&'static str> {
        let reached = reached(address);
        let allowed = self
            .allow_networks
            .iter()
            .any(|network| network.contains(&address) || network.contains(&reached));
        if allowed { None } else { special_purpose(reached) }
    }

    /// Where a request is sent in place of its URL, if its host has a route: that of the host itself, or else of the longest `*.` above it.
    pub(super) fn route(&self, url: &Url) -> Option<Url> {
        let covering = self.routes.iter().filter(|(host, _)| host.covers(url));
        covering.max_by_key(|(host, _)| host.precision()).map(|(_, route)| route.lead(url))
    }

    /// Whether a URL's host is among those that steps may reach.
    pub(super) fn allows_host(&self, url: &Url) -> bool {
        self.allow_hosts.is_empty() || self.allow_hosts.iter().any(|pattern| pattern.covers(url))
    }
}

/// Where a packet to an address ends: the IPv4 address inside a v4-mapped or NAT64 one. (On an IPv6-only
/// machine, DNS64 gives every IPv4 host a NAT64 address; it is as public or private as that host.)
fn reached(address: IpAddr) -> IpAddr {
    const NAT64: Ipv6Net = v6(0x64, 0xff9b, 96);
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) if NAT64.contains(&v6) => {
            let [.., a, b, c, d] = v6.octets();
            Ipv4Addr::new(a, b, c, d).into()
        }
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
    }
}

fn special_purpose(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => SPECIAL_V4.iter().find(|(network, _)| network.contains(&v4)).map(|(_, kind)| *kind),
        IpAddr::V6(v6) => SPECIAL_V6.iter().find(|(network, _)| network.contains(&v6)).map(|(_, kind)| *kind),
    }
}

/// The IANA IPv4 Special-Purpose Address Registry (RFC 6890), multicast, and the cloud's metadata services.
/// The first row that fits names the kind.
const SPECIAL_V4: [(Ipv4Net, &str); 17] = [
    (v4([169, 254, 169, 254], 32), "cloud metadata"),
    (v4([0, 0, 0, 0], 8), "unspecified"),
    (v4([10, 0, 0, 0], 8), "private"),
    (v4([100, 64, 0, 0], 10), "carrier-grade NAT"),
    (v4([127, 0, 0, 0], 8), "loopback"),
    (v4([169, 254, 0, 0], 16), "link-local"),
    (v4([172, 16, 0, 0], 12), "private"),
    (v4([192, 0, 0, 0], 24), "protocol assignments"),
    (v4([192, 0, 2, 0], 24), "documentation"),
    (v4([192, 88, 99, 0], 24), "6to4 relay"),
    (v4([192, 168, 0, 0], 16), "private"),
    (v4([198, 18, 0, 0], 15), "benchmarking"),
    (v4([198, 51, 100, 0], 24), "documentation"),
    (v4([203, 0, 113, 0], 24), "documentation"),
    (v4([224, 0, 0, 0], 4), "multicast"),
    (v4([255, 255, 255, 255], 32), "broadcast"),
    (v4([240, 0, 0, 0], 4), "reserved"),
];

/// The same for IPv6, and the forms that carry an IPv4 address past a check of IPv6 addresses.
const SPECIAL_V6: [(Ipv6Net, &str); 16] = [
    (Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128), "cloud metadata"),
    (Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128), "unspecified"),
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), "loopback"),
    (v6(0, 0, 96), "IPv4-compatible"),
    (Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96), "IPv4-translated"),
    (Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48), "local NAT64"),
    (v6(0x100, 0, 64), "discard"),
    (v6(0x2001, 0, 32), "Teredo"),
    (v6(0x2001, 0x2, 48), "benchmarking"),
    (v6(0x2001, 0xdb8, 32), "documentation"),
    (v6(0x2002, 0, 16), "6to4"),
    (v6(0x3fff, 0, 20), "documentation"),
    (v6(0xfc00, 0, 7), "private"),
    (v6(0xfe80, 0, 10), "link-local"),
    (v6(0xfec0, 0, 10), "site-local"),
    (v6(0xff00, 0, 8), "multicast"),
];

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(first: u16, second: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked(policy: &NetworkPolicy, address: &str) -> Option<&'static str> {
        policy.blocked(address.parse().expect(address))
    }

    #[test]
    fn an_address_beyond_the_public_internet_is_blocked_by_its_kind() {
        for (address, kind) in [
            ("169.254.169.254", "cloud metadata"),
            ("0.0.0.0", "unspecified"),
            ("0.1.2.3", "unspecified"),
            ("10.0.0.1", "private"),
            ("100.64.0.1", "carrier-grade NAT"),
            ("100.127.255.255", "carrier-grade NAT"),
            ("127.0.0.1", "loopback"),
            ("127.255.255.254", "loopback"),
            ("169.254.0.1", "link-local"),
            ("172.16.0.1", "private"),
            ("172.31.255.255", "private"),
            ("192.0.0.192", "protocol assignments"),
            ("192.0.2.1", "documentation"),
            ("192.88.99.1", "6to4 relay"),
            ("192.168.1.1", "private"),
            ("198.18.0.1", "benchmarking"),
            ("198.19.255.255", "benchmarking"),
            ("198.51.100.1", "documentation"),
            ("203.0.113.1", "documentation"),
            ("224.0.0.1", "multicast"),
            ("255.255.255.255", "broadcast"),
            ("240.0.0.1", "reserved"),
            ("fd00:ec2::254", "cloud metadata"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::7f00:1", "IPv4-compatible"),
            ("::8.8.8.8", "IPv4-compatible"),
            ("::ffff:0:127.0.0.1", "IPv4-translated"),
            ("::ffff:127.0.0.1", "loopback"),
            ("::ffff:169.254.169.254", "cloud metadata"),
            ("64:ff9b::10.0.0.1", "private"),
            ("64:ff9b::a9fe:a9fe", "cloud metadata"),
            ("64:ff9b:1::8.8.8.8", "local NAT64"),
            ("100::1", "discard"),
            ("2001::1", "Teredo"),
            ("2001:2::1", "benchmarking"),
            ("2001:db8::1", "documentation"),
            ("2002:7f00:1::", "6to4"),
            ("3fff::1", "documentation"),
            ("fc00::1", "private"),
            ("fd12:3456::1", "private"),
            ("fe80::1", "link-local"),
            ("fec0::1", "site-local"),
            ("ff02::1", "multicast"),
        ] {
            assert_eq!(blocked(&NetworkPolicy::default(), address), Some(kind), "{address}");
        }
    }

    #[test]
    fn every_row_of_the_tables_is_reached() {
        let first_v4 = SPECIAL_V4.iter().map(|(network, kind)| (IpAddr::V4(network.network()), kind));
        let first_v6 = SPECIAL_V6.iter().map(|(network, kind)| (IpAddr::V6(network.network()), kind));
        for (address, kind) in first_v4.chain(first_v6) {
            let found = NetworkPolicy::default().blocked(address);
            // The first address of `::/96` is `::` itself, which has a row of its own.
            assert!(
                found == Some(kind) || address == IpAddr::V6(Ipv6Addr::UNSPECIFIED),
                "{address}: {found:?}"
            );
        }
    }

    #[test]
    fn the_public_internet_is_open() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860::8888",
            "2003::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            assert_eq!(blocked(&NetworkPolicy::default(), address), None, "{address}");
        }
    }

    #[test]
    fn a_network_that_the_operator_allows_is_open_in_each_of_its_forms() {
        let policy: NetworkPolicy =
            serde_json::from_str(r#"{"allow_networks": ["127.0.0.0/8", "fd00::/8"]}"#).expect("a policy");
        for open in ["127.0.0.1", "::ffff:127.0.0.1", "fd00::1"] {
            assert_eq!(blocked(&policy, open), None, "{open}");
        }
        for closed in ["10.0.0.1", "::1", "fc00::1", "::ffff:10.0.0.1"] {
            assert!(blocked(&policy, closed).is_some(), "{closed}");
        }
    }

    #[test]
    fn a_list_of_hosts_closes_all_others() {
        let url = |text| Url::parse(text).expect("a URL");
        let policy: NetworkPolicy =
            serde_json::from_str(r#"{"allow_hosts": ["*.example.com"]}"#).expect("a policy");
        assert!(policy.allows_host(&url("https://api.example.com/")));
        assert!(!policy.allows_host(&url("https://example.org/")));
        assert!(NetworkPolicy::default().allows_host(&url("https://example.org/")));
        assert!(serde_json::from_str::<NetworkPolicy>(r#"{"allow_host": []}"#).is_err());
    }
}
