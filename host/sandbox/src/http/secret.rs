//! Secrets on their way out, and on no way in.
//!
//! A guest writes `{{secret.NAME}}` in a header, or in the path or the query of a URL. The value is put in when the request leaves, for a
//! node that is granted the secret and toward the hosts that the grant names, and is taken out again of
//! whatever comes back. It never stands in an error, a log or the journal.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderValue;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use stepwell_core::grant::Grants;
use stepwell_core::id::SecretName;
use stepwell_core::secret::OAuth2Client;
use url::Url;

use super::client::HttpClient;
use super::grant::missing_secret_grant;
use super::hop::Hop;
use super::host::HostPattern;
use super::message::{HttpError, HttpResponse, address};
use super::placeholder::{self, Piece};
use super::redact::{Redactor, Seam};
use crate::attempt::Credential;

/// The longest message of an error, in characters.
const LONGEST_MESSAGE: usize = 4_000;

/// The secrets of one attempt: who may see them, and their values.
pub(crate) struct Secrets {
    grants: BTreeMap<SecretName, Vec<HostPattern>>,
    credentials: BTreeMap<SecretName, Credential>,
    fetched: Mutex<Fetched>,
}

/// What is known of an attempt's secrets by now.
#[derive(Default)]
struct Fetched {
    /// Access tokens, the current one of each client at the end.
    tokens: BTreeMap<SecretName, Vec<SecretString>>,
    /// Made when the first answer comes, and again when there is another token.
    redactor: Option<Arc<Redactor>>,
}

impl Secrets {
    /// A host that `check` finds fault with sees nothing.
    pub(crate) fn new(grants: &Grants, credentials: BTreeMap<SecretName, Credential>) -> Self {
        let parse = |hosts: &Vec<String>| hosts.iter().filter_map(|host| host.parse().ok()).collect();
        let grants = grants.secrets.iter().map(|(name, hosts)| (name.clone(), parse(hosts))).collect();
        Self { grants, credentials, fetched: Mutex::default() }
    }

    /// The value of a header as it leaves toward this URL.
    pub(crate) fn fill(&self, header: &str, written: &str, url: &Url) -> Result<HeaderValue, HttpError> {
        let pieces = placeholder::parse(written)
            .map_err(|why| HttpError::InvalidRequest(format!("the header `{header}`: {why}")))?;
        let mut value = String::with_capacity(written.len());
        let mut used = None;
        for piece in pieces {
            match piece {
                Piece::Text(text) => value.push_str(text),
                Piece::Secret(name) => {
                    value.push_str(self.reveal(&name, url)?.expose_secret());
                    used = Some(name);
                }
            }
        }
        let mut filled = HeaderValue::from_str(&value).map_err(|_| unfit(header, used.as_ref()))?;
        filled.set_sensitive(used.is_some());
        Ok(filled)
    }

    /// A URL as it leaves; none if it has no placeholder. In the path a value is put as it stands, so that it may be some of its
    /// segments; in the query it is percent-encoded.
    pub(crate) fn fill_url(&self, url: &Url) -> Result<Option<Url>, HttpError> {
        let (mut filled, mut used, mut in_query) = (String::with_capacity(url.as_str().len()), None, false);
        for piece in placeholder::marked_pieces(url.as_str()) {
            match piece {
                Piece::Text(text) => {
                    in_query |= text.contains('?');
                    filled.push_str(text);
                }
                Piece::Secret(name) => {
                    let value = self.reveal(&name, url)?;
                    match in_query {
                        true => filled.extend(utf8_percent_encode(value.expose_secret(), NON_ALPHANUMERIC)),
                        false => filled.push_str(value.expose_secret()),
                    }
                    used = Some(name);
                }
            }
        }
        let Some(name) = used else { return Ok(None) };
        let whole = Url::parse(&filled).ok();
        let fits = |filled: &Url| filled.origin() == url.origin() && filled.fragment().is_none();
        whole.filter(fits).map(Some).ok_or_else(|| {
            HttpError::InvalidRequest(format!(
                "the secret `{name}` does not fit where the URL names it: its value is to be a part of a path or of a query, \
                 without a `#`: set it again with `stepwell secret set {name}`"
            ))
        })
    }

    /// Fetches the access tokens that a hop is to carry: of the clients that it names and that may be seen where it goes.
    pub(super) async fn fetch(&self, http: &HttpClient, hop: &Hop) -> Result<(), HttpError> {
        for (name, client) in self.clients(hop) {
            let token = http.tokens.get(http, client).await.map_err(|mut error| {
                let message = error.message_mut();
                *message = format!("the secret `{name}` is an OAuth2 client without a token: {message}");
                error
            })?;
            self.fetched().keep(name, token);
        }
        Ok(())
    }

    /// The peer does not take the tokens that a hop carried: others are fetched next time.
    pub(super) fn withdraw(&self, http: &HttpClient, hop: &Hop) {
        self.clients(hop).for_each(|(_, client)| http.tokens.forget(client));
    }

    fn clients(&self, hop: &Hop) -> impl Iterator<Item = (SecretName, &OAuth2Client)> {
        let named = hop.secrets().into_iter().filter(|name| self.is_granted(name, &hop.url));
        named.filter_map(|name| match self.credentials.get(&name)? {
            Credential::Client(client) => Some((name, &**client)),
            Credential::Text { .. } => None,
        })
    }

    fn is_granted(&self, name: &SecretName, url: &Url) -> bool {
        self.grants.get(name).is_some_and(|hosts| hosts.iter().any(|host| host.covers(url)))
    }

    fn reveal(&self, name: &SecretName, url: &Url) -> Result<SecretString, HttpError> {
        if !self.is_granted(name, url) {
            return Err(HttpError::Denied(format!(
                "no grant of this node lets the secret `{name}` go to {}: to allow it, add to the node {}",
                address(url),
                missing_secret_grant(name, url)
            )));
        }
        let value = match self.credentials.get(name) {
            Some(Credential::Text { value, .. }) => Some(value.clone()),
            Some(Credential::Client(_)) => {
                self.fetched().tokens.get(name).and_then(|tokens| tokens.last().cloned())
            }
            None => None,
        };
        value.ok_or_else(|| {
            HttpError::Denied(format!(
                "the secret `{name}` is granted but has no value: `stepwell secret set {name}`"
            ))
        })
    }

    fn fetched(&self) -> MutexGuard<'_, Fetched> {
        // Whole under this lock whatever panics.
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes every secret of the attempt out of what comes piece by piece.
    pub(crate) fn seam(&self) -> Seam {
        Seam::new(self.redactor())
    }

    /// Whether the value of a secret stands in a text.
    pub(super) fn stand_in(&self, text: &str) -> bool {
        self.redactor().is_some_and(|redactor| redactor.finds_in(text))
    }

    fn redactor(&self) -> Option<Arc<Redactor>> {
        if self.credentials.is_empty() {
            return None;
        }
        let mut fetched = self.fetched();
        let Fetched { tokens, redactor } = &mut *fetched;
        Some(Arc::clone(
            redactor.get_or_insert_with(|| Arc::new(Redactor::new(hidden(&self.credentials, tokens)))),
        ))
    }

    /// Takes every secret of the attempt out of what came back.
    pub(crate) fn redact(&self, response: &mut HttpResponse) {
        let Some(redactor) = self.redactor() else { return };
        redactor.redact_text(&mut response.url);
        response.headers.iter_mut().for_each(|(_, value)| redactor.redact_text(value));
        redactor.redact_bytes(&mut response.body);
    }

    /// The same of an error alone, which is cut to a length that can be shown once it holds no secret.
    pub(crate) fn redact_error(&self, error: &mut HttpError) {
        let message = error.message_mut();
        if let Some(redactor) = self.redactor() {
            redactor.redact_text(message);
        }
        if let Some((end, _)) = message.char_indices().nth(LONGEST_MESSAGE) {
            message.truncate(end);
            message.push_str("...");
        }
    }
}

impl Fetched {
    fn keep(&mut self, name: SecretName, token: SecretString) {
        let tokens = self.tokens.entry(name).or_default();
        if tokens.last().is_none_or(|last| last.expose_secret() != token.expose_secret()) {
            tokens.push(token);
            self.redactor = None;
        }
    }
}

/// Everything that must not be seen, each with the secret that it belongs to.
fn hidden<'a>(
    credentials: &'a BTreeMap<SecretName, Credential>,
    tokens: &'a BTreeMap<SecretName, Vec<SecretString>>,
) -> impl Iterator<Item = (String, &'a SecretString)> {
    let of_credentials = credentials.iter().flat_map(|(name, credential)| {
        let texts: Vec<&SecretString> = match credential {
            Credential::Text { value, hidden } => [value].into_iter().chain(hidden).collect(),
            Credential::Client(client) => vec![&client.client_secret],
        };
        texts.into_iter().map(move |text| (placeholder::of(name), text))
    });
    let of_tokens = tokens
        .iter()
        .flat_map(|(name, tokens)| tokens.iter().map(move |token| (placeholder::of(name), token)));
    of_credentials.chain(of_tokens)
}

/// The header's value is none that HTTP can carry; the value itself stays unsaid.
fn unfit(header: &str, secret: Option<&SecretName>) -> HttpError {
    HttpError::InvalidRequest(match secret {
        Some(name) => format!(
            "the header `{header}` can't carry the secret `{name}`: it holds a control character, such as a line \
             feed at its end: set it again with `stepwell secret set {name}`"
        ),
        None => format!("the header `{header}` holds a control character"),
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    const VALUE: &str = "sk-ä\"/+ 123";

    fn secrets() -> Secrets {
        let grants = json!({"secrets": {"KEY": ["api.example.com"], "UNSET": ["api.example.com"], "BAD": ["api.example.com"]}});
        let grants = serde_json::from_value(grants).expect("grants");
        let name = |name| SecretName::new(name).expect("a name");
        let values = [(name("KEY"), VALUE), (name("OTHER"), "other-value"), (name("BAD"), "line\n")];
        Secrets::new(&grants, values.into_iter().map(|(name, value)| (name, value.into())).collect())
    }

    fn fill(written: &str, url: &str) -> Result<HeaderValue, HttpError> {
        secrets().fill("authorization", written, &Url::parse(url).expect("a URL"))
    }

    #[test]
    fn a_placeholder_is_filled_toward_the_granted_host() {
        let url = "https://api.example.com/v1";
        for (written, expected) in [
            ("Bearer {{secret.KEY}}", format!("Bearer {VALUE}")),
            ("{{ secret.KEY }}{{secret.KEY}}!", format!("{VALUE}{VALUE}!")),
            ("{{ other }} {secret.KEY} {{", "{{ other }} {secret.KEY} {{".to_owned()),
            ("{{{secret.KEY}}}", format!("{{{VALUE}}}")),
        ] {
            let filled = fill(written, url).expect(written);
            assert_eq!(filled.as_bytes(), expected.as_bytes(), "{written}");
            assert_eq!(filled.is_sensitive(), !placeholder::named_in(written).is_empty(), "{written}");
        }
    }

    #[test]
    fn a_secret_goes_nowhere_else() {
        for (written, url, part) in [
            (
                "{{secret.KEY}}",
                "https://evil.example/",
                r#""grants": {"secrets": {"KEY": ["evil.example"]}}"#,
            ),
            ("{{secret.KEY}}", "https://api.example.com:8443/", r#"["api.example.com:8443"]"#),
            ("{{secret.OTHER}}", "https://api.example.com/", r#"{"OTHER": ["api.example.com"]}"#),
            ("{{secret.UNSET}}", "https://api.example.com/", "`stepwell secret set UNSET`"),
            ("{{secret.BAD}}", "https://api.example.com/", "line feed"),
            ("{{secret.A-B}}", "https://api.example.com/", "`A-B` is not a name"),
            ("{{secret.KEY", "https://api.example.com/", "no `}}`"),
            ("a\nb", "https://api.example.com/", "control character"),
        ] {
            let refusal = fill(written, url).expect_err(written).to_string();
            assert!(refusal.contains(part), "{written}: {refusal}");
            assert!(!refusal.contains(VALUE) && !refusal.contains("line\n"), "{refusal}");
        }
    }

    fn fill_url(written: &str) -> Result<Option<Url>, HttpError> {
        let name = |name| SecretName::new(name).expect("a name");
        let grants = json!({"secrets": {"HOOK": ["a.example"], "QUERY": ["a.example"], "BAD": ["a.example"], "UP": ["a.example"]}});
        let values = [("HOOK", "T0/B0/x y"), ("QUERY", "a&b=c/d"), ("BAD", "x#y"), ("UP", "../../v2")];
        let values = values.into_iter().map(|(secret, value)| (name(secret), value.into())).collect();
        let url = Url::parse(&placeholder::mark(written).expect("well-formed")).expect("a URL");
        Secrets::new(&serde_json::from_value(grants).expect("grants"), values).fill_url(&url)
    }

    #[test]
    fn a_secret_is_a_part_of_a_path_as_it_stands_and_of_a_query_encoded() {
        for (written, expected) in [
            ("https://a.example/s/{{secret.HOOK}}", Some("https://a.example/s/T0/B0/x%20y")),
            ("https://a.example/s?k={{secret.QUERY}}&l=1", Some("https://a.example/s?k=a%26b%3Dc%2Fd&l=1")),
            ("https://a.example/v1/x/{{secret.UP}}", Some("https://a.example/v2")),
            ("https://a.example/{{other}}", None),
        ] {
            let filled = fill_url(written).expect(written);
            assert_eq!(filled.as_ref().map(Url::as_str), expected, "{written}");
        }
    }

    #[test]
    fn a_secret_that_a_url_cannot_hold_is_refused_and_stays_unsaid() {
        for (written, part) in [
            ("https://a.example/{{secret.BAD}}", "does not fit where the URL names it"),
            ("https://b.example/{{secret.HOOK}}", r#"{"HOOK": ["b.example"]}"#),
            ("https://a.example/?k={{secret.NONE}}", r#"{"NONE": ["a.example"]}"#),
        ] {
            let refusal = fill_url(written).expect_err(written).to_string();
            assert!(
                refusal.contains(part) && !refusal.contains("x#y") && !refusal.contains("T0"),
                "{refusal}"
            );
        }
    }

    #[test]
    fn what_a_credential_was_made_of_is_taken_out_as_well() {
        let name = SecretName::new("PAIR").expect("a name");
        let pair = Credential::Text { value: "bWU6cGFzcw==".into(), hidden: vec!["hidden-pass".into()] };
        let secrets = Secrets::new(&Grants::default(), BTreeMap::from([(name, pair)]));
        let mut error = HttpError::Protocol("hidden-pass, bWU6cGFzcw==".to_owned());
        secrets.redact_error(&mut error);
        assert_eq!(error, HttpError::Protocol("{{secret.PAIR}}, {{secret.PAIR}}".to_owned()));
    }

    #[test]
    fn a_long_message_is_cut_once_it_holds_no_secret() {
        let mut error = HttpError::Protocol(format!("{}{VALUE}", "x".repeat(LONGEST_MESSAGE - 5)));
        secrets().redact_error(&mut error);
        let message = error.message_mut();
        assert!(
            message.len() < LONGEST_MESSAGE + 10 && message.ends_with("{{sec..."),
            "{}",
            &message[3_980..]
        );
    }

    #[test]
    fn an_echoed_secret_is_taken_out_of_an_answer_and_of_an_error() {
        let echo = format!(
            "{VALUE}|{}|{}|{}|other-value",
            json!(VALUE),
            utf8_percent_encode(VALUE, NON_ALPHANUMERIC),
            STANDARD_NO_PAD.encode(VALUE),
        );
        let mut response = HttpResponse {
            status: 200,
            headers: vec![("x-echo".to_owned(), echo.clone())],
            body: Bytes::from(echo.clone()),
            url: format!("https://a/?key={VALUE}"),
        };
        secrets().redact(&mut response);
        let key = "{{secret.KEY}}";
        let expected = format!("{key}|\"{key}\"|{key}|{key}|{{{{secret.OTHER}}}}");
        assert_eq!(response.headers[0].1, expected);
        assert_eq!(response.body, expected);
        assert_eq!(response.url, format!("https://a/?key={key}"));

        let mut failed = HttpError::Protocol(format!("redirected to ftp://a/{VALUE}"));
        secrets().redact_error(&mut failed);
        assert_eq!(failed, HttpError::Protocol(format!("redirected to ftp://a/{key}")));
    }
}
