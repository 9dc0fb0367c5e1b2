//! Marks on disk: a record each, and keys by which it is found when it is due, and with its run.

use std::borrow::Cow;

use fjall::Slice;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stepwell_core::id::{RunId, TenantId};

use super::super::record;
use super::database::{Table, View};
use super::keys;
use crate::{Mark, MarkChange, MarkKind, StoreError};

/// Which mark: its kind, and its tenant and key as they stand in all keys that are about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    kind: MarkKind,
    name: Slice,
}

impl Place {
    fn new(tenant: &TenantId, kind: MarkKind, key: &str) -> Self {
        Self { kind, name: keys::mark_name(tenant, key).into() }
    }

    fn of_due(kind: MarkKind, key: &[u8]) -> Result<Self, StoreError> {
        let name = keys::mark_name_of_due(key).ok_or_else(damaged)?;
        Ok(Self { kind, name: name.into() })
    }

    /// Where its record is.
    pub(super) fn key(&self) -> Vec<u8> {
        keys::mark(self.kind, &self.name)
    }

    fn tenant_and_key(&self) -> Result<(TenantId, String), StoreError> {
        keys::mark_name_parts(&self.name).ok_or_else(damaged)
    }
}

/// What a mark is found by.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Head {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<RunId>,
    #[serde(
        default,
        with = "jiff::fmt::serde::timestamp::millisecond::optional",
        skip_serializing_if = "Option::is_none"
    )]
    due: Option<Timestamp>,
}

impl Head {
    /// Keys that lead to the mark.
    pub(super) fn finders(self, place: &Place) -> Vec<Vec<u8>> {
        let Place { kind, name } = place;
        let due = self.due.map(|at| keys::due(*kind, at, name));
        let run = self.run.map(|run| keys::mark_of_run(run, *kind, name));
        due.into_iter().chain(run).collect()
    }
}

#[derive(Serialize, Deserialize)]
struct Record<'a> {
    #[serde(flatten)]
    head: Head,
    body: Cow<'a, Value>,
}

/// A change to a mark, ready to be written.
pub(super) struct Change {
    pub(super) place: Place,
    /// What is put; none if the mark is removed.
    pub(super) put: Option<Put>,
}

/// A mark's record, and the keys that lead to it.
pub(super) struct Put {
    pub(super) record: Slice,
    pub(super) finders: Vec<Vec<u8>>,
}

impl Change {
    pub(super) fn new(tenant: &TenantId, change: &MarkChange) -> Self {
        let (kind, key) = change.place();
        let place = Place::new(tenant, kind, key);
        let put = match change {
            MarkChange::Put(mark) => {
                let head = Head { run: mark.run, due: mark.due };
                let record = record::encode(&Record { head, body: Cow::Borrowed(&mark.body) }).into();
                Some(Put { record, finders: head.finders(&place) })
            }
            MarkChange::Remove { .. } => None,
        };
        Self { place, put }
    }

    /// What it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.place.name.len() + self.put.as_ref().map_or(0, |put| put.record.len())
    }
}

/// What a mark on disk is found by; none if there is no such mark.
pub(super) fn head(view: &View<'_>, place: &Place) -> Result<Option<Head>, StoreError> {
    let record = view.get(Table::Marks, &place.key())?;
    record.map(|bytes| record::decode(&bytes, || describe(place))).transpose()
}

pub(super) fn get(
    view: &View<'_>,
    tenant: &TenantId,
    kind: MarkKind,
    key: &str,
) -> Result<Option<Mark>, StoreError> {
    let place = Place::new(tenant, kind, key);
    let record = view.get(Table::Marks, &place.key())?;
    record.map(|bytes| decode(&place, key.to_owned(), &bytes)).transpose()
}

pub(super) fn page(
    view: &View<'_>,
    tenant: &TenantId,
    kind: MarkKind,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Mark>, StoreError> {
    let all = Place::new(tenant, kind, "").key();
    let from = match after {
        // The zero byte makes it the first key behind.
        Some(key) => [all.as_slice(), key.as_bytes(), &[0]].concat(),
        None => all.clone(),
    };
    let pairs = view.range(Table::Marks, &from, &keys::behind(&all)).take(limit);
    pairs
        .map(|pair| {
            let (key, record) = pair?;
            let place = Place { kind, name: keys::mark_name_of(&key).ok_or_else(damaged)?.into() };
            let (_, key) = place.tenant_and_key()?;
            decode(&place, key, &record)
        })
        .collect()
}

pub(super) fn due(
    view: &View<'_>,
    kind: MarkKind,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<(TenantId, Mark)>, StoreError> {
    places_due(view, kind, until)
        .take(limit)
        .map(|place| {
            let place = place?;
            let (tenant, key) = place.tenant_and_key()?;
            let record = view.get(Table::Marks, &place.key())?.ok_or_else(damaged)?;
            Ok((tenant, decode(&place, key, &record)?))
        })
        .collect()
}

/// Which marks are due by a time, soonest first.
pub(super) fn places_due<'a>(
    view: &'a View<'_>,
    kind: MarkKind,
    until: Timestamp,
) -> impl Iterator<Item = Result<Place, StoreError>> + use<'a> {
    let pairs = view.range(Table::Marks, &keys::dues(kind), &keys::dues_behind(kind, until));
    pairs.map(move |pair| Place::of_due(kind, &pair?.0))
}

pub(super) fn next_due(view: &View<'_>, kind: MarkKind) -> Result<Option<Timestamp>, StoreError> {
    let first = view.prefix(Table::Marks, &keys::dues(kind)).next().transpose()?;
    first.map(|(key, _)| keys::time_of_due(&key).ok_or_else(damaged)).transpose()
}

fn decode(place: &Place, key: String, bytes: &[u8]) -> Result<Mark, StoreError> {
    let Record { head: Head { run, due }, body } = record::decode(bytes, || describe(place))?;
    Ok(Mark { kind: place.kind, key, run, due, body: body.into_owned() })
}

fn describe(place: &Place) -> String {
    let name = String::from_utf8_lossy(&place.name).replace('\0', "/");
    format!("the journal's {} mark `{name}`", place.kind.as_str())
}

fn damaged() -> StoreError {
    StoreError::corrupt("the journal's marks", "a key in them leads to no mark")
}
