//! Effects across a crash: what was answered is not asked again, and what is asked is what was answered.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use stepwell_core::digest::Digest;
use stepwell_core::effect::Effect;
use stepwell_core::failure::FailureKind;
use stepwell_core::limits::Limits;
use stepwell_core::manifest::Capability;
use tokio::sync::oneshot;

use super::{Guest, HOUSE, Witness, attempt};
use crate::effects::{Ask, Effects, Reply};
use crate::meter::Meter;
use crate::{Attempt, AttemptHost, Exchange};

impl Reply for String {
    fn exchange(&self) -> Exchange {
        Exchange::Inconclusive
    }
}

fn effects_of(host: Arc<dyn AttemptHost>, replay: Vec<Effect>) -> Arc<Effects> {
    Effects::new(host, Arc::new(Meter::new(&Limits::default())), replay)
}

fn ask(what: &str) -> Ask {
    let (summary, digest) = (format!("GET {what}"), Digest::of(what.as_bytes()));
    Ask { capability: Capability::Http, summary, digest, destination: None }
}

fn effect(index: u32, what: &str, answer: &str) -> Effect {
    let Ask { capability, summary, digest, .. } = ask(what);
    Effect { index, capability, summary, request_digest: digest, answer: json!(answer) }
}

fn text(answer: &str) -> impl FnOnce() -> std::future::Ready<String> + use<> {
    let answer = answer.to_owned();
    move || ready(answer)
}

async fn never() -> String {
    panic!("asked again")
}

#[tokio::test]
async fn a_known_answer_is_given_again_and_a_new_one_is_told() {
    let witness = Arc::<Witness>::default();
    let effects = effects_of(witness.clone(), vec![effect(0, "a", "known")]);
    assert_eq!(effects.reserve().run(ask("a"), never).await, Ok("known".to_owned()));
    assert_eq!(effects.reserve().run(ask("b"), text("new")).await, Ok("new".to_owned()));
    assert_eq!(*witness.answered.lock().expect("a witness"), [effect(1, "b", "new")]);
    assert_eq!(effects.count(), 2);
    assert_eq!(effects.check_all_asked(), Ok(()));
}

#[tokio::test]
async fn another_question_than_before_is_a_failure_that_names_both() {
    let effects = effects_of(Arc::<Witness>::default(), vec![effect(0, "a", "known")]);
    let failure = effects.reserve().run(ask("b"), never).await.expect_err("another question");
    assert_eq!(failure.kind, FailureKind::Replay);
    assert!(failure.message.contains("`GET a`") && failure.message.contains("`GET b`"), "{failure}");
}

/// Effects at the same time, answered last first: the journal holds them in the order in which they were asked.
#[tokio::test]
async fn the_host_hears_of_effects_in_their_order() {
    let witness = Arc::<Witness>::default();
    let effects = effects_of(witness.clone(), Vec::new());
    let (release, released) = oneshot::channel::<()>();
    let (first, second, third) = (effects.reserve(), effects.reserve(), effects.reserve());
    let first = first.run(ask("a"), || async {
        released.await.expect("a release");
        "1".to_owned()
    });
    let others = async {
        third.run(ask("c"), text("3")).await.expect("an answer");
        second.run(ask("b"), text("2")).await.expect("an answer");
        assert!(witness.answered.lock().expect("a witness").is_empty());
        release.send(()).expect("a listener");
    };
    let (first, ()) = tokio::join!(first, others);
    first.expect("an answer");
    let told = witness.answered.lock().expect("a witness");
    assert_eq!(*told, [effect(0, "a", "1"), effect(1, "b", "2"), effect(2, "c", "3")]);
}

/// A guest that gives up on one of several requests does not keep the others out of the journal.
#[tokio::test]
async fn an_effect_that_was_given_up_leaves_the_order_whole() {
    let witness = Arc::<Witness>::default();
    let effects = effects_of(witness.clone(), Vec::new());
    let (first, second) = (effects.reserve(), effects.reserve());
    second.run(ask("b"), text("2")).await.expect("an answer");
    drop(first);
    assert_eq!(*witness.answered.lock().expect("a witness"), [effect(1, "b", "2")]);
}

/// An effect that the host could not make safe does not happen.
#[tokio::test]
async fn an_effect_waits_for_the_host() {
    use stepwell_core::attempt::{LogLine, ModelCall};
    use stepwell_core::destination::Destination;
    use stepwell_core::failure::Failure;

    use crate::Leave;

    struct FullDisk;
    #[async_trait::async_trait]
    impl AttemptHost for FullDisk {
        async fn before_effect(&self, _: Option<&Destination>) -> Result<Box<dyn Leave>, Failure> {
            Err(Failure::new(FailureKind::Internal, "no space left"))
        }
        fn answered(&self, _: Effect) {}
        fn used(&self, _: &ModelCall) {}
        fn logged(&self, _: &LogLine) {}
        fn progress(&self, _: serde_json::Value) {}
    }

    let happened = AtomicU32::new(0);
    let effects = effects_of(Arc::new(FullDisk), Vec::new());
    let result: Result<String, _> = effects
        .reserve()
        .run(ask("a"), || async {
            happened.fetch_add(1, Ordering::Relaxed);
            String::new()
        })
        .await;
    assert_eq!(result, Err(Failure::new(FailureKind::Internal, "no space left")));
    assert_eq!(happened.into_inner(), 0);
}

#[tokio::test]
async fn a_guest_that_does_not_ask_again_has_not_replayed() {
    let replay = vec![effect(0, "a", "known")];
    let report = HOUSE.run(Guest::default(), Attempt { replay, ..attempt("null") }).await;
    let failure = report.result.expect_err("an open question");
    assert_eq!(failure.kind, FailureKind::Replay);
    assert!(failure.message.contains("`GET a`"), "{failure}");
}
