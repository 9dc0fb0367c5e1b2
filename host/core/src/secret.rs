//! What is kept under a secret's name: a text, a user with a password, or an OAuth2 client.
//!
//! Only the shape: who keeps it encrypts it, and how a token is had for a client is not known here.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What the text of a secret begins with if it is no plain value. A plain value has no control characters.
const STRUCTURED: char = '\u{1}';

/// A secret.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Secret {
    /// Goes where its placeholder stands as it is: visible ASCII characters and spaces.
    #[schema(value_type = String, format = Password)]
    Value(SecretString),
    /// A user with a password, for HTTP Basic.
    Basic(BasicPair),
    /// A client that is given access tokens.
    OAuth2(OAuth2Client),
}

/// A user with a password: `base64(user:password)` stands for the placeholder (RFC 7617).
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicPair {
    /// Without a colon.
    pub user: String,
    /// May be empty: some services take an API key as the user.
    #[schema(value_type = String, format = Password)]
    pub password: SecretString,
}

/// A client of the grant `client_credentials` (RFC 6749 section 4.4): its access token stands for the placeholder.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth2Client {
    /// Where tokens are had.
    pub token_url: String,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    #[schema(value_type = String, format = Password)]
    pub client_secret: SecretString,
    /// What the token is to be good for, its words divided by spaces.
    #[serde(default)]
    pub scope: Option<String>,
    /// For whom the token is to be good, where the service asks for it.
    #[serde(default)]
    pub audience: Option<String>,
    /// How the client says who it is.
    #[serde(default)]
    pub auth: ClientAuth,
}

/// How a client says who it is (RFC 6749 section 2.3.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// By HTTP Basic.
    #[default]
    Basic,
    /// In the request's body.
    Body,
}

/// A text that is kept under a secret's name and is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what is kept is of a kind that this version does not know")]
pub struct UnknownKind;

impl Secret {
    /// The text to keep.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        let structured = |value: Value| SecretString::from(format!("{STRUCTURED}{value}"));
        match self {
            Self::Value(value) => value.clone(),
            Self::Basic(BasicPair { user, password }) => {
                structured(json!({"basic": {"user": user, "password": password.expose_secret()}}))
            }
            Self::OAuth2(client) => structured(json!({"oauth2": {
                "token_url": client.token_url,
                "client_id": client.client_id,
                "client_secret": client.client_secret.expose_secret(),
                "scope": client.scope,
                "audience": client.audience,
                "auth": client.auth,
            }})),
        }
    }

    /// The secret of a text that was kept.
    pub fn from_text(text: SecretString) -> Result<Self, UnknownKind> {
        match text.expose_secret().strip_prefix(STRUCTURED) {
            None => Ok(Self::Value(text)),
            // The reader's own error might repeat what it read.
            Some(structured) => serde_json::from_str(structured).map_err(|_| UnknownKind),
        }
    }

    /// What is wrong with it, and where: a JSON pointer. Whether an endpoint is a URL is not looked at.
    #[must_use]
    pub fn mistake(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Value(value) if !is_plain(value.expose_secret()) || value.expose_secret().is_empty() => {
                Some((
                    "/value",
                    "a secret's value goes into an HTTP header or a URL: 1 or more visible ASCII characters and spaces, no line break",
                ))
            }
            Self::Basic(pair) if pair.user.contains(':') => {
                Some(("/basic/user", "a user's name has no colon: it ends the name (RFC 7617)"))
            }
            Self::Basic(pair) if pair.user.contains(char::is_control) => {
                Some(("/basic/user", "a user's name has no control characters"))
            }
            Self::Basic(pair) if pair.password.expose_secret().contains(char::is_control) => Some((
                "/basic/password",
                "a password has no control characters, such as a line break at its end",
            )),
            Self::OAuth2(client) => client.mistake(),
            Self::Value(_) | Self::Basic(_) => None,
        }
    }
}

impl OAuth2Client {
    fn mistake(&self) -> Option<(&'static str, &'static str)> {
        if self.client_id.is_empty() {
            return Some(("/oauth2/client_id", "a client has an id"));
        }
        if self.client_secret.expose_secret().is_empty() {
            return Some(("/oauth2/client_secret", "a client has a secret"));
        }
        None
    }
}

impl fmt::Display for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic => "basic",
            Self::Body => "body",
        })
    }
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: Value) -> Secret {
        serde_json::from_value(json).expect("a secret")
    }

    #[test]
    fn what_is_kept_is_read_back_and_a_plain_value_is_kept_as_it_is() {
        let oauth2 = json!({"oauth2": {"token_url": "https://a/t", "client_id": "c", "client_secret": "s", "scope": "a b", "auth": "body"}});
        for secret in
            [json!({"value": "{\"basic\":1}"}), json!({"basic": {"user": "api", "password": "p\"w"}}), oauth2]
        {
            let text = read(secret).to_text();
            let again = Secret::from_text(text.clone()).expect("a secret").to_text();
            assert_eq!(again.expose_secret(), text.expose_secret());
        }
        assert_eq!(read(json!({"value": "sk-1"})).to_text().expose_secret(), "sk-1");
        assert!(matches!(Secret::from_text("\u{1}{\"later\": 1}".into()), Err(UnknownKind)));
    }

    #[test]
    fn a_mistake_is_told_where_it_stands() {
        let client = |key: &str, value: &str| {
            let mut client = json!({"token_url": "https://a/t", "client_id": "c", "client_secret": "s"});
            client[key] = value.into();
            json!({"oauth2": client})
        };
        for (secret, place) in [
            (json!({"value": "sk-abc 123"}), None),
            (json!({"value": ""}), Some("/value")),
            (json!({"value": "line\nbreak"}), Some("/value")),
            (json!({"value": "ü"}), Some("/value")),
            (json!({"basic": {"user": "api", "password": "ü"}}), None),
            (json!({"basic": {"user": "a:b", "password": ""}}), Some("/basic/user")),
            (json!({"basic": {"user": "a", "password": "b\n"}}), Some("/basic/password")),
            (client("client_id", "c"), None),
            (client("client_id", ""), Some("/oauth2/client_id")),
            (client("client_secret", ""), Some("/oauth2/client_secret")),
        ] {
            assert_eq!(read(secret.clone()).mistake().map(|(place, _)| place), place, "{secret}");
        }
    }

    #[test]
    fn no_secret_shows_when_it_is_printed() {
        let shown = format!("{:?}", read(json!({"basic": {"user": "api", "password": "hidden-pass"}})));
        assert!(!shown.contains("hidden-pass"), "{shown}");
    }
}
