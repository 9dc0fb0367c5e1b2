//! What is to be seen of a workflow: boxes and arrows. Made of a definition without mistakes; knows nothing of a picture.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

/// Boxes in the order in which the definition has them, between what starts the workflow and what it gives.
pub(super) struct Graph {
    pub(super) title: String,
    pub(super) summary: Option<String>,
    pub(super) boxes: Vec<Box>,
    pub(super) arrows: Vec<Arrow>,
}

/// One thing that happens.
pub(super) struct Box {
    /// The node's id, or the words `start` and `output`.
    pub(super) id: String,
    pub(super) kind: Kind,
    /// What it does, in a few words: the step that it runs.
    pub(super) does: String,
    /// What else holds for it, each in a few words.
    pub(super) notes: Vec<String>,
}

/// What follows on what, by the boxes' places in the list.
pub(super) struct Arrow {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) kind: ArrowKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ArrowKind {
    /// The second needs the first.
    Need,
    /// The second handles the failure of the first.
    Failure,
}

/// What a box is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Start,
    Step,
    Map,
    Wait,
    Approval,
    Callback,
    Workflow,
    Emit,
    Output,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Step => "step",
            Self::Map => "map",
            Self::Wait => "wait",
            Self::Approval => "approval",
            Self::Callback => "callback",
            Self::Workflow => "workflow",
            Self::Emit => "emit",
            Self::Output => "output",
        }
    }

    fn of(node: &Map<String, Value>) -> Self {
        const NAMED: [(&str, Kind); 6] = [
            ("map", Kind::Map),
            ("wait", Kind::Wait),
            ("approval", Kind::Approval),
            ("callback", Kind::Callback),
            ("workflow", Kind::Workflow),
            ("emit", Kind::Emit),
        ];
        NAMED.iter().find(|(name, _)| node.contains_key(*name)).map_or(Self::Step, |(_, kind)| *kind)
    }
}

impl Graph {
    /// The graph of a definition.
    pub(super) fn of(definition: &Value) -> Self {
        let nothing = Map::new();
        let nodes = definition["nodes"].as_object().unwrap_or(&nothing);
        let mut boxes = vec![start(definition)];
        boxes.extend(nodes.iter().map(|(id, node)| node_box(id, node)));
        boxes.push(output(definition));
        let arrows = arrows(nodes, &boxes);
        let title = format!("{}@{}", text(&definition["name"]), text(&definition["version"]));
        Self { title, summary: definition["summary"].as_str().map(str::to_owned), boxes, arrows }
    }

    pub(super) fn to_json(&self) -> Value {
        let boxes = self
            .boxes
            .iter()
            .map(|it| json!({"id": it.id, "kind": it.kind.as_str(), "does": it.does, "notes": it.notes}));
        let arrows = self.arrows.iter().map(|arrow| {
            let [from, to] = [arrow.from, arrow.to].map(|place| &self.boxes[place].id);
            json!({"from": from, "to": to, "on_failure": arrow.kind == ArrowKind::Failure})
        });
        json!({"title": self.title, "boxes": boxes.collect::<Vec<_>>(), "arrows": arrows.collect::<Vec<_>>()})
    }
}

fn start(definition: &Value) -> Box {
    let triggers: Vec<String> =
        definition["triggers"].as_array().into_iter().flatten().map(trigger).collect();
    let does = if triggers.is_empty() { "API".to_owned() } else { triggers.join(", ") };
    Box { id: "start".to_owned(), kind: Kind::Start, does, notes: budget(definition) }
}

fn trigger(trigger: &Value) -> String {
    let (http, cron, event) = (&trigger["http"], &trigger["cron"], &trigger["event"]);
    if let Some(path) = http["path"].as_str() {
        return format!("{} {path}", http["method"].as_str().unwrap_or("POST"));
    }
    if let Some(schedule) = cron["schedule"].as_str() {
        return format!("cron {schedule}");
    }
    format!("event {}", text(&event["type"]))
}

fn budget(definition: &Value) -> Vec<String> {
    let of = |name: &str| definition["budget"].get(name).map(|most| format!("budget {name} {}", text(most)));
    ["usd", "time", "fuel"].into_iter().filter_map(of).collect()
}

fn output(definition: &Value) -> Box {
    let fields = definition["output"].as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
    let does = fields.map_or_else(|| "the run's output".to_owned(), |fields| fields.join(", "));
    Box { id: "output".to_owned(), kind: Kind::Output, does, notes: Vec::new() }
}

fn node_box(id: &str, node: &Value) -> Box {
    let nothing = Map::new();
    let fields = node.as_object().unwrap_or(&nothing);
    let kind = Kind::of(fields);
    Box { id: id.to_owned(), kind, does: does(kind, node), notes: notes(node) }
}

fn does(kind: Kind, node: &Value) -> String {
    match kind {
        Kind::Step | Kind::Map | Kind::Callback => text(&node["step"]),
        Kind::Workflow => text(&node["workflow"]),
        Kind::Emit => text(&node["emit"]["type"]),
        Kind::Approval => match &node["approval"]["who"] {
            Value::Array(people) => people.iter().map(text).collect::<Vec<_>>().join(", "),
            who => text(who),
        },
        Kind::Wait => match &node["wait"] {
            Value::Object(wait) => wait
                .iter()
                .map(|(word, value)| format!("{word} {}", text(value)))
                .collect::<Vec<_>>()
                .join(", "),
            length => text(length),
        },
        Kind::Start | Kind::Output => String::new(),
    }
}

fn notes(node: &Value) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(when) = node["when"].as_str() {
        notes.push(format!("when {when}"));
    }
    if node["join"] == "any" {
        notes.push("after any".to_owned());
    }
    if let Some(over) = node["map"]["over"].as_str() {
        notes.push(format!("over {over}"));
    }
    if let Some(attempts) = node["retry"]["attempts"].as_u64() {
        notes.push(format!("{attempts} attempts"));
    }
    match node["fallback"].as_array().map_or(0, Vec::len) {
        0 => {}
        1 => notes.push("1 fallback".to_owned()),
        more => notes.push(format!("{more} fallbacks")),
    }
    for word in ["gate", "until", "compensate", "cache"] {
        if !node[word].is_null() {
            notes.push(word.to_owned());
        }
    }
    if node["on_error"].as_str() == Some("continue") || !node["on_error"]["continue"].is_null() {
        notes.push("goes on after a failure".to_owned());
    }
    notes
}

/// What needs nothing follows on the start; what nothing follows leads to the output.
fn arrows(nodes: &Map<String, Value>, boxes: &[Box]) -> Vec<Arrow> {
    // The first box and the last one are no nodes, whatever the nodes are called.
    let (start, output) = (0, boxes.len() - 1);
    let places: HashMap<&str, usize> =
        nodes.keys().enumerate().map(|(index, id)| (id.as_str(), index + 1)).collect();
    let mut arrows = Vec::new();
    let arrow = |from: &Value, to: usize, kind| {
        from.as_str().and_then(|from| places.get(from)).map(|from| Arrow { from: *from, to, kind })
    };
    for (id, node) in nodes {
        let here = places[id.as_str()];
        let needs = node["needs"].as_array().into_iter().flatten();
        arrows.extend(needs.filter_map(|need| arrow(need, here, ArrowKind::Need)));
        if let Some(handler) = node["on_error"]["go_to"].as_str().and_then(|handler| places.get(handler)) {
            arrows.push(Arrow { from: here, to: *handler, kind: ArrowKind::Failure });
        }
    }
    let inner = start + 1..output;
    let first = inner.clone().filter(|place| arrows.iter().all(|arrow| arrow.to != *place));
    let last = inner.filter(|place| arrows.iter().all(|arrow| arrow.from != *place));
    let begin: Vec<_> = first.map(|to| Arrow { from: start, to, kind: ArrowKind::Need }).collect();
    let end: Vec<_> = last.map(|from| Arrow { from, to: output, kind: ArrowKind::Need }).collect();
    arrows.extend(begin);
    arrows.extend(end);
    arrows
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
