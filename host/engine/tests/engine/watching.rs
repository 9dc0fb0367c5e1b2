//! What a watcher sees: every entry once and in order, from any point on, and what guests say meanwhile.

use futures::{Stream, StreamExt, pin_mut};
use serde_json::{Value, json};
use stepwell_core::id::RunId;
use stepwell_core::run::Event;
use stepwell_engine::{EngineError, WatchItem};

use crate::support::{Ground, Life, tenant};

async fn watch(
    life: &Life,
    run: RunId,
    after: Option<u64>,
) -> impl Stream<Item = Result<WatchItem, EngineError>> + use<> {
    life.engine.watch(&tenant(), run, after).await.unwrap().expect("the run exists")
}

async fn entries(stream: impl Stream<Item = Result<WatchItem, EngineError>>) -> Vec<(u64, bool)> {
    let items = stream.map(Result::unwrap).filter_map(async |item| match item {
        WatchItem::Entry(entry) => Some((entry.seq, matches!(entry.event, Event::RunEnded { .. }))),
        WatchItem::Log { .. } | WatchItem::Progress { .. } => None,
    });
    items.collect().await
}

fn held(ground: &Ground) -> Value {
    json!({"nodes": {"send": ground.courier(&["/first", "/hold/second"])}})
}

#[test]
fn a_watcher_sees_what_was_and_what_comes_until_the_end() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("courier");
    life.apply(&held(&ground));
    let run = life.start();
    life.block_on(ground.outside.arrived("/hold/second", 1));
    let live = life.block_on(watch(&life, run, None));
    let late = life.block_on(watch(&life, run, Some(1)));
    ground.outside.let_go();

    let seen = life.block_on(entries(live));
    let numbers: Vec<_> = seen.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(numbers, (0..seen.len() as u64).collect::<Vec<_>>(), "each once, in order");
    assert_eq!(seen.iter().position(|(_, is_end)| *is_end), Some(seen.len() - 1));
    assert_eq!(life.block_on(entries(late)), seen[2..], "the rest, for who has seen the first two");

    let after_the_end = life.block_on(async { entries(watch(&life, run, None).await).await });
    assert_eq!(after_the_end, seen, "the same from the journal alone");
    let last = seen.last().map(|(seq, _)| *seq);
    assert_eq!(life.block_on(async { entries(watch(&life, run, last).await).await }), []);
}

#[test]
fn a_watcher_hears_what_guests_say() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("courier");
    life.publish("hostile");
    let chatty = json!({"step": "hostile@^1", "needs": ["send"], "input": {"mode": "endless-log"}});
    life.apply(&json!({"nodes": {"send": ground.courier(&["/hold/it"]), "talk": chatty}}));
    let run = life.start();
    life.block_on(ground.outside.arrived("/hold/it", 1));
    let stream = life.block_on(watch(&life, run, None));
    ground.outside.let_go();
    let heard = life.block_on(async {
        pin_mut!(stream);
        while let Some(item) = stream.next().await {
            if let WatchItem::Log { node, line, .. } = item.unwrap() {
                return Some((node.to_string(), line.message));
            }
        }
        None
    });
    assert_eq!(heard, Some(("talk".to_owned(), "again".to_owned())));
}
