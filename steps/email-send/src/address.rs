//! Mailboxes: an address, and perhaps a name.
//!
//! Addresses are those that providers take and people have: a dot-atom at a domain of the DNS, in ASCII (RFC 5321 and 5322 without quoted local parts, comments
//! and IP addresses). What stands outside that is refused with the reason.

use schemars::JsonSchema;
use serde::Deserialize;

/// A mailbox: `ann@example.com`, `Ann <ann@example.com>`, or an object.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Mailbox {
    /// An address, or a name with the address in angle brackets.
    Text(String),
    /// An address with a name.
    Parts(Parts),
}

/// An address with a name.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parts {
    /// The address.
    email: String,
    /// Whose it is.
    name: Option<String>,
}

/// A mailbox that is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) email: String,
    pub(crate) name: Option<String>,
}

impl Mailbox {
    pub(crate) fn parse(&self) -> Result<Address, String> {
        let (email, name) = match self {
            Self::Parts(Parts { email, name }) => (email.trim(), name.as_deref()),
            Self::Text(text) => split(text.trim()),
        };
        check(email)?;
        let name = name.map(unquoted).filter(|name| !name.is_empty());
        if let Some(name) = &name
            && name.chars().any(char::is_control)
        {
            return Err("the name holds a control character, such as a line break".into());
        }
        Ok(Address { email: email.into(), name })
    }
}

impl Address {
    /// As it stands in a header: `"Doe, Ann" <ann@example.com>`.
    pub(crate) fn in_header(&self) -> String {
        match &self.name {
            Some(name) => {
                let name = name.replace('\\', "\\\\").replace('"', "\\\"");
                format!("\"{name}\" <{}>", self.email)
            }
            None => self.email.clone(),
        }
    }
}

fn split(text: &str) -> (&str, Option<&str>) {
    match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((name, email)) => (email.trim(), Some(name)),
        None => (text, None),
    }
}

fn unquoted(name: &str) -> String {
    let name = name.trim();
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\\\"", "\"").replace("\\\\", "\\"),
        None => name.to_owned(),
    }
}

fn check(email: &str) -> Result<(), String> {
    let fault = |why: &str| Err(format!("`{}` is no address: {why}", email.escape_debug()));
    let Some((local, domain)) = email.rsplit_once('@') else {
        return fault("it has no `@`");
    };
    if !email.is_ascii() {
        return fault("it holds letters beyond ASCII: write the domain as `xn--...`");
    }
    let is_atom = |part: &str| !part.is_empty() && part.bytes().all(is_atext);
    if local.len() > 64 || !local.split('.').all(is_atom) {
        return fault(
            "before the `@` stand 1 to 64 letters, digits, single dots and signs such as `+` and `-`",
        );
    }
    let is_label = |part: &str| {
        (1..=63).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    let top = domain.rsplit('.').next().unwrap_or_default();
    let is_number = top.bytes().all(|byte| byte.is_ascii_digit());
    if domain.len() > 253 || !domain.contains('.') || !domain.split('.').all(is_label) || is_number {
        return fault("behind the `@` stands a domain, such as `example.com`");
    }
    Ok(())
}

/// What stands unquoted before an `@` (RFC 5322, section 3.2.3).
fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, String> {
        Mailbox::Text(text.into()).parse()
    }

    #[test]
    fn an_address_comes_with_a_name_or_without() {
        for (text, email, name) in [
            ("ann@example.com", "ann@example.com", None),
            (" Ann <ann+x@mail.example.co.uk> ", "ann+x@mail.example.co.uk", Some("Ann")),
            (
                "\"Doe, \\\"A\\\"\" <a.b@xn--bcher-kva.example>",
                "a.b@xn--bcher-kva.example",
                Some("Doe, \"A\""),
            ),
            ("<o'neil_{x}@a-b.example>", "o'neil_{x}@a-b.example", None),
            ("Müller <m@example.com>", "m@example.com", Some("Müller")),
        ] {
            let expected = Address { email: email.into(), name: name.map(str::to_owned) };
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_says_why() {
        for (text, why) in [
            ("ann", "no `@`"),
            ("", "no `@`"),
            ("@example.com", "before the `@`"),
            ("a..b@example.com", "before the `@`"),
            (".a@example.com", "before the `@`"),
            ("a b@example.com", "before the `@`"),
            ("a@b@example.com", "before the `@`"),
            ("a,b@example.com", "before the `@`"),
            ("\"a\"@example.com", "before the `@`"),
            ("a@localhost", "a domain"),
            ("a@-b.example", "a domain"),
            ("a@b..example", "a domain"),
            ("a@192.0.2.1", "a domain"),
            ("a@[192.0.2.1]", "a domain"),
            ("a@bücher.example", "beyond ASCII"),
            ("a@example.com\r\nBcc: b@example.com", "before the `@`"),
            ("a@example.com>, <b@example.com", "before the `@`"),
            ("Ann\r\nBcc: x <a@example.com>", "control character"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
        assert!(parse(&format!("{}@example.com", "a".repeat(65))).is_err());
        assert!(parse(&format!("a@{}.example", "a".repeat(64))).is_err());
    }

    #[test]
    fn a_name_cannot_end_its_quotes_in_a_header() {
        let address =
            Address { email: "a@example.com".into(), name: Some(r#"x" <evil@example.com>, "\"#.into()) };
        assert_eq!(address.in_header(), r#""x\" <evil@example.com>, \"\\" <a@example.com>"#);
    }
}
