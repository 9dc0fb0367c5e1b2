//! Who goes on where not all can: places of bounded workflows, and priorities.

use std::collections::BTreeMap;

use futures::future::join;
use serde_json::{Value, json};
use stepwell_core::id::RunId;
use stepwell_core::priority::Priority;
use stepwell_core::run::{ReopenFrom, RunStatus};
use stepwell_engine::{
    Cancel, CancelOutcome, EngineConfig, Reopen, ReopenError, StartError, StartRequest, Started,
};

use crate::support::{Ground, Life, PATIENCE, request, tenant};

/// Applies a workflow whose runs call the path that their input names, with these fields added.
fn apply(ground: &Ground, life: &Life, mut fields: Value) {
    life.publish("courier");
    let mut node = ground.courier(&[]);
    node["input"] = json!({"urls": [ground.outside.url("{{ input.path }}")]});
    fields["nodes"] = json!({ "send": node });
    life.apply(&fields);
}

fn calling(path: &str) -> StartRequest {
    request(json!({ "path": path }))
}

fn start(life: &Life, request: StartRequest) -> Started {
    life.block_on(life.engine.start(request)).unwrap()
}

fn status(life: &Life, run: RunId) -> RunStatus {
    life.block_on(life.engine.run(&tenant(), run)).unwrap().expect("the run exists").status
}

/// The paths that were called, in order, of those that some runs call.
fn called(ground: &Ground) -> Vec<String> {
    ground.outside.all().into_iter().map(|seen| seen.path).collect()
}

#[test]
fn a_queued_run_has_its_place_when_another_ends_and_keeps_its_turn_over_a_crash() {
    let ground = Ground::new();
    let life = ground.life();
    apply(&ground, &life, json!({"concurrency": {"limit": 2}}));
    let running = [start(&life, calling("/hold/a")), start(&life, calling("/hold/b"))];
    assert!(running.iter().all(|started| started.status == RunStatus::Running));
    let urgent = StartRequest { priority: Some(Priority::High), ..calling("/urgent") };
    let queued = [start(&life, calling("/first")), start(&life, calling("/second")), start(&life, urgent)];
    assert!(queued.iter().all(|started| started.status == RunStatus::Queued), "{queued:?}");
    life.block_on(ground.outside.arrived("/hold/a", 1));
    life.block_on(ground.outside.arrived("/hold/b", 1));
    assert_eq!(life.engine.stats().queued_runs, 3);
    life.crash();

    let life = ground.life();
    assert_eq!(life.engine.stats().queued_runs, 3);
    assert_eq!(
        (status(&life, running[0].run), status(&life, queued[0].run)),
        (RunStatus::Running, RunStatus::Queued)
    );
    let (one, _) = (running[0].run, running[1].run);
    assert!(matches!(
        life.block_on(life.engine.cancel(&tenant(), one, Cancel::default())),
        Ok(CancelOutcome::Cancelled)
    ));
    life.block_on(ground.outside.arrived("/second", 1));
    let order: Vec<_> = called(&ground).into_iter().filter(|path| !path.starts_with("/hold")).collect();
    assert_eq!(
        order,
        ["/urgent", "/first", "/second"],
        "one place was free, so they went one after the other"
    );
    for started in queued {
        assert_eq!(life.end_of(started.run).status, RunStatus::Succeeded);
    }
    ground.outside.let_go();
    assert_eq!(life.end_of(running[1].run).status, RunStatus::Succeeded);
    assert_eq!(life.engine.stats().queued_runs, 0);
}

#[test]
fn a_queued_run_that_is_cancelled_never_runs_and_blocks_nobody() {
    let ground = Ground::new();
    let life = ground.life();
    apply(&ground, &life, json!({"concurrency": {"limit": 1}}));
    let running = start(&life, calling("/hold/a")).run;
    let gone = start(&life, calling("/gone")).run;
    let next = start(&life, calling("/next")).run;
    assert!(matches!(
        life.block_on(life.engine.cancel(&tenant(), gone, Cancel::default())),
        Ok(CancelOutcome::Cancelled)
    ));
    ground.outside.let_go();
    for run in [running, next] {
        assert_eq!(life.end_of(run).status, RunStatus::Succeeded);
    }
    assert_eq!(ground.outside.seen("/gone"), []);
}

#[test]
fn a_run_that_begins_anew_waits_for_a_place_as_a_new_one_does() {
    let ground = Ground::new();
    let life = ground.life();
    apply(&ground, &life, json!({"concurrency": {"limit": 1, "max_queued": 1}}));
    let running = start(&life, calling("/hold/a")).run;
    let anew = start(&life, calling("/anew")).run;
    life.block_on(life.engine.cancel(&tenant(), anew, Cancel::default())).unwrap();
    let begin_anew = |run| {
        let wish = Reopen { from: ReopenFrom::Start, edits: BTreeMap::new(), by: "ann".to_owned() };
        life.block_on(life.engine.reopen(&tenant(), run, wish))
    };
    assert_eq!(begin_anew(anew).unwrap(), RunStatus::Queued);
    let queued = life.block_on(life.engine.journal().summary(&tenant(), anew)).unwrap().unwrap();
    assert_eq!(queued.status, RunStatus::Queued);
    assert_eq!(ground.outside.seen("/anew"), []);

    ground.outside.let_go();
    for run in [running, anew] {
        assert_eq!(life.end_of(run).status, RunStatus::Succeeded);
    }
    // One that had its place once gave it away with its end, too.
    begin_anew(running).unwrap();
    assert_eq!(life.end_of(running).status, RunStatus::Succeeded);
    assert_eq!(life.engine.stats().queued_runs, 0);
}

#[test]
fn a_run_does_not_begin_anew_where_there_is_no_place_and_no_queue() {
    let ground = Ground::new();
    let life = ground.life();
    apply(&ground, &life, json!({"concurrency": {"limit": 1, "on_full": "reject"}}));
    let first = start(&life, calling("/first")).run;
    assert_eq!(life.end_of(first).status, RunStatus::Succeeded);
    let running = start(&life, calling("/hold/a")).run;
    let wish = Reopen { from: ReopenFrom::Start, edits: BTreeMap::new(), by: "ann".to_owned() };
    let refused = life.block_on(life.engine.reopen(&tenant(), first, wish)).unwrap_err();
    assert!(matches!(refused, ReopenError::Start(StartError::Full { limit: 1, .. })), "{refused}");
    assert_eq!(life.end_of(first).status, RunStatus::Succeeded, "it stands as it stood");
    ground.outside.let_go();
    assert_eq!(life.end_of(running).status, RunStatus::Succeeded);
}

#[test]
fn where_runs_do_not_queue_a_start_that_is_repeated_is_the_first_one_and_another_is_refused() {
    let ground = Ground::new();
    let life = ground.life();
    apply(&ground, &life, json!({"concurrency": {"limit": 1, "on_full": "reject"}}));
    let keyed = |key: &str| StartRequest { idempotency_key: Some(key.to_owned()), ..calling("/hold/a") };
    let first = start(&life, keyed("a"));
    let again = start(&life, keyed("a"));
    assert!(again.existing && again.run == first.run && again.status == RunStatus::Running, "{again:?}");
    let refused = life.block_on(life.engine.start(keyed("b"))).unwrap_err();
    assert!(matches!(refused, StartError::Full { limit: 1, max_queued: None, .. }), "{refused}");
    ground.outside.let_go();
    assert_eq!(life.end_of(first.run).status, RunStatus::Succeeded);
    // A repeated start takes no place, however often it is made.
    for _ in 0..3 {
        assert!(start(&life, keyed("a")).existing);
    }
    assert!(!start(&life, keyed("b")).existing);
}

#[test]
fn a_run_whose_journal_failed_keeps_its_place_until_it_is_back() {
    let ground = Ground::new();
    let life = ground.life();
    apply(&ground, &life, json!({"concurrency": {"limit": 1}}));
    let running = start(&life, calling("/hold/a")).run;
    let queued = start(&life, calling("/next")).run;
    life.block_on(ground.outside.arrived("/hold/a", 1));
    let told = life.block_on(async {
        // The first of the two is polled first: it waits by the time that the second breaks the disk.
        let failure = async {
            life.disk.break_down();
            ground.outside.let_go();
        };
        join(life.engine.wait(&tenant(), running, PATIENCE), failure).await.0
    });
    assert!(told.is_err(), "{told:?}");
    assert_eq!(ground.outside.seen("/next"), []);
    life.disk.mend();
    for run in [running, queued] {
        assert_eq!(life.end_of(run).status, RunStatus::Succeeded);
    }
}

#[test]
fn attempts_that_wait_for_a_place_go_on_by_the_priority_of_their_runs() {
    let ground = Ground::new();
    let life = ground.life_with(EngineConfig { max_live_attempts: 1, ..EngineConfig::default() });
    let busy = life.occupy();
    apply(&ground, &life, json!({"priority": "low"}));
    let mut runs = Vec::new();
    for (path, priority) in
        [("/low", None), ("/normal", Some(Priority::Normal)), ("/high", Some(Priority::High))]
    {
        runs.push(start(&life, StartRequest { priority, ..calling(path) }).run);
    }
    life.block_on(life.queued(3));
    life.cancel(busy);
    for run in runs {
        assert_eq!(life.end_of(run).status, RunStatus::Succeeded);
    }
    assert_eq!(called(&ground), ["/high", "/normal", "/low"]);
}
