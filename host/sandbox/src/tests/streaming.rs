//! A guest reads an answer as it comes, and may go while it waits: whoever comes in its place reads the same.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stepwell_core::failure::FailureKind;
use stepwell_core::grant::Grants;
use tokio::sync::mpsc::UnboundedSender;

use super::{Guest, House, Witness, attempt, config};
use crate::http::tests::peer::Peer;
use crate::{Attempt, AttemptHost, AttemptReport, NetworkPolicy, Sandbox, SandboxConfig, Step};

const IMPORTS: &str = r#"
    (import "stepwell:step/progress@1.0.0" "emit" (func $emit (param i32 i32)))
    (import "stepwell:step/http@1.0.0" "open"
        (func $open (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32)))
    (import "stepwell:step/http@1.0.0" "[method]incoming.read" (func $read (param i32 i32)))
    (import "stepwell:step/http@1.0.0" "[resource-drop]incoming" (func $drop (param i32)))
"#;

/// `$begin` opens the answer to `GET` of the URL that the input is; `$next` reads a piece to 4128.
const ITEMS: &str = r#"
    (data (i32.const 2048) "GET")
    (func $begin (param $url i32) (param $length i32)
      (call $open (i32.const 2048) (i32.const 3)
        (i32.add (local.get $url) (i32.const 1)) (i32.sub (local.get $length) (i32.const 2))
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 0)
        (i32.const 4096))
      (if (i32.load8_u (i32.const 4096)) (then (unreachable))))
    (func $next (call $read (i32.load (i32.const 4100)) (i32.const 4128)))
"#;

/// Hands out each piece, and answers what it was asked.
const READER: &str = r#"
    (call $begin (local.get $input) (local.get $input_len))
    (block $over
      (loop $more
        (call $next)
        (br_if $over (i32.load8_u (i32.const 4128)))
        (br_if $over (i32.eqz (i32.load8_u (i32.const 4132))))
        (call $emit (i32.load (i32.const 4136)) (i32.load (i32.const 4140)))
        (br $more)))
    (call $answer (local.get $input) (local.get $input_len))"#;

/// Reads one piece and does not want the rest.
const TASTER: &str = r#"
    (call $begin (local.get $input) (local.get $input_len))
    (call $next)
    (call $drop (i32.load (i32.const 4100)))
    (call $answer (local.get $input) (local.get $input_len))"#;

const HEAD: &str = "HTTP/1.1 200 OK\r\n\r\n";
/// Of an answer with nine bytes.
const NINE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";

struct Scene {
    house: House,
    step: Step,
    peer: Peer,
    feed: UnboundedSender<&'static str>,
}

impl Scene {
    async fn new(run: &str, park_after: Duration) -> Self {
        let (config, cache) = config();
        let network: NetworkPolicy =
            serde_json::from_value(json!({"allow_networks": ["127.0.0.1/32"]})).expect("a policy");
        let config = SandboxConfig { park_after, network, max_live: 1, ..config };
        let house = House { sandbox: Sandbox::new(config).expect("a sandbox"), _cache: cache };
        let guest = Guest { imports: IMPORTS, items: ITEMS, run, ..Guest::default() };
        let step = house.sandbox.compile(guest.build()).await.expect("a step");
        let (peer, feed) = Peer::fed().await;
        Self { house, step, peer, feed }
    }

    fn attempt(&self) -> Attempt {
        let grants: Grants =
            serde_json::from_value(json!({"http": [{"host": self.peer.host()}]})).expect("grants");
        Attempt { grants: Arc::new(grants), ..attempt(&json!(self.peer.url("/")).to_string()) }
    }

    async fn run(&self, attempt: Attempt, witness: &Arc<Witness>) -> AttemptReport {
        self.house.sandbox.run(&self.step, attempt, Arc::clone(witness) as Arc<dyn AttemptHost>).await
    }

    /// Feeds one thing after the other: each once the guest before it is away.
    async fn feed_when_away(&self, pieces: &[&'static str]) {
        for piece in pieces {
            while self.house.sandbox.stats().away == 0 {
                tokio::task::yield_now().await;
            }
            self.feed.send(piece).expect("a peer");
            while self.house.sandbox.stats().away == 1 {
                tokio::task::yield_now().await;
            }
        }
    }
}

fn progress(witness: &Witness) -> Vec<Value> {
    witness.progress.lock().expect("a witness").clone()
}

/// So long that nobody goes because of it.
const NEVER: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_guest_hands_out_what_it_reads_while_more_is_to_come() {
    let scene = Scene::new(READER, NEVER).await;
    let witness = Arc::<Witness>::default();
    let mut run = Box::pin(scene.run(scene.attempt(), &witness));
    scene.feed.send(HEAD).expect("a peer");
    for (number, piece) in ["[1]", "[2]", "[3]"].into_iter().enumerate() {
        scene.feed.send(piece).expect("a peer");
        while progress(&witness).len() <= number {
            assert!(futures::poll!(run.as_mut()).is_pending(), "there is more to come");
            tokio::task::yield_now().await;
        }
    }
    assert!(witness.heard().0.is_empty(), "the answer is not over");
}

#[tokio::test]
async fn one_who_comes_back_reads_the_same_pieces_and_says_nothing_twice() {
    let stayed = Scene::new(READER, NEVER).await;
    let witness = Arc::<Witness>::default();
    stayed.feed.send(NINE).expect("a peer");
    let (expected, ()) = tokio::join!(stayed.run(stayed.attempt(), &witness), async {
        for (number, piece) in ["[1]", "[2]", "[3]"].into_iter().enumerate() {
            stayed.feed.send(piece).expect("a peer");
            while progress(&witness).len() <= number {
                tokio::task::yield_now().await;
            }
        }
    });

    let went = Scene::new(READER, Duration::ZERO).await;
    let heard = Arc::<Witness>::default();
    let pieces = [NINE, "[1]", "[2]", "[3]"];
    let (report, ()) = tokio::join!(went.run(went.attempt(), &heard), went.feed_when_away(&pieces));
    assert_eq!(report.result, Ok(json!(went.peer.url("/"))));
    assert_eq!(report.account.fuel, expected.account.fuel);
    assert_eq!(progress(&heard), progress(&witness));
    assert_eq!(went.peer.requests().len(), 1);
    let (effects, ..) = heard.heard();
    assert_eq!((effects.len(), &effects[0].answer["stream"]["cuts"]), (1, &json!([3, 3])));

    // After a crash: the answer is known.
    let replayed = Arc::<Witness>::default();
    let again = went.run(Attempt { replay: effects, ..went.attempt() }, &replayed).await;
    assert_eq!(again.result, Ok(json!(went.peer.url("/"))));
    assert_eq!((progress(&replayed), went.peer.requests().len()), (progress(&witness), 1));
}

#[tokio::test]
async fn a_guest_that_does_not_want_the_rest_ends_the_answer() {
    let scene = Scene::new(TASTER, NEVER).await;
    let witness = Arc::<Witness>::default();
    scene.feed.send(HEAD).expect("a peer");
    scene.feed.send("[1]").expect("a peer");
    let report = scene.run(scene.attempt(), &witness).await;
    assert_eq!(report.result, Ok(json!(scene.peer.url("/"))));
    let (effects, ..) = witness.heard();
    assert_eq!(effects[0].answer["stream"]["end"], "dropped");
}

#[tokio::test]
async fn an_answer_that_nobody_read_to_its_end_is_kept_as_far_as_it_came() {
    let run = TASTER.replace("(call $drop (i32.load (i32.const 4100)))", "");
    let scene = Scene::new(&run, NEVER).await;
    let witness = Arc::<Witness>::default();
    scene.feed.send(HEAD).expect("a peer");
    scene.feed.send("[1]").expect("a peer");
    assert!(scene.run(scene.attempt(), &witness).await.result.is_ok());
    assert_eq!(witness.heard().0[0].answer["stream"]["body"], "[1]");
}

#[tokio::test]
async fn the_time_of_an_attempt_ends_a_stream_too() {
    let scene = Scene::new(READER, Duration::ZERO).await;
    let witness = Arc::<Witness>::default();
    scene.feed.send(HEAD).expect("a peer");
    let mut attempt = scene.attempt();
    attempt.limits.time_ms = 100;
    let report = scene.run(attempt, &witness).await;
    assert_eq!(report.result.expect_err("it took too long").kind, FailureKind::Timeout);
    assert!(witness.heard().0.is_empty(), "an answer that was not whole when the attempt ended is none");
}
