use serde_json::{Value, json};

use super::layout::{BOX_HEIGHT, BOX_WIDTH, Layout};
use super::model::{ArrowKind, Graph};
use super::svg;

fn definition() -> Value {
    json!({
        "name": "orders", "version": "1.2.0",
        "triggers": [{"http": {"path": "/orders"}}, {"cron": {"schedule": "0 9 * * *"}}],
        "nodes": {
            "check": {"step": "transform@^1", "on_error": {"go_to": "apologise"}},
            "each": {"needs": ["check"], "map": {"over": "{{ input.items }}"}, "step": "http-request@^1", "retry": {"attempts": 4}},
            "ask": {"needs": ["check"], "when": "input.total > 100 && input.note != '<b>'", "approval": {"who": ["boss"]}},
            "ship": {"needs": ["each", "ask", "check"], "step": "http-request@^1", "fallback": [{}, {}]},
            "apologise": {"step": "http-request@^1"},
        },
    })
}

fn names(graph: &Graph) -> Vec<(&str, &str, ArrowKind)> {
    let id = |place: usize| graph.boxes[place].id.as_str();
    graph.arrows.iter().map(|arrow| (id(arrow.from), id(arrow.to), arrow.kind)).collect()
}

#[test]
fn every_need_is_an_arrow_and_loose_ends_are_tied_to_start_and_output() {
    let graph = Graph::of(&definition());
    let arrows = names(&graph);
    for (from, to, kind) in [
        ("start", "check", ArrowKind::Need),
        ("check", "each", ArrowKind::Need),
        ("check", "apologise", ArrowKind::Failure),
        ("each", "ship", ArrowKind::Need),
        ("ship", "output", ArrowKind::Need),
        ("apologise", "output", ArrowKind::Need),
    ] {
        assert!(arrows.contains(&(from, to, kind)), "{from} -> {to} in {arrows:?}");
    }
    assert_eq!(arrows.len(), 9);
}

#[test]
fn a_node_that_is_called_like_the_start_is_not_taken_for_it() {
    let graph = Graph::of(&json!({"name": "a", "version": "1.0.0", "nodes": {
        "output": {"step": "a@1"}, "start": {"needs": ["output"], "step": "a@1"}}}));
    let places: Vec<_> = graph.arrows.iter().map(|arrow| (arrow.from, arrow.to)).collect();
    assert_eq!(places, [(1, 2), (0, 1), (2, 3)]);
}

#[test]
fn boxes_do_not_overlap_and_arrows_lead_down() {
    let mut wide = definition();
    for index in 0..30 {
        let needs = if index < 10 { json!(["check"]) } else { json!([format!("n{}", index - 10)]) };
        wide["nodes"][format!("n{index}")] = json!({"needs": needs, "step": "transform@^1"});
    }
    let graph = Graph::of(&wide);
    let layout = Layout::of(&graph);
    for (index, one) in layout.boxes.iter().enumerate() {
        assert!(one.x >= BOX_WIDTH / 2.0 && one.x <= layout.width - BOX_WIDTH / 2.0, "{one:?}");
        for other in &layout.boxes[index + 1..] {
            let apart = (one.x - other.x).abs() >= BOX_WIDTH || (one.y - other.y).abs() >= BOX_HEIGHT;
            assert!(apart, "{one:?} and {other:?}");
        }
    }
    for way in &layout.ways {
        assert!(way.windows(2).all(|pair| pair[0].y < pair[1].y), "{way:?}");
    }
}

#[test]
fn an_arrow_does_not_pass_through_a_box() {
    let graph = Graph::of(&definition());
    let layout = Layout::of(&graph);
    for (arrow, way) in graph.arrows.iter().zip(&layout.ways) {
        for point in &way[1..way.len() - 1] {
            for (place, middle) in layout.boxes.iter().enumerate() {
                let inside = (point.x - middle.x).abs() < BOX_WIDTH / 2.0
                    && (point.y - middle.y).abs() < BOX_HEIGHT / 2.0;
                assert!(!inside, "{} -> {} through {}", arrow.from, arrow.to, graph.boxes[place].id);
            }
        }
    }
}

#[test]
fn the_same_definition_is_the_same_picture() {
    let first = svg::draw(&Graph::of(&definition()));
    for _ in 0..10 {
        assert_eq!(svg::draw(&Graph::of(&definition())), first);
    }
}

#[test]
fn what_is_written_in_a_definition_is_text_in_the_picture() {
    let picture = svg::draw(&Graph::of(&definition()));
    assert!(picture.contains("when input.total &gt; 100 &amp;&amp; input.note != '&lt;b&gt;'"));
    assert!(!picture.contains("<b>"));
    assert!(picture.contains("POST /orders, cron 0 9 * * *"));
    assert!(picture.contains("apologise handles the failure of check"));
}

#[test]
fn the_smallest_and_the_longest_workflow_can_be_drawn() {
    let one = json!({"name": "a", "version": "1.0.0", "nodes": {"only": {"step": "a@1"}}});
    assert!(svg::draw(&Graph::of(&one)).ends_with("</svg>\n"));

    let mut nodes = serde_json::Map::new();
    for index in 0..1000 {
        let needs = if index == 0 { json!([]) } else { json!([format!("n{}", index - 1)]) };
        nodes.insert(format!("n{index}"), json!({"needs": needs, "step": "a@1"}));
    }
    let long = json!({"name": "a", "version": "1.0.0", "nodes": nodes});
    assert_eq!(Layout::of(&Graph::of(&long)).boxes.len(), 1002);
}
