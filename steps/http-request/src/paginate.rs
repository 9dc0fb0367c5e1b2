//! Lists that are answered page by page.
//!
//! Each page tells how the next one is asked for, or is counted. A peer that leads in a circle is an error; one that never ends is
//! stopped by the limits, and the output says so.

mod link;
mod next;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use stepwell_sdk::StepError;
use stepwell_sdk::http::Response;

use crate::{Config, Input, Output, answer, request};
use next::{Next, Walk};

/// How a list is read.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paginate {
    /// How the next page is asked for.
    next: Next,
    /// JSON pointer to the list of items in each page, such as `/data`. Empty: the page is the list.
    #[serde(default)]
    items: String,
    /// The most pages to read; 100 where it is left out.
    #[serde(default = "most_pages")]
    #[schemars(range(min = 1))]
    max_pages: u32,
    /// The most items to hand on; all where it is left out.
    #[schemars(range(min = 1))]
    max_items: Option<usize>,
}

fn most_pages() -> u32 {
    100
}

/// One page, as it was answered.
struct Page {
    response: Response,
    body: Value,
    items: Vec<Value>,
}

/// Reads page after page.
pub(crate) fn read(paginate: &Paginate, config: &Config, mut input: Input) -> Result<Output, StepError> {
    let most = paginate.max_items.unwrap_or(usize::MAX);
    let mut items = Vec::new();
    let mut walk = Walk::begin(&paginate.next, &mut input)?;
    for pages in 1.. {
        let page = open(paginate, answer::send(config, request::build(config, &input)?)?)?;
        let has_next = walk.advance(&page, &mut input)?;
        items.extend(page.items);
        if !has_next || items.len() >= most || pages >= paginate.max_pages {
            let complete = !has_next && items.len() <= most;
            items.truncate(most);
            let head = answer::head(&page.response);
            return Ok(Output { items: Some(items), pages: Some(pages), complete: Some(complete), ..head });
        }
    }
    Err(StepError::permanent("there are more pages than can be counted"))
}

fn open(paginate: &Paginate, response: Response) -> Result<Page, StepError> {
    let mut body: Value = response.json()?;
    match body.pointer_mut(&paginate.items).map(Value::take) {
        Some(Value::Array(items)) => Ok(Page { response, body, items }),
        other => {
            let found = match other {
                None => "nothing",
                Some(Value::Null) => "null",
                Some(Value::Object(_)) => "an object",
                Some(_) => "a single value",
            };
            let message = format!(
                "{} answered a page with {found} at `{}`, where `paginate.items` says that its list is",
                response.url, paginate.items
            );
            Err(StepError::permanent(message).detail(response.excerpt()))
        }
    }
}
