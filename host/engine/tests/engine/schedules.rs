//! Cron triggers, with the time in the test's hand: a yearly schedule, and New Years as one likes.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use stepwell_core::id::RunId;
use stepwell_core::run::{RunStatus, Trigger};
use stepwell_engine::EngineConfig;
use stepwell_store::{MarkKind, RunQuery};

use crate::support::{Ground, Life, tenant};

const YEARLY: &str = "@yearly";

/// The first moment of a year that has not come, so many years on.
fn new_year(years: i16) -> Timestamp {
    let this = Timestamp::now().to_zoned(TimeZone::UTC).year();
    date(this + years, 1, 1).at(0, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp()
}

fn by_hand() -> EngineConfig {
    // A claim that is forgotten at once: what keeps a fire from starting twice is where the schedule stands.
    EngineConfig { run_schedules: false, idempotency_ttl: Duration::ZERO, ..EngineConfig::default() }
}

fn apply(life: &Life, version: &str, cron: &Value) {
    let mut trigger = json!({"schedule": YEARLY});
    for (name, value) in cron.as_object().unwrap() {
        trigger[name] = value.clone();
    }
    life.apply(&json!({
        "version": version,
        "triggers": [{"http": {"path": "/in"}}, {"cron": trigger}],
        "nodes": {"shape": {"step": "transform@*", "config": {"template": "{{ input }}"}, "input": "{{ input }}"}},
    }));
}

/// A workflow whose runs go on until the world lets go.
fn apply_holding(life: &Life, ground: &Ground, overlap: &str) {
    life.apply(&json!({
        "triggers": [{"cron": {"schedule": YEARLY, "overlap": overlap, "missed": "all"}}],
        "nodes": {"send": ground.courier(&["/hold/it"])},
    }));
}

fn look(life: &Life, now: Timestamp) {
    life.block_on(life.engine.run_schedules(now));
}

/// Every run, oldest first, with the fire that started it.
fn fires(life: &Life) -> Vec<(RunId, Timestamp)> {
    let query = RunQuery { limit: 100, ..RunQuery::default() };
    let page = life.block_on(life.engine.journal().list(&tenant(), query)).unwrap();
    let of = |run: RunId| {
        let view = life.block_on(life.engine.run(&tenant(), run)).unwrap().unwrap();
        let Trigger::Cron { schedule, at } = view.trigger else { panic!("{view:?}") };
        assert_eq!(schedule, YEARLY);
        (run, at)
    };
    page.runs.iter().rev().map(|run| of(run.id)).collect()
}

fn times(life: &Life) -> Vec<Timestamp> {
    fires(life).into_iter().map(|(_, at)| at).collect()
}

#[test]
fn a_fire_starts_one_run_with_the_triggers_input_however_often_one_looks() {
    let ground = Ground::new();
    let life = ground.life_with(by_hand());
    life.publish("transform");
    apply(&life, "1.0.0", &json!({"input": {"report": "yearly"}}));
    let before = new_year(1) - jiff::SignedDuration::from_secs(1);
    assert_eq!(life.block_on(life.engine.run_schedules(before)), Some(new_year(1)));
    assert!(fires(&life).is_empty());

    look(&life, new_year(1));
    look(&life, new_year(1));
    // A clock that is put back, and comes to the same moment again.
    look(&life, before);
    assert_eq!(life.block_on(life.engine.run_schedules(new_year(1))), Some(new_year(2)));
    let [(run, at)] = fires(&life)[..] else { panic!("{:?}", fires(&life)) };
    assert_eq!(at, new_year(1));
    assert_eq!(life.end_of(run).output, Some(json!({"shape": {"report": "yearly"}}).into()));
    life.crash();

    let life = ground.life_with(by_hand());
    look(&life, new_year(1));
    assert_eq!(fires(&life).len(), 1, "where the schedule stands was kept with the run's acceptance");
    look(&life, new_year(2));
    assert_eq!(times(&life), [new_year(1), new_year(2)]);
}

#[test]
fn fires_that_nobody_was_there_for_are_dealt_with_as_the_trigger_says() {
    let late = new_year(3) + jiff::SignedDuration::from_hours(1);
    for (missed, expected) in
        [("skip", vec![]), ("once", vec![new_year(3)]), ("all", vec![new_year(1), new_year(2), new_year(3)])]
    {
        let ground = Ground::new();
        let life = ground.life_with(by_hand());
        life.publish("transform");
        apply(&life, "1.0.0", &json!({"missed": missed, "overlap": "allow"}));
        life.crash();

        let life = ground.life_with(by_hand());
        look(&life, late);
        look(&life, late);
        assert_eq!(times(&life), expected, "{missed}");
        life.crash();
        let life = ground.life_with(by_hand());
        look(&life, late);
        assert_eq!(times(&life), expected, "{missed}: what was passed over stays so");
    }
}

#[test]
fn while_the_run_before_goes_on_a_fire_is_skipped() {
    let ground = Ground::new();
    let life = ground.life_with(by_hand());
    life.publish("courier");
    apply_holding(&life, &ground, "skip");
    look(&life, new_year(1));
    life.crash();
    let life = ground.life_with(by_hand());
    look(&life, new_year(2));
    assert_eq!(times(&life), [new_year(1)], "also after a restart");
    ground.outside.let_go();
    life.end_of(fires(&life)[0].0);
    look(&life, new_year(2));
    look(&life, new_year(3));
    assert_eq!(times(&life), [new_year(1), new_year(3)]);
}

#[test]
fn while_the_run_before_goes_on_a_fire_waits_in_the_queue() {
    let ground = Ground::new();
    let life = ground.life_with(by_hand());
    life.publish("courier");
    apply_holding(&life, &ground, "queue");
    look(&life, new_year(1));
    look(&life, new_year(3));
    assert_eq!(times(&life), [new_year(1)]);
    life.crash();

    let life = ground.life_with(by_hand());
    look(&life, new_year(3));
    assert_eq!(times(&life), [new_year(1)], "what waits is kept");
    ground.outside.let_go();
    for ended in 1..=3 {
        life.end_of(fires(&life)[ended - 1].0);
        look(&life, new_year(3));
    }
    assert_eq!(times(&life), [new_year(1), new_year(2), new_year(3)]);
}

#[test]
fn fires_that_are_made_up_for_wait_for_one_another_where_no_runs_may_overlap() {
    let ground = Ground::new();
    let life = ground.life_with(by_hand());
    life.publish("courier");
    apply_holding(&life, &ground, "skip");
    let late = new_year(3) + jiff::SignedDuration::from_hours(1);
    look(&life, late);
    assert_eq!(times(&life), [new_year(1)]);
    ground.outside.let_go();
    for ended in 1..=3 {
        life.end_of(fires(&life)[ended - 1].0);
        look(&life, late);
    }
    assert_eq!(times(&life), [new_year(1), new_year(2), new_year(3)]);
}

#[test]
fn runs_may_overlap_where_the_trigger_says_so() {
    let ground = Ground::new();
    let life = ground.life_with(by_hand());
    life.publish("courier");
    apply_holding(&life, &ground, "allow");
    look(&life, new_year(2));
    assert_eq!(times(&life), [new_year(1), new_year(2)]);
    ground.outside.let_go();
    for (run, _) in fires(&life) {
        assert_eq!(life.end_of(run).status, RunStatus::Succeeded);
    }
}

#[test]
fn a_new_version_goes_on_with_the_same_schedule_and_counts_anew_with_another() {
    let ground = Ground::new();
    let life = ground.life_with(by_hand());
    life.publish("transform");
    apply(&life, "1.0.0", &json!({}));
    look(&life, new_year(1));
    apply(&life, "1.1.0", &json!({"input": {"n": 2}}));
    look(&life, new_year(1));
    assert_eq!(times(&life), [new_year(1)], "the same schedule stands where it stood");

    apply(&life, "1.2.0", &json!({"zone": "Europe/Berlin"}));
    look(&life, new_year(1));
    let in_berlin = new_year(1) - jiff::SignedDuration::from_hours(1);
    assert_eq!(times(&life), [new_year(1), in_berlin], "another one counts from when it was applied");

    life.apply(&json!({
        "version": "2.0.0",
        "nodes": {"shape": {"step": "transform@*", "config": {"template": 1}, "input": 1}},
    }));
    assert_eq!(life.block_on(life.engine.run_schedules(new_year(5))), None);
    assert_eq!(fires(&life).len(), 2);
    let marks = life.block_on(life.engine.journal().marks(&tenant(), MarkKind::Cron, None, 10)).unwrap();
    assert!(marks.is_empty(), "{marks:?}");
}

#[test]
fn a_fire_that_the_disk_has_no_room_for_starts_its_run_once_there_is() {
    let ground = Ground::new();
    let life = ground.life_with(by_hand());
    life.publish("transform");
    apply(&life, "1.0.0", &json!({}));
    life.disk.break_down();
    let again = life.block_on(life.engine.run_schedules(new_year(1))).unwrap();
    assert!(again > new_year(1) && again <= new_year(1) + jiff::SignedDuration::from_secs(1), "{again}");
    assert!(fires(&life).is_empty());
    life.disk.mend();
    look(&life, again);
    assert_eq!(times(&life), [new_year(1)]);
}

#[test]
fn a_schedule_that_a_wrong_clock_led_into_the_future_comes_back() {
    let ground = Ground::new();
    let life = ground.life_with(by_hand());
    life.publish("transform");
    apply(&life, "1.0.0", &json!({"overlap": "allow"}));
    look(&life, new_year(10));
    assert_eq!(times(&life), [new_year(10)]);
    look(&life, Timestamp::now());
    look(&life, new_year(1));
    assert_eq!(times(&life), [new_year(10), new_year(1)]);
}

/// The one test that goes by the clock: the engine's own task finds what its last life missed.
#[test]
fn what_was_missed_is_caught_up_with_by_itself_after_a_restart() {
    let ground = Ground::new();
    let life = ground.life_with(by_hand());
    life.publish("transform");
    life.apply(&json!({
        "triggers": [{"cron": {"schedule": "* * * * * *", "missed": "once", "overlap": "allow"}}],
        "nodes": {"shape": {"step": "transform@*", "config": {"template": 1}, "input": 1}},
    }));
    life.crash();

    let life = ground.life();
    let run = life.block_on(async {
        loop {
            let query = RunQuery { limit: 1, ..RunQuery::default() };
            let page = life.engine.journal().list(&tenant(), query).await.unwrap();
            if let Some(run) = page.runs.first() {
                break run.id;
            }
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(life.end_of(run).status, RunStatus::Succeeded);
}
