//! `/v1/secrets`: writing secrets. There is no way to read one.

use axum::extract::State;
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use url::Url;
use utoipa::ToSchema;

use stepwell_core::id::SecretName;
use stepwell_core::secret::Secret;

use super::App;
use super::extract::{Caller, Json, NoParameters, Path, Query};
use crate::problem::{Place, Problem};

/// A secret's line in the list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SecretLine {
    name: SecretName,
    changed_at: Timestamp,
}

/// Every secret's name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SecretList {
    secrets: Vec<SecretLine>,
}

/// Set a secret.
///
/// A text, a user with a password, or an OAuth2 client whose tokens the host fetches. It is encrypted at rest, and no call gives it out again.
#[utoipa::path(
    put, path = "/v1/secrets/{name}", tag = "operation",
    params(("name" = String, Path)),
    request_body = Secret,
    responses(
        (status = 204, description = "Set"),
        Problem,
    ),
)]
pub(crate) async fn put(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<SecretName>,
    Query(NoParameters {}): Query<NoParameters>,
    Json(secret): Json<Secret>,
) -> Result<StatusCode, Problem> {
    check(&secret)?;
    app.engine.catalogue().put_secret(&caller.tenant, &name, &secret.to_text()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What cannot be sent would only be noticed when a step fails.
fn check(secret: &Secret) -> Result<(), Problem> {
    let mistake = secret.mistake().or_else(|| match secret {
        Secret::OAuth2(client) if !is_endpoint(&client.token_url) => Some((
            "/oauth2/token_url",
            "the token endpoint is a URL such as `https://auth.example.com/oauth2/token`, without user, password and fragment",
        )),
        _ => None,
    });
    mistake.map_or(Ok(()), |(place, message)| {
        Err(Problem::InvalidRequest { place: Place::Body(place.to_owned()), message: message.to_owned() })
    })
}

fn is_endpoint(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
    })
}

/// List the secrets' names.
#[utoipa::path(
    get, path = "/v1/secrets", tag = "operation",
    responses(
        (status = 200, body = SecretList),
        Problem,
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<axum::Json<SecretList>, Problem> {
    let secrets = app.engine.catalogue().secrets(&caller.tenant).await?;
    let secrets = secrets.into_iter().map(|(name, changed_at)| SecretLine { name, changed_at }).collect();
    Ok(axum::Json(SecretList { secrets }))
}
