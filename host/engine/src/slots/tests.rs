use uuid::Uuid;

use super::*;

fn run(number: u128) -> RunId {
    RunId(Uuid::from_u128(number))
}

fn group(key: &str) -> Group {
    let workflow = "test".parse().unwrap();
    Group { tenant: TenantId::default(), workflow, key: key.to_owned() }
}

fn terms(limit: u32, on_full: OnFull, max_queued: u32) -> Concurrency {
    Concurrency { limit, key: None, on_full, max_queued }
}

/// Claims a place for a run of normal priority under a limit of one.
fn claim(table: &mut Table, number: u128) -> Result<Vec<RunId>, Full> {
    table.claim(&group(""), run(number), Priority::Normal, &terms(1, OnFull::Queue, 2))
}

#[test]
fn a_place_goes_to_the_next_in_the_order_of_acceptance() {
    let mut table = Table::default();
    assert_eq!(claim(&mut table, 1), Ok(vec![run(1)]));
    assert_eq!(claim(&mut table, 2), Ok(vec![]));
    assert_eq!(claim(&mut table, 3), Ok(vec![]));
    assert_eq!(claim(&mut table, 4), Err(Full), "two queue, which is the most");
    assert_eq!((table.queued, table.has_place(run(1)), table.has_place(run(2))), (2, true, false));
    assert_eq!(table.release(run(1)), [run(2)]);
    assert_eq!(table.release(run(1)), [], "it had given its place away");
    assert_eq!(table.release(run(2)), [run(3)]);
    assert_eq!(table.release(run(3)), []);
    assert!(table.groups.is_empty() && table.runs.is_empty() && table.queued == 0);
}

#[test]
fn the_more_urgent_have_the_next_place() {
    let mut table = Table::default();
    let terms = terms(1, OnFull::Queue, 10);
    for (number, priority) in
        [(1, Priority::Low), (2, Priority::Low), (3, Priority::High), (4, Priority::Normal)]
    {
        table.claim(&group(""), run(number), priority, &terms).unwrap();
    }
    let served: Vec<_> = [1, 3, 4].into_iter().flat_map(|ended| table.release(run(ended))).collect();
    assert_eq!(served, [run(3), run(4), run(2)]);
}

#[test]
fn runs_of_another_key_do_not_count() {
    let mut table = Table::default();
    let terms = terms(1, OnFull::Reject, 0);
    for (number, key) in [(1, "a"), (2, "b")] {
        assert_eq!(table.claim(&group(key), run(number), Priority::Normal, &terms), Ok(vec![run(number)]));
    }
    assert_eq!(table.claim(&group("a"), run(3), Priority::High, &terms), Err(Full));
}

#[test]
fn a_queued_run_that_is_cancelled_is_waited_for_no_more() {
    let mut table = Table::default();
    for number in 1..=3 {
        claim(&mut table, number).unwrap();
    }
    assert_eq!(table.release(run(2)), []);
    assert_eq!((table.queued, table.release(run(1))), (1, vec![run(3)]));
}

#[test]
fn a_limit_that_is_raised_lets_those_in_who_wait() {
    let mut table = Table::default();
    for number in 1..=3 {
        claim(&mut table, number).unwrap();
    }
    let raised = table.claim(&group(""), run(4), Priority::Normal, &terms(3, OnFull::Queue, 10));
    assert_eq!(raised, Ok(vec![run(2), run(3)]));
    assert_eq!(table.queued, 1);
}

#[test]
fn after_a_restart_who_had_a_place_has_it_and_the_queue_goes_on() {
    let mut table = Table::default();
    table.restore(group(""), run(2), Priority::Normal, 1, true);
    for queued in [4, 3] {
        table.restore(group(""), run(queued), Priority::Normal, 1, false);
    }
    assert_eq!((table.fill(&group("")), table.queued), (vec![], 2));
    assert_eq!(table.release(run(2)), [run(3)]);
}

#[test]
fn a_start_that_is_tried_again_does_not_wait_for_its_own_end() {
    let mut table = Table::default();
    assert_eq!(claim(&mut table, 1), Ok(vec![run(1)]));
    assert_eq!(claim(&mut table, 2), Ok(vec![]));
    assert_eq!(claim(&mut table, 1), Ok(vec![]), "it has its place");
    assert_eq!(claim(&mut table, 2), Ok(vec![]), "it is in the queue");
    assert_eq!(table.queued, 1);
    assert_eq!(table.release(run(1)), [run(2)]);
    assert_eq!(table.release(run(2)), []);
    assert!(table.groups.is_empty() && table.runs.is_empty() && table.queued == 0);
}
