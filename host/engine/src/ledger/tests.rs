//! What a run's ledger gives to the journal, and when.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::json;
use stepwell_core::attempt::Account;
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::id::{AttemptNumber, NodeId, Part};
use stepwell_core::plan::{self, LockSlot};
use stepwell_core::priority::Priority;
use stepwell_core::run::{RunStatus, Trigger};
use stepwell_store::{Accepted, IdempotencyClaim, Mark, MarkChange, MarkKind, RunPage, RunQuery};
use uuid::Uuid;

use super::*;
use crate::surroundings::Pinned;

/// A journal that answers each batch as it is told to, and keeps what it was given.
#[derive(Default)]
struct Told {
    batches: Mutex<Vec<Append>>,
    broken: bool,
}

impl Told {
    fn numbers(&self) -> Vec<Vec<u64>> {
        let batches = self.batches.lock().unwrap();
        batches.iter().map(|batch| batch.entries.iter().map(|entry| entry.seq).collect()).collect()
    }

    fn statuses(&self) -> Vec<Option<RunStatus>> {
        let batches = self.batches.lock().unwrap();
        batches.iter().map(|batch| batch.summary.as_ref().map(|summary| summary.status)).collect()
    }
}

#[async_trait]
impl Journal for Told {
    fn append(&self, batch: Append) -> Ticket {
        self.batches.lock().unwrap().push(batch);
        Ticket::resolved(if self.broken { Err(StoreError::Closed) } else { Ok(()) })
    }

    fn admit(&self) -> Result<(), StoreError> {
        unreachable!("a ledger only appends")
    }

    async fn accept(&self, _: Append, _: IdempotencyClaim) -> Result<Accepted, StoreError> {
        unreachable!("a ledger only appends")
    }

    async fn claimed(&self, _: &TenantId, _: &IdempotencyClaim) -> Result<Option<Accepted>, StoreError> {
        unreachable!("a ledger only appends")
    }

    async fn read(&self, _: &TenantId, _: RunId, _: u64, _: usize) -> Result<Vec<Entry>, StoreError> {
        unreachable!("a ledger only appends")
    }

    async fn summary(&self, _: &TenantId, _: RunId) -> Result<Option<RunSummary>, StoreError> {
        unreachable!("a ledger only appends")
    }

    async fn list(&self, _: &TenantId, _: RunQuery) -> Result<RunPage, StoreError> {
        unreachable!("a ledger only appends")
    }

    async fn unfinished(
        &self,
        _: Option<(TenantId, RunId)>,
        _: usize,
    ) -> Result<Vec<(TenantId, RunId)>, StoreError> {
        unreachable!("a ledger only appends")
    }

    fn note(&self, _: &TenantId, _: Vec<MarkChange>) -> Ticket {
        unreachable!("a ledger only appends")
    }

    async fn mark(&self, _: &TenantId, _: MarkKind, _: &str) -> Result<Option<Mark>, StoreError> {
        unreachable!("a ledger only appends")
    }

    async fn marks(
        &self,
        _: &TenantId,
        _: MarkKind,
        _: Option<&str>,
        _: usize,
    ) -> Result<Vec<Mark>, StoreError> {
        unreachable!("a ledger only appends")
    }

    async fn due(&self, _: MarkKind, _: Timestamp, _: usize) -> Result<Vec<(TenantId, Mark)>, StoreError> {
        unreachable!("a ledger only appends")
    }

    async fn next_due(&self, _: MarkKind) -> Result<Option<Timestamp>, StoreError> {
        unreachable!("a ledger only appends")
    }

    async fn purge(&self, _: Timestamp, _: usize) -> Result<usize, StoreError> {
        unreachable!("a ledger only appends")
    }

    async fn close(&self) -> Result<(), StoreError> {
        unreachable!("a ledger only appends")
    }
}

/// A new run of two nodes, one after the other.
fn ledger() -> Ledger {
    ledger_of(&json!({"a": {"step": "echo@1.0.0"}, "b": {"step": "echo@1.0.0", "needs": ["a"]}}))
}

fn ledger_of(nodes: &Value) -> Ledger {
    let definition = json!({"name": "tried", "version": "1.0.0", "nodes": nodes});
    let step = json!({
        "name": "echo", "version": "1.0.0", "summary": "", "input_schema": true, "config_schema": true, "output_schema": true,
        "capabilities": [], "digest": format!("sha256:{}", "0".repeat(64)), "imports": [], "effects": [], "size": 0,
    });
    let step = Arc::new(serde_json::from_value(step).unwrap());
    let steps: HashMap<_, _> =
        [node("a"), node("b")].map(|node| (LockSlot::node(&node), Arc::clone(&step))).into();
    let plan = Arc::new(plan::compile(&definition, &Pinned { steps, workflows: HashMap::new() }).unwrap());
    let acceptance = Event::RunAccepted {
        workflow: plan.name.clone(),
        version: plan.version.clone(),
        input: json!({}).into(),
        trigger: Trigger::Api,
        traceparent: String::new(),
        start_at: None,
        priority: Priority::Normal,
        split: None,
        rules: Event::RULES,
    };
    let mint = Random { public_url: "http://here".into() };
    Ledger::open(TenantId::default(), RunId(Uuid::from_u128(1)), plan, acceptance, mint).unwrap()
}

fn node(name: &str) -> NodeId {
    name.parse().unwrap()
}

fn succeeded(name: &str) -> Event {
    let (attempt, account) = (AttemptNumber::FIRST, Account::default());
    Event::AttemptSucceeded {
        node: node(name),
        part: Part::Whole,
        attempt,
        output: json!(1).into(),
        account,
        cached: false,
    }
}

#[test]
fn nothing_is_handed_over_before_somebody_asks_and_all_of_it_then() {
    let (journal, mut ledger) = (Told::default(), ledger());
    assert_eq!(ledger.advance(true).unwrap().orders.len(), 1);
    assert!(journal.numbers().is_empty() && ledger.hand_over_by().is_some());
    ledger.hand_over(&journal);
    assert_eq!(journal.numbers(), [[0, 1]]);
    assert!(ledger.hand_over_by().is_none(), "nothing is held back any more");

    ledger.hand_over(&journal);
    assert_eq!(journal.numbers(), [[0, 1]], "nothing is handed over twice");
    ledger.record(succeeded("a")).unwrap();
    ledger.advance(true).unwrap();
    ledger.hand_over(&journal);
    assert_eq!(journal.numbers(), [[0, 1], [2, 3]]);
}

/// The index costs a write: it is told where it changes, and not in between.
#[test]
fn the_first_and_the_last_batch_say_where_the_run_stands() {
    let (journal, mut ledger) = (Told::default(), ledger());
    for event in [None, Some(succeeded("a")), Some(succeeded("b"))] {
        event.into_iter().for_each(|event| ledger.record(event).unwrap());
        ledger.advance(true).unwrap();
        ledger.hand_over(&journal);
    }
    assert_eq!(journal.statuses(), [Some(RunStatus::Running), None, Some(RunStatus::Succeeded)]);
}

/// Or the journal would have a hole where the lost batch was.
#[test]
fn behind_a_batch_that_failed_nothing_more_is_handed_over() {
    let (journal, mut ledger) = (Told { broken: true, ..Told::default() }, ledger());
    assert!(ledger.hand_over(&journal).is_some());
    assert!(ledger.failure().is_some());
    ledger.advance(true).unwrap();
    let ticket = ledger.hand_over(&journal).unwrap();
    assert!(matches!(ticket.outcome(), Some(Err(_))), "who waits hears of the failure");
    assert_eq!(journal.numbers(), [[0]]);
    assert!(ledger.unsettled().is_some());
}

#[test]
fn a_run_that_may_not_start_anything_goes_on_once_it_may() {
    let mut ledger = ledger();
    assert!(ledger.advance(false).unwrap().orders.is_empty());
    assert_eq!(ledger.state().next_seq(), 1, "what did not start is not recorded");
    assert_eq!(ledger.advance(true).unwrap().orders.len(), 1);
}

/// An item that cannot begin fails behind those that can, and these do not start.
#[test]
fn a_map_that_may_not_start_anything_goes_on_once_it_may() {
    let map = json!({"over": [{"x": 1}, {}]});
    let mut ledger = ledger_of(
        &json!({"a": {"map": map, "step": "echo@1.0.0", "input": "{{ item.x }}"}, "b": {"step": "echo@1.0.0", "needs": ["a"]}}),
    );
    assert!(ledger.advance(false).unwrap().orders.is_empty());
    assert_eq!(ledger.advance(true).unwrap().orders.len(), 1);
}

#[test]
fn one_turn_follows_a_failure_to_the_end() {
    let mut ledger = ledger();
    ledger.advance(true).unwrap();
    let failure = Failure::new(FailureKind::Permanent, "no");
    let (attempt, account) = (AttemptNumber::FIRST, Account::default());
    ledger
        .record(Event::AttemptFailed {
            node: node("a"),
            part: Part::Whole,
            attempt,
            failure,
            account,
            cached: false,
        })
        .unwrap();
    let turn = ledger.advance(true).unwrap();
    assert!(turn.orders.is_empty() && turn.wake_at.is_none());
    assert_eq!(ledger.state().status(), RunStatus::Failed);
}

/// A clock that is set back does not turn a journal around.
#[test]
fn time_never_goes_back() {
    let (journal, mut ledger) = (Told::default(), ledger());
    let later: Timestamp = "2999-01-01T00:00:00Z".parse().unwrap();
    ledger.last_at = later;
    ledger.advance(true).unwrap();
    ledger.hand_over(&journal);
    assert_eq!(journal.batches.lock().unwrap()[0].entries[1].at, later);
}

/// Or nobody would do what follows from it before the run's next timer.
#[test]
fn a_run_does_not_leave_over_what_happened_since_it_last_looked() {
    let (journal, mut ledger) = (Told::default(), ledger());
    let turn = ledger.advance(true).unwrap();
    ledger.record(succeeded("a")).unwrap();
    ledger.begin_to_leave(turn.seen, None, &journal);
    assert!(!ledger.leave());
    assert_eq!(journal.numbers(), [[0, 1, 2]]);

    let turn = ledger.advance(true).unwrap();
    ledger.begin_to_leave(turn.seen, None, &journal);
    assert!(ledger.leave());
}
