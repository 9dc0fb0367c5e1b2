//! The header `Link` (RFC 8288).

use stepwell_sdk::http::Response;

/// The target of the link whose relation is `next`.
pub(super) fn next(response: &Response) -> Option<String> {
    let values = response.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("link"));
    values.into_iter().find_map(|(_, value)| of_value(value))
}

fn of_value(mut rest: &str) -> Option<String> {
    loop {
        let (target, after) = rest.split_once('<')?.1.split_once('>')?;
        let end = outside_quotes(after, ',').unwrap_or(after.len());
        if is_next(&after[..end]) {
            return Some(target.trim().to_owned());
        }
        rest = &after[end..];
    }
}

/// Whether a link's parameters say that it is the next one.
fn is_next(mut parameters: &str) -> bool {
    while let Some(start) = outside_quotes(parameters, ';') {
        parameters = &parameters[start + 1..];
        let parameter = &parameters[..outside_quotes(parameters, ';').unwrap_or(parameters.len())];
        if let Some((name, value)) = parameter.split_once('=')
            && name.trim().eq_ignore_ascii_case("rel")
        {
            let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
            return relations.any(|relation| relation.eq_ignore_ascii_case("next"));
        }
    }
    false
}

fn outside_quotes(text: &str, wanted: char) -> Option<usize> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    text.char_indices()
        .find(|(_, c)| {
            let is_plain = !is_escaped;
            is_escaped = is_quoted && is_plain && *c == '\\';
            is_quoted ^= *c == '"' && is_plain;
            !is_quoted && *c == wanted
        })
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_is_found_among_others() {
        for (value, expected) in [
            (r#"<https://a/?page=2>; rel="next""#, Some("https://a/?page=2")),
            (
                r#"<https://a/?p=1,2>; rel="prev", <https://a/?p=3>; title="a, <b>; rel=next"; REL=Next"#,
                Some("https://a/?p=3"),
            ),
            (r#"</x>;rel="last next";title="\"","#, Some("/x")),
            (r#"<https://a/>; rel="nextish", <https://b/>; title="rel=next""#, None),
            (r#"<https://a/>; rel=prev; rel=next"#, None),
            ("https://a/; rel=next", None),
            ("", None),
        ] {
            assert_eq!(of_value(value).as_deref(), expected, "{value}");
        }
    }
}
