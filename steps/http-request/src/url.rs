//! As much of URLs as following a list needs: where one leads to from another, and whether it stays at the same place.

/// `https://a.example:8443` of a URL.
pub(crate) fn origin(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let end = url[authority..].find(['/', '?', '#']).map_or(url.len(), |at| authority + at);
    &url[..end]
}

/// `/a/b` of a URL.
pub(crate) fn path(url: &str) -> &str {
    let rest = &url[origin(url).len()..];
    &rest[..rest.find(['?', '#']).unwrap_or(rest.len())]
}

/// Where a reference leads to that stands in what `base` answered (RFC 3986, section 5), but that `..` is left to the peer.
pub(crate) fn resolve(base: &str, reference: &str) -> String {
    let reference = reference.split('#').next().unwrap_or_default();
    let scheme = base.split("://").next().unwrap_or_default();
    let origin = origin(base);
    if reference.contains("://") && reference.find([':', '/', '?']) == reference.find(':') {
        reference.to_owned()
    } else if reference.starts_with("//") {
        format!("{scheme}:{reference}")
    } else if reference.starts_with('/') {
        format!("{origin}{reference}")
    } else if reference.is_empty() || reference.starts_with('?') {
        format!("{origin}{}{reference}", path(base))
    } else {
        let folder = path(base).rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{origin}{folder}/{reference}")
    }
}

/// Whether both are of the same scheme, host and port.
pub(crate) fn same_origin(one: &str, other: &str) -> bool {
    origin(one).eq_ignore_ascii_case(origin(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_leads_where_a_browser_would_go() {
        let base = "https://a.example:8443/v1/items?page=1#x";
        for (reference, expected) in [
            ("https://b.example/x?y=https://c", "https://b.example/x?y=https://c"),
            ("//b.example/x", "https://b.example/x"),
            ("/v2?u=http://c", "https://a.example:8443/v2?u=http://c"),
            ("?page=2", "https://a.example:8443/v1/items?page=2"),
            ("more?page=2#y", "https://a.example:8443/v1/more?page=2"),
            ("", "https://a.example:8443/v1/items"),
        ] {
            assert_eq!(resolve(base, reference), expected, "{reference}");
        }
        assert_eq!(resolve("https://a.example", "x"), "https://a.example/x");
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert!(same_origin("https://A.example/x", "https://a.example?y"));
        for other in [
            "http://a.example/",
            "https://a.example:444/",
            "https://a.example.evil/",
            "https://a.example@evil/",
        ] {
            assert!(!same_origin("https://a.example/", other), "{other}");
        }
    }
}
