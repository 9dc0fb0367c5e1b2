//! How the peer knows who asks. Secrets go by their names alone: the host puts the values in on the way out.

use schemars::JsonSchema;
use serde::Deserialize;

/// One way to say who asks.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Auth {
    /// `Authorization: Bearer`, with the secret of this name.
    Bearer(String),
    /// `Authorization: Basic`, with the secret of this name: one that is a user with a password.
    Basic(String),
    /// `Authorization: Bearer`, with the current access token of the OAuth2 client that the secret of this name is. The host fetches
    /// the token and renews it.
    Oauth2(String),
    /// A header of any name, such as `X-Api-Key`, with a secret as its value.
    Header(Named),
}

/// A header that holds a secret.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    /// The header's name.
    name: String,
    /// The secret's name.
    secret: String,
}

impl Auth {
    /// The header's name and its value, with the placeholder that the host fills in.
    pub(crate) fn header(&self) -> (&str, String) {
        match self {
            Self::Bearer(secret) | Self::Oauth2(secret) => {
                ("authorization", format!("Bearer {}", placeholder(secret)))
            }
            Self::Basic(secret) => ("authorization", format!("Basic {}", placeholder(secret))),
            Self::Header(Named { name, secret }) => (name, placeholder(secret)),
        }
    }
}

fn placeholder(secret: &str) -> String {
    format!("{{{{secret.{secret}}}}}")
}
