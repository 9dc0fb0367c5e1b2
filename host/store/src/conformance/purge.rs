//! The suite of the removal of old runs.

use std::sync::Arc;

use jiff::Timestamp;
use stepwell_core::id::{RunId, TenantId};
use stepwell_core::run::RunStatus;

use super::samples;
use crate::{Accepted, Append, Journal, MarkChange, MarkKind, RunQuery, RunSummary, StoreError};

/// Nothing is left of a run that was removed, and others are as they were.
pub async fn old_runs_are_removed_whole(journal: Arc<dyn Journal>) {
    let tenants = ["a", "ab"].map(samples::tenant);
    for tenant in &tenants {
        for (n, status) in (0..).zip([RunStatus::Succeeded, RunStatus::Failed, RunStatus::Cancelled]) {
            live(&*journal, tenant, n, status, 10, MarkKind::Memo).await;
            live(&*journal, tenant, n + 10, status, 20, MarkKind::Memo).await;
        }
    }
    assert_eq!(journal.purge(samples::at(20), 100).await.unwrap(), 6);
    for tenant in &tenants {
        assert_eq!(listed(&*journal, tenant).await, [10, 11, 12].map(samples::run));
        for n in [0, 1, 2, 10, 11, 12] {
            let (run, kept) = (samples::run(n), n >= 10);
            assert_eq!(journal.read(tenant, run, 0, 100).await.unwrap().len(), if kept { 5 } else { 0 });
            assert_eq!(journal.summary(tenant, run).await.unwrap().is_some(), kept);
            let mark = journal.mark(tenant, MarkKind::Memo, &format!("of {n}")).await.unwrap();
            assert_eq!(mark.is_some(), kept);
        }
        for status in [RunStatus::Succeeded, RunStatus::Failed, RunStatus::Cancelled] {
            let query = RunQuery { status: Some(status), limit: 10, ..RunQuery::default() };
            assert_eq!(journal.list(tenant, query).await.unwrap().runs.len(), 1);
        }
    }
    assert_eq!(journal.purge(samples::at(20), 100).await.unwrap(), 0);
}

/// What goes on, and what somebody has to look at, stays, however old it is.
pub async fn runs_that_go_on_and_open_dead_letters_are_kept(journal: Arc<dyn Journal>) {
    let tenant = TenantId::default();
    for (n, status) in (0..).zip(RunStatus::ALL) {
        live(&*journal, &tenant, n, status, 10, MarkKind::Timer).await;
    }
    live(&*journal, &tenant, 10, RunStatus::Failed, 10, MarkKind::DeadLetter).await;
    assert_eq!(journal.purge(Timestamp::MAX, 100).await.unwrap(), 3);
    assert_eq!(listed(&*journal, &tenant).await, [0, 1, 2, 3, 10].map(samples::run));
    assert!(journal.mark(&tenant, MarkKind::DeadLetter, "of 10").await.unwrap().is_some());

    let remove = MarkChange::Remove { kind: MarkKind::DeadLetter, key: "of 10".to_owned() };
    journal.note(&tenant, vec![remove]).durable().await.unwrap();
    assert_eq!(journal.purge(Timestamp::MAX, 100).await.unwrap(), 1);
    assert_eq!(listed(&*journal, &tenant).await, [0, 1, 2, 3].map(samples::run));
}

/// A page of removals takes the oldest, and the pages together take all.
pub async fn old_runs_are_removed_page_by_page(journal: Arc<dyn Journal>) {
    let tenants = ["b", "a"].map(samples::tenant);
    for n in 0..10_u32 {
        let status = if n == 4 { RunStatus::Waiting } else { RunStatus::Succeeded };
        live(&*journal, &tenants[n as usize % 2], n, status, 10, MarkKind::Memo).await;
    }
    let left: [&[u32]; 4] = [&[4, 5, 6, 7, 8, 9], &[4, 9], &[4], &[4]];
    for (removed, left) in [4, 4, 1, 0].into_iter().zip(left) {
        assert_eq!(journal.purge(Timestamp::MAX, 4).await.unwrap(), removed);
        let mut runs = [listed(&*journal, &tenants[0]).await, listed(&*journal, &tenants[1]).await].concat();
        runs.sort();
        assert_eq!(runs, left.iter().map(|n| samples::run(*n)).collect::<Vec<_>>());
    }
}

/// Whoever read a run before it was removed cannot go on with it: its journal would have no beginning.
pub async fn a_removed_run_does_not_go_on(journal: Arc<dyn Journal>) {
    let (tenant, workflow) = (TenantId::default(), samples::workflow("triage"));
    live(&*journal, &tenant, 0, RunStatus::Failed, 10, MarkKind::Memo).await;
    assert_eq!(journal.purge(Timestamp::MAX, 100).await.unwrap(), 1);
    let again = samples::next_batch(&tenant, samples::run(0), &workflow, 5, RunStatus::Running);
    let refused = journal.append(again).durable().await;
    assert!(matches!(refused, Err(StoreError::JournalGap { .. })), "{refused:?}");
    assert_eq!(journal.summary(&tenant, samples::run(0)).await.unwrap(), None);
}

/// A run that is taken up again while old ones are removed is removed whole or goes on whole.
pub async fn a_run_that_is_taken_up_meanwhile_is_whole(journal: Arc<dyn Journal>) {
    let (tenant, workflow) = (TenantId::default(), samples::workflow("triage"));
    for n in 0..40 {
        live(&*journal, &tenant, n, RunStatus::Failed, 10, MarkKind::Memo).await;
    }
    let purging = tokio::spawn({
        let journal = Arc::clone(&journal);
        async move { while journal.purge(Timestamp::MAX, 3).await.unwrap() > 0 {} }
    });
    for n in (0..40).rev() {
        let run = samples::run(n);
        let next = journal.read(&tenant, run, 0, 100).await.unwrap().len() as u64;
        if next > 0 {
            let again = samples::next_batch(&tenant, run, &workflow, next, RunStatus::Running);
            let _refused_if_it_was_removed = journal.append(again).durable().await;
        }
        let (line, entries) = (journal.summary(&tenant, run).await, journal.read(&tenant, run, 0, 100).await);
        let entries = entries.unwrap().len() as u64;
        match line.unwrap() {
            Some(line) => assert_eq!((line.status, entries), (RunStatus::Running, next + 1)),
            None => assert_eq!(entries, 0),
        }
    }
    purging.await.unwrap();
}

/// A run of five entries under a key, which stands like this in the end, and leaves a mark.
async fn live(
    journal: &dyn Journal,
    tenant: &TenantId,
    n: u32,
    status: RunStatus,
    ended_at: u32,
    kind: MarkKind,
) {
    let (run, workflow) = (samples::run(n), samples::workflow("triage"));
    let claim = samples::claim(&workflow, &format!("{n}"), "request");
    let accepted = journal.accept(samples::first_batch(tenant, run, &workflow), claim).await.unwrap();
    assert_eq!(accepted, Accepted::New);
    journal.append(samples::middle_batch(tenant, run, 1..4)).durable().await.unwrap();
    let mark = crate::Mark { run: Some(run), ..samples::mark(kind, &format!("of {n}"), None) };
    let last = samples::next_batch(tenant, run, &workflow, 4, status);
    let summary = last
        .summary
        .clone()
        .map(|line| RunSummary { ended_at: line.ended_at.map(|_| samples::at(ended_at)), ..line });
    let last = Append { marks: vec![MarkChange::Put(mark)], summary, ..last };
    journal.append(last).durable().await.unwrap();
}

/// Which runs there are, oldest first.
async fn listed(journal: &dyn Journal, tenant: &TenantId) -> Vec<RunId> {
    let query = RunQuery { limit: 1_000, ..RunQuery::default() };
    journal.list(tenant, query).await.unwrap().runs.iter().rev().map(|line| line.id).collect()
}
