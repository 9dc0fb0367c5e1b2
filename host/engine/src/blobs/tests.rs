//! Which blobs a run is known to need.

use serde_json::json;
use stepwell_core::digest::Digest;
use stepwell_core::id::RunId;
use stepwell_core::run::Event;
use stepwell_store::{MarkChange, MarkKind};
use uuid::Uuid;

use super::uses::{Uses, by_run, of_version};

fn run() -> RunId {
    RunId(Uuid::from_u128(7))
}

fn signal(payload: serde_json::Value) -> Event {
    Event::SignalReceived { name: "go".to_owned(), payload: payload.into(), by: None }
}

fn noted(uses: &mut Uses, event: &Event) -> Vec<MarkChange> {
    let mut marks = Vec::new();
    uses.note(run(), event, &mut marks);
    marks
}

#[test]
fn a_run_needs_each_blob_that_an_event_names_once() {
    let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
    let mut uses = Uses::default();
    assert_eq!(noted(&mut uses, &signal(json!({"text": "none"}))), []);
    assert_eq!(noted(&mut uses, &signal(json!([{"$blob": a}, {"$blob": a}]))), [by_run(&a, run())]);
    assert_eq!(noted(&mut uses, &signal(json!({"x": {"$blob": a}, "y": {"$blob": b}}))), [by_run(&b, run())]);
}

#[test]
fn what_a_run_needs_goes_with_it_and_what_a_version_needs_does_not() {
    let digest = Digest::of(b"a");
    let MarkChange::Put(by_run) = by_run(&digest, run()) else { panic!("it is put") };
    assert_eq!((by_run.kind, by_run.run, by_run.due), (MarkKind::BlobUse, Some(run()), None));
    let definition = json!({"nodes": {"a": {"config": {"logo": {"$blob": digest}}}}});
    let version = semver::Version::new(1, 0, 0);
    let changes = of_version(&"flow".parse().unwrap(), &version, &definition);
    let [MarkChange::Put(by_version)] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!(by_version.run, None);
    for mark in [&by_run, by_version] {
        assert!(mark.key.starts_with(&format!("{}/", digest.to_hex())), "{}", mark.key);
    }
}
