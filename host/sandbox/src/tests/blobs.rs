//! Blobs: a guest reads those that it was given and writes others, within its limits.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use stepwell_core::attempt::{LogLine, ModelCall};
use stepwell_core::destination::Destination;
use stepwell_core::digest::Digest;
use stepwell_core::effect::Effect;
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::limits::{LimitKind, Limits};

use super::{Guest, HOUSE, attempt};
use crate::blob::memory::MemoryBlobs;
use crate::{Attempt, AttemptHost, AttemptReport, BlobStore, Leave};

const IMPORTS: &str = r#"
    (import "stepwell:step/blob@1.0.0" "open" (func $open (param i32 i32 i64 i32)))
    (import "stepwell:step/blob@1.0.0" "create" (func $create (param i32)))
    (import "stepwell:step/blob@1.0.0" "[method]reader.read" (func $read (param i32 i32 i32)))
    (import "stepwell:step/blob@1.0.0" "[method]writer.write" (func $write (param i32 i32 i32 i32)))
    (import "stepwell:step/blob@1.0.0" "[static]writer.finish" (func $finish (param i32 i32 i32 i32)))
    (import "stepwell:step/blob@1.0.0" "[resource-drop]reader" (func $drop_reader (param i32)))
    (import "stepwell:step/blob@1.0.0" "[resource-drop]writer" (func $drop_writer (param i32)))
"#;

/// The digest in an input of the form `{"$blob":"sha256:...`.
const GIVEN: &str = "(i32.add (local.get $input) (i32.const 10)) (i32.const 71)";

/// Ends with the words of an error whose kind (0: unknown or unavailable, 1: denied, 2: too large) is at an address, if an answer at 4096 is one.
fn unless_refused(kind_at: u32) -> String {
    let (kind, text) = (kind_at, kind_at + 4);
    format!(
        "(if (i32.load8_u (i32.const 4096)) (then (return (call $fail (i32.rem_u (i32.load8_u (i32.const {kind})) (i32.const 3))
            (i32.load (i32.const {text})) (i32.load (i32.const {})))))) ",
        text + 4
    )
}

/// Opens the given blob, and answers what the first piece of it has.
fn reader(offset: u64, max: u32) -> String {
    format!(
        "(call $open {GIVEN} (i64.const {offset}) (i32.const 4096)) {refused}
         (call $read (i32.load (i32.const 4100)) (i32.const {max}) (i32.const 4096)) {refused}
         (call $answer (i32.load (i32.const 4100)) (i32.load (i32.const 4104)))",
        refused = unless_refused(4100)
    )
}

/// Makes a blob of its input, and then does something with the digest that lies at 4104.
fn writer(then: &str) -> String {
    format!(
        "(call $create (i32.const 4096)) {refused}
         (i32.store (i32.const 3000) (i32.load (i32.const 4100)))
         (call $write (i32.load (i32.const 3000)) (local.get $input) (local.get $input_len) (i32.const 4096)) {refused}
         (call $write (i32.load (i32.const 3000)) (local.get $input) (local.get $input_len) (i32.const 4096)) {refused}
         {then}",
        refused = unless_refused(4100)
    )
}

/// Ends the blob as `text/plain`.
fn finish() -> String {
    format!(
        "(call $finish (i32.load (i32.const 3000)) (i32.const 2048) (i32.const 10) (i32.const 4096)) {}",
        unless_refused(4104)
    )
}

/// Answers the input.
const ECHO: &str = "(call $answer (local.get $input) (local.get $input_len))";

struct Host(MemoryBlobs);

#[async_trait]
impl AttemptHost for Host {
    fn blobs(&self) -> Arc<dyn BlobStore> {
        Arc::new(self.0.clone())
    }
    async fn before_effect(&self, _: Option<&Destination>) -> Result<Box<dyn Leave>, Failure> {
        Err(Failure::new(FailureKind::Internal, "a blob is no effect"))
    }
    fn answered(&self, _: Effect) {}
    fn used(&self, _: &ModelCall) {}
    fn logged(&self, _: &LogLine) {}
    fn progress(&self, _: Value) {}
}

async fn run(code: &str, attempt: Attempt, blobs: &MemoryBlobs) -> AttemptReport {
    let items = r#"(data (i32.const 2048) "text/plain")"#;
    let guest = Guest { imports: IMPORTS, items, run: code, ..Guest::default() };
    let step = HOUSE.sandbox.compile(guest.build()).await.expect("a step");
    HOUSE.sandbox.run(&step, attempt, Arc::new(Host(blobs.clone()))).await
}

fn given(digest: &Digest) -> Attempt {
    attempt(&json!({"$blob": digest, "size": 1, "media_type": "text/plain"}).to_string())
}

#[tokio::test]
async fn a_guest_reads_what_its_input_names() {
    let blobs = MemoryBlobs::default();
    let digest = blobs.put("\"0123456789\"");
    let report = run(&reader(0, 1000), given(&digest), &blobs).await;
    assert_eq!(report.result, Ok(json!("0123456789")));
    assert_eq!(report.account.effects, 0, "to read is no effect");

    // From an offset, a few bytes of it; and nothing behind its end.
    assert_eq!(run(&reader(3, 2), given(&digest), &blobs).await.result, Ok(json!(23)));
    let nothing = run(&reader(99, 2), given(&digest), &blobs).await.result.expect_err("no JSON");
    assert_eq!(nothing.kind, FailureKind::InvalidOutput);
}

/// Else a guest would count other pieces each time that it runs, and no replay of it could be compared.
#[tokio::test]
async fn a_read_gives_all_that_it_asks_for_however_the_store_cuts_the_blob() {
    let blobs = MemoryBlobs::default();
    let word = "long ".repeat(1000);
    let digest = blobs.put(json!(word).to_string());
    assert_eq!(run(&reader(0, 1 << 20), given(&digest), &blobs).await.result, Ok(json!(word)));
}

#[tokio::test]
async fn a_guest_reads_what_its_config_names() {
    let blobs = MemoryBlobs::default();
    let digest = blobs.put("true");
    let config = json!({"$blob": digest}).to_string();
    let code = reader(0, 10).replace("$input", "$config");
    assert_eq!(
        run(&code, Attempt { config: config.into(), ..attempt("null") }, &blobs).await.result,
        Ok(json!(true))
    );
}

#[tokio::test]
async fn that_a_guest_knows_a_digest_gives_it_nothing() {
    let blobs = MemoryBlobs::default();
    let digest = blobs.put("true");
    // The same text, and no reference.
    let input = json!({"$blub": digest}).to_string();
    let failure = run(&reader(0, 10), attempt(&input), &blobs).await.result.expect_err("denied");
    assert_eq!(failure.kind, FailureKind::Retryable, "1 is `denied`");
    assert!(failure.message.contains("in the node's `input`"), "{failure}");
}

#[tokio::test]
async fn a_blob_that_is_not_there_is_unknown() {
    let nowhere = Digest::of(b"nowhere");
    let failure =
        run(&reader(0, 10), given(&nowhere), &MemoryBlobs::default()).await.result.expect_err("unknown");
    assert_eq!(failure.kind, FailureKind::InvalidInput, "0 is `unknown`");
    assert!(failure.message.contains(&nowhere.to_string()), "{failure}");
}

#[tokio::test]
async fn a_guest_writes_a_blob_and_may_read_it() {
    let blobs = MemoryBlobs::default();
    let then = format!(
        "{} (call $open (i32.load (i32.const 4104)) (i32.load (i32.const 4108)) (i64.const 0) (i32.const 4096)) {refused}
         (call $read (i32.load (i32.const 4100)) (i32.const 100) (i32.const 4096)) {refused}
         (call $answer (i32.load (i32.const 4100)) (i32.load (i32.const 4104)))",
        finish(),
        refused = unless_refused(4100)
    );
    assert_eq!(run(&writer(&then), attempt("12"), &blobs).await.result, Ok(json!(1212)));
    assert_eq!(blobs.get(&Digest::of(b"1212")).as_deref(), Some(&b"1212"[..]));
}

#[tokio::test]
async fn a_blob_that_is_dropped_leaves_nothing() {
    let blobs = MemoryBlobs::default();
    let then = "(call $drop_writer (i32.load (i32.const 3000)))
        (call $answer (local.get $input) (local.get $input_len))";
    assert_eq!(run(&writer(then), attempt("12"), &blobs).await.result, Ok(json!(12)));
    assert_eq!(blobs.count(), 0);
}

#[tokio::test]
async fn a_blob_that_is_too_large_is_the_guests_to_hear_of() {
    let blobs = MemoryBlobs::of_at_most(3);
    let failure =
        run(&writer(&(finish() + ECHO)), attempt("12"), &blobs).await.result.expect_err("too large");
    assert_eq!(failure.kind, FailureKind::Permanent, "2 is `too-large`");
    assert!(failure.message.contains("3 bytes at most"), "{failure}");
}

#[tokio::test]
async fn what_is_read_and_written_counts() {
    let blobs = MemoryBlobs::default();
    let digest = blobs.put("1".repeat(900));
    for (kind, code, attempt) in [
        (LimitKind::ReceivedBytes, reader(0, 1000), given(&digest)),
        (LimitKind::SentBytes, writer(&(finish() + ECHO)), attempt(&"1".repeat(900))),
        (LimitKind::HostCalls, reader(0, 1000), given(&digest)),
    ] {
        let mut limits = Limits::default();
        limits.set(kind, if kind == LimitKind::HostCalls { 1 } else { 899 });
        let failure = run(&code, Attempt { limits, ..attempt }, &blobs).await.result.expect_err("a limit");
        assert_eq!(failure.limit.map(|hit| hit.name), Some(kind), "{failure}");
    }
}

#[tokio::test]
async fn a_guest_holds_no_more_blobs_than_it_may() {
    let code = format!(
        "(loop $more (call $create (i32.const 4096)) {} (br $more)) (unreachable)",
        unless_refused(4100)
    );
    let failure = run(&code, attempt("null"), &MemoryBlobs::default()).await.result.expect_err("too many");
    assert!(failure.message.contains("open at the same time"), "{failure}");
}
