//! What each format wrote is read by every version that follows.
//!
//! - Format 1: a record an entry, and lists of runs by workflow or status alone.
//! - Format 2: a record a batch of entries, and a list for each workflow and status.
//! - Format 3: marks, and runs that are queued, wait or are paused.
//!
//! A golden folder is written once for each format, by `cargo test -p stepwell-store write_the_golden_folder -- --ignored`, and
//! never again: a change that makes this test fail breaks the stores that people have.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use stepwell_core::attempt::Account;
use stepwell_core::digest::Digest;
use stepwell_core::effect::Effect;
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::id::{AttemptNumber, NodeId, Part, TenantId};
use stepwell_core::manifest::Capability;
use stepwell_core::run::{Entry, Event, RunOutcome, RunStatus, SkipReason};

use super::damage::copy_of;
use crate::conformance::samples;
use crate::{
    Accepted, Append, EmbeddedStore, Mark, MarkChange, MarkKind, OpenOptions, Reason, Release, RunQuery,
};

/// A key file would not keep its mode in a repository.
const MASTER_KEY: &str = "Z29sZGVuLWtleS1vZi10aGUtZm9ybWF0LTEtdGVzdCE=";
const NEWEST: &str = "format-3";
/// The run that waits.
const WAITING: u32 = 3;
const COMPONENT: &[u8] = b"golden component";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_format_is_read() {
    for format in ["format-1", "format-2", NEWEST] {
        let folder = copy_of(&golden_folder(format));
        let store = open(folder.path());
        check_catalogue(&store).await;
        check_journal(&store).await;
        check_marks(&store, format == NEWEST).await;
        check_that_runs_go_on(&store).await;
        check_that_versions_go_on(&store).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes the golden folder, which is done once for each format"]
async fn write_the_golden_folder() {
    let folder = golden_folder(NEWEST);
    assert!(!folder.exists(), "the golden folder is written once: {}", folder.display());
    let store = open(&folder);
    write(&store).await;
    store.journal().close().await.unwrap();
    drop(store);
    // A second start cuts the preallocated end of the journal's log off.
    drop(open(&folder));
}

fn golden_folder(format: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format)
}

fn open(folder: &Path) -> EmbeddedStore {
    let master_key = Some(SecretString::from(MASTER_KEY));
    EmbeddedStore::open(&OpenOptions { master_key, ..OpenOptions::new(folder) }).unwrap()
}

async fn write(store: &EmbeddedStore) {
    let (tenant, workflow) = (TenantId::default(), samples::workflow("triage"));
    let catalogue = store.catalogue();
    catalogue
        .put_step(&tenant, &samples::published("llm-chat", "1.0.0", COMPONENT), COMPONENT)
        .await
        .unwrap();
    for version in versions() {
        catalogue.put_workflow(&tenant, &version, Release::Current(Reason::Applied)).await.unwrap();
    }
    catalogue
        .put_secret(&tenant, &samples::secret("KEY"), &SecretString::from("golden value"))
        .await
        .unwrap();
    catalogue.put_key(&tenant, &samples::api_key("golden", 1)).await.unwrap();

    let journal = store.journal();
    let mut claim = samples::claim(&workflow, "golden key", "request");
    claim.expires_at = "9999-01-01T00:00:00Z".parse().unwrap();
    journal.accept(samples::first_batch(&tenant, samples::run(0), &workflow), claim).await.unwrap();
    let whole = Append {
        tenant: tenant.clone(),
        run: samples::run(1),
        entries: every_event(),
        summary: Some(samples::summary(samples::run(1), &workflow, RunStatus::Failed)),
        marks: Vec::new(),
    };
    journal.append(whole).durable().await.unwrap();
    journal.append(samples::first_batch(&tenant, samples::run(WAITING), &workflow)).durable().await.unwrap();
    let waiting = Append {
        marks: marks().map(MarkChange::Put).to_vec(),
        ..samples::next_batch(&tenant, samples::run(WAITING), &workflow, 1, RunStatus::Waiting)
    };
    journal.append(waiting).durable().await.unwrap();
}

async fn check_catalogue(store: &EmbeddedStore) {
    let (tenant, catalogue) = (TenantId::default(), store.catalogue());
    let step = samples::published("llm-chat", "1.0.0", COMPONENT);
    assert_eq!(catalogue.steps(&tenant).await.unwrap(), std::slice::from_ref(&step));
    assert_eq!(catalogue.component(&step.digest).await.unwrap().unwrap(), COMPONENT);
    for version in versions() {
        let found = catalogue.workflow(&tenant, &version.name, Some(&version.version)).await.unwrap();
        assert_eq!(found, Some(version));
    }
    let summary = catalogue.workflow_summary(&tenant, &samples::workflow("triage")).await.unwrap().unwrap();
    assert_eq!((&summary.current, &summary.canary), (&samples::version("2.0.0"), &None));
    let secret = catalogue.secret(&tenant, &samples::secret("KEY")).await.unwrap().unwrap();
    assert_eq!(secret.expose_secret(), "golden value");
    assert_eq!(catalogue.keys(&tenant).await.unwrap(), [samples::api_key("golden", 1)]);
}

async fn check_journal(store: &EmbeddedStore) {
    let (tenant, workflow, journal) = (TenantId::default(), samples::workflow("triage"), store.journal());
    assert_eq!(journal.read(&tenant, samples::run(1), 0, 100).await.unwrap(), every_event());
    assert_eq!(journal.unfinished(None, 10).await.unwrap(), [(tenant.clone(), samples::run(0))]);
    let failed = RunQuery {
        status: Some(RunStatus::Failed),
        workflow: Some(workflow.clone()),
        limit: 10,
        cursor: None,
    };
    let page = journal.list(&tenant, failed).await.unwrap();
    assert_eq!(page.runs, [samples::summary(samples::run(1), &workflow, RunStatus::Failed)]);
    let again = samples::first_batch(&tenant, samples::run(2), &workflow);
    let answer = journal.accept(again, samples::claim(&workflow, "golden key", "request")).await.unwrap();
    assert_eq!(answer, Accepted::Before(samples::run(0)));
}

async fn check_marks(store: &EmbeddedStore, written: bool) {
    let (tenant, journal) = (TenantId::default(), store.journal());
    for mark in marks() {
        let expected = written.then_some(mark.clone());
        assert_eq!(journal.mark(&tenant, mark.kind, &mark.key).await.unwrap(), expected);
        let due = journal.due(mark.kind, mark.due.unwrap(), 10).await.unwrap();
        assert_eq!(due, expected.map(|mark| (tenant.clone(), mark)).into_iter().collect::<Vec<_>>());
    }
    let waiting = RunQuery { status: Some(RunStatus::Waiting), limit: 10, ..RunQuery::default() };
    assert_eq!(journal.list(&tenant, waiting).await.unwrap().runs.len(), usize::from(written));
}

/// A run that an older version began is ended by this one, and listed as such.
async fn check_that_runs_go_on(store: &EmbeddedStore) {
    let (tenant, workflow, journal) = (TenantId::default(), samples::workflow("triage"), store.journal());
    let run = samples::run(0);
    let begun = journal.read(&tenant, run, 0, 100).await.unwrap();
    let last = samples::last_batch(&tenant, run, &workflow, begun.len() as u64, RunStatus::Succeeded);
    let whole = [begun, last.entries.clone()].concat();
    journal.append(last).durable().await.unwrap();
    assert_eq!(journal.read(&tenant, run, 0, 100).await.unwrap(), whole);
    assert!(journal.unfinished(None, 10).await.unwrap().is_empty());
    for status in [None, Some(RunStatus::Running), Some(RunStatus::Succeeded)] {
        let page =
            journal.list(&tenant, RunQuery { status, limit: 10, ..RunQuery::default() }).await.unwrap();
        let found = page.runs.iter().any(|line| line.id == run && line.status == RunStatus::Succeeded);
        assert_eq!(found, status != Some(RunStatus::Running), "{status:?}: {:?}", page.runs);
    }
}

/// One mark of each kind that there was when the format was written, with every field.
fn marks() -> [Mark; 8] {
    let kinds: [MarkKind; 8] = *MarkKind::ALL.first_chunk().unwrap();
    kinds.map(|kind| Mark {
        run: Some(samples::run(WAITING)),
        ..samples::mark(kind, "golden key", Some("9999-01-01T00:00:00Z".parse().unwrap()))
    })
}

/// What an older version applied can be gone back to, though that version kept no history.
async fn check_that_versions_go_on(store: &EmbeddedStore) {
    let (tenant, catalogue) = (TenantId::default(), store.catalogue());
    let third = samples::applied("triage", "3.0.0", json!({"n": 3}), 3);
    catalogue.put_workflow(&tenant, &third, Release::Current(Reason::Applied)).await.unwrap();
    let summary = catalogue.workflow_summary(&tenant, &third.name).await.unwrap().unwrap();
    assert_eq!(summary.previous(), Some(&samples::version("2.0.0")));
    assert_eq!(summary.versions, ["1.0.0", "2.0.0", "3.0.0"].map(samples::version));
}

fn versions() -> [crate::WorkflowVersion; 2] {
    [("1.0.0", 1), ("2.0.0", 2)].map(|(version, n)| samples::applied("triage", version, json!({"n": n}), n))
}

/// One entry of each kind of event, with every field.
fn every_event() -> Vec<Entry> {
    let node = |name| NodeId::new(name).unwrap();
    let attempt = AttemptNumber::FIRST;
    let first =
        samples::accepted(&samples::workflow("triage"), json!({"subject": "Invoice", "n": 0.1})).event;
    let events = [
        first,
        Event::AttemptStarted {
            node: node("a"),
            part: Part::Whole,
            attempt,
            input: json!([1, "two"]).into(),
            deadline: samples::at(9),
            call: 0,
        },
        Event::EffectAnswered { node: node("a"), part: Part::Whole, attempt, effect: effect() },
        Event::AttemptSucceeded {
            node: node("a"),
            part: Part::Whole,
            attempt,
            output: json!("out").into(),
            account: account(),
            cached: false,
        },
        Event::AttemptFailed {
            node: node("b"),
            part: Part::Whole,
            attempt,
            failure: failure(),
            account: Account::default(),
            cached: false,
        },
        Event::NodeSkipped { node: node("c"), reason: SkipReason::When },
        Event::NodeFailed {
            node: node("d"),
            part: Part::Whole,
            failure: Failure::new(FailureKind::Expression, "no such name"),
            falls_back: false,
        },
        Event::CancelRequested {
            reason: Some("no longer needed".to_owned()),
            grace_ms: 0,
            compensate: false,
            by: None,
        },
        Event::RunEnded {
            outcome: RunOutcome::Failed { failure: failure(), node: Some(node("b")), partial: None },
        },
    ];
    (0..).zip(events).map(|(seq, event)| Entry { seq, at: samples::at(1), event }).collect()
}

fn effect() -> Effect {
    Effect {
        index: 0,
        capability: Capability::Http,
        summary: "POST https://example.com/".to_owned(),
        request_digest: Digest::of(b"request"),
        answer: json!({"status": 200, "body": "e30="}),
    }
}

fn account() -> Account {
    serde_json::from_value::<Account>(account_json()).unwrap()
}

fn account_json() -> Value {
    json!({
        "fuel": 12_345, "duration_us": 678, "effects": 1,
        "usage": [{"provider": "openai", "model": "gpt-4o", "input_tokens": 10, "output_tokens": 2, "cost_micro_usd": 45}],
        "decisions": [{"decided": "Billing", "confidence": 0.93, "explanation": "it names an invoice", "model_version": "gpt-4o"}],
        "log": [{"level": "info", "message": "asked", "fields": {"tokens": 12}}],
    })
}

fn failure() -> Failure {
    Failure {
        detail: Some(json!({"status": 429})),
        retry_after_ms: Some(1500),
        limit: None,
        ..Failure::new(FailureKind::Retryable, "the provider is busy")
    }
}
