//! `/v1/secrets`: writing secrets. There is no way to read one.

use axum::extract::State;
use http::StatusCode;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use stepwell_core::id::SecretName;

use super::App;
use super::extract::{Caller, Json, NoParameters, Path, Query};
use crate::problem::{Place, Problem};

/// A secret's new value.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretBody {
    /// Goes into headers as it is: visible ASCII characters and spaces.
    #[schema(value_type = String, format = Password)]
    value: SecretString,
}

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
/// It is encrypted at rest, and no call gives it out again.
#[utoipa::path(
    put, path = "/v1/secrets/{name}", tag = "operation",
    params(("name" = String, Path)),
    request_body = SecretBody,
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
    Json(SecretBody { value }): Json<SecretBody>,
) -> Result<StatusCode, Problem> {
    check(value.expose_secret())?;
    app.engine.catalogue().put_secret(&caller.tenant, &name, &value).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A value that no header can hold would only be noticed when a step fails.
fn check(value: &str) -> Result<(), Problem> {
    let fits_a_header = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !value.is_empty() && fits_a_header {
        return Ok(());
    }
    let message = "a secret's value goes into an HTTP header: 1 or more visible ASCII characters and spaces, no line break";
    Err(Problem::InvalidRequest { place: Place::Body("/value".to_owned()), message: message.to_owned() })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_fits_a_header() {
        assert!(check("sk-abc 123").is_ok());
        for bad in ["", "line\nbreak", "ü"] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}
