//! A guest that hands out an answer while it comes, and counts what it did in the state of its workflow.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwell_sdk::{StepError, http, progress, state, step};

/// What to do.
#[derive(Debug, Deserialize, JsonSchema)]
struct Input {
    /// The answer to hand out; none: only to count.
    url: Option<String>,
    /// The key to count under.
    key: String,
    /// A request between the count and the end.
    then: Option<String>,
}

/// What came of it.
#[derive(Debug, Serialize, JsonSchema)]
struct Output {
    /// All of the answer.
    told: String,
    /// How many had counted, this one among them.
    count: u64,
}

#[step(http = "reads what it is told to hand out", state = "counts")]
fn narrator(input: Input) -> Result<Output, StepError> {
    let mut told = String::new();
    if let Some(url) = &input.url {
        let mut answer = http::get(url).open()?;
        while let Some(piece) = answer.read()? {
            let text = String::from_utf8_lossy(&piece).into_owned();
            progress::emit(&text);
            told += &text;
        }
    }
    let count = count(&input.key)?;
    if let Some(url) = &input.then {
        http::get(url).send()?;
    }
    Ok(Output { told, count })
}

fn count(key: &str) -> Result<u64, StepError> {
    loop {
        let seen = state::get::<u64>(key)?;
        let next = seen.as_ref().map_or(1, |seen| seen.value + 1);
        if state::replace(key, seen.as_ref(), &next, None)?.is_some() {
            return Ok(next);
        }
    }
}
