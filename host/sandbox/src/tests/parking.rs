//! A guest that only waits goes, and another comes back to the answer: nobody can tell, but those who needed its room.

use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::{BoxFuture, join_all, ready};
use serde_json::{Value, json};
use stepwell_core::attempt::{Account, LogLine, ModelCall};
use stepwell_core::destination::Destination;
use stepwell_core::effect::Effect;
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::limits::{LimitKind, Limits};
use tokio::sync::{Barrier, mpsc, watch};
use tokio::time::{Instant, pause, sleep};

use super::{Guest, House, Witness, attempt, config};
use crate::{
    Attempt, AttemptHost, AttemptReport, EffectStandIn, Exchange, HttpAnswer, HttpAsked, HttpResponse, Leave,
    SandboxConfig, Step,
};

/// So long that nobody goes because of it.
const NEVER: Duration = Duration::from_secs(3_600);

const IMPORTS: &str = r#"
    (import "stepwell:step/log@1.0.0" "write" (func $log (param i32 i32 i32 i32 i32)))
    (import "stepwell:step/usage@1.0.0" "record" (func $usage (param i32 i32 i32 i32 i64 i64 i32 i64)))
    (import "stepwell:step/progress@1.0.0" "emit" (func $emit (param i32 i32)))
    (import "stepwell:step/http@1.0.0" "send"
        (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32)))
    (import "stepwell:step/http@1.0.0" "send-all" (func $send_all (param i32 i32 i32)))
"#;

/// `$ask` sends one request and keeps its answer at 4096; `$ask_two` sends two at once and keeps theirs at 4224; `$say` says
/// something in every way. A body's pointer lies 16 bytes into its answer.
const ITEMS: &str = r#"
    (data (i32.const 2048) "GEThttp://peer.example/ahttp://peer.example/bhttp://peer.example/c")
    (func $ask
      (call $send (i32.const 2048) (i32.const 3) (i32.const 2051) (i32.const 21) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 4096))
      (if (i32.load8_u (i32.const 4096)) (then (unreachable))))
    (func $ask_two
      (call $text (i32.const 6144) (i32.const 2048) (i32.const 3))
      (call $text (i32.const 6152) (i32.const 2072) (i32.const 21))
      (call $text (i32.const 6200) (i32.const 2048) (i32.const 3))
      (call $text (i32.const 6208) (i32.const 2093) (i32.const 21))
      (call $send_all (i32.const 6144) (i32.const 2) (i32.const 4224)))
    (func $say
      (call $log (i32.const 2) (i32.const 512) (i32.const 9) (i32.const 0) (i32.const 0))
      (call $usage (i32.const 512) (i32.const 4) (i32.const 512) (i32.const 9)
        (i64.const 120) (i64.const 8) (i32.const 1) (i64.const 350))
      (call $emit (i32.const 545) (i32.const 4)))
"#;

/// Talks, asks for `/a`, talks, asks for `/b` and `/c` at once, talks, and answers what `/c` did.
const TRAVELLER: &str = r#"
    (call $say) (call $ask) (call $say) (call $ask_two) (call $say)
    (call $answer
      (i32.load (i32.add (i32.load (i32.const 4224)) (i32.const 48)))
      (i32.load (i32.add (i32.load (i32.const 4224)) (i32.const 52))))"#;

/// Asks for `/a` and answers what that did.
const ASKER: &str = "(call $ask) (call $answer (i32.load (i32.const 4112)) (i32.load (i32.const 4116)))";

fn guest(run: &str) -> Guest<'_> {
    Guest { imports: IMPORTS, items: ITEMS, run, ..Guest::default() }
}

/// What a peer waits for before it answers.
type Before = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// Answers each path with itself, as JSON.
struct Peer {
    before: Before,
    asked: watch::Sender<Vec<String>>,
}

impl Peer {
    fn waiting(before: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { before: Box::new(before), asked: watch::Sender::default() })
    }

    fn prompt() -> Arc<Self> {
        Self::waiting(|| ready(()).boxed())
    }

    /// Answers when so many are inside.
    fn when_inside(inside: &watch::Sender<u32>, count: u32) -> Arc<Self> {
        let inside = inside.clone();
        Self::waiting(move || {
            let mut inside = inside.subscribe();
            async move { _ = inside.wait_for(|now| *now == count).await }.boxed()
        })
    }

    fn slow(by: Duration) -> Arc<Self> {
        Self::waiting(move || sleep(by).boxed())
    }

    fn asked(&self) -> Vec<String> {
        self.asked.borrow().clone()
    }

    async fn was_asked(&self, times: usize) {
        self.asked.subscribe().wait_for(|asked| asked.len() >= times).await.expect("a peer");
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peer")
    }
}

#[async_trait]
impl EffectStandIn for Peer {
    async fn http(&self, asked: HttpAsked<'_>) -> Result<HttpAnswer, Failure> {
        let path = asked.url.path().to_owned();
        self.asked.send_modify(|asked| asked.push(path.clone()));
        (self.before)().await;
        Ok(HttpAnswer::Ok(HttpResponse {
            status: 200,
            headers: Vec::new(),
            body: json!(path).to_string().into(),
            url: asked.url.to_string(),
        }))
    }
}

/// A caller who counts the instances that have its room.
#[derive(Default)]
struct Caller {
    witness: Witness,
    inside: watch::Sender<u32>,
    entered: AtomicU32,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
    /// Lets nothing leave, and says so once no guest is there any more.
    refuses: bool,
}

struct Inside(watch::Sender<u32>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.send_modify(|inside| *inside -= 1);
    }
}

struct Told(Arc<Mutex<Vec<Exchange>>>);

impl Leave for Told {
    fn ended(self: Box<Self>, how: Exchange) {
        self.0.lock().expect("exchanges").push(how);
    }
}

impl Caller {
    async fn is_alone(&self) {
        self.inside.subscribe().wait_for(|inside| *inside == 0).await.expect("a caller");
    }

    fn entered(&self) -> u32 {
        self.entered.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl AttemptHost for Caller {
    async fn room(&self) -> Box<dyn Send> {
        self.entered.fetch_add(1, Ordering::SeqCst);
        self.inside.send_modify(|inside| *inside += 1);
        Box::new(Inside(self.inside.clone()))
    }
    async fn before_effect(&self, _: Option<&Destination>) -> Result<Box<dyn Leave>, Failure> {
        if self.refuses {
            self.is_alone().await;
            return Err(Failure::new(FailureKind::Internal, "no space left"));
        }
        Ok(Box::new(Told(Arc::clone(&self.exchanges))))
    }
    fn answered(&self, effect: Effect) {
        self.witness.answered(effect);
    }
    fn used(&self, call: &ModelCall) {
        self.witness.used(call);
    }
    fn logged(&self, line: &LogLine) {
        self.witness.logged(line);
    }
    fn progress(&self, chunk: Value) {
        self.witness.progress(chunk);
    }
}

/// A sandbox whose guests go after so long, and one step in it.
struct Scene {
    house: Arc<House>,
    step: Step,
    peer: Arc<Peer>,
}

impl Scene {
    async fn new(guest: Guest<'_>, park_after: Duration, peer: Arc<Peer>) -> Self {
        let (config, cache) = config();
        let config = SandboxConfig { park_after, stand_in: Some(peer.clone()), max_live: 2, ..config };
        let house =
            Arc::new(House { sandbox: crate::Sandbox::new(config).expect("a sandbox"), _cache: cache });
        let step = house.sandbox.compile(guest.build()).await.expect("a step");
        Self { house, step, peer }
    }

    async fn run(&self, attempt: Attempt, caller: &Arc<Caller>) -> AttemptReport {
        self.house.sandbox.run(&self.step, attempt, Arc::clone(caller) as Arc<dyn AttemptHost>).await
    }
}

fn granted() -> Attempt {
    let grants = serde_json::from_value(json!({"http": [{"host": "peer.example"}]})).expect("grants");
    Attempt { grants: Arc::new(grants), ..attempt("null") }
}

#[tokio::test]
async fn an_attempt_that_goes_away_while_it_waits_leaves_what_one_that_stays_does() {
    let stayed = Arc::<Caller>::default();
    let scene = Scene::new(guest(TRAVELLER), NEVER, Peer::prompt()).await;
    let expected = scene.run(granted(), &stayed).await;
    assert_eq!(expected.result, Ok(json!("/c")));
    assert_eq!(stayed.entered(), 1);

    let went = Arc::<Caller>::default();
    // No answer comes before the guest is gone.
    let scene = Scene::new(guest(TRAVELLER), Duration::ZERO, Peer::when_inside(&went.inside, 0)).await;
    let report = scene.run(granted(), &went).await;
    assert_eq!(went.entered(), 3, "it came, and came back twice");
    assert_eq!(scene.peer.asked(), ["/a", "/b", "/c"]);
    assert_eq!(report.result, expected.result);
    let timeless = |account: Account| Account { duration_us: 0, ..account };
    assert_eq!(timeless(report.account), timeless(expected.account), "fuel, effects, usage and log");
    assert_eq!(went.witness.heard(), stayed.witness.heard());
    assert_eq!(went.witness.heard().0.len(), 3, "each effect was told once");
    assert_eq!(scene.house.sandbox.stats().away, 0);
}

#[tokio::test]
async fn more_attempts_than_instances_wait_at_the_same_time() {
    const CROWD: usize = 8;
    let together = Arc::new(Barrier::new(CROWD));
    let peer = Peer::waiting(move || {
        let together = Arc::clone(&together);
        async move { _ = together.wait().await }.boxed()
    });
    let scene = Scene::new(guest(ASKER), NEVER, peer).await;
    let caller = Arc::<Caller>::default();
    for report in join_all((0..CROWD).map(|_| scene.run(granted(), &caller))).await {
        assert_eq!(report.result, Ok(json!("/a")));
    }
    assert_eq!(scene.peer.asked().len(), CROWD);
}

#[tokio::test]
async fn a_short_attempt_gets_the_room_of_one_that_waits() {
    let let_go = watch::Sender::new(false);
    let held = let_go.clone();
    let peer = Peer::waiting(move || {
        let mut held = held.subscribe();
        async move { _ = held.wait_for(|held| *held).await }.boxed()
    });
    let scene = Arc::new(Scene::new(guest(ASKER), NEVER, peer).await);
    let waiting = (0..2).map(|_| {
        let scene = Arc::clone(&scene);
        tokio::spawn(async move { scene.run(granted(), &Arc::default()).await })
    });
    let waiting: Vec<_> = waiting.collect();
    scene.peer.was_asked(2).await;
    assert_eq!(scene.house.sandbox.stats().live, 2, "all room is taken");
    let short = scene.house.run(Guest::default(), attempt("[1]")).await;
    assert_eq!(short.result, Ok(json!([1])));
    let_go.send_replace(true);
    for waited in waiting {
        assert_eq!(waited.await.expect("a report").result, Ok(json!("/a")));
    }
}

#[tokio::test]
async fn several_short_waits_are_no_long_one() {
    let scene =
        Scene::new(guest(TRAVELLER), Duration::from_secs(1), Peer::slow(Duration::from_millis(700))).await;
    let caller = Arc::<Caller>::default();
    pause();
    assert_eq!(scene.run(granted(), &caller).await.result, Ok(json!("/c")));
    assert_eq!(caller.entered(), 1);
}

#[tokio::test]
async fn the_time_of_an_attempt_goes_on_while_it_is_away() {
    let peer = Peer::slow(Duration::from_millis(700));
    let scene = Scene::new(guest(TRAVELLER), Duration::from_millis(100), peer).await;
    let caller = Arc::<Caller>::default();
    let limits = Limits { time_ms: 1_000, ..Limits::default() };
    pause();
    let began = Instant::now();
    let report = scene.run(Attempt { limits, ..granted() }, &caller).await;
    assert_eq!(report.result, Err(Failure::limit(LimitKind::TimeMs, 1_000)));
    let took = began.elapsed();
    assert!((1_000..1_010).contains(&took.as_millis()), "{took:?}");
    assert_eq!(Duration::from_micros(report.account.duration_us), took);
    assert_eq!(report.account.log.len(), 2, "the account is that of the guest which went");
    assert_eq!(caller.entered(), 2);
    let exchanges = caller.exchanges.lock().expect("exchanges");
    let overtaken = |how: &Exchange| matches!(how, Exchange::Fault { why } if why.contains("in time"));
    assert!(exchanges.len() == 3 && exchanges[1..].iter().all(overtaken), "{exchanges:?}");
}

#[tokio::test]
async fn an_attempt_that_is_given_up_while_it_is_away_asks_no_longer() {
    let (hears, mut heard) = mpsc::channel::<()>(1);
    let hears = Mutex::new(Some(hears));
    let peer = Peer::waiting(move || {
        let held = hears.lock().expect("a sender").take();
        async move {
            pending::<()>().await;
            drop(held);
        }
        .boxed()
    });
    let scene = Arc::new(Scene::new(guest(ASKER), Duration::ZERO, peer).await);
    let caller = Arc::<Caller>::default();
    let running = tokio::spawn({
        let (scene, caller) = (Arc::clone(&scene), Arc::clone(&caller));
        async move { scene.run(granted(), &caller).await }
    });
    scene.peer.was_asked(1).await;
    caller.is_alone().await;
    running.abort();
    assert_eq!(heard.recv().await, None, "what waited for the answer is gone");
    assert!(running.await.expect_err("it was given up").is_cancelled());
    assert_eq!(scene.house.sandbox.stats().away, 0);
}

#[tokio::test]
async fn an_effect_that_fails_while_its_guest_is_away_ends_the_attempt() {
    let scene = Scene::new(guest(TRAVELLER), Duration::ZERO, Peer::prompt()).await;
    let caller = Arc::new(Caller { refuses: true, ..Caller::default() });
    let report = scene.run(granted(), &caller).await;
    assert_eq!(report.result, Err(Failure::new(FailureKind::Internal, "no space left")));
    assert_eq!((report.account.log.len(), report.account.effects), (1, 1));
    assert!(report.account.fuel > 0);
    assert!(scene.peer.asked().is_empty());
}

/// A crash after a life that was away: its answers and those of before are one past.
#[tokio::test]
async fn what_was_answered_before_a_crash_is_not_asked_again_by_one_who_comes_back() {
    let caller = Arc::<Caller>::default();
    let scene = Scene::new(guest(TRAVELLER), Duration::ZERO, Peer::when_inside(&caller.inside, 0)).await;
    let whole = scene.run(granted(), &caller).await;
    let replay = caller.witness.heard().0[..1].to_vec();
    let again = scene.run(Attempt { replay, ..granted() }, &caller).await;
    assert_eq!((again.result, again.account.fuel), (whole.result, whole.account.fuel));
    assert_eq!(scene.peer.asked(), ["/a", "/b", "/c", "/b", "/c"]);
}

/// It may wait for a time beside the answer: another guest in its place would begin to wait anew.
#[tokio::test]
async fn a_guest_that_waits_through_wasi_keeps_its_instance() {
    let imports = IMPORTS.to_owned()
        + r#"(import "wasi:clocks/monotonic-clock@0.2.3" "subscribe-duration" (func $subscribe (param i64) (result i32)))"#;
    let run = format!("(drop (call $subscribe (i64.const 1))) {ASKER}");
    let guest = Guest { world: "test:guest/wasi-step", imports: &imports, ..guest(&run) };
    let scene = Scene::new(guest, Duration::from_secs(1), Peer::slow(Duration::from_secs(30))).await;
    let caller = Arc::<Caller>::default();
    pause();
    assert_eq!(scene.run(granted(), &caller).await.result, Ok(json!("/a")));
    assert_eq!(caller.entered(), 1);
}
