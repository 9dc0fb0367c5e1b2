//! What holds for a run as a whole: what it may use, and what it does by itself when it fails.

use std::time::Duration;

use super::cursor::{Cursor, Fields};
use crate::mistake::code;
use crate::plan::{Again, Budget, OnFailure};

/// The most that a run may be allowed to spend, in US dollars.
const MAX_USD: f64 = 1_000_000.0;

/// The most times that a run begins anew by itself.
const MAX_TIMES: u64 = 100;

pub(super) fn read_budget(budget: &Cursor<'_>) -> Option<Budget> {
    let fields = budget.fields(&["time", "count_waits", "usd", "fuel"])?;
    Some(Budget {
        time: fields.get("time").and_then(|it| it.duration()),
        count_waits: fields.get("count_waits").and_then(|it| it.boolean()).unwrap_or(true),
        micro_usd: fields.get("usd").and_then(|it| it.number(0.0, MAX_USD)).map(to_millionths),
        fuel: fields.get("fuel").and_then(|it| it.count(1, u64::MAX)),
    })
}

/// The number is within bounds by now, so nothing is cut off but what is smaller than a millionth.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1e12, rounded")]
fn to_millionths(usd: f64) -> u64 {
    (usd * 1_000_000.0).round() as u64
}

const ON_FAILURE: &str = "`\"fail\"`, `\"partial\"` or an object";

const ON_FAILURE_FORM: &str = "write `\"fail\"`, `\"partial\"`, `{\"retry\": {\"times\": 3, \"delay\": \"1m\"}}` or `{\"restart\": {\"times\": 1}}`";

pub(super) fn read_on_failure(on_failure: &Cursor<'_>) -> Option<OnFailure> {
    if on_failure.value.is_string() {
        return on_failure.word(&[("fail", OnFailure::Fail), ("partial", OnFailure::Partial)]);
    }
    let fields = on_failure.fields_wanting(ON_FAILURE, &["retry", "restart"])?;
    match (fields.get("retry"), fields.get("restart")) {
        (Some(retry), None) => Some(OnFailure::Retry(read_again(&retry)?)),
        (None, Some(restart)) => Some(OnFailure::Restart(read_again(&restart)?)),
        _ => {
            on_failure.wrong_with_help(
                code::BAD_VALUE,
                "one of `retry` and `restart` is wanted here",
                ON_FAILURE_FORM,
            );
            None
        }
    }
}

fn read_again(again: &Cursor<'_>) -> Option<Again> {
    let fields: Fields<'_> = again.fields(&["times", "delay"])?;
    let times = fields.require("times", "say how often at most: `\"times\": 3`")?.count(1, MAX_TIMES)?;
    let delay = match fields.get("delay") {
        Some(delay) => delay.duration()?,
        None => Duration::from_secs(1),
    };
    Some(Again { times: u32::try_from(times).unwrap_or(u32::MAX), delay })
}
