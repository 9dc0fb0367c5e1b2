use std::num::NonZeroU32;
use std::time::Duration;

use futures::poll;
use stepwell_core::failure::FailureKind;
use stepwell_core::priority::Priority;
use stepwell_sandbox::{Exchange, Leave as _};

use super::door::Passage;
use super::*;

const LONG: u64 = 24 * 3600 * 1000;

fn host(name: &str) -> Destination {
    name.parse().unwrap()
}

/// Two failures open a breaker, for an hour.
fn destinations() -> Destinations {
    let breaker = BreakerPolicy {
        failures: NonZeroU32::new(2).unwrap(),
        open_for: Duration::from_secs(3600),
        cap: Duration::from_secs(3600),
    };
    let config = FlowConfig { breaker: Some(breaker), destinations: BTreeMap::new() };
    Destinations::new(config, FlowMeters::new())
}

fn door(destinations: &Destinations, name: &str) -> Arc<Door> {
    destinations.door(&TenantId::default(), &host(name))
}

fn answered(status: u16, retry_after: Option<u64>) -> Exchange {
    Exchange::Answered { status, retry_after: retry_after.map(Duration::from_secs) }
}

async fn through(door: &Arc<Door>) -> Passage {
    door.pass(Priority::Normal, Deadline::in_ms(LONG)).await.unwrap()
}

async fn call(door: &Arc<Door>, how: Exchange) {
    Box::new(through(door).await).ended(how);
}

#[tokio::test]
async fn what_fails_again_and_again_is_left_alone_and_the_others_are_not() {
    let destinations = destinations();
    let (bad, good) = (door(&destinations, "bad.example"), door(&destinations, "good.example"));
    call(&bad, answered(500, None)).await;
    call(&bad, Exchange::Fault { why: "no connection".to_owned() }).await;
    let failure = bad.pass(Priority::High, Deadline::in_ms(LONG)).await.err().unwrap();
    assert_eq!(failure.kind, FailureKind::CircuitOpen);
    assert!(
        failure.message.contains("`bad.example`") && failure.message.contains("no connection"),
        "{failure}"
    );
    assert!(failure.retry_after_ms.is_some_and(|ms| ms > 3_500_000 && ms <= 3_600_000), "{failure:?}");
    call(&good, answered(200, None)).await;

    let breaker = bad.view().breaker.unwrap();
    assert_eq!((breaker.state, breaker.opens, breaker.refusals), ("open", 1, 1));
    assert!(breaker.until > breaker.opened_at && breaker.opened_at.is_some(), "{breaker:?}");
    bad.reset();
    call(&bad, answered(200, None)).await;
    assert_eq!(bad.view().breaker.unwrap().state, "closed");
}

#[tokio::test]
async fn one_that_says_no_works() {
    let destinations = destinations();
    let door = door(&destinations, "picky.example");
    for _ in 0..3 {
        for how in [answered(500, None), answered(404, None), answered(503, None), answered(429, None)] {
            call(&door, how).await;
        }
    }
    assert_eq!(door.view().breaker.unwrap().opens, 0);
}

#[tokio::test]
async fn a_call_that_is_given_up_is_no_longer_under_way_and_tells_nothing() {
    let destinations = destinations();
    let door = door(&destinations, "slow.example");
    let passages = [through(&door).await, through(&door).await];
    assert_eq!(door.view().in_flight, 2);
    drop(passages);
    let view = door.view();
    assert_eq!((view.in_flight, view.breaker.unwrap().failures), (0, 0));
}

#[tokio::test]
async fn a_pause_that_one_call_is_asked_for_holds_for_all_and_they_go_on_by_priority() {
    let destinations = destinations();
    let door = door(&destinations, "busy.example");
    call(&door, answered(429, Some(600))).await;
    assert!(door.view().slowed_until.is_some());

    let pass = |priority| door.pass(priority, Deadline::in_ms(LONG));
    let mut low = Box::pin(pass(Priority::Low));
    let mut normal = Box::pin(pass(Priority::Normal));
    let mut high = Box::pin(pass(Priority::High));
    let mut gone = Box::pin(pass(Priority::High));
    for waiting in [&mut low, &mut normal, &mut high, &mut gone] {
        assert!(poll!(waiting).is_pending());
    }
    assert_eq!(door.view().queued, 4);
    drop(gone);

    door.reset();
    assert!(poll!(&mut low).is_pending() && poll!(&mut normal).is_pending(), "it is not their turn");
    assert!(poll!(&mut high).is_ready());
    assert!(poll!(&mut low).is_pending());
    assert!(poll!(&mut normal).is_ready());
    assert!(poll!(&mut low).is_ready());
    assert_eq!(door.view().queued, 0);
}

#[tokio::test]
async fn who_has_no_time_for_a_pause_is_told_at_once_and_may_come_again() {
    let destinations = destinations();
    let door = door(&destinations, "busy.example");
    let under_way = through(&door).await;
    call(&door, answered(503, Some(30))).await;
    let mut waiting = Box::pin(door.pass(Priority::Normal, Deadline::in_ms(60_000)));
    assert!(poll!(&mut waiting).is_pending(), "there is time for that");

    // A longer pause that begins meanwhile holds for those who wait, too.
    Box::new(under_way).ended(answered(429, Some(600)));
    let refused = waiting.await.err().unwrap();
    assert_eq!(refused.kind, FailureKind::Retryable);
    assert!(refused.message.contains("Retry-After"), "{refused}");
    assert!(refused.retry_after_ms.is_some_and(|ms| ms > 590_000 && ms <= 600_000), "{refused:?}");
}

#[tokio::test]
async fn those_who_wait_are_refused_when_the_breaker_opens() {
    let destinations = destinations();
    let door = door(&destinations, "failing.example");
    let under_way = [through(&door).await, through(&door).await];
    call(&door, answered(429, Some(600))).await;
    let mut waiting = Box::pin(door.pass(Priority::Normal, Deadline::in_ms(LONG)));
    assert!(poll!(&mut waiting).is_pending());
    for passage in under_way {
        Box::new(passage).ended(answered(500, None));
    }
    let failure = waiting.await.err().unwrap();
    assert_eq!(failure.kind, FailureKind::CircuitOpen);
}

#[tokio::test]
async fn a_rate_lets_its_burst_through_and_no_more() {
    let rate = RateLimit { rate: "2/h".parse().unwrap(), burst: NonZeroU32::new(2).unwrap() };
    let policy = DestinationPolicy { breaker: None, rate: Some(rate) };
    let config = FlowConfig { destinations: [(host("a.example"), policy)].into(), ..FlowConfig::default() };
    let destinations = Destinations::new(config, FlowMeters::new());
    let door = door(&destinations, "a.example");
    call(&door, answered(200, None)).await;
    assert_eq!(door.view().tokens, Some(1));
    call(&door, answered(200, None)).await;
    let refused = door.pass(Priority::Normal, Deadline::in_ms(60_000)).await.err().unwrap();
    assert!(refused.kind == FailureKind::Retryable && refused.message.contains("2/h"), "{refused}");
    let mut patient = Box::pin(door.pass(Priority::Normal, Deadline::in_ms(LONG)));
    assert!(poll!(&mut patient).is_pending());
}

#[tokio::test(start_paused = true)]
async fn who_would_come_too_late_is_told_when_their_own_turn_is() {
    let rate = RateLimit { rate: "2/s".parse().unwrap(), burst: NonZeroU32::new(1).unwrap() };
    let policy = DestinationPolicy { breaker: None, rate: Some(rate) };
    let config = FlowConfig { destinations: [(host("a.example"), policy)].into(), ..FlowConfig::default() };
    let destinations = Destinations::new(config, FlowMeters::new());
    let door = door(&destinations, "a.example");
    let pass = || Box::pin(door.pass(Priority::Normal, Deadline::in_ms(900)));
    let (mut first, mut second) = (pass(), pass());
    assert!(poll!(&mut first).is_ready() && poll!(&mut second).is_pending());
    let refused = pass().await.err().unwrap();
    assert_eq!(refused.retry_after_ms, Some(1_000), "{refused}");
    assert!(refused.message.contains("in 1.0 s") && refused.message.contains("the 0.9 s"), "{refused}");
    assert!(second.await.is_ok(), "there was time for that");
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_a_probe_is_under_way_is_told_so() {
    let destinations = destinations();
    let door = door(&destinations, "bad.example");
    call(&door, answered(500, None)).await;
    call(&door, answered(500, None)).await;
    tokio::time::advance(Duration::from_secs(3601)).await;
    let probe = through(&door).await;
    let refused = door.pass(Priority::Normal, Deadline::in_ms(LONG)).await.err().unwrap();
    assert!(refused.message.contains("half open") && refused.message.contains("probe"), "{refused}");
    drop(probe);
}

#[tokio::test]
async fn only_so_many_destinations_are_remembered_and_an_open_breaker_is_forgotten_last() {
    let destinations = destinations();
    let bad = door(&destinations, "bad.example");
    call(&bad, answered(500, None)).await;
    call(&bad, answered(500, None)).await;
    for n in 0..2 * MOST {
        door(&destinations, &format!("h{n}.example"));
    }
    assert_eq!(destinations.all().len(), MOST);
    assert!(Arc::ptr_eq(&bad, &door(&destinations, "bad.example")));
}
