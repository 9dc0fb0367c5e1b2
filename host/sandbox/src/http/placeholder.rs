//! The placeholder of a secret, `{{secret.NAME}}`, in a header's value and in a URL.
//!
//! Knows the form alone; whose secret may go where is [`super::secret`]'s to say.
//!
//! In a URL that is parsed, a mark that nobody else can write stands in a placeholder's place. So what a guest encoded, because it is text that
//! somebody gave it, stays text, and so does whatever a peer writes into a redirect.

use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::LazyLock;

use stepwell_core::id::SecretName;
use url::Url;

/// Stands on both sides of a secret's name. The standard library's hashers begin with random keys: this is as good as they are, and never
/// leaves the process.
static MARK: LazyLock<String> = LazyLock::new(|| {
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
});

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    Secret(SecretName),
}

/// The pieces of a text, in order. Other double braces are the guest's own text; an error says what is wrong with a placeholder.
pub(super) fn parse(mut rest: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    while let Some(start) = find(rest) {
        let Some(length) = rest[start..].find("}}") else {
            return Err("a `{{secret.` has no `}}`".to_owned());
        };
        let inside = rest[start + 2..start + length].trim();
        let name = inside.strip_prefix("secret.").unwrap_or_default();
        pieces.push(Piece::Text(&rest[..start]));
        pieces.push(Piece::Secret(SecretName::new(name).map_err(|error| error.to_string())?));
        rest = &rest[start + length + 2..];
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

fn find(text: &str) -> Option<usize> {
    text.match_indices("secret.").find_map(|(at, _)| text[..at].trim_end().strip_suffix("{{").map(str::len))
}

/// The secrets that a text names. What can't be parsed is refused before it is sent.
pub(super) fn named_in(written: &str) -> Vec<SecretName> {
    secrets_of(parse(written).unwrap_or_default())
}

/// The secrets that a marked text names.
pub(super) fn marked_in(text: &str) -> Vec<SecretName> {
    secrets_of(marked_pieces(text))
}

fn secrets_of(pieces: Vec<Piece<'_>>) -> Vec<SecretName> {
    let secret = |piece| match piece {
        Piece::Secret(name) => Some(name),
        Piece::Text(_) => None,
    };
    pieces.into_iter().filter_map(secret).collect()
}

/// The text of a URL with marks in the places of its placeholders.
pub(super) fn mark(url: &str) -> Result<Cow<'_, str>, String> {
    if find(url).is_none() {
        return Ok(Cow::Borrowed(url));
    }
    let text = |piece: Piece<'_>| match piece {
        Piece::Text(text) => text.to_owned(),
        Piece::Secret(name) => format!("{mark}{name}{mark}", mark = *MARK),
    };
    Ok(Cow::Owned(parse(url)?.into_iter().map(text).collect()))
}

/// The pieces of a marked text.
pub(super) fn marked_pieces(text: &str) -> Vec<Piece<'_>> {
    let piece = |(index, piece)| match (index % 2, SecretName::new(piece)) {
        (1, Ok(name)) => Piece::Secret(name),
        _ => Piece::Text(piece),
    };
    text.split(MARK.as_str()).enumerate().map(piece).collect()
}

/// A URL with its placeholders as the guest wrote them.
pub(super) fn written(url: &Url) -> Cow<'_, str> {
    written_in(url.as_str())
}

/// The same of a part of a URL.
pub(super) fn written_in(text: &str) -> Cow<'_, str> {
    if !text.contains(MARK.as_str()) {
        return Cow::Borrowed(text);
    }
    let shown = |piece: Piece<'_>| match piece {
        Piece::Text(text) => text.to_owned(),
        Piece::Secret(name) => of(&name),
    };
    Cow::Owned(marked_pieces(text).into_iter().map(shown).collect())
}

/// The placeholder of a secret.
pub(super) fn of(name: &SecretName) -> String {
    format!("{{{{secret.{name}}}}}")
}

/// The part of a path before the first placeholder; none if the path has none.
pub(super) fn path_before(path: &str) -> Option<&str> {
    path.split_once(MARK.as_str()).map(|(before, _)| before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(given: &str) -> String {
        let url = Url::parse(&mark(given).expect("well-formed")).expect("a URL");
        written(&url).into_owned()
    }

    #[test]
    fn a_placeholder_in_a_url_is_found_again_where_it_was_written() {
        for (given, expected) in [
            ("https://a.example/x", "https://a.example/x"),
            ("https://a.example/s/{{secret.HOOK}}", "https://a.example/s/{{secret.HOOK}}"),
            (
                "https://a.example/bot{{ secret.T }}/send?k={{secret.K}}",
                "https://a.example/bot{{secret.T}}/send?k={{secret.K}}",
            ),
            ("https://a.example/{{other}}?q={{ x }}", "https://a.example/%7B%7Bother%7D%7D?q={{%20x%20}}"),
        ] {
            assert_eq!(again(given), expected);
        }
        assert!(mark("https://a.example/{{secret.A-B}}").is_err());
        assert!(mark("https://a.example/{{secret.A").is_err());
    }

    /// A text that somebody gave to a step, and that the step encoded as it should.
    #[test]
    fn what_is_encoded_is_no_placeholder() {
        let encoded = "https://a.example/send?text=%7B%7Bsecret.TOKEN%7D%7D&x=%7b%7bsecret.TOKEN%7d%7d";
        let url = Url::parse(&mark(encoded).expect("well-formed")).expect("a URL");
        assert_eq!(written(&url), encoded);
        assert_eq!(marked_in(url.as_str()), []);
        let named = mark("https://a.example/{{secret.T}}").expect("well-formed");
        assert_eq!(marked_in(&named), [SecretName::new("T").expect("a name")]);
    }
}
