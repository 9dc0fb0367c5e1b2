//! The journal's suite.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use stepwell_core::id::{RunId, TenantId};
use stepwell_core::run::RunStatus;

use super::samples;
use crate::{Accepted, Append, Journal, RunQuery, RunSummary, StoreError};

/// A run in a history: which workflow, and how it stands in the end.
pub type Past = (u8, RunStatus);

/// What was written is what is read: to the last bit of a number, to the millisecond.
pub async fn entries_come_back_as_they_were(journal: Arc<dyn Journal>) {
    let (tenant, run, workflow) = (TenantId::default(), samples::run(0), samples::workflow("triage"));
    let input = json!({"text": "Grüße \u{1f600} \"\\ \u{0}", "float": 0.187_241_582_701_356_19, "big": u64::MAX, "small": i64::MIN, "none": null});
    let entries = vec![
        samples::accepted(&workflow, input),
        samples::middle(1),
        samples::ended(2, RunStatus::Succeeded),
    ];
    journal
        .append(Append {
            tenant: tenant.clone(),
            run,
            entries: entries.clone(),
            summary: None,
            marks: Vec::new(),
        })
        .durable()
        .await
        .unwrap();
    assert_eq!(journal.read(&tenant, run, 0, 100).await.unwrap(), entries);
}

/// Whoever resumes a run builds on all that was decided, on disk or not.
pub async fn a_read_sees_what_was_handed_over(journal: Arc<dyn Journal>) {
    let (tenant, run) = (TenantId::default(), samples::run(0));
    for seq in 0..50 {
        let _not_awaited = journal.append(samples::middle_batch(&tenant, run, seq..seq + 1));
        assert_eq!(journal.read(&tenant, run, seq, 10).await.unwrap(), [samples::middle(seq)]);
    }
}

/// A page of a journal neither skips nor repeats an entry.
pub async fn a_read_begins_and_ends_where_it_is_told(journal: Arc<dyn Journal>) {
    let (tenant, run) = (TenantId::default(), samples::run(0));
    journal.append(samples::middle_batch(&tenant, run, 0..300)).durable().await.unwrap();
    let numbers = async |from, limit| -> Vec<u64> {
        journal.read(&tenant, run, from, limit).await.unwrap().iter().map(|entry| entry.seq).collect()
    };
    assert_eq!(numbers(0, 2).await, [0, 1]);
    assert_eq!(numbers(255, 3).await, [255, 256, 257]);
    assert_eq!(numbers(299, 10).await, [299]);
    assert_eq!(numbers(300, 10).await, [0; 0]);
    assert!(journal.read(&tenant, samples::unknown_run(), 0, 10).await.unwrap().is_empty());
}

/// Several parties wait for one batch, some of them late.
pub async fn a_ticket_answers_whoever_asks(journal: Arc<dyn Journal>) {
    let (tenant, run) = (TenantId::default(), samples::run(0));
    let ticket = journal.append(samples::middle_batch(&tenant, run, 0..1));
    let (early, late) = (ticket.clone(), ticket.clone());
    let (first, second) = tokio::join!(early.durable(), ticket.durable());
    first.unwrap();
    second.unwrap();
    late.durable().await.unwrap();
}

/// A run is listed where it stands, and nowhere else.
pub async fn the_index_follows_a_run(journal: Arc<dyn Journal>) {
    let (tenant, run, workflow) = (TenantId::default(), samples::run(0), samples::workflow("triage"));
    journal.append(samples::first_batch(&tenant, run, &workflow)).durable().await.unwrap();
    assert_eq!(listed_statuses(&*journal, &tenant).await, [RunStatus::Running]);
    assert_eq!(journal.unfinished(None, 10).await.unwrap(), [(tenant.clone(), run)]);

    journal
        .append(samples::last_batch(&tenant, run, &workflow, 1, RunStatus::Succeeded))
        .durable()
        .await
        .unwrap();
    let line = samples::summary(run, &workflow, RunStatus::Succeeded);
    assert_eq!(journal.summary(&tenant, run).await.unwrap(), Some(line));
    assert_eq!(listed_statuses(&*journal, &tenant).await, [RunStatus::Succeeded]);
    assert!(journal.unfinished(None, 10).await.unwrap().is_empty());
    assert_eq!(journal.summary(&tenant, samples::unknown_run()).await.unwrap(), None);
}

/// A failed run that is retried is unfinished again, or no start would go on with it.
pub async fn a_run_that_goes_on_is_listed_as_running_again(journal: Arc<dyn Journal>) {
    let (tenant, run, workflow) = (TenantId::default(), samples::run(0), samples::workflow("triage"));
    // Handed over at once, they may well be one commit.
    let _first = journal.append(samples::first_batch(&tenant, run, &workflow));
    let _failed = journal.append(samples::last_batch(&tenant, run, &workflow, 1, RunStatus::Failed));
    let again = Append {
        summary: Some(samples::summary(run, &workflow, RunStatus::Running)),
        ..samples::middle_batch(&tenant, run, 2..3)
    };
    journal.append(again).durable().await.unwrap();
    assert_eq!(listed_statuses(&*journal, &tenant).await, [RunStatus::Running]);
    assert_eq!(journal.unfinished(None, 10).await.unwrap(), [(tenant, run)]);
}

/// A start takes up what was at work. What waits is found where it stands, and costs the start nothing.
pub async fn a_run_that_waits_is_listed_and_not_taken_up(journal: Arc<dyn Journal>) {
    let (tenant, run, workflow) = (TenantId::default(), samples::run(0), samples::workflow("triage"));
    journal.append(samples::first_batch(&tenant, run, &workflow)).durable().await.unwrap();
    let statuses = [RunStatus::Queued, RunStatus::Waiting, RunStatus::Paused, RunStatus::Running];
    for (seq, status) in (1..).zip(statuses) {
        journal.append(samples::next_batch(&tenant, run, &workflow, seq, status)).durable().await.unwrap();
        assert_eq!(listed_statuses(&*journal, &tenant).await, [status]);
        let taken_up = journal.unfinished(None, 10).await.unwrap();
        assert_eq!(taken_up.contains(&(tenant.clone(), run)), status == RunStatus::Running, "{status:?}");
    }
}

/// A run that moves from list to list while they are read is on every page that should have it, once.
pub async fn a_run_that_moves_is_told_once(journal: Arc<dyn Journal>) {
    let (tenant, workflow) = (TenantId::default(), samples::workflow("triage"));
    for n in 0..20 {
        journal.append(samples::first_batch(&tenant, samples::run(n), &workflow)).durable().await.unwrap();
    }
    let moving = tokio::spawn({
        let (journal, tenant, workflow) = (Arc::clone(&journal), tenant.clone(), workflow.clone());
        async move {
            for n in 0..400_u32 {
                let status = if n % 40 < 20 { RunStatus::Waiting } else { RunStatus::Running };
                let (run, seq) = (samples::run(n % 20), u64::from(n / 20) + 1);
                journal
                    .append(samples::next_batch(&tenant, run, &workflow, seq, status))
                    .durable()
                    .await
                    .unwrap();
            }
        }
    });
    while !moving.is_finished() {
        let query = RunQuery { workflow: Some(workflow.clone()), limit: 100, ..RunQuery::default() };
        let page = journal.list(&tenant, query).await.unwrap();
        let told: Vec<_> = page.runs.iter().rev().map(|line| line.id).collect();
        assert_eq!(told, (0..20).map(samples::run).collect::<Vec<_>>());
    }
    moving.await.unwrap();
}

/// Pages together are the list: whole, newest first, nothing twice.
pub async fn pages_are_complete(journal: Arc<dyn Journal>) {
    let statuses = RunStatus::ALL;
    let history: Vec<Past> =
        (0..70_u8).map(|n| (n % 3, statuses[usize::from(n / 3) % statuses.len()])).collect();
    pages_are_complete_after(&*journal, &TenantId::default(), &history, 7).await;
}

/// The same after any history of a tenant, with pages of any size.
pub async fn pages_are_complete_after(
    journal: &dyn Journal,
    tenant: &TenantId,
    history: &[Past],
    limit: usize,
) {
    let lines = live_through(journal, tenant, history).await;
    let workflows: BTreeSet<_> = lines.iter().map(|line| line.workflow.clone()).collect();
    for workflow in workflows.into_iter().map(Some).chain([None]) {
        for status in RunStatus::ALL.map(Some).into_iter().chain([None]) {
            let query = RunQuery { workflow: workflow.clone(), status, limit, cursor: None };
            let wanted = |line: &&RunSummary| {
                workflow.as_ref().is_none_or(|workflow| line.workflow == *workflow)
                    && status.is_none_or(|status| line.status == status)
            };
            let expected: Vec<RunSummary> = lines.iter().rev().filter(wanted).cloned().collect();
            assert_eq!(all_pages(journal, tenant, query.clone()).await, expected, "{query:?}");
        }
    }
}

/// After a start every unfinished run is gone on with, once.
pub async fn unfinished_runs_are_paged_oldest_first(journal: Arc<dyn Journal>) {
    let tenants = ["b", "a", "ab"].map(samples::tenant);
    let workflow = samples::workflow("triage");
    let mut expected = Vec::new();
    for n in 0..20_u32 {
        let (tenant, run) = (&tenants[n as usize % 3], samples::run(n));
        journal.append(samples::first_batch(tenant, run, &workflow)).durable().await.unwrap();
        if n % 4 == 0 {
            journal
                .append(samples::last_batch(tenant, run, &workflow, 1, RunStatus::Cancelled))
                .durable()
                .await
                .unwrap();
        } else {
            expected.push((tenant.clone(), run));
        }
    }
    let mut found = Vec::new();
    loop {
        let page = journal.unfinished(found.last().cloned(), 4).await.unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 4);
        found.extend(page);
    }
    assert_eq!(found, expected);
}

/// A client that asks again gets its run, and no second one is started.
pub async fn a_claim_is_for_one_run(journal: Arc<dyn Journal>) {
    let (tenant, workflow) = (TenantId::default(), samples::workflow("triage"));
    let accept = async |run, key, request| {
        let batch = samples::first_batch(&tenant, run, &workflow);
        journal.accept(batch, samples::claim(&workflow, key, request)).await.unwrap()
    };
    let (first, second, third) = (samples::run(0), samples::run(1), samples::run(2));
    assert_eq!(accept(first, "key", "request").await, Accepted::New);
    assert_eq!(accept(second, "key", "request").await, Accepted::Before(first));
    assert_eq!(accept(second, "key", "another request").await, Accepted::Mismatch(first));
    assert_eq!(accept(third, "another key", "request").await, Accepted::New);

    assert_eq!(journal.summary(&tenant, second).await.unwrap(), None);
    assert!(journal.read(&tenant, second, 0, 1).await.unwrap().is_empty());
    assert_eq!(journal.unfinished(None, 10).await.unwrap(), [(tenant.clone(), first), (tenant, third)]);
}

/// A client that is impatient, or two of them, start one run.
pub async fn simultaneous_claims_give_one_run(journal: Arc<dyn Journal>) {
    let (tenant, workflow) = (TenantId::default(), samples::workflow("triage"));
    let mut clients = tokio::task::JoinSet::new();
    for n in 0..64 {
        let journal = Arc::clone(&journal);
        let batch = samples::first_batch(&tenant, samples::run(n), &workflow);
        let claim = samples::claim(&workflow, "key", "request");
        clients.spawn(async move { (samples::run(n), journal.accept(batch, claim).await.unwrap()) });
    }
    let answers = clients.join_all().await;
    let started: Vec<RunId> =
        answers.iter().filter(|(_, accepted)| *accepted == Accepted::New).map(|(run, _)| *run).collect();
    let [winner] = started[..] else { panic!("{} runs were started for one key", started.len()) };
    let agree = |(run, accepted): &(RunId, Accepted)| *run == winner || *accepted == Accepted::Before(winner);
    assert!(answers.iter().all(agree), "{answers:?}");
    assert_eq!(journal.unfinished(None, 100).await.unwrap(), [(tenant, winner)]);
}

/// A key may be used again once its time is over.
pub async fn an_expired_claim_is_forgotten(journal: Arc<dyn Journal>) {
    let (tenant, workflow) = (TenantId::default(), samples::workflow("triage"));
    let mut claim = samples::claim(&workflow, "key", "request");
    claim.expires_at = Timestamp::from_second(1).unwrap();
    for n in 0..3 {
        let batch = samples::first_batch(&tenant, samples::run(n), &workflow);
        assert_eq!(journal.accept(batch, claim.clone()).await.unwrap(), Accepted::New);
    }
    let lasting = samples::claim(&workflow, "key", "request");
    for expected in [Accepted::New, Accepted::Before(samples::run(3))] {
        let batch =
            samples::first_batch(&tenant, samples::run(3 + u32::from(expected != Accepted::New)), &workflow);
        assert_eq!(journal.accept(batch, lasting.clone()).await.unwrap(), expected);
    }
}

/// One client's key says nothing about another's.
pub async fn claims_are_scoped_to_tenant_and_workflow(journal: Arc<dyn Journal>) {
    let places = [("a", "triage"), ("a", "billing"), ("b", "triage")];
    for (n, (tenant, workflow)) in (0..).zip(places) {
        let (tenant, workflow) = (samples::tenant(tenant), samples::workflow(workflow));
        let batch = samples::first_batch(&tenant, samples::run(n), &workflow);
        assert_eq!(
            journal.accept(batch, samples::claim(&workflow, "key", "request")).await.unwrap(),
            Accepted::New
        );
    }
}

/// A tenant sees its own runs alone, even those that another has under the same id.
pub async fn tenants_are_apart(journal: Arc<dyn Journal>) {
    // One's name is the beginning of the other's: a prefix that is not closed would mix them.
    let (tenant, other) = (samples::tenant("a"), samples::tenant("ab"));
    let (run, workflow) = (samples::run(0), samples::workflow("triage"));
    journal.append(samples::first_batch(&tenant, run, &workflow)).durable().await.unwrap();
    assert!(journal.read(&other, run, 0, 10).await.unwrap().is_empty());
    assert_eq!(journal.summary(&other, run).await.unwrap(), None);
    assert!(listed_statuses(&*journal, &other).await.is_empty());

    journal.append(samples::first_batch(&other, run, &workflow)).durable().await.unwrap();
    journal
        .append(samples::last_batch(&other, run, &workflow, 1, RunStatus::Cancelled))
        .durable()
        .await
        .unwrap();
    assert_eq!(listed_statuses(&*journal, &tenant).await, [RunStatus::Running]);
    assert_eq!(listed_statuses(&*journal, &other).await, [RunStatus::Cancelled]);
}

/// What was handed over before the end is kept; what comes after is told so.
pub async fn a_closed_journal_refuses(journal: Arc<dyn Journal>) {
    let (tenant, run) = (TenantId::default(), samples::run(0));
    let before = journal.append(samples::middle_batch(&tenant, run, 0..1));
    journal.close().await.unwrap();
    journal.close().await.unwrap();
    before.durable().await.unwrap();
    let after = journal.append(samples::middle_batch(&tenant, run, 1..2));
    assert!(matches!(after.durable().await, Err(StoreError::Closed)));
}

/// Starts and ends runs, and gives their lines, oldest first.
async fn live_through(journal: &dyn Journal, tenant: &TenantId, history: &[Past]) -> Vec<RunSummary> {
    let mut lines = Vec::new();
    let mut last = None;
    for (n, (workflow, status)) in (0..).zip(history) {
        let (run, workflow) = (samples::run(n), samples::workflow(&format!("workflow-{workflow}")));
        last = Some(journal.append(samples::first_batch(tenant, run, &workflow)));
        if *status != RunStatus::Running {
            last = Some(journal.append(samples::next_batch(tenant, run, &workflow, 1, *status)));
        }
        lines.push(samples::summary(run, &workflow, *status));
    }
    if let Some(last) = last {
        last.durable().await.unwrap();
    }
    lines
}

async fn all_pages(journal: &dyn Journal, tenant: &TenantId, mut query: RunQuery) -> Vec<RunSummary> {
    let mut all = Vec::new();
    loop {
        let page = journal.list(tenant, query.clone()).await.unwrap();
        assert!(page.runs.len() <= query.limit, "a page has at most its limit");
        assert!(page.next.is_none() || page.runs.len() == query.limit, "a page before the last is full");
        all.extend(page.runs);
        query.cursor = page.next;
        if query.cursor.is_none() {
            return all;
        }
    }
}

/// Under which statuses runs are listed.
async fn listed_statuses(journal: &dyn Journal, tenant: &TenantId) -> Vec<RunStatus> {
    let mut found = Vec::new();
    for status in RunStatus::ALL {
        let query = RunQuery { status: Some(status), limit: 10, ..RunQuery::default() };
        found.extend(journal.list(tenant, query).await.unwrap().runs.iter().map(|line| line.status));
    }
    found
}
