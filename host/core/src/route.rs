//! The paths of HTTP triggers: `/tickets/{id}/route`. Whether one fits a request's path, and what its parameters are then.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

const MAX_LENGTH: usize = 200;

/// The longest value of a parameter.
const MAX_VALUE_LENGTH: usize = 500;

/// A trigger's path, below `/hooks`: parts after a `/` each. A part is a literal or, in braces, the name of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Parameter(String),
}

/// A text that is no trigger's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoute {
    /// Its form.
    #[error("this is no path for a trigger")]
    Form,
    /// A parameter's name.
    #[error("a parameter is called like `{{id}}`: a-z, 0-9 and `_`, beginning with a letter")]
    Parameter,
    /// Two parameters of one name.
    #[error("a parameter stands in the path twice")]
    Twice,
}

impl Route {
    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of its parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Parameter(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// Whether it has no parameters: a request's path fits it if it is the same.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.parameters().next().is_none()
    }

    /// The same for routes that differ in their parameters' names alone: those fit the same paths.
    #[must_use]
    pub fn shape(&self) -> String {
        let shape = self.parts.iter().map(|part| match part {
            Part::Literal(literal) => format!("/{literal}"),
            Part::Parameter(_) => "/{}".to_owned(),
        });
        shape.collect()
    }

    /// The parameters' values, percent-decoded, if the path of a request fits.
    #[must_use]
    pub fn fit(&self, path: &str) -> Option<BTreeMap<String, String>> {
        let mut given = path.strip_prefix('/')?.split('/');
        let mut values = BTreeMap::new();
        for part in &self.parts {
            let given = given.next()?;
            match part {
                Part::Literal(literal) if literal == given => {}
                Part::Literal(_) => return None,
                Part::Parameter(name) => _ = values.insert(name.clone(), value(given)?),
            }
        }
        given.next().is_none().then_some(values)
    }
}

/// A parameter's value: some text, and not endless.
fn value(given: &str) -> Option<String> {
    let value = percent_encoding::percent_decode_str(given).decode_utf8().ok()?;
    let is_good =
        !value.is_empty() && value.len() <= MAX_VALUE_LENGTH && !value.chars().any(char::is_control);
    is_good.then(|| value.into_owned())
}

impl FromStr for Route {
    type Err = InvalidRoute;

    fn from_str(text: &str) -> Result<Self, InvalidRoute> {
        let rest = text.strip_prefix('/').filter(|_| text.len() <= MAX_LENGTH).ok_or(InvalidRoute::Form)?;
        let parts = rest.split('/').map(Part::from_str).collect::<Result<Vec<_>, _>>()?;
        let route = Self { text: text.to_owned(), parts };
        let mut names: Vec<&str> = route.parameters().collect();
        names.sort_unstable();
        match names.windows(2).any(|pair| pair[0] == pair[1]) {
            true => Err(InvalidRoute::Twice),
            false => Ok(route),
        }
    }
}

impl FromStr for Part {
    type Err = InvalidRoute;

    fn from_str(part: &str) -> Result<Self, InvalidRoute> {
        if let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            let is_good = name.starts_with(|first: char| first.is_ascii_lowercase())
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            return is_good.then(|| Self::Parameter(name.to_owned())).ok_or(InvalidRoute::Parameter);
        }
        let is_good = !matches!(part, "" | "." | "..")
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        is_good.then(|| Self::Literal(part.to_owned())).ok_or(InvalidRoute::Form)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(text: &str) -> Route {
        text.parse().unwrap()
    }

    #[test]
    fn a_path_fits_part_by_part() {
        let classify = route("/tickets/{id}/classify");
        let fit = classify.fit("/tickets/a%2Fb%20c/classify").unwrap();
        assert_eq!(fit, BTreeMap::from([("id".to_owned(), "a/b c".to_owned())]));
        for other in [
            "/tickets/7",
            "/tickets/7/route",
            "/tickets/7/classify/",
            "/tickets//classify",
            "/tickets/%00/classify",
            "/tickets/%ff/classify",
            "tickets/7/classify",
            "",
        ] {
            assert_eq!(classify.fit(other), None, "{other}");
        }
        assert_eq!(route("/tickets").fit("/tickets"), Some(BTreeMap::new()));
        assert_eq!(classify.fit(&format!("/tickets/{}/classify", "7".repeat(501))), None);
    }

    #[test]
    fn routes_that_fit_the_same_paths_have_one_shape() {
        assert_eq!(route("/a/{b}/c").shape(), route("/a/{x}/c").shape());
        assert_ne!(route("/a/{b}/c").shape(), route("/a/b/c").shape());
        assert_eq!(route("/a/{b}/{c}").parameters().collect::<Vec<_>>(), ["b", "c"]);
        assert!(route("/a").is_literal() && !route("/{a}").is_literal());
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for (text, why) in [
            ("tickets", InvalidRoute::Form),
            ("/", InvalidRoute::Form),
            ("/a//b", InvalidRoute::Form),
            ("/a/../b", InvalidRoute::Form),
            ("/a?b", InvalidRoute::Form),
            ("/a{b}", InvalidRoute::Form),
            ("/{Id}", InvalidRoute::Parameter),
            ("/{}", InvalidRoute::Parameter),
            ("/{a}/{a}", InvalidRoute::Twice),
        ] {
            assert_eq!(text.parse::<Route>(), Err(why), "{text}");
        }
    }
}
