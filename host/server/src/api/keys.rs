//! `/v1/keys`: API keys.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use stepwell_store::ApiKeyRecord;

use super::App;
use super::extract::{Caller, Json, NoParameters, Path, Query};
use crate::auth::CONFIGURED_ID;
use crate::problem::{Place, Problem};

const LONGEST_NAME: usize = 100;

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyBody {
    /// What people call it: 1 to 100 characters.
    name: String,
}

/// A key, without what opens anything.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyLine {
    /// By which it is revoked.
    id: String,
    /// What people call it.
    name: String,
    created_at: Timestamp,
    /// When it was revoked, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
}

impl From<ApiKeyRecord> for KeyLine {
    fn from(of: ApiKeyRecord) -> Self {
        let ApiKeyRecord { id, name, hash: _, created_at, revoked_at } = of;
        Self { id, name, created_at, revoked_at }
    }
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewKeyAnswer {
    #[serde(flatten)]
    line: KeyLine,
    /// The key itself: shown this once, kept nowhere.
    key: String,
}

/// Every key, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyList {
    keys: Vec<KeyLine>,
}

/// Make an API key.
#[utoipa::path(
    post, path = "/v1/keys", tag = "operation",
    request_body = KeyBody,
    responses(
        (status = 201, body = NewKeyAnswer, description = "The one time that the key is shown"),
        Problem,
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Query(NoParameters {}): Query<NoParameters>,
    Json(KeyBody { name }): Json<KeyBody>,
) -> Result<Response, Problem> {
    if !(1..=LONGEST_NAME).contains(&name.chars().count()) {
        let message = format!("a key's name has 1 to {LONGEST_NAME} characters");
        return Err(Problem::InvalidRequest { place: Place::Body("/name".to_owned()), message });
    }
    let new = app.keys.create(app.engine.catalogue(), &caller.tenant, name).await?;
    let answer = NewKeyAnswer { line: new.record.into(), key: new.key.expose_secret().to_owned() };
    Ok((StatusCode::CREATED, axum::Json(answer)).into_response())
}

/// List the API keys.
#[utoipa::path(
    get, path = "/v1/keys", tag = "operation",
    responses(
        (status = 200, body = KeyList),
        Problem,
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<axum::Json<KeyList>, Problem> {
    let keys = app.engine.catalogue().keys(&caller.tenant).await?;
    Ok(axum::Json(KeyList { keys: keys.into_iter().map(KeyLine::from).collect() }))
}

/// Revoke an API key.
///
/// It opens nothing from now on. Its record stays, with the time.
#[utoipa::path(
    delete, path = "/v1/keys/{id}", tag = "operation",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = KeyLine, description = "Revoked"),
        Problem,
    ),
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<axum::Json<KeyLine>, Problem> {
    if id == CONFIGURED_ID {
        return Err(Problem::ConfiguredKey);
    }
    let revoked = app.keys.revoke(app.engine.catalogue(), &caller.tenant, &id).await?;
    revoked.map(|record| axum::Json(record.into())).ok_or(Problem::UnknownKey(id))
}
