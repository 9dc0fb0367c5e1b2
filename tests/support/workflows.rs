//! Small workflows that each say how they call the world outside.

use serde_json::{Value, json};

use super::world::World;

/// A node that posts to one URL of the world with the standard step `http-request`.
pub(crate) fn request_node(world: &World, path: &str) -> Value {
    json!({
        "step": "http-request@^1",
        "input": {"method": "POST", "url": world.url(path), "json": {}},
        "grants": {"http": [{"host": world.host}]},
    })
}

/// A node that sends to several URLs of the world, in order, in one attempt.
pub(crate) fn courier_node(world: &World, paths: &[&str]) -> Value {
    let urls: Vec<String> = paths.iter().map(|path| world.url(path)).collect();
    json!({
        "step": "courier@^1",
        "input": {"urls": urls},
        "grants": {"http": [{"host": world.host}]},
    })
}

/// A workflow of these nodes.
pub(crate) fn workflow(name: &str, nodes: Value) -> Value {
    json!({"name": name, "version": "1.0.0", "nodes": nodes})
}
