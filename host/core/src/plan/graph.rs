//! The graph that `needs` draws: who waits for whom, in which order, and where it goes round in a circle.

use std::collections::{BTreeMap, VecDeque};

use crate::definition::{Mistakes, NodeDraft, OnErrorDraft};
use crate::mistake::{Mistake, code};
use crate::{pointer, spelling};

/// Nodes by their index in the draft.
pub(super) struct Graph<'a> {
    names: Vec<&'a str>,
    index: BTreeMap<&'a str, usize>,
    needs: Vec<Vec<usize>>,
    dependents: Vec<Vec<usize>>,
    order: Vec<usize>,
    /// For each node that could be ordered: whether each other node must be final before it.
    ancestors: BTreeMap<usize, Vec<bool>>,
}

impl<'a> Graph<'a> {
    /// Draws the graph, and notes the needs that lead nowhere or round in a circle.
    pub(super) fn draw(nodes: &[NodeDraft<'a>], mistakes: &Mistakes) -> Self {
        let names: Vec<&str> = nodes.iter().map(|node| node.name).collect();
        let index: BTreeMap<&str, usize> = names.iter().enumerate().map(|(at, name)| (*name, at)).collect();
        let mut needs: Vec<Vec<usize>> =
            nodes.iter().map(|node| resolve_needs(node, &index, mistakes)).collect();
        add_handlers(nodes, &index, &mut needs, mistakes);
        let dependents = turn_round(&needs);
        let order = order(&needs, &dependents);
        let ancestors = ancestors(&needs, &order);
        let graph = Self { names, index, needs, dependents, order, ancestors };
        for cycle in graph.cycles() {
            let first = nodes[cycle[0]].pointer.as_str();
            let message = format!("these nodes need each other in a circle: {}", graph.path(&cycle));
            mistakes.add(Mistake::new(pointer::field(first, "needs"), code::CYCLE, message));
        }
        graph
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    pub(super) fn names(&self) -> &[&'a str] {
        &self.names
    }

    pub(super) fn needs(&self, node: usize) -> &[usize] {
        &self.needs[node]
    }

    pub(super) fn dependents(&self, node: usize) -> &[usize] {
        &self.dependents[node]
    }

    /// Every node that is in no circle and behind none, each after all that it needs.
    pub(super) fn order(&self) -> &[usize] {
        &self.order
    }

    /// Whether `other` is sure to be final before `node` starts; unknown while the node is in a circle or behind one.
    pub(super) fn is_ancestor(&self, other: usize, node: usize) -> Option<bool> {
        self.ancestors.get(&node).map(|ancestors| ancestors[other])
    }

    /// Every circle that is found by walking from need to need.
    fn cycles(&self) -> Vec<Vec<usize>> {
        let mut seen: Vec<bool> =
            (0..self.names.len()).map(|node| self.ancestors.contains_key(&node)).collect();
        let mut cycles = Vec::new();
        for start in 0..self.names.len() {
            let mut walk = Vec::new();
            let mut at = start;
            while !seen[at] {
                seen[at] = true;
                walk.push(at);
                // A node that could not be ordered needs another such node: the walk ends where it, or another, has been.
                at = self.needs[at]
                    .iter()
                    .copied()
                    .find(|next| !self.ancestors.contains_key(next))
                    .unwrap_or(at);
            }
            if let Some(begin) = walk.iter().position(|node| *node == at) {
                cycles.push(walk.split_off(begin));
            }
        }
        cycles
    }

    fn path(&self, cycle: &[usize]) -> String {
        let nodes = cycle.iter().chain(cycle.first());
        nodes.map(|node| self.names[*node]).collect::<Vec<_>>().join(" -> ")
    }
}

fn resolve_needs(node: &NodeDraft<'_>, index: &BTreeMap<&str, usize>, mistakes: &Mistakes) -> Vec<usize> {
    let mut needs = Vec::new();
    for need in &node.needs {
        match index.get(need.node) {
            Some(_) if need.node == node.name => {
                let message = format!("`{}` cannot need itself", node.name);
                mistakes.add(Mistake::new(&need.pointer, code::CYCLE, message));
            }
            Some(at) => needs.push(*at),
            None => mistakes.add(unknown_node(need.node, &need.pointer, index)),
        }
    }
    needs
}

/// A node that handles another one's failure waits for it as if it needed it.
fn add_handlers(
    nodes: &[NodeDraft<'_>],
    index: &BTreeMap<&str, usize>,
    needs: &mut [Vec<usize>],
    mistakes: &Mistakes,
) {
    for (at, node) in nodes.iter().enumerate() {
        let OnErrorDraft::GoTo(handler) = &node.on_error else { continue };
        match index.get(handler.node) {
            Some(_) if handler.node == node.name => {
                let message = format!("`{}` cannot handle its own failure", node.name);
                mistakes.add(Mistake::new(&handler.pointer, code::CYCLE, message));
            }
            Some(handler) if needs[*handler].contains(&at) => {}
            Some(handler) => needs[*handler].push(at),
            None => mistakes.add(unknown_node(handler.node, &handler.pointer, index)),
        }
    }
}

fn unknown_node(name: &str, place: &str, index: &BTreeMap<&str, usize>) -> Mistake {
    let known: Vec<&str> = index.keys().copied().collect();
    let mistake = Mistake::new(place, code::UNKNOWN_NODE, format!("there is no node `{name}`"));
    mistake.with_help(spelling::help(name, &known))
}

fn turn_round(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut dependents = vec![Vec::new(); needs.len()];
    for (node, needs) in needs.iter().enumerate() {
        for need in needs {
            dependents[*need].push(node);
        }
    }
    dependents
}

/// Takes nodes whose needs are all taken, until no such node is left.
fn order(needs: &[Vec<usize>], dependents: &[Vec<usize>]) -> Vec<usize> {
    let mut unmet: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut ready: VecDeque<usize> = (0..needs.len()).filter(|node| unmet[*node] == 0).collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(node) = ready.pop_front() {
        order.push(node);
        for dependent in &dependents[node] {
            unmet[*dependent] -= 1;
            if unmet[*dependent] == 0 {
                ready.push_back(*dependent);
            }
        }
    }
    order
}

fn ancestors(needs: &[Vec<usize>], order: &[usize]) -> BTreeMap<usize, Vec<bool>> {
    let mut all: BTreeMap<usize, Vec<bool>> = BTreeMap::new();
    for node in order {
        let mut ancestors = vec![false; needs.len()];
        for need in &needs[*node] {
            ancestors[*need] = true;
            for (mine, theirs) in ancestors.iter_mut().zip(&all[need]) {
                *mine |= theirs;
            }
        }
        all.insert(*node, ancestors);
    }
    all
}
