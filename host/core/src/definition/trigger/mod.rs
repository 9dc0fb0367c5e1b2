//! Triggers: what starts a run beside the API.

mod cron;
mod event;
mod http;

use std::sync::Arc;

use super::cursor::{Cursor, Mistakes};
use crate::mistake::code;
use crate::plan::PlannedTrigger;

/// The most triggers of one workflow.
const MAX_TRIGGERS: usize = 100;

const FORM: &str = "write it as `{\"http\": {\"path\": \"/tickets\"}}`, `{\"cron\": {\"schedule\": \"0 9 * * *\"}}` or `{\"event\": {\"type\": \"com.example.order\"}}`";

/// A trigger and its place.
pub(crate) struct TriggerDraft {
    pub(crate) pointer: String,
    pub(crate) trigger: PlannedTrigger,
}

/// Reads the list of triggers, each of them once.
pub(super) fn read_all(triggers: &Cursor<'_>, mistakes: &Mistakes) -> Vec<TriggerDraft> {
    let items = triggers.items();
    if items.len() > MAX_TRIGGERS {
        let message = format!("{} triggers are more than {MAX_TRIGGERS}; split the workflow", items.len());
        triggers.wrong(code::TOO_LARGE, message);
        return Vec::new();
    }
    let mut known: Vec<TriggerDraft> = Vec::new();
    for item in &items {
        let Some(trigger) = read_one(item, mistakes) else { continue };
        match known.iter().find_map(|other| conflict(&other.trigger, &trigger)) {
            Some(message) => item.wrong(code::DUPLICATE, message),
            None => known.push(TriggerDraft { pointer: item.pointer.clone(), trigger }),
        }
    }
    known
}

fn read_one(trigger: &Cursor<'_>, mistakes: &Mistakes) -> Option<PlannedTrigger> {
    let fields = trigger.fields(&["http", "cron", "event"])?;
    match (fields.get("http"), fields.get("cron"), fields.get("event")) {
        (Some(it), None, None) => http::read(&it, mistakes).map(|http| PlannedTrigger::Http(Arc::new(http))),
        (None, Some(it), None) => cron::read(&it).map(|cron| PlannedTrigger::Cron(Box::new(cron))),
        (None, None, Some(it)) => {
            event::read(&it, mistakes).map(|event| PlannedTrigger::Event(Box::new(event)))
        }
        (None, None, None) => {
            trigger.wrong_with_help(code::MISSING_FIELD, "it does not say what triggers it", FORM);
            None
        }
        _ => {
            let message = "one trigger is one of `http`, `cron` and `event`: write an entry for each";
            trigger.wrong_with_help(code::BAD_TRIGGER, message, FORM);
            None
        }
    }
}

/// What is wrong with two triggers side by side.
fn conflict(one: &PlannedTrigger, other: &PlannedTrigger) -> Option<String> {
    match (one, other) {
        (PlannedTrigger::Http(one), PlannedTrigger::Http(other)) => ((one.path.shape(), &one.method)
            == (other.path.shape(), &other.method))
            .then(|| format!("`{} {}` is a trigger already", one.method, one.path)),
        (PlannedTrigger::Cron(one), PlannedTrigger::Cron(other)) => {
            let same = one.timetable.schedule == other.timetable.schedule && one.input == other.input;
            same.then(|| "a trigger with this schedule and input is there already".to_owned())
        }
        _ => None,
    }
}
