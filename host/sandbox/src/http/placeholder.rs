//! The placeholder of a secret, `{{secret.NAME}}`, in a header's value and in a URL.
//!
//! Knows the form alone; whose secret may go where is [`super::secret`]'s to say.

use std::borrow::Cow;

use stepwell_core::id::SecretName;
use url::Url;

/// How a placeholder begins and ends in the path of a [`Url`], which encodes braces there.
const ENCODED: (&str, &str) = ("%7B%7Bsecret.", "%7D%7D");

/// A piece of a text.
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

/// Whether a text names a secret.
pub(super) fn mentions_secret(written: &str) -> bool {
    // What can't be parsed is refused before it is sent.
    parse(written).is_ok_and(|pieces| pieces.iter().any(|piece| matches!(piece, Piece::Secret(_))))
}

/// The text of a URL with its placeholders in one form, so that [`written`] finds them again in what is made of it.
pub(super) fn canonical(url: &str) -> Result<Cow<'_, str>, String> {
    if find(url).is_none() {
        return Ok(Cow::Borrowed(url));
    }
    let text = |piece: Piece<'_>| match piece {
        Piece::Text(text) => text.to_owned(),
        Piece::Secret(name) => of(&name),
    };
    Ok(Cow::Owned(parse(url)?.into_iter().map(text).collect()))
}

/// The placeholder of a secret.
pub(super) fn of(name: &SecretName) -> String {
    format!("{{{{secret.{name}}}}}")
}

/// A URL with its placeholders as the guest wrote them.
pub(super) fn written(url: &Url) -> Cow<'_, str> {
    written_in(url.as_str())
}

/// The same of a part of a URL.
pub(super) fn written_in(mut rest: &str) -> Cow<'_, str> {
    let (begin, end) = ENCODED;
    let mut text = String::new();
    while let Some(start) = rest.find(begin) {
        let inside = &rest[start + begin.len()..];
        let Some(length) = inside.find(end) else { break };
        text.push_str(&rest[..start]);
        text.push_str(&format!("{{{{secret.{}}}}}", &inside[..length]));
        rest = &inside[length + end.len()..];
    }
    if text.is_empty() { Cow::Borrowed(rest) } else { Cow::Owned(text + rest) }
}

/// The part of a path before the first placeholder; none if the path has none.
pub(super) fn path_before(path: &str) -> Option<&str> {
    path.find(ENCODED.0).map(|at| &path[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("https://a.example/%7B%7Bsecret.X", "https://a.example/%7B%7Bsecret.X"),
        ] {
            let url = Url::parse(&canonical(given).expect("well-formed")).expect("a URL");
            assert_eq!(written(&url), expected);
        }
        assert!(canonical("https://a.example/{{secret.A-B}}").is_err());
        assert!(canonical("https://a.example/{{secret.A").is_err());
    }
}
