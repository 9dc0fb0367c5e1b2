//! The suite of the journal's marks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use stepwell_core::id::TenantId;

use super::samples;
use crate::{Accepted, Append, Journal, MAX_MARK_KEY_BYTES, Mark, MarkChange, MarkKind, StoreError};

/// A change in a history: whose mark, of what kind, under which key, and what is put. A time is in milliseconds.
pub type MarkPast = (u8, MarkKind, u8, Option<(Option<i16>, u16)>);

/// Whoever put a mark finds it by what they called it, as it was.
pub async fn a_mark_is_found_by_its_key(journal: Arc<dyn Journal>) {
    let tenant = TenantId::default();
    for key in ["", "a", "a\0b", "Grüße \u{1f600}", &"x".repeat(MAX_MARK_KEY_BYTES)] {
        assert_eq!(journal.mark(&tenant, MarkKind::Timer, key).await.unwrap(), None);
        let mark = Mark {
            kind: MarkKind::Timer,
            key: key.to_owned(),
            run: Some(samples::run(1)),
            due: Some(samples::at(7)),
            body: json!({"node": "wait", "n": 0.187_241_582_701_356_19, "none": null}),
        };
        put(&*journal, &tenant, mark.clone()).await;
        assert_eq!(journal.mark(&tenant, MarkKind::Timer, key).await.unwrap(), Some(mark));
        assert_eq!(journal.mark(&tenant, MarkKind::Approval, key).await.unwrap(), None);
    }
}

/// A timer that was moved does not go off at its old time.
pub async fn a_mark_is_replaced_and_removed_with_its_time(journal: Arc<dyn Journal>) {
    let tenant = TenantId::default();
    for due in [Some(samples::at(1)), Some(samples::at(5)), Some(samples::at(5)), None, Some(samples::at(2))]
    {
        let mark = samples::mark(MarkKind::Timer, "key", due);
        put(&*journal, &tenant, mark.clone()).await;
        assert_eq!(journal.next_due(MarkKind::Timer).await.unwrap(), due);
        let expected: Vec<_> = due.map(|_| (tenant.clone(), mark.clone())).into_iter().collect();
        assert_eq!(journal.due(MarkKind::Timer, samples::at(9), 10).await.unwrap(), expected);
        assert_eq!(journal.marks(&tenant, MarkKind::Timer, None, 10).await.unwrap(), [mark]);
    }
    for _twice in 0..2 {
        let remove = vec![removal(MarkKind::Timer, "key")];
        journal.note(&tenant, remove).durable().await.unwrap();
        assert_eq!(journal.next_due(MarkKind::Timer).await.unwrap(), None);
        assert!(journal.due(MarkKind::Timer, samples::at(9), 10).await.unwrap().is_empty());
        assert_eq!(journal.mark(&tenant, MarkKind::Timer, "key").await.unwrap(), None);
    }
}

/// What follows from a run's entries is there when they are, whether they are on disk yet or not.
pub async fn marks_come_with_the_entries_that_they_follow_from(journal: Arc<dyn Journal>) {
    let (tenant, run) = (TenantId::default(), samples::run(0));
    for seq in 0..50_u64 {
        let mark = samples::mark(MarkKind::Timer, &format!("{seq:02}"), Some(samples::at(1)));
        let marks = match seq.checked_sub(1) {
            Some(before) => {
                vec![removal(MarkKind::Timer, &format!("{before:02}")), MarkChange::Put(mark.clone())]
            }
            None => vec![MarkChange::Put(mark.clone())],
        };
        let _not_awaited =
            journal.append(Append { marks, ..samples::middle_batch(&tenant, run, seq..seq + 1) });
        assert_eq!(journal.due(MarkKind::Timer, samples::at(1), 10).await.unwrap(), [(tenant.clone(), mark)]);
        assert_eq!(journal.read(&tenant, run, seq, 10).await.unwrap(), [samples::middle(seq)]);
    }
}

/// A start that was done before leaves nothing of its own.
pub async fn a_start_that_was_done_before_leaves_no_mark(journal: Arc<dyn Journal>) {
    let (tenant, workflow) = (TenantId::default(), samples::workflow("triage"));
    for (n, expected) in [(0, Accepted::New), (1, Accepted::Before(samples::run(0)))] {
        let mark = samples::mark(MarkKind::Timer, &n.to_string(), None);
        let batch = Append {
            marks: vec![MarkChange::Put(mark)],
            ..samples::first_batch(&tenant, samples::run(n), &workflow)
        };
        let answer = journal.accept(batch, samples::claim(&workflow, "key", "request")).await.unwrap();
        assert_eq!(answer, expected);
    }
    let kept = journal.marks(&tenant, MarkKind::Timer, None, 10).await.unwrap();
    assert_eq!(kept, [samples::mark(MarkKind::Timer, "0", None)]);
}

/// A mark that is put and removed at once is what it was last.
pub async fn the_later_change_holds(journal: Arc<dyn Journal>) {
    let tenant = TenantId::default();
    let kind = MarkKind::Outbox;
    let mark = |at| MarkChange::Put(samples::mark(kind, "key", Some(samples::at(at))));
    let remove = || removal(kind, "key");
    let _not_awaited = journal.note(&tenant, vec![mark(1), remove(), mark(2)]);
    assert_eq!(journal.next_due(kind).await.unwrap(), Some(samples::at(2)));
    let _not_awaited = journal.note(&tenant, vec![mark(3), mark(4)]);
    let _not_awaited = journal.note(&tenant, vec![mark(5)]);
    journal.note(&tenant, vec![remove(), mark(6), remove()]).durable().await.unwrap();
    assert_eq!(journal.next_due(kind).await.unwrap(), None);
    assert_eq!(journal.mark(&tenant, kind, "key").await.unwrap(), None);
}

/// Whoever does what is due does it in time's order, for every tenant, and all that is due now.
pub async fn marks_are_due_soonest_first(journal: Arc<dyn Journal>) {
    let tenants = ["b", "a", "ab"].map(samples::tenant);
    // Before 1970 is a time as well.
    let times =
        [40_000, -5, 0, 999, 1_000, 7, 1_001, -70_000].map(|n| Timestamp::from_millisecond(n).unwrap());
    for (n, at) in times.iter().enumerate() {
        let mark = samples::mark(MarkKind::Cron, &format!("{n}"), Some(*at));
        put(&*journal, &tenants[n % 3], mark).await;
        put(&*journal, &tenants[n % 3], samples::mark(MarkKind::Timer, &format!("{n}"), Some(*at))).await;
    }
    put(&*journal, &tenants[0], samples::mark(MarkKind::Cron, "never", None)).await;
    let due = async |until: i64, limit| -> Vec<i64> {
        let until = Timestamp::from_millisecond(until).unwrap();
        let due = journal.due(MarkKind::Cron, until, limit).await.unwrap();
        due.iter().map(|(_, mark)| mark.due.unwrap().as_millisecond()).collect()
    };
    assert_eq!(due(1_000, 100).await, [-70_000, -5, 0, 7, 999, 1_000]);
    let a_moment_later = Timestamp::from_microsecond(1_000_999).unwrap();
    assert_eq!(journal.due(MarkKind::Cron, a_moment_later, 100).await.unwrap().len(), 6);
    assert_eq!(due(1_000, 3).await, [-70_000, -5, 0]);
    assert_eq!(due(-70_001, 100).await, [0; 0]);
    assert_eq!(journal.due(MarkKind::Cron, Timestamp::MAX, 100).await.unwrap().len(), times.len());
    assert_eq!(journal.next_due(MarkKind::Cron).await.unwrap(), Timestamp::from_millisecond(-70_000).ok());
    assert_eq!(journal.next_due(MarkKind::Memo).await.unwrap(), None);
    let owners = journal.due(MarkKind::Cron, times[2], 100).await.unwrap();
    assert!(owners.iter().all(|(tenant, mark)| *tenant == tenants[mark.key.parse::<usize>().unwrap() % 3]));
}

/// Pages together are a tenant's marks of one kind, whole, by key, nothing twice.
pub async fn marks_come_in_pages(journal: Arc<dyn Journal>) {
    let (tenant, others) = (samples::tenant("a"), ["b", "ab"].map(samples::tenant));
    let keys = ["", "\0", "a", "a\0", "a\0b", "ab", "b", "ß"];
    for key in keys.iter().rev() {
        put(&*journal, &tenant, samples::mark(MarkKind::Approval, key, None)).await;
        put(&*journal, &tenant, samples::mark(MarkKind::Callback, key, None)).await;
        put(&*journal, &others[0], samples::mark(MarkKind::Approval, key, None)).await;
        put(&*journal, &others[1], samples::mark(MarkKind::Approval, key, None)).await;
    }
    for limit in 1..=keys.len() + 1 {
        let mut found: Vec<String> = Vec::new();
        loop {
            let after = found.last().map(String::as_str);
            let page = journal.marks(&tenant, MarkKind::Approval, after, limit).await.unwrap();
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            found.extend(page.into_iter().map(|mark| mark.key));
        }
        assert_eq!(found, keys);
    }
}

/// What cannot be found again is not kept, and the run that it follows from has no hole.
pub async fn a_key_that_is_too_long_is_refused(journal: Arc<dyn Journal>) {
    let (tenant, run) = (TenantId::default(), samples::run(0));
    let long = "x".repeat(MAX_MARK_KEY_BYTES + 1);
    let marks = || vec![MarkChange::Put(samples::mark(MarkKind::Memo, &long, None))];
    let refused = journal.note(&tenant, marks()).durable().await.unwrap_err();
    assert!(matches!(refused, StoreError::MarkKey { bytes: 1025, limit: 1024, .. }), "{refused}");
    let batch = Append { marks: marks(), ..samples::middle_batch(&tenant, run, 0..1) };
    assert!(matches!(journal.append(batch).durable().await, Err(StoreError::MarkKey { .. })));
    let next = journal.append(samples::middle_batch(&tenant, run, 1..2)).durable().await;
    assert!(matches!(next, Err(StoreError::JournalGap { .. })), "{next:?}");
    journal.append(samples::middle_batch(&tenant, run, 0..1)).durable().await.unwrap();
    journal.append(samples::middle_batch(&tenant, run, 1..2)).durable().await.unwrap();
    assert_eq!(journal.read(&tenant, run, 0, 10).await.unwrap().len(), 2);
    assert_eq!(journal.mark(&tenant, MarkKind::Memo, &long).await.unwrap(), None);
}

/// After any history the marks are those of a plain map. Each case has tenants of its own, so that many can be in one store.
pub async fn marks_are_as_in_a_map(journal: &dyn Journal, case: u32, history: &[Vec<MarkPast>]) {
    let tenants = [0, 1].map(|n| samples::tenant(&format!("case-{case}-{n}")));
    let mut map = BTreeMap::new();
    for changes in history {
        for (n, tenant) in tenants.iter().enumerate() {
            let own = changes.iter().filter(|(owner, ..)| usize::from(*owner) % tenants.len() == n);
            let changes: Vec<MarkChange> = own.map(change_of).collect();
            for change in &changes {
                let (kind, key) = change.place();
                let place = (tenant.clone(), kind, key.to_owned());
                match change {
                    MarkChange::Put(mark) => map.insert(place, mark.clone()),
                    MarkChange::Remove { .. } => map.remove(&place),
                };
            }
            let _not_awaited = journal.note(tenant, changes);
        }
    }
    let kinds: BTreeSet<MarkKind> = map.keys().map(|(_, kind, _)| *kind).collect();
    for kind in kinds {
        for tenant in &tenants {
            let expected: Vec<Mark> = map
                .iter()
                .filter(|((owner, found, _), _)| owner == tenant && *found == kind)
                .map(|(_, mark)| mark.clone())
                .collect();
            assert_eq!(journal.marks(tenant, kind, None, usize::MAX).await.unwrap(), expected);
        }
        for until in [samples::at(0), samples::at(50), Timestamp::MAX] {
            let mut expected: Vec<(Timestamp, TenantId, Mark)> = map
                .iter()
                .filter(|((_, found, _), mark)| *found == kind && mark.due.is_some_and(|due| due <= until))
                .map(|((tenant, ..), mark)| (mark.due.unwrap(), tenant.clone(), mark.clone()))
                .collect();
            expected.sort_by(|a, b| (a.0, &a.1, &a.2.key).cmp(&(b.0, &b.1, &b.2.key)));
            let expected: Vec<_> = expected.into_iter().map(|(_, tenant, mark)| (tenant, mark)).collect();
            let mut found = journal.due(kind, until, usize::MAX).await.unwrap();
            found.retain(|(tenant, _)| tenants.contains(tenant));
            assert_eq!(found, expected);
        }
    }
    for (tenant, kind, key) in map.into_keys() {
        let _not_awaited = journal.note(&tenant, vec![MarkChange::Remove { kind, key }]);
    }
}

fn change_of((_, kind, key, put): &MarkPast) -> MarkChange {
    let key = format!("key-{key}");
    match put {
        None => MarkChange::Remove { kind: *kind, key },
        Some((due, n)) => MarkChange::Put(Mark {
            // A memo's time must not be over.
            due: due.map(|due| match kind {
                MarkKind::Memo => Timestamp::from_millisecond(32_000_000_000_000 + i64::from(due)).unwrap(),
                _ => Timestamp::from_millisecond(samples::at(0).as_millisecond() + i64::from(due)).unwrap(),
            }),
            run: (n % 3 != 0).then(|| samples::run(u32::from(n % 3))),
            body: json!(n),
            kind: *kind,
            key,
        }),
    }
}

fn removal(kind: MarkKind, key: &str) -> MarkChange {
    MarkChange::Remove { kind, key: key.to_owned() }
}

async fn put(journal: &dyn Journal, tenant: &TenantId, mark: Mark) {
    journal.note(tenant, vec![MarkChange::Put(mark)]).durable().await.unwrap();
}
