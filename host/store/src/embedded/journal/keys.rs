//! The keys of the journal's tables.
//!
//! Names are closed by a zero byte, which is in no name; numbers are big-endian and runs are version 7 UUIDs, so that keys sort as
//! the things sort in time.
//!
//! ```text
//! entries  tenant 0 run seq                     a batch of entries, under the number of its first
//! runs     tenant 0 run                         the run's line in the index
//! index    tenant 0 workflow 0 status 0 run     finds the lines of runs that have ended
//! live     'f' and the same                     finds those of runs that have not
//! live     'u' run tenant                       every running run, oldest first: those that a start takes up
//! claims   'c' tenant 0 workflow 0 hash         an idempotency claim
//! claims   'x' time and the claim's key         finds claims by when they expire
//! marks    'm' kind tenant 0 key                a mark
//! marks    'd' kind time tenant 0 key           finds marks by when they are due
//! marks    'r' run kind tenant 0 key            finds the marks of a run
//! ```
//!
//! Each key costs every run: what is asked for seldom (the runs of one status, whatever their workflow) is merged from several lists
//! when somebody asks, and has no list of its own. Format 1 had: lists without a workflow or a status, which are passed over.
//!
//! `live` and `marks` are tables of their own because their lines go away again: kept apart and small, their remains are soon
//! compacted, and nobody reads through them.

use jiff::Timestamp;
use stepwell_core::digest::Digest;
use stepwell_core::id::{RunId, TenantId, WorkflowName};
use stepwell_core::run::RunStatus;
use uuid::Uuid;

use crate::MarkKind;

/// Bytes of a run in a key.
const RUN_BYTES: usize = 16;

pub(super) fn tenant(tenant: &TenantId) -> Vec<u8> {
    closed([tenant.as_str()])
}

/// The tenant that a key begins with.
pub(super) fn tenant_before(key: &[u8]) -> Option<TenantId> {
    let name = key.split(|byte| *byte == 0).next()?;
    TenantId::new(std::str::from_utf8(name).ok()?).ok()
}

pub(super) fn run(of: &TenantId, run: RunId) -> Vec<u8> {
    with_run(tenant(of), run)
}

/// Where a batch stands whose first entry has this number.
pub(super) fn batch(run: &[u8], first: u64) -> Vec<u8> {
    [run, &first.to_be_bytes()].concat()
}

/// Where the runs of a tenant are listed, of all its workflows.
pub(super) fn lists(of: &TenantId, status: RunStatus) -> Vec<u8> {
    match status.is_final() {
        false => tagged(b'f', &tenant(of)),
        true => tenant(of),
    }
}

/// Where those of one workflow and status are listed.
pub(super) fn list(of: &TenantId, workflow: &WorkflowName, status: RunStatus) -> Vec<u8> {
    [lists(of, status), closed([workflow.as_str(), status.as_str()])].concat()
}

/// The name of the workflow in the key of a list that has this beginning.
pub(super) fn workflow_behind<'k>(lists: &[u8], key: &'k [u8]) -> Option<&'k [u8]> {
    key.strip_prefix(lists)?.split(|byte| *byte == 0).next()
}

pub(super) fn with_run(mut prefix: Vec<u8>, run: RunId) -> Vec<u8> {
    prefix.extend_from_slice(run.0.as_bytes());
    prefix
}

/// The run at the end of a key.
pub(super) fn run_at_end(key: &[u8]) -> Option<RunId> {
    key.last_chunk::<RUN_BYTES>().map(|bytes| RunId(Uuid::from_bytes(*bytes)))
}

/// The first key of every running run.
pub(super) const UNFINISHED: &[u8] = b"u";

pub(super) fn unfinished(tenant: &TenantId, run: RunId) -> Vec<u8> {
    [UNFINISHED, run.0.as_bytes(), tenant.as_str().as_bytes()].concat()
}

/// Whose run it is, and which.
pub(super) fn unfinished_parts(key: &[u8]) -> Option<(TenantId, RunId)> {
    let (run, tenant) = key.strip_prefix(UNFINISHED)?.split_first_chunk::<RUN_BYTES>()?;
    let tenant = TenantId::new(std::str::from_utf8(tenant).ok()?).ok()?;
    Some((tenant, RunId(Uuid::from_bytes(*run))))
}

/// A claim's key. The client's own is hashed: it may be long.
pub(super) fn claim(tenant: &TenantId, workflow: &WorkflowName, key: &str) -> Vec<u8> {
    let mut place = tagged(b'c', &closed([tenant.as_str(), workflow.as_str()]));
    place.extend_from_slice(Digest::of(key.as_bytes()).as_bytes());
    place
}

pub(super) fn expiry(at: Timestamp, claim: &[u8]) -> Vec<u8> {
    [&expiries_before(at), claim].concat()
}

/// The first claim that expires at this time or later.
pub(super) fn expiries_before(at: Timestamp) -> Vec<u8> {
    let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
    tagged(b'x', &millis.to_be_bytes())
}

/// The first expiry of all.
pub(super) const EXPIRIES: &[u8] = b"x";

/// The claim that an expiry is about.
pub(super) fn claim_of_expiry(expiry: &[u8]) -> &[u8] {
    expiry.get(1 + size_of::<u64>()..).unwrap_or_default()
}

/// A mark's tenant and key, as they stand at the end of all keys that are about it. (A key may hold zero bytes, a tenant's name may
/// not.)
pub(super) fn mark_name(of: &TenantId, key: &str) -> Vec<u8> {
    [&tenant(of), key.as_bytes()].concat()
}

/// The tenant and the key of a mark of that name.
pub(super) fn mark_name_parts(name: &[u8]) -> Option<(TenantId, String)> {
    let (tenant, key) = std::str::from_utf8(name).ok()?.split_once('\0')?;
    Some((TenantId::new(tenant).ok()?, key.to_owned()))
}

pub(super) fn mark(kind: MarkKind, name: &[u8]) -> Vec<u8> {
    [&[b'm', letter(kind)], name].concat()
}

pub(super) fn mark_name_of(mark: &[u8]) -> Option<&[u8]> {
    mark.get(2..)
}

/// What every key begins with that finds marks of a kind by when they are due.
pub(super) fn dues(kind: MarkKind) -> Vec<u8> {
    vec![b'd', letter(kind)]
}

pub(super) fn due(kind: MarkKind, at: Timestamp, name: &[u8]) -> Vec<u8> {
    [&dues(kind), &time(at).to_be_bytes()[..], name].concat()
}

/// The first key behind those of marks that are due by a time.
pub(super) fn dues_behind(kind: MarkKind, until: Timestamp) -> Vec<u8> {
    [&dues(kind), &time(until).saturating_add(1).to_be_bytes()[..]].concat()
}

pub(super) fn time_of_due(due: &[u8]) -> Option<Timestamp> {
    let time = u64::from_be_bytes(*due.get(2..)?.first_chunk()?);
    Timestamp::from_millisecond(i64::MIN.checked_add_unsigned(time)?).ok()
}

pub(super) fn mark_name_of_due(due: &[u8]) -> Option<&[u8]> {
    due.get(2 + size_of::<u64>()..)
}

pub(super) fn mark_of_run(run: RunId, kind: MarkKind, name: &[u8]) -> Vec<u8> {
    [&marks_of_run(run), &[letter(kind)][..], name].concat()
}

/// What every key begins with that finds the marks of a run, whosever it is.
pub(super) fn marks_of_run(run: RunId) -> Vec<u8> {
    [b"r", &run.0.as_bytes()[..]].concat()
}

/// A mark's kind and name, from a key that finds it with its run.
pub(super) fn mark_with_run(key: &[u8]) -> Option<(MarkKind, &[u8])> {
    let (letter, name) = key.get(1 + RUN_BYTES..)?.split_first()?;
    Some((MarkKind::ALL.into_iter().find(|kind| self::letter(*kind) == *letter)?, name))
}

/// Milliseconds, so that they sort as times do, those before 1970 as well.
fn time(at: Timestamp) -> u64 {
    at.as_millisecond().abs_diff(i64::MIN)
}

/// A kind of mark in a key.
fn letter(kind: MarkKind) -> u8 {
    match kind {
        MarkKind::Timer => b't',
        MarkKind::Approval => b'a',
        MarkKind::Callback => b'c',
        MarkKind::DeadLetter => b'd',
        MarkKind::Outbox => b'o',
        MarkKind::Memo => b'm',
        MarkKind::Cron => b'r',
        MarkKind::Child => b'h',
        MarkKind::Clock => b'k',
        MarkKind::Ai => b'i',
        MarkKind::State => b's',
        MarkKind::Blob => b'b',
        MarkKind::BlobUse => b'u',
    }
}

/// A key behind all that begin with a name.
pub(super) const BEHIND_ALL: &[u8] = &[u8::MAX];

/// The first key behind all that begin with this prefix, whose last byte is never 255.
pub(super) fn behind(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}

fn tagged(tag: u8, key: &[u8]) -> Vec<u8> {
    [&[tag], key].concat()
}

fn closed<const N: usize>(names: [&str; N]) -> Vec<u8> {
    let mut key = Vec::with_capacity(names.iter().map(|name| name.len() + 1).sum::<usize>() + RUN_BYTES);
    for name in names {
        key.extend_from_slice(name.as_bytes());
        key.push(0);
    }
    key
}
