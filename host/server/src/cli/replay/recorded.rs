//! What answers a replayed attempt: the answers that its journal kept. What was not recorded is refused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::Value;
use stepwell_core::attempt::{LogLine, ModelCall};
use stepwell_core::destination::Destination;
use stepwell_core::digest::Digest;
use stepwell_core::effect::{Effect, EffectAsked};
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::state::StateCall;
use stepwell_sandbox::{AttemptHost, BlobStore, EffectStandIn, HttpAnswer, HttpAsked, Leave};

/// Which recorded effect answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Match {
    /// The one of the same place, if the request is the same: a step must ask again what it asked.
    #[default]
    InOrder,
    /// The same, else the first one left that was the same request: another step may ask in another order.
    Anywhere,
}

/// A request that was not recorded, or not in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) index: u32,
    pub(super) summary: String,
    pub(super) digest: Digest,
    /// What was asked in its place.
    pub(super) recorded: Option<String>,
}

/// The stand-in. Answers one attempt after the other.
#[derive(Debug, Default)]
pub(super) struct Recorded(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    matching: Match,
    left: BTreeMap<u32, Effect>,
    /// The first request that was refused: the attempt ended with it.
    refused: Option<Refused>,
}

impl Recorded {
    /// From now on these effects answer. What comes of it, the witness sees.
    pub(super) fn begin(
        &self,
        effects: &[Effect],
        matching: Match,
        blobs: Arc<dyn BlobStore>,
    ) -> Arc<Witness> {
        let left = effects.iter().map(|effect| (effect.index, effect.clone())).collect();
        *lock(&self.0) = State { matching, left, refused: None };
        Arc::new(Witness { effects: Mutex::default(), recorded: Arc::clone(&self.0), blobs })
    }

    pub(super) fn refused(&self) -> Option<Refused> {
        lock(&self.0).refused.clone()
    }
}

#[async_trait]
impl EffectStandIn for Recorded {
    async fn http(&self, asked: HttpAsked<'_>) -> Result<HttpAnswer, Failure> {
        let effect = lock(&self.0).take(asked.index, asked.digest, &asked.summary)?;
        serde_json::from_value(effect.answer).map_err(|error| {
            let message = format!("the recorded answer of `{}` can't be read: {error}", effect.summary);
            Failure::new(FailureKind::Internal, message)
        })
    }
}

impl State {
    fn take(&mut self, index: u32, digest: Digest, summary: &str) -> Result<Effect, Failure> {
        let same = |effect: &&Effect| effect.request_digest == digest;
        let here = self.left.get(&index).filter(same);
        let found = match self.matching {
            Match::InOrder => here,
            Match::Anywhere => here.or_else(|| self.left.values().find(same)),
        };
        if let Some(index) = found.map(|effect| effect.index)
            && let Some(effect) = self.left.remove(&index)
        {
            return Ok(effect);
        }
        Err(self.refuse(index, digest, summary))
    }

    fn refuse(&mut self, index: u32, digest: Digest, summary: &str) -> Failure {
        let recorded = self.left.get(&index).map(|effect| effect.summary.clone());
        let refused = Refused { index, summary: summary.to_owned(), digest, recorded };
        let recorded = match &refused.recorded {
            Some(recorded) if *recorded == refused.summary => {
                "the same method and URL with another query, headers or body".to_owned()
            }
            Some(recorded) => format!("`{recorded}`"),
            None => "no request".to_owned(),
        };
        let message = format!(
            "effect {} is `{}` and was not recorded: recorded in its place is {recorded}",
            refused.index, refused.summary
        );
        self.refused.get_or_insert(refused);
        Failure::new(FailureKind::Replay, message)
    }
}

/// Sees the effects of one attempt as they are answered, and answers those that ask the host itself.
pub(super) struct Witness {
    effects: Mutex<Vec<Effect>>,
    recorded: Arc<Mutex<State>>,
    blobs: Arc<dyn BlobStore>,
}

impl Witness {
    pub(super) fn effects(&self) -> Vec<Effect> {
        lock(&self.effects).clone()
    }
}

#[async_trait]
impl AttemptHost for Witness {
    fn blobs(&self) -> Arc<dyn BlobStore> {
        Arc::clone(&self.blobs)
    }

    async fn before_effect(&self, _: Option<&Destination>) -> Result<Box<dyn Leave>, Failure> {
        Ok(Box::new(()))
    }

    fn answered(&self, effect: Effect) {
        lock(&self.effects).push(effect);
    }

    async fn state(&self, _: StateCall, effect: EffectAsked) -> Result<Effect, Failure> {
        let known = lock(&self.recorded).take(effect.index, effect.request_digest, &effect.summary)?;
        let effect = effect.answered(known.answer);
        self.answered(effect.clone());
        Ok(effect)
    }

    fn used(&self, _: &ModelCall) {}

    fn logged(&self, _: &LogLine) {}

    fn progress(&self, _: Value) {}
}

/// Every change under these locks is whole before anything can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;
    use stepwell_core::id::{AttemptNumber, Part, RunId};
    use stepwell_core::manifest::Capability;
    use stepwell_sandbox::{AttemptContext, NoBlobs};
    use url::Url;
    use uuid::Uuid;

    use super::*;

    fn effect(index: u32, what: &str) -> Effect {
        Effect {
            index,
            capability: Capability::Http,
            summary: format!("GET https://a.example/{what}"),
            request_digest: Digest::of(what.as_bytes()),
            answer: json!({"ok": {"status": 200, "headers": [], "body": what, "url": "https://a.example/"}}),
        }
    }

    /// Asks one request after the other; gives the bodies of the answers, or the failure of the first that has none.
    async fn ask(recorded: &Recorded, requests: &[&str]) -> Result<Vec<String>, String> {
        let context = AttemptContext {
            run: RunId(Uuid::nil()),
            workflow: "flow".parse().unwrap(),
            version: semver::Version::new(1, 0, 0),
            node: "node".parse().unwrap(),
            part: Part::Whole,
            attempt: AttemptNumber::FIRST,
            started_at: jiff::Timestamp::UNIX_EPOCH,
            deadline: jiff::Timestamp::UNIX_EPOCH,
            run_traceparent: "".into(),
        };
        let url = Url::parse("https://a.example/").unwrap();
        let mut bodies = Vec::new();
        for (index, what) in (0..).zip(requests) {
            let asked = HttpAsked {
                context: &context,
                index,
                digest: Digest::of(what.as_bytes()),
                summary: format!("GET https://a.example/{what}"),
                method: "GET",
                url: &url,
                written_url: url.as_str().into(),
                headers: Vec::new(),
                body: &Bytes::new(),
            };
            match recorded.http(asked).await.map_err(|failure| failure.message)? {
                HttpAnswer::Ok(response) => bodies.push(String::from_utf8_lossy(&response.body).into_owned()),
                other => panic!("{other:?}"),
            }
        }
        Ok(bodies)
    }

    #[tokio::test]
    async fn in_order_each_request_must_be_the_one_that_was_recorded_in_its_place() {
        let recorded = Recorded::default();
        let effects = [effect(0, "a"), effect(1, "b")];
        recorded.begin(&effects, Match::InOrder, Arc::new(NoBlobs));
        assert_eq!(ask(&recorded, &["a", "b"]).await.unwrap(), ["a", "b"]);
        assert_eq!(recorded.refused(), None);

        recorded.begin(&effects, Match::InOrder, Arc::new(NoBlobs));
        let refused = ask(&recorded, &["b", "a"]).await.unwrap_err();
        assert!(refused.contains("`GET https://a.example/b`"), "{refused}");
        assert!(refused.contains("in its place is `GET https://a.example/a`"), "{refused}");
        assert_eq!(recorded.refused().unwrap().index, 0);
    }

    #[tokio::test]
    async fn another_step_may_ask_in_another_order_but_nothing_that_was_never_asked() {
        let recorded = Recorded::default();
        let effects = [effect(0, "a"), effect(1, "b"), effect(2, "a")];
        recorded.begin(&effects, Match::Anywhere, Arc::new(NoBlobs));
        assert_eq!(ask(&recorded, &["b", "a", "a"]).await.unwrap(), ["b", "a", "a"]);
        let refused = ask(&recorded, &["c"]).await.unwrap_err();
        assert!(refused.contains("no request"), "each answer is given once: {refused}");
    }
}
