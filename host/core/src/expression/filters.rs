//! Filters that compare, made to pay for the texts that they compare.
//!
//! MiniJinja charges a comparison as one operation, and compares these texts regardless of case: a list of long ones
//! would take minutes within its fuel.

use minijinja::value::{Kwargs, Value as Jinja, ValueKind};
use minijinja::{Environment, Error, State, filters};

/// So many bytes of text are compared for one unit of fuel.
const BYTES_PER_FUEL: usize = 64;

/// Puts these filters in the place of those that they wrap.
pub(super) fn install(environment: &mut Environment<'_>) {
    environment.add_filter("sort", |state: &State<'_, '_>, value: Jinja, options: Kwargs| {
        pay(state, &value)?;
        filters::sort(state, value, options)
    });
    environment.add_filter("unique", |state: &State<'_, '_>, value: Jinja, options: Kwargs| {
        pay(state, &value)?;
        filters::unique(state, value, options)
    });
    environment.add_filter("min", |state: &State<'_, '_>, value: Jinja, options: Kwargs| {
        pay(state, &value)?;
        filters::min(state, value, options)
    });
    environment.add_filter("max", |state: &State<'_, '_>, value: Jinja, options: Kwargs| {
        pay(state, &value)?;
        filters::max(state, value, options)
    });
    environment.add_filter(
        "groupby",
        |state: &State<'_, '_>, value: Jinja, attribute: Option<&str>, options: Kwargs| {
            pay(state, &value)?;
            filters::groupby(value, attribute, options)
        },
    );
    environment.add_filter("dictsort", |state: &State<'_, '_>, value: Jinja, options: Kwargs| {
        pay(state, &value)?;
        filters::dictsort(&value, options)
    });
}

/// Each item is compared with about log n others.
fn pay(state: &State<'_, '_>, items: &Jinja) -> Result<(), Error> {
    let rounds = items.len().map_or(1, |count| count.max(1).ilog2() + 1);
    pay_for(state, items, rounds.into())
}

/// Pays while it looks, so that a value of any size is looked at no longer than fuel lasts.
fn pay_for(state: &State<'_, '_>, value: &Jinja, rounds: u64) -> Result<(), Error> {
    let bytes = value.as_str().map_or(0, str::len);
    state.consume_fuel(rounds.saturating_mul(1 + (bytes / BYTES_PER_FUEL) as u64))?;
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            value.try_iter()?.checked().try_for_each(|item| pay_for(state, &item?, rounds))
        }
        ValueKind::Map => value.try_iter()?.checked().try_for_each(|key| {
            let key = key?;
            pay_for(state, &key, rounds)?;
            pay_for(state, &value.get_item(&key)?, rounds)
        }),
        _ => Ok(()),
    }
}
