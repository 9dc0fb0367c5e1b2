//! What workflows keep: so many keys and no more, for as long as they are to be kept, and each for itself.

use serde_json::{Value, json};
use stepwell_core::id::WorkflowName;
use stepwell_core::state::{StateError, StateKey};
use stepwell_engine::{EngineConfig, PutStateError};

use crate::support::{Ground, Life, tenant, workflow};

fn key(text: &str) -> StateKey {
    text.parse().unwrap()
}

impl Life {
    fn put(
        &self,
        of: &WorkflowName,
        at: &str,
        value: Value,
        ttl_ms: Option<u64>,
    ) -> Result<u64, PutStateError> {
        self.block_on(self.engine.put_state(&tenant(), of, &key(at), value, ttl_ms))
    }

    fn kept(&self, at: &str) -> Option<Value> {
        let kept = self.block_on(self.engine.state(&tenant(), &workflow(), &key(at))).unwrap();
        kept.map(|kept| kept.value)
    }

    /// All keys, in pages of this length.
    fn keys(&self, prefix: &str, limit: usize) -> Vec<String> {
        let (mut keys, mut after) = (Vec::new(), None);
        loop {
            let (tenant, workflow) = (tenant(), workflow());
            let page = self.engine.state_page(&tenant, &workflow, prefix, after.as_deref(), limit);
            let page = self.block_on(page).unwrap();
            keys.extend(page.values.into_iter().map(|kept| kept.key));
            after = page.next;
            if after.is_none() {
                return keys;
            }
        }
    }
}

#[test]
fn a_workflow_keeps_so_many_keys_and_no_more() {
    let ground = Ground::new();
    let config = || EngineConfig { max_state_keys: 2, ..EngineConfig::default() };
    let life = ground.life_with(config());
    life.put(&workflow(), "a", json!(1), None).unwrap();
    life.put(&workflow(), "b", json!(1), None).unwrap();
    life.put(&workflow(), "b", json!(2), None).unwrap();
    let full = |refused| matches!(refused, Err(PutStateError::Refused(StateError::TooLarge(why))) if why.contains("keeps 2 keys"));
    assert!(full(life.put(&workflow(), "c", json!(1), None)));
    life.put(&"other".parse().unwrap(), "c", json!(1), None).unwrap();
    assert!(life.block_on(life.engine.delete_state(&tenant(), &workflow(), &key("a"))).unwrap());
    life.put(&workflow(), "c", json!(1), None).unwrap();
    assert!(full(life.put(&workflow(), "d", json!(1), None)));
    life.crash();

    let life = ground.life_with(config());
    assert!(full(life.put(&workflow(), "d", json!(1), None)), "the next engine counts what is there");
    assert_eq!(life.keys("", 1), ["b", "c"]);
}

#[test]
fn what_has_passed_is_not_there_and_takes_no_place() {
    let ground = Ground::new();
    let life = ground.life_with(EngineConfig { max_state_keys: 1, ..EngineConfig::default() });
    let first = life.put(&workflow(), "a", json!(1), Some(0)).unwrap();
    assert_eq!(life.kept("a"), None);
    assert!(!life.block_on(life.engine.delete_state(&tenant(), &workflow(), &key("a"))).unwrap());
    life.put(&workflow(), "b", json!(2), Some(1_000_000_000)).unwrap();
    assert_eq!((life.kept("b"), life.keys("", 10)), (Some(json!(2)), vec!["b".to_owned()]));
    assert_ne!(life.put(&workflow(), "b", json!(2), None).unwrap(), first);
}

#[test]
fn keys_are_listed_by_how_they_begin_each_once() {
    let ground = Ground::new();
    let life = ground.life();
    for at in ["x", "c", "c/1", "c/2", "c/3", "d"] {
        life.put(&workflow(), at, json!(at), None).unwrap();
    }
    life.put(&"test-2".parse().unwrap(), "c/9", json!(0), None).unwrap();
    for limit in 1..6 {
        assert_eq!(life.keys("c/", limit), ["c/1", "c/2", "c/3"], "{limit}");
        assert_eq!(life.keys("c", limit), ["c", "c/1", "c/2", "c/3"], "{limit}");
    }
    assert_eq!(life.keys("e", 5), [""; 0]);
}
