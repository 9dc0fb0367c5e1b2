//! The real server under load, killed with `kill -9` again and again at moments that nobody chose: nothing that it acknowledged is lost, and
//! nothing that was answered is sent again.
//!
//! `STEPWELL_SOAK_ROUNDS` kills it so many times; `STEPWELL_SOAK_SEED` chooses other moments.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::pin::pin;

use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::guests;
use crate::support::server::{KEY, Server, http_client};
use crate::support::workflows::{courier_node, workflow};
use crate::support::world::World;

/// Orders that are under way at once.
const HANDS: usize = 16;

#[tokio::test]
async fn killed_again_and_again_under_load_the_server_keeps_what_it_acknowledged_and_asks_nothing_twice() {
    let mut dice = StdRng::seed_from_u64(setting("STEPWELL_SOAK_SEED", 0));
    let world = World::start().await;
    let mut server = Server::start().await;
    server.publish(&guests::test("courier")).await;
    server.apply(&order_workflow(&world)).await;
    let book = Book::default();
    for round in 0..setting("STEPWELL_SOAK_ROUNDS", 8) {
        let moment = Moment::seeded(&mut dice);
        let desk = Desk::at(&server, &book);
        let mut work = pin!(join_all((0..HANDS).map(|_| desk.serve_until_cut())));
        tokio::select! {
            _ = &mut work => unreachable!("there is always another order"),
            () = moment.comes(&book, &world) => {}
        }
        server.kill().await;
        // What the server answered with its last breath is read, and counts.
        work.await;
        eprintln!("round {round}, killed {moment:?}: {}", book.summary());
        server.restart().await;
    }
    let desk = Desk::at(&server, &book);
    join_all((0..HANDS).map(|_| desk.finish())).await;
    check(&server, &book, &world).await;
}

fn setting(name: &str, otherwise: u64) -> u64 {
    let Ok(text) = std::env::var(name) else { return otherwise };
    text.parse().unwrap_or_else(|_| panic!("`{text}` in {name} is no whole number"))
}

/// Two requests in one attempt, a person, a wait, a third request.
fn order_workflow(world: &World) -> Value {
    let mut nodes = json!({
        "pay": courier_node(world, &["/pay/{{ input.order }}", "/ship/{{ input.order }}"]),
        "ask": {"approval": {"form": {"type": "object"}}, "needs": ["pay"]},
        "rest": {"wait": {"for": "20ms"}, "needs": ["ask"]},
        "tell": courier_node(world, &["/tell/{{ input.order }}"]),
    });
    nodes["tell"]["needs"] = json!(["rest"]);
    let mut definition = workflow("order", nodes);
    definition["output"] = json!({
        "answers": ["{{ nodes.pay.output.answers[0] }}", "{{ nodes.pay.output.answers[1] }}", "{{ nodes.tell.output.answers[0] }}"],
        "decision": "{{ nodes.ask.output.form.number }}",
    });
    definition
}

/// When the server is killed.
#[derive(Debug)]
enum Moment {
    /// As soon as it says that it is ready, while it takes up what it left.
    WhenReady,
    /// Once the world got so many more requests.
    AfterRequests(usize),
    /// Once so many more starts and decisions were acknowledged.
    AfterAcknowledgements(usize),
}

impl Moment {
    fn seeded(dice: &mut StdRng) -> Self {
        match dice.random_range(0..100) {
            0..10 => Self::WhenReady,
            10..55 => Self::AfterRequests(dice.random_range(1..=300)),
            _ => Self::AfterAcknowledgements(dice.random_range(1..=200)),
        }
    }

    async fn comes(&self, book: &Book, world: &World) {
        match self {
            Self::WhenReady => {}
            Self::AfterRequests(count) => world.arrived("/", world.all().len() + count).await,
            Self::AfterAcknowledgements(count) => book.acknowledges(*count).await,
        }
    }
}

/// What the server was told, and what it acknowledged.
#[derive(Default)]
struct Book {
    orders: RefCell<BTreeMap<usize, Order>>,
    acknowledgements: watch::Sender<usize>,
}

/// One order, which is one run.
#[derive(Debug, Default)]
struct Order {
    in_hand: bool,
    run: Option<String>,
    /// The numbers of all decisions that were sent.
    sent: BTreeSet<u64>,
    decided: Option<u64>,
    ended: bool,
}

impl Book {
    /// Takes up the first order that nobody works at.
    fn take_open(&self) -> Option<usize> {
        let mut orders = self.orders.borrow_mut();
        let (number, order) = orders.iter_mut().find(|(_, order)| !order.in_hand && !order.ended)?;
        order.in_hand = true;
        Some(*number)
    }

    fn take_new(&self) -> usize {
        let mut orders = self.orders.borrow_mut();
        let number = orders.len();
        orders.insert(number, Order { in_hand: true, ..Order::default() });
        number
    }

    /// Lets an order go.
    fn put_back(&self, number: usize, ended: bool) {
        let mut orders = self.orders.borrow_mut();
        let order = orders.get_mut(&number).unwrap();
        (order.in_hand, order.ended) = (false, ended);
    }

    fn started(&self, number: usize, run: &str) {
        let mut orders = self.orders.borrow_mut();
        let before = orders.get_mut(&number).unwrap().run.replace(run.to_owned());
        assert!(before.is_none_or(|before| before == run), "order {number} was started twice");
        self.acknowledgements.send_modify(|count| *count += 1);
    }

    /// A number that no other decision about this order has.
    fn next_decision(&self, number: usize) -> u64 {
        let mut orders = self.orders.borrow_mut();
        let sent = &mut orders.get_mut(&number).unwrap().sent;
        let decision = sent.len() as u64;
        sent.insert(decision);
        decision
    }

    fn decided(&self, number: usize, decision: u64) {
        let mut orders = self.orders.borrow_mut();
        let before = orders.get_mut(&number).unwrap().decided.replace(decision);
        assert_eq!(before, None, "two decisions about order {number} were acknowledged");
        self.acknowledgements.send_modify(|count| *count += 1);
    }

    /// Whether a decision that was sent, but for this one, may have been taken.
    fn may_be_decided(&self, number: usize, but: u64) -> bool {
        self.orders.borrow()[&number].sent.iter().any(|sent| *sent != but)
    }

    async fn acknowledges(&self, more: usize) {
        let mut acknowledgements = self.acknowledgements.subscribe();
        let enough = *acknowledgements.borrow() + more;
        acknowledgements.wait_for(|count| *count >= enough).await.unwrap();
    }

    fn summary(&self) -> String {
        let orders = self.orders.borrow();
        let counted = |what: fn(&Order) -> bool| orders.values().filter(|order| what(order)).count();
        format!(
            "{} orders, {} acknowledged, {} decided, {} ended",
            orders.len(),
            counted(|order| order.run.is_some()),
            counted(|order| order.decided.is_some()),
            counted(|order| order.ended)
        )
    }
}

/// The connection was cut, as it is when the server is killed.
struct Cut;

/// Where orders are handed in, as long as one server lives.
struct Desk<'a> {
    book: &'a Book,
    http: Client,
    url: String,
}

impl<'a> Desk<'a> {
    fn at(server: &Server, book: &'a Book) -> Self {
        Self { book, http: http_client(), url: server.url("") }
    }

    /// Serves orders that were left open, and new ones.
    async fn serve_until_cut(&self) {
        loop {
            let number = self.book.take_open().unwrap_or_else(|| self.book.take_new());
            let end = self.serve(number).await;
            self.book.put_back(number, end.is_ok());
            if end.is_err() {
                return;
            }
        }
    }

    /// Serves what was left open.
    async fn finish(&self) {
        while let Some(number) = self.book.take_open() {
            let end = self.serve(number).await;
            self.book.put_back(number, end.is_ok());
            assert!(end.is_ok(), "nobody killed the server, and yet order {number} was cut");
        }
    }

    /// Starts an order's run, decides what is asked, and waits for its end.
    async fn serve(&self, number: usize) -> Result<(), Cut> {
        let run = self.start(number).await?;
        let mut journal = self.send(self.http.get(self.at_path(&format!("/v1/runs/{run}/events")))).await?;
        assert_eq!(journal.status(), StatusCode::OK, "order {number}: its run {run} is not there any more");
        let mut read = String::new();
        let mut asked = false;
        while let Some(chunk) = journal.chunk().await.map_err(cut)? {
            let _ = write!(read, "{}", String::from_utf8_lossy(&chunk));
            if !asked && read.contains("event: approval-opened") {
                asked = true;
                self.decide(number, &run).await?;
            }
        }
        // A stream that ends without the run's end was cut as well.
        if read.contains("event: run-ended") { Ok(()) } else { Err(Cut) }
    }

    async fn start(&self, number: usize) -> Result<String, Cut> {
        let request = self.http.post(self.at_path("/v1/workflows/order/runs"));
        let request = request.header("idempotency-key", format!("order-{number}"));
        let response = self.send(request.json(&json!({"input": {"order": number}}))).await?;
        let status = response.status();
        let answer: Value = response.json().await.map_err(cut)?;
        assert_eq!(status, StatusCode::ACCEPTED, "order {number}: {answer:#}");
        let run = answer["run_id"].as_str().unwrap().to_owned();
        self.book.started(number, &run);
        Ok(run)
    }

    /// Decides, unless that was acknowledged before; a second decision is always refused.
    async fn decide(&self, number: usize, run: &str) -> Result<(), Cut> {
        for _ in 0..2 {
            let decision = self.book.next_decision(number);
            let request = self.http.post(self.at_path(&format!("/v1/runs/{run}/approvals/ask")));
            let body = json!({"decision": "approve", "form": {"number": decision}});
            let response = self.send(request.json(&body)).await?;
            let status = response.status();
            let answer: Value = response.json().await.map_err(cut)?;
            match status {
                StatusCode::OK => self.book.decided(number, decision),
                StatusCode::CONFLICT => assert!(self.book.may_be_decided(number, decision), "{answer:#}"),
                other => panic!("order {number}: {other}: {answer:#}"),
            }
        }
        Ok(())
    }

    fn at_path(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Cut> {
        request.bearer_auth(KEY).send().await.map_err(cut)
    }
}

fn cut(error: reqwest::Error) -> Cut {
    assert!(!error.is_timeout(), "the server hangs: {error:?}");
    Cut
}

/// The invariants, once every order has ended.
async fn check(server: &Server, book: &Book, world: &World) {
    let orders = book.orders.take();
    assert_eq!(all_runs(server).await, orders.values().map(|order| order.run.clone().unwrap()).collect());
    let mut sends = HashMap::<String, Vec<Send>>::new();
    for (number, seen) in world.all().into_iter().enumerate() {
        let key = seen.header("idempotency-key").to_owned();
        sends.entry(seen.path).or_default().push(Send { number, key });
    }
    for (number, order) in orders {
        let id = order.run.clone().unwrap();
        let sends = ["pay", "ship", "tell"].map(|what| sends.remove(&format!("/{what}/{number}")).unwrap());
        let story = Story { run: server.run(&id).await, journal: journal(server, &id).await, order, sends };
        story.everything_happened_once();
        story.what_was_acknowledged_is_kept();
        story.nothing_answered_was_sent_again();
    }
}

/// A request that the world got.
#[derive(Debug)]
struct Send {
    /// Its place among all, which is in its answer.
    number: usize,
    key: String,
}

/// All that is known of an order in the end.
#[derive(Debug)]
struct Story {
    order: Order,
    run: Value,
    journal: Vec<Value>,
    /// Of the three requests, in the order in which the run makes them.
    sends: [Vec<Send>; 3],
}

impl Story {
    fn everything_happened_once(&self) {
        assert_eq!(self.run["status"], "succeeded", "{self:#?}");
        for (event, times) in [
            ("run-accepted", 1),
            ("effect-answered", 3),
            ("attempt-succeeded", 2),
            ("approval-opened", 1),
            ("approval-decided", 1),
            ("timer-fired", 1),
            ("run-ended", 1),
        ] {
            let found = self.journal.iter().filter(|entry| entry["type"] == event).count();
            assert_eq!(found, times, "{event}: {self:#?}");
        }
    }

    fn what_was_acknowledged_is_kept(&self) {
        let decision = self.run["output"]["decision"].as_u64().unwrap();
        assert!(self.order.sent.contains(&decision), "nobody decided so: {self:#?}");
        assert!(self.order.decided.is_none_or(|acknowledged| acknowledged == decision), "{self:#?}");
    }

    fn nothing_answered_was_sent_again(&self) {
        // A request leaves once the answers to those before it are on disk: from then on, those are not sent again.
        let numbers: Vec<usize> = self.sends.iter().flatten().map(|send| send.number).collect();
        assert!(numbers.is_sorted(), "a request was sent again behind its successor: {self:#?}");
        for (at, sends) in self.sends.iter().enumerate() {
            let body = self.run["output"]["answers"][at]["ok"]["body"].as_str().unwrap_or_default();
            let answer: Value = serde_json::from_str(body).unwrap_or_default();
            let last = sends.last().unwrap();
            assert_eq!(answer["number"], last.number, "an answered request was sent again: {self:#?}");
            assert!(sends.iter().all(|send| send.key == last.key), "it had several keys: {self:#?}");
        }
    }
}

async fn all_runs(server: &Server) -> BTreeSet<String> {
    let mut runs = BTreeSet::new();
    let mut path = "/v1/runs?limit=500".to_owned();
    loop {
        let (_, page) = server.get(&path).await;
        runs.extend(
            page["runs"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else { return runs };
        path = format!("/v1/runs?limit=500&cursor={cursor}");
    }
}

/// The entries of an ended run's journal.
async fn journal(server: &Server, run: &str) -> Vec<Value> {
    let request = server.request(reqwest::Method::GET, &format!("/v1/runs/{run}/events"));
    let stream = request.send().await.unwrap().text().await.unwrap();
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}
