//! Small, whole values of every kind that a store keeps.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use semver::Version;
use serde_json::{Value, json};
use stepwell_core::digest::Digest;
use stepwell_core::id::{NodeId, RunId, SecretName, StepName, TenantId, WorkflowName};
use stepwell_core::manifest::{Manifest, PublishedStep};
use stepwell_core::plan::{Lock, LockSlot, Locked, LockedStep};
use stepwell_core::priority::Priority;
use stepwell_core::run::{Entry, Event, RunOutcome, RunStatus, Trigger};
use stepwell_core::split::Percent;
use uuid::Uuid;

use crate::{ApiKeyRecord, Append, IdempotencyClaim, Mark, MarkKind, RunSummary, WorkflowVersion};

/// Samples are of this second and the milliseconds after it.
const SECOND: i64 = 1_700_000_000;

/// A moment, so many milliseconds after the samples' first.
#[must_use]
pub fn at(millis: u32) -> Timestamp {
    Timestamp::from_millisecond(SECOND * 1000 + i64::from(millis)).unwrap()
}

/// The run that was accepted so many milliseconds after the samples' first moment.
#[must_use]
pub fn run(millis: u32) -> RunId {
    let random = Digest::of(&millis.to_be_bytes());
    let unix_millis = u64::try_from(at(millis).as_millisecond()).unwrap();
    RunId(
        uuid::Builder::from_unix_timestamp_millis(unix_millis, random.as_bytes().first_chunk().unwrap())
            .into_uuid(),
    )
}

/// A tenant.
#[must_use]
pub fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

/// A workflow's name.
#[must_use]
pub fn workflow(name: &str) -> WorkflowName {
    WorkflowName::new(name).unwrap()
}

/// A step's name.
#[must_use]
pub fn step(name: &str) -> StepName {
    StepName::new(name).unwrap()
}

/// A secret's name.
#[must_use]
pub fn secret(name: &str) -> SecretName {
    SecretName::new(name).unwrap()
}

/// A version.
#[must_use]
pub fn version(text: &str) -> Version {
    text.parse().unwrap()
}

/// A canary's share.
#[must_use]
pub fn percent(percent: u64) -> Percent {
    Percent::new(percent).unwrap()
}

/// A run's first entry.
#[must_use]
pub fn accepted(workflow: &WorkflowName, input: Value) -> Entry {
    let (workflow, version) = (workflow.clone(), version("1.0.0"));
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned();
    Entry {
        seq: 0,
        at: at(0),
        event: Event::RunAccepted {
            workflow,
            version,
            input: input.into(),
            trigger: Trigger::Api,
            traceparent,
            start_at: None,
            priority: Priority::Normal,
            split: None,
            rules: 0,
        },
    }
}

/// An entry in the middle of a run.
#[must_use]
pub fn middle(seq: u64) -> Entry {
    Entry { seq, at: at(1), event: cancelled(format!("entry {seq}")) }
}

/// A run's last entry.
#[must_use]
pub fn ended(seq: u64, status: RunStatus) -> Entry {
    let outcome = match status {
        RunStatus::Succeeded => RunOutcome::Succeeded { output: json!({"label": "Billing"}).into() },
        _ => RunOutcome::Cancelled { reason: None },
    };
    Entry { seq, at: at(2), event: Event::RunEnded { outcome } }
}

/// A run's line in the index.
#[must_use]
pub fn summary(run: RunId, workflow: &WorkflowName, status: RunStatus) -> RunSummary {
    let ended_at = status.is_final().then(|| at(2));
    RunSummary {
        id: run,
        workflow: workflow.clone(),
        version: version("1.0.0"),
        status,
        accepted_at: at(0),
        ended_at,
    }
}

/// A run's first batch.
#[must_use]
pub fn first_batch(tenant: &TenantId, run: RunId, workflow: &WorkflowName) -> Append {
    Append {
        tenant: tenant.clone(),
        run,
        entries: vec![accepted(workflow, json!({}))],
        summary: Some(summary(run, workflow, RunStatus::Running)),
        marks: Vec::new(),
    }
}

/// A run's last batch.
#[must_use]
pub fn last_batch(
    tenant: &TenantId,
    run: RunId,
    workflow: &WorkflowName,
    seq: u64,
    status: RunStatus,
) -> Append {
    Append {
        tenant: tenant.clone(),
        run,
        entries: vec![ended(seq, status)],
        summary: Some(summary(run, workflow, status)),
        marks: Vec::new(),
    }
}

/// A batch that brings a run to this status: its last one, if that is final.
#[must_use]
pub fn next_batch(
    tenant: &TenantId,
    run: RunId,
    workflow: &WorkflowName,
    seq: u64,
    status: RunStatus,
) -> Append {
    match status.is_final() {
        true => last_batch(tenant, run, workflow, seq, status),
        false => Append {
            summary: Some(summary(run, workflow, status)),
            ..middle_batch(tenant, run, seq..seq + 1)
        },
    }
}

/// A batch in the middle of a run.
#[must_use]
pub fn middle_batch(tenant: &TenantId, run: RunId, seqs: std::ops::Range<u64>) -> Append {
    Append {
        tenant: tenant.clone(),
        run,
        entries: seqs.map(middle).collect(),
        summary: None,
        marks: Vec::new(),
    }
}

/// A mark of a run.
#[must_use]
pub fn mark(kind: MarkKind, key: &str, due: Option<Timestamp>) -> Mark {
    Mark { kind, key: key.to_owned(), run: Some(run(0)), due, body: json!({"key": key}) }
}

/// A claim that holds for as long as a test runs.
#[must_use]
pub fn claim(workflow: &WorkflowName, key: &str, request: &str) -> IdempotencyClaim {
    let expires_at = Timestamp::from_second(Timestamp::now().as_second() + 3600).unwrap();
    IdempotencyClaim {
        workflow: workflow.clone(),
        key: key.to_owned(),
        request_digest: Digest::of(request.as_bytes()),
        expires_at,
    }
}

/// A step whose component is these bytes.
#[must_use]
pub fn published(name: &str, at_version: &str, component: &[u8]) -> PublishedStep {
    let manifest = Manifest {
        name: step(name),
        version: version(at_version),
        summary: "A sample".to_owned(),
        input_schema: json!({"type": "object"}),
        config_schema: json!(true),
        output_schema: json!({"type": "string"}),
        capabilities: Vec::new(),
    };
    let imports = BTreeSet::from(["stepwell:step/log@1.0.0".to_owned()]);
    PublishedStep {
        manifest,
        digest: Digest::of(component),
        imports,
        effects: BTreeSet::new(),
        size: component.len() as u64,
    }
}

/// A version of a workflow that was applied so many milliseconds after the samples' first moment.
#[must_use]
pub fn applied(name: &str, at_version: &str, definition: Value, millis: u32) -> WorkflowVersion {
    let digest = Digest::of(definition.to_string().as_bytes());
    let locked =
        LockedStep { name: step("transform"), version: version("1.0.0"), digest: Digest::of(b"transform") };
    let lock = Lock(BTreeMap::from([(LockSlot::node(&NodeId::new("only").unwrap()), Locked::Step(locked))]));
    WorkflowVersion {
        name: workflow(name),
        version: version(at_version),
        definition,
        digest,
        lock,
        applied_at: at(millis),
    }
}

/// An API key's record.
#[must_use]
pub fn api_key(id: &str, millis: u32) -> ApiKeyRecord {
    ApiKeyRecord {
        id: id.to_owned(),
        name: format!("key {id}"),
        hash: Digest::of(id.as_bytes()),
        created_at: at(millis),
        revoked_at: None,
    }
}

/// A run's id that no sample has.
#[must_use]
pub fn unknown_run() -> RunId {
    RunId(Uuid::max())
}

/// A wish to cancel, for this reason.
fn cancelled(reason: String) -> Event {
    Event::CancelRequested { reason: Some(reason), grace_ms: 0, compensate: false, by: None }
}
