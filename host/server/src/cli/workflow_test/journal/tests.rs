//! What is behind a cut is not kept; what is before it is.

use std::sync::Arc as Shared;

use jiff::Timestamp;
use serde_json::json;
use stepwell_core::run::RunOutcome;
use uuid::Uuid;

use super::*;

fn run() -> RunId {
    RunId(Uuid::from_u128(7))
}

fn entry(seq: u64, event: Event) -> Entry {
    Entry::new(seq, Timestamp::UNIX_EPOCH, event)
}

/// A run that is accepted, asked to end, and ends: in one batch.
fn whole_run() -> Append {
    let accepted = Event::RunAccepted {
        workflow: "flow".parse().unwrap(),
        version: semver::Version::new(1, 0, 0),
        input: Shared::new(json!({})),
        trigger: stepwell_core::run::Trigger::Api,
        traceparent: String::new(),
        start_at: None,
        split: None,
        rules: Event::RULES,
        priority: stepwell_core::priority::Priority::Normal,
    };
    let ended = Event::RunEnded { outcome: RunOutcome::Cancelled { reason: None } };
    let cancelled = Event::CancelRequested { reason: None, grace_ms: 0, compensate: false, by: None };
    let summary = RunSummary {
        id: run(),
        workflow: "flow".parse().unwrap(),
        version: semver::Version::new(1, 0, 0),
        status: RunStatus::Cancelled,
        accepted_at: Timestamp::UNIX_EPOCH,
        ended_at: Some(Timestamp::UNIX_EPOCH),
    };
    let entries = vec![entry(0, accepted), entry(1, cancelled), entry(2, ended)];
    Append { tenant: TenantId::default(), run: run(), entries, summary: Some(summary), marks: Vec::new() }
}

#[tokio::test]
async fn what_is_behind_the_cut_is_not_kept_and_nobody_is_told() {
    let tenant = TenantId::default();
    for keeps in 1..3 {
        let journal = CutJournal::new(Some(keeps));
        let ticket = journal.append(whole_run());
        assert!(ticket.outcome().is_none());
        journal.is_cut().await;
        assert!(journal.append(whole_run()).outcome().is_none(), "nothing is kept any more");
        let kept = journal.read(&tenant, run(), 0, 10).await.unwrap();
        assert_eq!((kept.len() as u64, journal.entries(), journal.run()), (keeps, keeps, Some(run())));
        let summary = journal.summary(&tenant, run()).await.unwrap().unwrap();
        assert_eq!((summary.status, summary.ended_at), (RunStatus::Running, None), "its end is not kept");
        assert_eq!(journal.unfinished(None, 10).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_batch_that_fits_is_kept_whole() {
    let journal = CutJournal::new(Some(3));
    assert!(matches!(journal.append(whole_run()).outcome(), Some(Ok(()))));
    assert!(!journal.is_down());
    let summary = journal.summary(&TenantId::default(), run()).await.unwrap().unwrap();
    assert_eq!(summary.status, RunStatus::Cancelled);
}

#[tokio::test]
async fn a_batch_without_entries_is_kept_until_the_cut_and_not_behind_it() {
    let journal = CutJournal::new(Some(1));
    let marks_alone = || Append { entries: Vec::new(), summary: None, ..whole_run() };
    assert!(matches!(journal.append(marks_alone()).outcome(), Some(Ok(()))));
    assert!(journal.append(whole_run()).outcome().is_none());
    assert!(journal.append(marks_alone()).outcome().is_none());
}
