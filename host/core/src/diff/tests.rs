//! What is told of two definitions, and what must hold for any two.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::json;

use super::*;
use crate::digest::Digest;
use crate::id::NodeId;
use crate::plan::{LockSlot, LockedStep};

fn side(definition: &Value) -> Side<'_> {
    Side { definition, lock: None }
}

fn between(from: &Value, to: &Value) -> Difference {
    Difference::between(side(from), side(to))
}

/// A workflow of one node with these grants.
fn granted(grants: &Value) -> Value {
    json!({"name": "tried", "version": "1.0.0", "nodes": {"a": {"step": "x@^1", "grants": grants}}})
}

fn gained_and_lost(from: &Value, to: &Value) -> (Value, Value) {
    let difference = between(&granted(from), &granted(to));
    let change = difference.grants.first();
    let json = |grants: Option<&Grants>| serde_json::to_value(grants.cloned().unwrap_or_default()).unwrap();
    (json(change.map(|change| &change.gained)), json(change.map(|change| &change.lost)))
}

#[test]
fn the_version_and_the_canvas_are_no_differences() {
    let from =
        json!({"name": "a", "version": "1.0.0", "nodes": {"a": {"step": "x@^1"}}, "layout": {"a": [1, 2]}});
    let to = json!({"name": "a", "version": "2.0.0", "nodes": {"a": {"step": "x@^1"}}});
    assert!(between(&from, &to).is_empty());
}

#[test]
fn what_changed_is_told_by_its_smallest_place() {
    let from = json!({
        "input": {"type": "object"}, "budget": {"time": "2m"},
        "nodes": {"a/b": {"step": "x@^1", "config": {"model": "old", "t": null}, "needs": ["c"]}, "c": {"step": "y@^1"}},
    });
    let to = json!({
        "input": {"type": "object"}, "budget": {"time": "5m"}, "output": 1,
        "nodes": {"a/b": {"step": "x@^2", "config": {"model": "new"}, "needs": ["c", "d"]}, "d": {"step": "z@^1"}},
    });
    let difference = between(&from, &to);
    assert_eq!(difference.nodes.added, BTreeMap::from([("d".to_owned(), json!({"step": "z@^1"}))]));
    assert_eq!(difference.nodes.removed, BTreeMap::from([("c".to_owned(), json!({"step": "y@^1"}))]));
    assert_eq!(
        serde_json::to_value(&difference.nodes.changed).unwrap(),
        json!([{"node": "a/b", "fields": [
            {"pointer": "/nodes/a~1b/config/model", "from": "old", "to": "new"},
            {"pointer": "/nodes/a~1b/config/t", "from": null},
            {"pointer": "/nodes/a~1b/needs", "from": ["c"], "to": ["c", "d"]},
            {"pointer": "/nodes/a~1b/step", "from": "x@^1", "to": "x@^2"},
        ]}])
    );
    assert_eq!(
        serde_json::to_value(&difference.fields).unwrap(),
        json!([{"pointer": "/budget/time", "from": "2m", "to": "5m"}, {"pointer": "/output", "to": 1}])
    );
}

#[test]
fn a_widened_grant_is_a_gain_and_a_narrowed_one_a_loss() {
    let narrow = json!({"http": [{"host": "api.example.com", "methods": ["POST"], "paths": ["/v1/chat"]}]});
    for wide in [
        json!({"http": [{"host": "api.example.com", "methods": ["POST"], "paths": ["/v1/*"]}]}),
        json!({"http": [{"host": "api.example.com", "paths": ["/v1/chat"]}]}),
        json!({"http": [{"host": "api.example.com", "methods": ["POST"]}]}),
        json!({"http": [{"host": "*.example.com", "methods": ["POST"], "paths": ["/v1/chat"]}]}),
    ] {
        assert_eq!(gained_and_lost(&narrow, &wide), (wide.clone(), json!({})), "{wide}");
        assert_eq!(gained_and_lost(&wide, &narrow), (json!({}), wide.clone()), "{wide}");
    }
}

#[test]
fn only_the_new_part_of_a_grant_is_a_gain() {
    let from =
        json!({"http": [{"host": "a.example", "methods": ["GET"]}], "secrets": {"KEY": ["a.example"]}});
    let to = json!({
        "http": [{"host": "a.example", "methods": ["GET", "POST", "PUT"]}, {"host": "b.example"}],
        "secrets": {"KEY": ["a.example", "b.example"], "OTHER": ["a.example"]},
    });
    let gained = json!({
        "http": [{"host": "a.example", "methods": ["POST", "PUT"]}, {"host": "b.example"}],
        "secrets": {"KEY": ["b.example"], "OTHER": ["a.example"]},
    });
    assert_eq!(gained_and_lost(&from, &to), (gained, json!({})));
}

#[test]
fn a_port_or_an_encoded_path_is_not_taken_for_a_part_of_another() {
    for (from, to) in [
        (json!({"host": "a.example"}), json!({"host": "a.example:8443"})),
        (json!({"host": "*.a.example"}), json!({"host": "b.a.example:8443"})),
        (json!({"host": "*.a.example"}), json!({"host": "a.example"})),
        (
            json!({"host": "a.example", "paths": ["/v1/%6*"]}),
            json!({"host": "a.example", "paths": ["/v1/%61"]}),
        ),
        (json!({"host": "a.example", "paths": ["/v1/*"]}), json!({"host": "a.example", "paths": ["/v1"]})),
    ] {
        let (gained, _) = gained_and_lost(&json!({"http": [from]}), &json!({"http": [to.clone()]}));
        assert_eq!(gained, json!({"http": [to]}));
    }
}

/// A grant that says the same in other words is still another text.
#[test]
fn grants_are_told_once_by_what_they_mean_or_else_by_their_text() {
    let one = granted(&json!({"http": [{"host": "a.example", "paths": ["*"]}]}));
    let same = granted(&json!({"http": [{"host": "a.example"}]}));
    let reworded = between(&one, &same);
    assert!(reworded.grants.is_empty());
    assert_eq!(reworded.nodes.changed[0].fields[0].pointer, "/nodes/a/grants/http/0/paths");

    let wider = granted(&json!({"http": [{"host": "a.example"}, {"host": "b.example"}]}));
    let difference = between(&same, &wider);
    assert_eq!((difference.grants.len(), difference.nodes.changed.len()), (1, 0));
}

#[test]
fn what_a_fallback_or_a_compensation_may_do_the_node_may_do() {
    let from = json!({"nodes": {"a": {"step": "x@^1", "grants": {"http": [{"host": "a.example"}]}}}});
    let to = json!({"nodes": {"a": {
        "step": "x@^1", "grants": {"http": [{"host": "a.example"}]},
        "fallback": [{"grants": {"http": [{"host": "b.example"}]}}],
        "compensate": {"step": "y@^1", "grants": {"http": [{"host": "c.example"}]}},
    }}});
    let hosts: Vec<_> =
        between(&from, &to).grants[0].gained.http.iter().map(|grant| grant.host.clone()).collect();
    assert_eq!(hosts, ["b.example", "c.example"]);
}

#[test]
fn locks_are_compared_where_both_are_there() {
    let lock = |version: &str| {
        let step = LockedStep {
            name: "x".parse().unwrap(),
            version: version.parse().unwrap(),
            digest: Digest::of(version.as_bytes()),
        };
        Lock(BTreeMap::from([(LockSlot::node(&NodeId::new("a").unwrap()), Locked::Step(step))]))
    };
    let (definition, old, new) = (granted(&json!({})), lock("1.0.0"), lock("1.1.0"));
    let locked = |lock| Side { definition: &definition, lock: Some(lock) };
    let difference = Difference::between(locked(&old), locked(&new));
    let [change] = &difference.locks[..] else { panic!("{difference:?}") };
    let version = |locked: &Option<Locked>| locked.as_ref().unwrap().step().unwrap().version.to_string();
    assert_eq!(
        (change.slot.as_str(), version(&change.from), version(&change.to)),
        ("a", "1.0.0".into(), "1.1.0".into())
    );
    assert!(Difference::between(locked(&old), side(&definition)).is_empty());
}

#[test]
fn what_is_no_definition_has_a_difference_as_well() {
    for odd in
        [json!(null), json!([1]), json!({"nodes": 1, "triggers": {}}), json!({"nodes": {"a": 1}}), json!("x")]
    {
        assert!(between(&odd, &odd).is_empty(), "{odd}");
        let _differs_somehow = between(&odd, &granted(&json!({"http": 7})));
    }
}

fn mirrored(difference: Difference) -> Difference {
    let turn = |change: Change| Change { from: change.to, to: change.from, ..change };
    let Difference { grants, nodes, locks, triggers, fields } = difference;
    Difference {
        grants: grants
            .into_iter()
            .map(|change| GrantChange { gained: change.lost, lost: change.gained, ..change })
            .collect(),
        nodes: NodeChanges {
            added: nodes.removed,
            removed: nodes.added,
            changed: nodes
                .changed
                .into_iter()
                .map(|NodeChange { node, fields }| NodeChange {
                    node,
                    fields: fields.into_iter().map(turn).collect(),
                })
                .collect(),
        },
        locks: locks
            .into_iter()
            .map(|change| LockChange { from: change.to, to: change.from, ..change })
            .collect(),
        triggers: TriggerChanges { added: triggers.removed, removed: triggers.added },
        fields: fields.into_iter().map(turn).collect(),
    }
}

const HOSTS: [&str; 4] = ["a.example", "*.a.example", "b.a.example", "a.example:81"];
const METHODS: [&str; 2] = ["GET", "POST"];
const PATHS: [&str; 4] = ["*", "/v1/*", "/v1/chat", "/v1/c*"];

fn http_grant() -> impl Strategy<Value = Value> {
    let texts = |all: &'static [&'static str]| subsequence(all, 0..=2.min(all.len()));
    (select(&HOSTS[..]), texts(&METHODS), texts(&PATHS))
        .prop_map(|(host, methods, paths)| json!({"host": host, "methods": methods, "paths": paths}))
}

fn grants() -> impl Strategy<Value = Value> {
    let secrets = btree_map(select(&["ONE", "TWO"][..]), subsequence(&HOSTS[..], 1..=2), 0..=2);
    (vec(http_grant(), 0..3), secrets).prop_map(|(http, secrets)| json!({"http": http, "secrets": secrets}))
}

fn any_node() -> impl Strategy<Value = Value> {
    let parts =
        (select(&["x@^1", "x@^2"][..]), option::of(grants()), vec(0..3_u8, 0..3), option::of(any::<bool>()));
    parts.prop_map(|(step, grants, needs, when)| {
        let mut node = json!({"step": step, "needs": needs});
        if let Some(grants) = grants {
            node["grants"] = grants;
        }
        if let Some(when) = when {
            node["config"] = json!({"when": when});
        }
        node
    })
}

fn any_definition() -> impl Strategy<Value = Value> {
    let nodes = btree_map(select(&["a", "b", "c"][..]), any_node(), 0..=3);
    let triggers = subsequence(&["/a", "/b", "/c"][..], 0..=3);
    (nodes, triggers, option::of(0..3_u8), any::<u8>()).prop_map(|(nodes, paths, budget, canvas)| {
        let triggers: Vec<Value> = paths.iter().map(|path| json!({"http": {"path": path}})).collect();
        json!({"nodes": nodes, "triggers": triggers, "budget": {"time": budget}, "layout": canvas})
    })
}

/// Whether grants allow a request, told in the plainest way.
fn allows(grants: &Grants, host: &str, method: &str, path: &str) -> bool {
    grants.http.iter().any(|grant| {
        let host_fits = grant.host == host || (grant.host == "*.a.example" && host == "b.a.example");
        let path_fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => path.starts_with(beginning),
            None => path == pattern,
        };
        host_fits
            && (grant.methods.is_empty() || grant.methods.iter().any(|known| known == method))
            && (grant.paths.is_empty() || grant.paths.iter().any(path_fits))
    })
}

proptest! {
    #[test]
    fn equal_definitions_have_no_difference(definition in any_definition()) {
        prop_assert!(between(&definition, &definition).is_empty());
    }

    #[test]
    fn definitions_that_mean_another_thing_have_one(from in any_definition(), to in any_definition()) {
        let meaning = |definition: &Value| {
            let mut definition = definition.clone();
            definition["layout"] = Value::Null;
            definition
        };
        prop_assert_eq!(between(&from, &to).is_empty(), meaning(&from) == meaning(&to));
    }

    #[test]
    fn the_way_back_is_the_mirror_of_the_way_there(from in any_definition(), to in any_definition()) {
        prop_assert_eq!(mirrored(between(&from, &to)), between(&to, &from));
    }

    #[test]
    fn a_difference_reads_what_it_writes(from in any_definition(), to in any_definition()) {
        let difference = between(&from, &to);
        let read: Difference = serde_json::from_value(serde_json::to_value(&difference).unwrap()).unwrap();
        prop_assert_eq!(read, difference);
    }

    /// The one thing that a reader must be able to rely on.
    #[test]
    fn no_new_permission_is_left_out(from in grants(), to in grants()) {
        let (before, now) = (Grants::deserialize(&from).unwrap(), Grants::deserialize(&to).unwrap());
        let gained = between(&granted(&from), &granted(&to)).grants.pop().map(|change| change.gained).unwrap_or_default();
        for host in ["a.example", "b.a.example", "a.example:81"] {
            for method in METHODS {
                for path in ["/", "/v1/chat", "/v1/other"] {
                    let is_new = allows(&now, host, method, path) && !allows(&before, host, method, path);
                    let is_told = allows(&gained, host, method, path);
                    prop_assert!(!is_new || is_told, "{} {}{} is new", method, host, path);
                    prop_assert!(!is_told || allows(&now, host, method, path), "{} {}{} is not granted", method, host, path);
                }
            }
        }
    }
}
