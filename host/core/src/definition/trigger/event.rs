//! An event trigger, as it was written.

use crate::definition::cursor::{Cursor, Mistakes};
use crate::expression::{Expression, Setting, Template};
use crate::mistake::code;
use crate::plan::EventTrigger;
use crate::wildcard::{InvalidWildcard, Wildcard};

const TYPE_FORM: &str =
    "write it like `com.example.order.created`, or `com.example.*` for all types that begin so";

/// All of it is read, also behind a mistake.
pub(super) fn read(event: &Cursor<'_>, mistakes: &Mistakes) -> Option<EventTrigger> {
    let fields = event.fields(&["type", "source", "when", "input"])?;
    let event_type = fields.require("type", TYPE_FORM).and_then(|it| read_wildcard(&it));
    let source = fields.get("source").map(|it| read_wildcard(&it));
    let when = fields
        .get("when")
        .map(|it| mistakes.note(Expression::examine(it.text()?, &it.pointer, Setting::Event)));
    let input =
        fields.get("input").map(|it| mistakes.note(Template::examine(it.value, &it.pointer, Setting::Event)));
    Some(EventTrigger {
        event_type: event_type?,
        source: source.map_or(Some(None), |source| source.map(Some))?,
        when: when.map_or(Some(None), |when| when.map(Some))?,
        input,
    })
}

fn read_wildcard(text: &Cursor<'_>) -> Option<Wildcard> {
    let wrong = |invalid: InvalidWildcard| {
        text.wrong_with_help(code::BAD_TRIGGER, invalid.to_string(), "such as `com.example.*` or `/shop/*`");
    };
    text.text()?.parse().map_err(wrong).ok()
}
