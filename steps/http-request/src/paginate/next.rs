//! From one page to the next.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use stepwell_sdk::StepError;

use super::{Page, link};
use crate::query::{Parameter, Scalar};
use crate::{Input, json, url};

/// How the next page is asked for: `"link"`, or an object with one field.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Next {
    /// By the answer's header `Link`, where it has `rel="next"`; the list ends where there is none.
    Link,
    /// By a URL in the page: a JSON pointer to it. The list ends where there is none.
    Url(String),
    /// By a cursor in the page, which the next request gives back. The list ends where there is none.
    Cursor(Cursor),
    /// By its number, one more for each page. The list ends with an empty page.
    Page(Counter),
    /// By the number of items before it. The list ends with an empty page.
    Offset(Counter),
}

/// Where a cursor is found, and where it goes: `query` or `body`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cursor {
    /// JSON pointer to the cursor, a text or a number.
    at: String,
    /// What the pointer `at` leads through.
    #[serde(default)]
    of: Of,
    /// JSON pointer to a boolean in the page; the list ends where it is false.
    more: Option<String>,
    /// The query's parameter that the cursor goes into.
    query: Option<String>,
    /// JSON pointer to the place in the body (`json`) that the cursor goes into.
    body: Option<String>,
}

/// What a pointer leads through.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Of {
    /// The page.
    #[default]
    Page,
    /// The page's last item, whose id is often the cursor.
    LastItem,
}

/// A number that each request gives: in `query` or `body`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counter {
    /// The first request's; 1 for pages and 0 for an offset where it is left out.
    first: Option<u64>,
    /// How many items a full page has. A page with fewer is then the last one: it saves asking for an empty one.
    size: Option<usize>,
    /// The query's parameter that the number goes into.
    query: Option<String>,
    /// JSON pointer to the place in the body (`json`) that the number goes into.
    body: Option<String>,
}

/// Where a list is read, and how it came there.
pub(super) struct Walk<'a> {
    next: &'a Next,
    /// Of counted pages.
    position: u64,
    /// What led to the pages so far.
    seen: BTreeSet<String>,
}

impl<'a> Walk<'a> {
    /// Stands before the first page, and makes its request.
    pub(super) fn begin(next: &'a Next, input: &mut Input) -> Result<Self, StepError> {
        let (counter, default) = match next {
            Next::Page(counter) => (Some(counter), 1),
            Next::Offset(counter) => (Some(counter), 0),
            _ => (None, 0),
        };
        let position = counter.and_then(|counter| counter.first).unwrap_or(default);
        if let Some(counter) = counter {
            put(input, counter.query.as_deref(), counter.body.as_deref(), position.into())?;
        }
        Ok(Self { next, position, seen: BTreeSet::new() })
    }

    /// Makes the next page's request of this page's; false if there is no next one.
    pub(super) fn advance(&mut self, page: &Page, input: &mut Input) -> Result<bool, StepError> {
        let count = page.items.len();
        match self.next {
            Next::Link => self.follow(page, link::next(&page.response), input),
            Next::Url(pointer) => {
                let url = page.body.pointer(pointer).and_then(Value::as_str).filter(|url| !url.is_empty());
                self.follow(page, url.map(str::to_owned), input)
            }
            Next::Cursor(cursor) => self.give_back(cursor, page, input),
            Next::Page(counter) => self.count(counter, count, 1, input),
            Next::Offset(counter) => self.count(counter, count, count as u64, input),
        }
    }

    fn follow(
        &mut self,
        page: &Page,
        reference: Option<String>,
        input: &mut Input,
    ) -> Result<bool, StepError> {
        let Some(reference) = reference else { return Ok(false) };
        let here = &page.response.url;
        let there = url::resolve(here, &reference);
        if !url::same_origin(here, &there) {
            let message = format!(
                "{here} says that the next page is at {there}: a list is followed within one scheme, host and port, since the request's headers \
                 are meant for it"
            );
            return Err(StepError::permanent(message));
        }
        self.mark(page, there.clone())?;
        input.url = there;
        // The link is whole: it has the query that its page needs.
        input.query.clear();
        Ok(true)
    }

    fn give_back(&mut self, cursor: &Cursor, page: &Page, input: &mut Input) -> Result<bool, StepError> {
        let more = cursor.more.as_deref().map(|pointer| page.body.pointer(pointer).and_then(Value::as_bool));
        let source = match cursor.of {
            Of::Page => Some(&page.body),
            Of::LastItem => page.items.last(),
        };
        let found = source.and_then(|source| source.pointer(&cursor.at));
        let value = match found {
            _ if more.is_some_and(|more| more != Some(true)) => return Ok(false),
            None | Some(Value::Null) => return Ok(false),
            Some(Value::String(text)) if text.is_empty() => return Ok(false),
            Some(value @ (Value::String(_) | Value::Number(_))) => value.clone(),
            Some(other) => {
                let message = format!(
                    "{} answered a page whose cursor, at `{}`, is neither text nor number",
                    page.response.url, cursor.at
                );
                return Err(StepError::permanent(message).detail(other));
            }
        };
        self.mark(page, value.to_string())?;
        put(input, cursor.query.as_deref(), cursor.body.as_deref(), value)?;
        Ok(true)
    }

    fn count(
        &mut self,
        counter: &Counter,
        count: usize,
        step: u64,
        input: &mut Input,
    ) -> Result<bool, StepError> {
        if count < counter.size.unwrap_or(1) {
            return Ok(false);
        }
        self.position = self.position.saturating_add(step);
        put(input, counter.query.as_deref(), counter.body.as_deref(), self.position.into())?;
        Ok(true)
    }

    /// A page that leads to where the list was already would be read for ever.
    fn mark(&mut self, page: &Page, place: String) -> Result<(), StepError> {
        if self.seen.contains(&place) {
            let message =
                format!("{} leads in a circle: its next page, {place}, was read already", page.response.url);
            return Err(StepError::permanent(message).detail(json!({"next": place})));
        }
        self.seen.insert(place);
        Ok(())
    }
}

fn put(input: &mut Input, query: Option<&str>, body: Option<&str>, value: Value) -> Result<(), StepError> {
    match (query, body) {
        (Some(name), None) => {
            let value = match value {
                Value::Number(number) => Scalar::Number(number),
                Value::String(text) => Scalar::Text(text),
                other => Scalar::Text(other.to_string()),
            };
            input.query.insert(name.to_owned(), Parameter::One(value));
            Ok(())
        }
        (None, Some(pointer)) if json::put(input.json.get_or_insert(Value::Null), pointer, value) => Ok(()),
        (None, Some(pointer)) => Err(StepError::permanent(format!(
            "`paginate` puts into the body at `{pointer}`, and `json` has no object there"
        ))),
        _ => Err(StepError::permanent(
            "`paginate` wants to know where to put what asks for a page: give `query` or `body`",
        )),
    }
}
