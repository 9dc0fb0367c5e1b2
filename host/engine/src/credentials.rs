//! What stands for the secrets that a node is granted: read from the catalogue, made ready to be sent.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use secrecy::{ExposeSecret as _, SecretString};
use stepwell_core::grant::Grants;
use stepwell_core::id::{SecretName, TenantId};
use stepwell_core::secret::{BasicPair, OAuth2Client, Secret};
use stepwell_sandbox::{Credential, HttpError};

use crate::Shared;

/// The credentials of the granted secrets that are set. An error says which secret cannot be read.
pub(crate) async fn granted(
    engine: &Shared,
    tenant: &TenantId,
    grants: &Grants,
) -> Result<BTreeMap<SecretName, Credential>, String> {
    let mut secrets = Vec::new();
    for name in grants.secrets.keys() {
        let text = engine.catalogue.secret(tenant, name).await;
        let text = text.map_err(|error| format!("the secret {name} cannot be read: {error}"))?;
        let secret = text.map(Secret::from_text).transpose();
        let secret = secret.map_err(|error| format!("the secret {name} cannot be read: {error}"))?;
        secrets.extend(secret.map(|secret| (name, secret)));
    }
    let ready = secrets
        .into_iter()
        .map(async |(name, secret)| (name.clone(), credential(engine, name, secret).await));
    Ok(join_all(ready).await.into_iter().collect())
}

async fn credential(engine: &Shared, name: &SecretName, secret: Secret) -> Credential {
    match secret {
        Secret::Value(value) => value.into(),
        Secret::Basic(pair) => basic(pair),
        Secret::OAuth2(client) => token(engine, name, client).await,
    }
}

/// RFC 7617 section 2, the characters in UTF-8.
fn basic(BasicPair { user, password }: BasicPair) -> Credential {
    let pair = STANDARD.encode(format!("{user}:{}", password.expose_secret()));
    Credential { value: Ok(SecretString::from(pair)), hidden: vec![password] }
}

/// A client that is given no token now fails those requests alone that name it.
async fn token(engine: &Shared, name: &SecretName, client: OAuth2Client) -> Credential {
    let mut value = engine.sandbox.access_token(&client).await;
    if let Err(error) = &mut value {
        tracing::warn!(secret = %name, %error, "an OAuth2 client is given no access token");
        explain(error, name);
    }
    Credential { value, hidden: vec![client.client_secret] }
}

fn explain(error: &mut HttpError, name: &SecretName) {
    let message = error.message_mut();
    *message = format!("the secret `{name}` is an OAuth2 client without a token: {message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7617 section 2.
    #[test]
    fn a_pair_is_sent_as_the_standard_has_it_and_its_password_is_hidden() {
        let pair = BasicPair { user: "Aladdin".to_owned(), password: "open sesame".into() };
        let credential = basic(pair);
        assert_eq!(credential.value.expect("a value").expose_secret(), "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(credential.hidden[0].expose_secret(), "open sesame");
    }
}
