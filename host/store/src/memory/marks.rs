//! Marks in memory, found by key and by time.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use jiff::Timestamp;
use stepwell_core::id::{RunId, TenantId};

use crate::{Mark, MarkChange, MarkKind};

type Place = (MarkKind, TenantId, String);

#[derive(Debug, Default)]
pub(super) struct Marks {
    all: BTreeMap<Place, Mark>,
    dues: BTreeMap<MarkKind, BTreeSet<(Timestamp, Place)>>,
}

impl Marks {
    pub(super) fn change(&mut self, tenant: &TenantId, change: MarkChange) {
        let (kind, key) = change.place();
        let place = (kind, tenant.clone(), key.to_owned());
        self.remove(&place);
        if let MarkChange::Put(mut mark) = change {
            mark.due = mark.due.map(to_the_millisecond);
            self.dues.entry(kind).or_default().extend(mark.due.map(|due| (due, place.clone())));
            self.all.insert(place, mark);
        }
    }

    pub(super) fn get(&self, tenant: &TenantId, kind: MarkKind, key: &str) -> Option<Mark> {
        self.all.get(&(kind, tenant.clone(), key.to_owned())).cloned()
    }

    pub(super) fn page(
        &self,
        tenant: &TenantId,
        kind: MarkKind,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<Mark> {
        let from = match after {
            Some(key) => Bound::Excluded((kind, tenant.clone(), key.to_owned())),
            None => Bound::Included((kind, tenant.clone(), String::new())),
        };
        let behind = self.all.range((from, Bound::Unbounded));
        let own = behind.take_while(|((found, owner, _), _)| *found == kind && owner == tenant);
        own.take(limit).map(|(_, mark)| mark.clone()).collect()
    }

    pub(super) fn due(&self, kind: MarkKind, until: Timestamp, limit: usize) -> Vec<(TenantId, Mark)> {
        let due = self.dues_of(kind).take_while(|(due, _)| *due <= until);
        due.take(limit)
            .filter_map(|(_, place)| Some((place.1.clone(), self.all.get(place)?.clone())))
            .collect()
    }

    pub(super) fn next_due(&self, kind: MarkKind) -> Option<Timestamp> {
        self.dues_of(kind).next().map(|(due, _)| *due)
    }

    /// Forgets memos and state whose time is over.
    pub(super) fn purge_passing(&mut self, now: Timestamp) {
        let over = MarkKind::PASSING
            .into_iter()
            .flat_map(|kind| self.dues_of(kind).take_while(|(due, _)| *due <= now));
        let over: Vec<Place> = over.map(|(_, place)| place.clone()).collect();
        for place in over {
            self.remove(&place);
        }
    }

    pub(super) fn has_dead_letter(&self, tenant: &TenantId, run: RunId) -> bool {
        self.of_run(tenant, run).any(|(kind, ..)| *kind == MarkKind::DeadLetter)
    }

    pub(super) fn remove_of_run(&mut self, tenant: &TenantId, run: RunId) {
        let places: Vec<Place> = self.of_run(tenant, run).cloned().collect();
        for place in places {
            self.remove(&place);
        }
    }

    fn of_run(&self, tenant: &TenantId, run: RunId) -> impl Iterator<Item = &Place> {
        let own =
            self.all.iter().filter(move |((_, owner, _), mark)| owner == tenant && mark.run == Some(run));
        own.map(|(place, _)| place)
    }

    fn dues_of(&self, kind: MarkKind) -> impl Iterator<Item = &(Timestamp, Place)> {
        self.dues.get(&kind).into_iter().flatten()
    }

    fn remove(&mut self, place: &Place) {
        let due = self.all.remove(place).and_then(|mark| mark.due);
        if let (Some(due), Some(dues)) = (due, self.dues.get_mut(&place.0)) {
            dues.remove(&(due, place.clone()));
        }
    }
}

fn to_the_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}
