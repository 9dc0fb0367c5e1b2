//! `concurrency`: how many runs of a workflow may be under way at once.

use super::cursor::{Cursor, Mistakes};
use crate::expression::{Setting, Template};
use crate::mistake::code;
use crate::plan::{Concurrency, OnFull};

const FIELDS: &[&str] = &["limit", "key", "on_full", "max_queued"];

/// The most runs at once that a limit may name.
const MAX_LIMIT: u64 = 100_000;

/// The most runs that may queue, and how many may unless the definition says otherwise.
const MAX_QUEUED: u64 = 1_000_000;
const DEFAULT_QUEUED: u32 = 1_000;

pub(super) fn read(concurrency: &Cursor<'_>, mistakes: &Mistakes) -> Option<Concurrency> {
    let fields = concurrency.fields(FIELDS)?;
    let limit = fields.require("limit", "say how many runs may be under way at once: `\"limit\": 5`");
    let limit = limit.and_then(|it| count(&it, 1, MAX_LIMIT));
    let key =
        fields.get("key").map(|it| mistakes.note(Template::examine(it.value, &it.pointer, Setting::Start)));
    let on_full = match fields.get("on_full") {
        Some(it) => it.word(&[("queue", OnFull::Queue), ("reject", OnFull::Reject)]),
        None => Some(OnFull::Queue),
    };
    let max_queued = match fields.get("max_queued") {
        Some(it) if on_full == Some(OnFull::Reject) => {
            it.wrong(
                code::BAD_VALUE,
                "with `\"on_full\": \"reject\"` nothing queues: leave `max_queued` out",
            );
            None
        }
        Some(it) => count(&it, 0, MAX_QUEUED),
        None => Some(DEFAULT_QUEUED),
    };
    Some(Concurrency { limit: limit?, key, on_full: on_full?, max_queued: max_queued? })
}

fn count(cursor: &Cursor<'_>, least: u64, most: u64) -> Option<u32> {
    cursor.count(least, most).and_then(|count| u32::try_from(count).ok())
}
