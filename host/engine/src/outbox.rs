//! Events that runs told of, on their way to whoever wants to hear of them.

use serde_json::Value;
use stepwell_core::id::RunId;
use stepwell_store::{Mark, MarkChange, MarkKind};

/// What has to be kept, in one step with the run's own entry, until everybody has heard of the event.
pub(crate) fn mark(run: RunId, event: &Value) -> MarkChange {
    MarkChange::Put(Mark {
        kind: MarkKind::Outbox,
        key: event["id"].as_str().unwrap_or_default().to_owned(),
        run: Some(run),
        due: None,
        body: event.clone(),
    })
}
