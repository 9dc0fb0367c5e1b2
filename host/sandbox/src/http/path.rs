//! Path patterns: `/v1/chat` exactly, `/v1/*` with all below.
//!
//! A URL's path has more than one reading: proxies and servers decode `%2e%2e%2f` once, twice or never, and
//! some take `\` for `/`. A pattern may promise only what holds in every reading, so a path in which any
//! of them finds a dot segment is covered by no pattern but `*`.

use percent_encoding::percent_decode_str;
use url::Url;

/// Layers of percent-encoding beyond which a path is up to no good.
const MOST_LAYERS: usize = 4;

/// The paths that a pattern covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PathPattern {
    /// Every path: `*` or `/*`.
    All,
    /// Exactly this one, by its decoded segments.
    Exact(Vec<String>),
    /// Every path that has these segments and then one that starts so.
    Prefix { parents: Vec<String>, start: String },
}

impl PathPattern {
    /// Reads a pattern; an error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if matches!(text, "*" | "/*") {
            return Ok(Self::All);
        }
        if !text.starts_with('/') {
            return Err("a path starts with `/`");
        }
        if text.contains(['?', '#']) {
            return Err("a path has no query and no fragment");
        }
        let (text, is_prefix) = text.strip_suffix('*').map_or((text, false), |start| (start, true));
        if text.contains('*') {
            return Err("a `*` stands at the end alone");
        }
        let mut segments =
            unambiguous_segments(text).ok_or("a path has no `.`, `..`, `\\` or control character in it")?;
        match is_prefix {
            true => Ok(Self::Prefix { start: segments.pop().unwrap_or_default(), parents: segments }),
            false => Ok(Self::Exact(segments)),
        }
    }

    /// Whether the path of a URL is among those meant.
    pub(super) fn covers(&self, url: &Url) -> bool {
        match self {
            Self::All => true,
            Self::Exact(exact) => unambiguous_segments(url.path()).is_some_and(|segments| segments == *exact),
            Self::Prefix { parents, start } => unambiguous_segments(url.path())
                .is_some_and(|segments| starts_with(&segments, parents, start)),
        }
    }
}

/// Whether a path means the same however often it is decoded: only then a pattern can cover it.
pub(super) fn is_unambiguous(path: &str) -> bool {
    unambiguous_segments(path).is_some()
}

fn starts_with(segments: &[String], parents: &[String], start: &str) -> bool {
    segments.strip_prefix(parents).and_then(<[String]>::first).is_some_and(|next| next.starts_with(start))
}

/// The path's segments, each decoded once (RFC 3986 section 6.2.2.2), if no reading of the path climbs.
fn unambiguous_segments(path: &str) -> Option<Vec<String>> {
    let every_layer_decoded = decode_fully(path)?;
    let climbs = every_layer_decoded.split(['/', '\\']).any(may_be_dot_segment);
    if climbs || every_layer_decoded.contains(char::is_control) {
        return None;
    }
    path.strip_prefix('/')?.split('/').map(decode).collect()
}

/// `..`, and what some server takes for it: `..;a=b` (path parameters), `.. ` and `...` (trimmed names).
fn may_be_dot_segment(segment: &str) -> bool {
    let name = segment.split(';').next().unwrap_or_default().trim();
    !name.is_empty() && name.bytes().all(|byte| byte == b'.')
}

/// None if there is no end to it within reason.
fn decode_fully(text: &str) -> Option<String> {
    let mut decoded = text.to_owned();
    for _ in 0..=MOST_LAYERS {
        let next = decode(&decoded)?;
        if next == decoded {
            return Some(decoded);
        }
        decoded = next;
    }
    None
}

fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn covers(pattern: &str, path: &str) -> bool {
        let url = Url::parse(&format!("https://a{path}")).expect("a URL");
        PathPattern::parse(pattern).expect("a pattern").covers(&url)
    }

    #[test]
    fn a_pattern_covers_what_it_says_and_no_more() {
        for (pattern, path, expected) in [
            ("/v1/chat", "/v1/chat", true),
            ("/v1/chat", "/v1/chat?q=/../x", true),
            ("/v1/chat", "/v1/ch%61t", true),
            ("/v1/ch%61t", "/v1/chat", true),
            ("/v1/chat", "/v1/chat/", false),
            ("/v1/chat", "/v1/CHAT", false),
            ("/", "", true),
            ("/v1/*", "/v1/", true),
            ("/v1/*", "/v1/a/b", true),
            ("/v1/*", "/v1", false),
            ("/v1/*", "/v10/a", false),
            ("/v1*", "/v10/a", true),
            ("/v1/*", "/v1/../admin", false),
            ("/v1/*", "/v1/%2e%2E/admin", false),
            ("/v1/*", "/v1/..%2fadmin", false),
            ("/v1/*", "/v1/..%5cadmin", false),
            ("/v1/*", r"/v1\..\admin", false),
            ("/v1/*", "/v1/%252e%252e%252fadmin", false),
            ("/v1/*", "/v1/%25252e%25252e/admin", false),
            ("/v1/*", "/v1/..;/admin", false),
            ("/v1/*", "/v1/..%20/admin", false),
            ("/v1/*", "/v1/..%00/admin", false),
            ("/v1/*", "/v1/%c0%ae%c0%ae/admin", false),
            ("/v1/*", "//v1/a", false),
            ("/v1/*", "/v1//a", true),
            ("/v1/*", "/v1%2fa", false),
            ("/v1/*", "/v%2531/a", false),
            ("/projects/*", "/projects/group%2Fname", true),
            ("/a", "/a%", false),
            ("*", "/v1/..%2fadmin", true),
            ("/*", "/anything", true),
        ] {
            assert_eq!(covers(pattern, path), expected, "{pattern} and {path}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "v1", "/a*b", "/a/../b*", "/a/%2e%2e", "/a?b", "/a#b", "/a%00"] {
            assert!(PathPattern::parse(text).is_err(), "{text}");
        }
    }

    /// A path as a lenient server reads it: decoded some times, backslashes and doubled slashes made one
    /// slash, dot segments resolved.
    fn lenient_reading(path: &str, rounds: usize) -> String {
        let decode_lossily = |path: String| percent_decode_str(&path).decode_utf8_lossy().into_owned();
        let decoded = (0..rounds).fold(path.to_owned(), |path, _| decode_lossily(path)).replace('\\', "/");
        let mut segments = Vec::new();
        for segment in decoded.split('/') {
            match segment {
                "" | "." => {}
                ".." => drop(segments.pop()),
                name => segments.push(name),
            }
        }
        format!("/{}/", segments.join("/"))
    }

    /// Strings that are mostly made of what attacks are made of.
    fn hostile_path() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("/"),
            Just("v1"),
            Just("admin"),
            Just(".."),
            Just("."),
            Just("%2e"),
            Just("%2f"),
            Just("%5c"),
            Just("\\"),
            Just("%25"),
            Just("2e"),
            Just("2f"),
            Just("5c"),
            Just("%252e"),
            Just("%252f"),
            Just(";"),
            Just("%c0%af"),
            Just("a"),
            Just("%"),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn no_reading_of_a_covered_path_leaves_the_prefix(rest in hostile_path(), rounds in 0usize..5) {
            let url = Url::parse(&format!("https://a/v1/{rest}"))?;
            if PathPattern::parse("/v1/*").expect("a pattern").covers(&url) {
                let reading = lenient_reading(url.path(), rounds);
                prop_assert!(reading.starts_with("/v1/"), "{} is read as {}", url, reading);
            }
        }
    }
}
