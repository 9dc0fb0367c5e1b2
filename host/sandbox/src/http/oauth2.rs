//! Access tokens of OAuth2 clients, by the grant `client_credentials` (RFC 6749 section 4.4).
//!
//! A token is fetched when a secret that is a client is first wanted, kept while it is good, and fetched anew a little before it is not. Many
//! that want the same one wait for one request. No token is written anywhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use stepwell_core::digest::Digest;
use stepwell_core::secret::{ClientAuth, OAuth2Client};
use tokio::time::timeout;
use url::{Url, form_urlencoded};

use super::client::HttpClient;
use super::fault::explain;
use super::message::{HttpError, host, shown};
use super::redact::without;

/// How long a token endpoint has to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most of an answer that is read, in bytes.
const LONGEST_ANSWER: usize = 64 << 10;
/// How long a token is used whose endpoint does not say for how long it is good.
const UNSAID: Duration = Duration::from_secs(300);
/// The longest that a token is used.
const LONGEST: Duration = Duration::from_secs(86_400);
/// How long a refusal is the answer to all who ask for the same token.
const FAILED_FOR: Duration = Duration::from_secs(5);
/// A token is not used in the last of its time: what it is sent with takes some, and clocks differ.
const MARGIN: Duration = Duration::from_secs(60);

/// The tokens of all clients.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<Digest, Place>>);

/// Where the token of one client is kept.
type Place = Arc<tokio::sync::Mutex<Option<Kept>>>;

/// What came of the last request for a token: good for some time.
struct Kept {
    token: Result<SecretString, HttpError>,
    good_until: Instant,
}

impl Tokens {
    /// A token that is good for some time yet.
    pub(super) async fn get(
        &self,
        http: &HttpClient,
        client: &OAuth2Client,
    ) -> Result<SecretString, HttpError> {
        let place = self.place(client);
        let mut kept = place.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.is_good()) {
            return kept.token.clone();
        }
        let (token, used_for) = match fetch(http, client).await {
            Ok(granted) => (Ok(granted.access_token.clone()), granted.used_for()),
            Err(error) => (Err(error), FAILED_FOR),
        };
        *kept = Some(Kept { token: token.clone(), good_until: Instant::now() + used_for });
        token
    }

    /// The client's token is not taken any more.
    pub(super) fn forget(&self, client: &OAuth2Client) {
        self.places().remove(&identity(client));
    }

    /// Another secret or scope is another client. Those whose time is over make room.
    fn place(&self, client: &OAuth2Client) -> Place {
        let mut places = self.places();
        places.retain(|_, place| {
            // One that somebody holds is being fetched.
            Arc::strong_count(place) > 1
                || place.try_lock().is_ok_and(|kept| kept.as_ref().is_some_and(Kept::is_good))
        });
        Arc::clone(places.entry(identity(client)).or_default())
    }

    fn places(&self) -> MutexGuard<'_, HashMap<Digest, Place>> {
        // A map under this lock is whole whatever panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn is_good(&self) -> bool {
        Instant::now() < self.good_until
    }
}

/// Tells one client from another without keeping its secret.
fn identity(client: &OAuth2Client) -> Digest {
    let OAuth2Client { token_url, client_id, client_secret, scope, audience, auth } = client;
    let secret = client_secret.expose_secret();
    Digest::of(
        serde_json::json!([token_url, client_id, secret, scope, audience, auth]).to_string().as_bytes(),
    )
}

async fn fetch(http: &HttpClient, client: &OAuth2Client) -> Result<Granted, HttpError> {
    let url = Url::parse(&client.token_url).map_err(|error| {
        HttpError::InvalidRequest(format!(
            "the token endpoint `{}` is no URL: {error}",
            shown(&client.token_url)
        ))
    })?;
    let endpoint = host(&url);
    http.allow(&url)?;
    let asked = async {
        let mut response =
            request(http, client, &url).send().await.map_err(|error| explain(&error, &endpoint))?;
        let (status, mut body) = (response.status(), Vec::new());
        while let Some(piece) = response.chunk().await.map_err(|error| explain(&error, &endpoint))? {
            body.extend_from_slice(&piece);
            if body.len() > LONGEST_ANSWER {
                return Err(HttpError::TooLarge(format!(
                    "the token endpoint `{endpoint}` answered with more than {LONGEST_ANSWER} bytes"
                )));
            }
        }
        Ok((status, body))
    };
    let (status, body) = timeout(PATIENCE, asked).await.map_err(|_| {
        HttpError::Timeout(format!(
            "the token endpoint `{endpoint}` did not answer in {} s",
            PATIENCE.as_secs()
        ))
    })??;
    judge(&endpoint, client, status, &body)
}

fn request(http: &HttpClient, client: &OAuth2Client, url: &Url) -> reqwest::RequestBuilder {
    let secret = client.client_secret.expose_secret();
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if let Some(scope) = &client.scope {
        form.append_pair("scope", scope);
    }
    if let Some(audience) = &client.audience {
        form.append_pair("audience", audience);
    }
    if client.auth == ClientAuth::Body {
        form.append_pair("client_id", &client.client_id).append_pair("client_secret", secret);
    }
    let mut headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
        (ACCEPT, HeaderValue::from_static("application/json")),
    ]);
    if client.auth == ClientAuth::Basic {
        headers.extend(basic(&client.client_id, secret).map(|header| (AUTHORIZATION, header)));
    }
    http.request(Method::POST, url, headers).body(form.finish())
}

/// Both are form-encoded first (RFC 6749 section 2.3.1), so that neither holds a colon.
fn basic(id: &str, secret: &str) -> Option<HeaderValue> {
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let pair = STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)));
    let mut header = HeaderValue::from_str(&format!("Basic {pair}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// RFC 6749 section 5.1.
#[derive(Deserialize)]
struct Granted {
    access_token: SecretString,
    /// A number, or a text with one: some services write it so.
    #[serde(default)]
    expires_in: Value,
}

impl Granted {
    /// How long it is used: but for the last of its time, or half of it if it is short-lived.
    fn used_for(&self) -> Duration {
        let written = self.expires_in.as_str().and_then(|text| text.trim().parse().ok());
        let Some(seconds) = self.expires_in.as_f64().or(written) else { return UNSAID };
        let life = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        life.saturating_sub(MARGIN).max(life / 2).min(LONGEST)
    }
}

/// RFC 6749 section 5.2.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refused {
    error: String,
    error_description: String,
}

fn judge(
    endpoint: &str,
    client: &OAuth2Client,
    status: StatusCode,
    body: &[u8],
) -> Result<Granted, HttpError> {
    if !status.is_success() {
        return Err(refusal(endpoint, client, status, body));
    }
    // The reader's own error might repeat what it read.
    let granted = serde_json::from_slice::<Granted>(body).ok();
    granted.filter(|granted| !granted.access_token.expose_secret().is_empty()).ok_or_else(|| {
        HttpError::Protocol(format!(
            "the token endpoint `{endpoint}` answered with {status} and no JSON with an `access_token`"
        ))
    })
}

/// That a client is refused is not mended by asking again; that the endpoint is busy or broken is.
fn refusal(endpoint: &str, client: &OAuth2Client, status: StatusCode, body: &[u8]) -> HttpError {
    let Refused { error, error_description } = serde_json::from_slice(body).unwrap_or_default();
    let said = [error, error_description].into_iter().filter(|text| !text.is_empty());
    let why: String =
        said.map(|text| format!(": {}", shown(&without(&text, &client.client_secret)))).collect();
    let message = format!("the token endpoint `{endpoint}` gives no token: {status}{why}");
    let passes = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    if status.is_client_error() && !passes {
        HttpError::Denied(message)
    } else {
        HttpError::Connection(message)
    }
}
