//! Events that go out: to workflows here, to sinks that are out of order, and over crashes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::json;
use stepwell_core::cloud_event::CloudEvent;
use stepwell_engine::{EngineConfig, PostError, PostEvent, Sink, outbox_mark};
use stepwell_store::{Mark, MarkChange, MarkKind, RunQuery};
use tokio::sync::watch;

use crate::support::{Ground, Life, tenant};

/// A sink that answers as the test tells it, and then takes everything.
#[derive(Debug)]
struct Peer {
    taken: watch::Sender<Vec<String>>,
    script: Mutex<VecDeque<PostError>>,
}

impl Peer {
    fn new(script: impl IntoIterator<Item = PostError>) -> Arc<Self> {
        Arc::new(Self {
            taken: watch::Sender::new(Vec::new()),
            script: Mutex::new(script.into_iter().collect()),
        })
    }

    fn as_sink(self: &Arc<Self>, name: &str, types: &str) -> Sink {
        Sink { name: name.parse().unwrap(), types: vec![types.parse().unwrap()], post: self.clone() }
    }

    fn taken(&self) -> Vec<String> {
        self.taken.borrow().clone()
    }

    async fn took(&self, id: &str) {
        let mut taken = self.taken.subscribe();
        taken.wait_for(|taken| taken.iter().any(|taken| taken == id)).await.unwrap();
    }
}

#[async_trait]
impl PostEvent for Peer {
    async fn post(&self, event: &CloudEvent) -> Result<(), PostError> {
        if let Some(error) = self.script.lock().unwrap().pop_front() {
            return Err(error);
        }
        self.taken.send_modify(|taken| taken.push(event.id.clone()));
        Ok(())
    }
}

fn away() -> PostError {
    PostError::Unavailable { why: "away".to_owned(), retry_after: None }
}

fn event(id: &str) -> CloudEvent {
    CloudEvent::new(id, "/runs", "com.example.done", json!({"n": 1}))
}

fn life_with(ground: &Ground, sinks: Vec<Sink>) -> Life {
    ground.life_with(EngineConfig { sinks, ..EngineConfig::default() })
}

fn emit(life: &Life, event: CloudEvent) {
    life.block_on(life.engine.emit(&tenant(), event)).unwrap();
}

/// Waits until nothing is left to send.
fn emptied(life: &Life) {
    life.block_on(async {
        while !life.engine.journal().marks(&tenant(), MarkKind::Outbox, None, 1).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn an_event_reaches_the_workflows_here_and_the_sinks_that_take_its_type() {
    let ground = Ground::new();
    let (wants, wants_not) = (Peer::new([]), Peer::new([]));
    let sinks = vec![wants.as_sink("wants", "com.example.*"), wants_not.as_sink("wants-not", "org.*")];
    let life = life_with(&ground, sinks);
    life.publish("transform");
    life.apply(&json!({
        "triggers": [{"event": {"type": "com.example.done"}}],
        "nodes": {"shape": {"step": "transform@*", "config": {"template": "{{ input }}"}, "input": "{{ input.n }}"}},
    }));
    emit(&life, event("1"));
    life.block_on(wants.took("1"));
    emptied(&life);
    assert_eq!((wants.taken(), wants_not.taken()), (vec!["1".to_owned()], vec![]));
    let page = life
        .block_on(life.engine.journal().list(&tenant(), RunQuery { limit: 10, ..RunQuery::default() }))
        .unwrap();
    assert_eq!(page.runs.len(), 1);
    assert_eq!(life.end_of(page.runs[0].id).output, Some(json!({"shape": 1}).into()));
}

#[test]
fn an_event_waits_for_a_sink_that_is_away() {
    let ground = Ground::new();
    let (away_twice, there) = (Peer::new([away(), away()]), Peer::new([]));
    let life = life_with(&ground, vec![away_twice.as_sink("away", "*"), there.as_sink("there", "*")]);
    emit(&life, event("1"));
    life.block_on(there.took("1"));
    life.block_on(away_twice.took("1"));
    emptied(&life);
    assert_eq!(there.taken(), ["1"], "nobody else is sent it again");
}

#[test]
fn an_event_that_a_sink_refuses_holds_up_no_other() {
    let ground = Ground::new();
    let peer = Peer::new([PostError::Refused("it answers 422".to_owned())]);
    let life = life_with(&ground, vec![peer.as_sink("picky", "*")]);
    emit(&life, event("1"));
    life.block_on(async {
        while !peer.script.lock().unwrap().is_empty() {
            tokio::task::yield_now().await
        }
    });
    emit(&life, event("2"));
    life.block_on(peer.took("2"));
    life.block_on(peer.took("1"));
    emptied(&life);
    assert_eq!(peer.taken(), ["2", "1"]);
}

#[test]
fn what_waits_is_sent_by_the_next_life_and_what_has_no_sink_any_more_is_dropped() {
    let ground = Ground::new();
    let life = life_with(
        &ground,
        vec![
            Peer::new(vec![away(); 1_000]).as_sink("crm", "*"),
            Peer::new(vec![away(); 1_000]).as_sink("gone", "*"),
        ],
    );
    emit(&life, event("1"));
    let waiting =
        || life.block_on(life.engine.journal().marks(&tenant(), MarkKind::Outbox, None, 10)).unwrap();
    life.block_on(async {
        while life.engine.journal().marks(&tenant(), MarkKind::Outbox, None, 10).await.unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(waiting().len(), 2);
    life.crash();

    let peer = Peer::new([]);
    let life = life_with(&ground, vec![peer.as_sink("crm", "*")]);
    life.block_on(peer.took("1"));
    emptied(&life);
}

/// Whoever emits an event writes its mark in a batch of its own, and may crash right after.
#[test]
fn an_event_of_which_there_is_only_the_mark_is_sent_by_itself() {
    let ground = Ground::new();
    let peer = Peer::new([]);
    let life = life_with(&ground, vec![peer.as_sink("crm", "*")]);
    let MarkChange::Put(mark) = outbox_mark(&event("1")) else { panic!() };
    let overdue = MarkChange::Put(Mark { due: Some(Timestamp::UNIX_EPOCH), ..mark });
    life.block_on(life.engine.journal().note(&tenant(), vec![overdue]).durable()).unwrap();
    // This life is not told of it, and may end before it looks by itself.
    life.crash();
    let life = life_with(&ground, vec![peer.as_sink("crm", "*")]);
    life.block_on(peer.took("1"));
    emptied(&life);
}

#[test]
fn an_event_whose_mark_is_there_already_is_sent_at_once_and_not_kept_twice() {
    let ground = Ground::new();
    let peer = Peer::new([]);
    let life = life_with(&ground, vec![peer.as_sink("crm", "*")]);
    life.block_on(life.engine.journal().note(&tenant(), vec![outbox_mark(&event("1"))]).durable()).unwrap();
    emit(&life, event("1"));
    life.block_on(peer.took("1"));
    emptied(&life);
    assert_eq!(peer.taken(), ["1"]);
}
