//! What stands for the secrets that a node is granted: read from the catalogue, made ready to be sent.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use stepwell_core::grant::Grants;
use stepwell_core::id::{SecretName, TenantId};
use stepwell_core::secret::{BasicPair, Secret};
use stepwell_sandbox::Credential;

use crate::Shared;

/// The credentials of the granted secrets that are set. An error says which secret cannot be read.
pub(crate) async fn granted(
    engine: &Shared,
    tenant: &TenantId,
    grants: &Grants,
) -> Result<BTreeMap<SecretName, Credential>, String> {
    let mut credentials = BTreeMap::new();
    for name in grants.secrets.keys() {
        let text = engine.catalogue.secret(tenant, name).await;
        let text = text.map_err(|error| format!("the secret {name} cannot be read: {error}"))?;
        let secret = text.map(Secret::from_text).transpose();
        let secret = secret.map_err(|error| format!("the secret {name} cannot be read: {error}"))?;
        credentials.extend(secret.map(|secret| (name.clone(), credential(secret))));
    }
    Ok(credentials)
}

fn credential(secret: Secret) -> Credential {
    match secret {
        Secret::Value(value) => value.into(),
        Secret::Basic(pair) => basic(pair),
        Secret::OAuth2(client) => Credential::Client(Box::new(client)),
    }
}

/// RFC 7617 section 2, the characters in UTF-8. Where there is no password, the user is what is secret: some services take a key so.
fn basic(BasicPair { user, password }: BasicPair) -> Credential {
    let pair = SecretString::from(STANDARD.encode(format!("{user}:{}", password.expose_secret())));
    let hidden = if password.expose_secret().is_empty() { user.into() } else { password };
    Credential::Text { value: pair, hidden: vec![hidden] }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7617 section 2.
    #[test]
    fn a_pair_is_sent_as_the_standard_has_it_and_what_is_secret_of_it_is_hidden() {
        for (user, password, sent, secret) in [
            ("Aladdin", "open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "open sesame"),
            ("sk_live_1", "", "c2tfbGl2ZV8xOg==", "sk_live_1"),
        ] {
            let credential = basic(BasicPair { user: user.to_owned(), password: password.into() });
            let Credential::Text { value, hidden } = credential else { panic!("{credential:?}") };
            assert_eq!((value.expose_secret(), hidden[0].expose_secret()), (sent, secret));
        }
    }
}
