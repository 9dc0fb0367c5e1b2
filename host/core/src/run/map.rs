//! The items of one map: which have run, which run, which come next.
//!
//! An item that has ended keeps its output and nothing else: ten thousand of them are one list.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::task::Task;
use crate::failure::Failure;
use crate::plan::{MapWork, OnItemError};

/// So many failures of items are shown; more would not help anybody.
const MAX_SHOWN: usize = 20;

/// What is known of a map's items.
#[derive(Debug)]
pub(super) struct MapState {
    items: Arc<Value>,
    /// The outputs, by index.
    outputs: Vec<Option<Arc<Value>>>,
    /// Items that have begun and not ended.
    active: BTreeMap<u32, Task>,
    /// How many attempts the others had, also before the map was put back.
    attempts: Vec<u32>,
    /// The item that begins next.
    next: u32,
    failures: Vec<ItemFailure>,
    failed: u32,
    /// Nothing begins any more.
    stopping: bool,
}

/// An item that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ItemFailure {
    /// Its index in the list.
    pub index: u32,
    /// Why.
    pub failure: Failure,
}

/// The items of a map, counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ItemsView {
    /// All of them.
    pub total: u32,
    /// Those that gave an output.
    pub succeeded: u32,
    /// Those that failed.
    pub failed: u32,
    /// Those that have begun and not ended.
    pub active: u32,
    /// The first of those that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<ItemFailure>,
}

/// What an item's end means for its map.
pub(super) enum MapEnd {
    /// Others go on.
    NotYet,
    /// All have ended.
    Output(Arc<Value>),
    /// One failed, and nothing is active any more.
    Failure(Failure),
}

impl MapState {
    /// A map over these items, which had so many attempts already; none if they are no list.
    pub(super) fn new(items: &Arc<Value>, mut attempts: Vec<u32>) -> Option<Self> {
        let count = items.as_array()?.len();
        attempts.resize(attempts.len().max(count), 0);
        Some(Self {
            items: Arc::clone(items),
            outputs: vec![None; count],
            active: BTreeMap::new(),
            attempts,
            next: 0,
            failures: Vec::new(),
            failed: 0,
            stopping: false,
        })
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.outputs.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn item(&self, index: u32) -> Option<&Value> {
        self.items.as_array()?.get(index as usize)
    }

    pub(super) fn task(&self, index: u32) -> Option<&Task> {
        self.active.get(&index)
    }

    pub(super) fn task_mut(&mut self, index: u32) -> Option<&mut Task> {
        self.active.get_mut(&index)
    }

    pub(super) fn items(&self) -> Arc<Value> {
        Arc::clone(&self.items)
    }

    /// The items that may begin now.
    pub(super) fn startable(&self, work: &MapWork) -> std::ops::Range<u32> {
        let active = u32::try_from(self.active.len()).unwrap_or(u32::MAX);
        let room = if self.stopping { 0 } else { work.concurrency.saturating_sub(active) };
        self.next..self.next.saturating_add(room).min(self.len())
    }

    pub(super) fn begin(&mut self, index: u32) {
        self.active.insert(index, Task::after(self.attempts_at(index)));
        self.next = self.next.max(index + 1);
    }

    /// How many attempts an item had.
    pub(super) fn attempts_at(&self, index: u32) -> u32 {
        let ended = || self.attempts.get(index as usize).copied().unwrap_or_default();
        self.active.get(&index).map_or_else(ended, Task::count)
    }

    /// How many attempts each item had.
    pub(super) fn into_attempts(mut self) -> Vec<u32> {
        while let Some((&index, _)) = self.active.first_key_value() {
            self.put_down(index);
        }
        self.attempts
    }

    fn put_down(&mut self, index: u32) {
        if let (Some(task), Some(attempts)) =
            (self.active.remove(&index), self.attempts.get_mut(index as usize))
        {
            *attempts = task.count();
        }
    }

    pub(super) fn succeed(&mut self, index: u32, output: Arc<Value>) -> MapEnd {
        self.put_down(index);
        if let Some(place) = self.outputs.get_mut(index as usize) {
            *place = Some(output);
        }
        self.end()
    }

    pub(super) fn fail(&mut self, index: u32, failure: Failure, work: &MapWork) -> MapEnd {
        self.put_down(index);
        self.next = self.next.max(index + 1);
        self.failed += 1;
        self.stopping |= work.on_item_error == OnItemError::Fail;
        if self.failures.len() < MAX_SHOWN {
            self.failures.push(ItemFailure { index, failure });
        }
        self.end()
    }

    /// How the map ends now, if it does.
    pub(super) fn end(&self) -> MapEnd {
        if !self.active.is_empty() {
            return MapEnd::NotYet;
        }
        match self.failures.first() {
            Some(ItemFailure { index, failure }) if self.stopping => MapEnd::Failure(Failure {
                message: format!("item {index} of {}: {}", self.len(), failure.message),
                ..failure.clone()
            }),
            _ if self.next < self.len() => MapEnd::NotYet,
            _ => MapEnd::Output(Arc::new(self.outputs())),
        }
    }

    fn outputs(&self) -> Value {
        self.outputs.iter().map(|output| output.as_deref().cloned().unwrap_or(Value::Null)).collect()
    }

    pub(super) fn view(&self) -> ItemsView {
        let active = u32::try_from(self.active.len()).unwrap_or(u32::MAX);
        ItemsView {
            total: self.len(),
            succeeded: self.next.saturating_sub(self.failed).saturating_sub(active),
            failed: self.failed,
            active,
            failures: self.failures.clone(),
        }
    }
}
