//! Where the boxes stand, in layers from the top down, and where the arrows between them pass.
//!
//! An arrow over several layers gets a waypoint in each that it crosses. So every arrow leads from one layer to the next, and
//! what is left to decide, the order within the layers, is the business of a library.

use std::collections::HashMap;

use rust_sugiyama::configure::{Config, RankingType};

use super::model::Graph;

pub(super) const BOX_WIDTH: f64 = 248.0;
pub(super) const BOX_HEIGHT: f64 = 68.0;
/// Between two layers: room for the arrows to turn.
const LAYER_GAP: f64 = 52.0;
/// Between two boxes of a layer.
const BOX_GAP: f64 = 28.0;
/// A waypoint is narrow, but not so narrow that two arrows become one.
const WAYPOINT_WIDTH: f64 = 16.0;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// A picture's geometry. Points are middles; all lie between 0 and `width`, 0 and `height`.
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    /// Of the graph's boxes.
    pub(super) boxes: Vec<Point>,
    /// Of the graph's arrows: from the lower edge of the first box to the upper edge of the second.
    pub(super) ways: Vec<Vec<Point>>,
}

/// Boxes and waypoints, each in its layer, and the short arrows between them.
struct Layered {
    layers: Vec<usize>,
    /// How many of them are boxes; the others are waypoints.
    boxes: usize,
    short: Vec<(u32, u32)>,
    /// For each of the graph's arrows all that it passes.
    ways: Vec<Vec<usize>>,
}

impl Layout {
    pub(super) fn of(graph: &Graph) -> Self {
        let layered = Layered::of(graph);
        let across = layered.across();
        let left = (0..layered.layers.len())
            .map(|place| across[place] - layered.width(place) / 2.0)
            .fold(f64::INFINITY, f64::min);
        let right = (0..layered.layers.len())
            .map(|place| across[place] + layered.width(place) / 2.0)
            .fold(f64::NEG_INFINITY, f64::max);
        let middle = |place: usize| Point {
            x: (across[place] - left).round(),
            y: layered.layers[place] as f64 * (BOX_HEIGHT + LAYER_GAP) + BOX_HEIGHT / 2.0,
        };
        let last = layered.layers.iter().copied().max().unwrap_or(0) as f64;
        Self {
            width: (right - left).round(),
            height: last * (BOX_HEIGHT + LAYER_GAP) + BOX_HEIGHT,
            boxes: (0..layered.boxes).map(middle).collect(),
            ways: layered.ways.iter().map(|way| way_points(way, middle)).collect(),
        }
    }
}

/// An arrow goes straight down through the layers that it crosses, and turns between them.
fn way_points(way: &[usize], middle: impl Fn(usize) -> Point) -> Vec<Point> {
    let half = BOX_HEIGHT / 2.0;
    let mut points = Vec::new();
    for (index, place) in way.iter().enumerate() {
        let Point { x, y } = middle(*place);
        if index > 0 {
            points.push(Point { x, y: y - half });
        }
        if index + 1 < way.len() {
            points.push(Point { x, y: y + half });
        }
    }
    points
}

impl Layered {
    fn of(graph: &Graph) -> Self {
        let mut layers = layers(graph);
        let boxes = layers.len();
        let (mut short, mut ways) = (Vec::new(), Vec::new());
        for arrow in &graph.arrows {
            let mut way = vec![arrow.from];
            for layer in layers[arrow.from] + 1..layers[arrow.to] {
                way.push(layers.len());
                layers.push(layer);
            }
            way.push(arrow.to);
            short.extend(way.windows(2).map(|pair| (number(pair[0]), number(pair[1]))));
            ways.push(way);
        }
        Self { layers, boxes, short, ways }
    }

    fn width(&self, place: usize) -> f64 {
        if place < self.boxes { BOX_WIDTH } else { WAYPOINT_WIDTH }
    }

    /// How far to the right each stands.
    fn across(&self) -> Vec<f64> {
        let vertices: Vec<_> =
            (0..self.layers.len()).map(|place| (number(place), (self.width(place), BOX_HEIGHT))).collect();
        let config = Config {
            vertex_spacing: BOX_GAP,
            dummy_vertices: false,
            ranking_type: RankingType::Up,
            ..Config::default()
        };
        // All hang together by the start: there is one layout.
        let layouts = rust_sugiyama::from_vertices_and_edges(&vertices, &self.short, &config);
        let found: HashMap<usize, f64> =
            layouts.into_iter().flat_map(|(places, ..)| places).map(|(place, (x, _))| (place, x)).collect();
        (0..self.layers.len()).map(|place| found.get(&place).copied().unwrap_or_default()).collect()
    }
}

/// The layer of each box: below all that it follows on. The output is below everything.
fn layers(graph: &Graph) -> Vec<usize> {
    let mut layers = vec![0; graph.boxes.len()];
    // As often as the longest way has arrows: a definition without mistakes has no circles.
    for _ in 0..graph.boxes.len() {
        let before = layers.clone();
        for arrow in &graph.arrows {
            layers[arrow.to] = layers[arrow.to].max(layers[arrow.from] + 1);
        }
        if layers == before {
            break;
        }
    }
    layers
}

fn number(place: usize) -> u32 {
    // A definition has at most a thousand nodes.
    u32::try_from(place).unwrap_or(u32::MAX)
}
