//! Who needs a blob, as marks: they go with whoever it is.

use std::collections::BTreeSet;

use semver::Version;
use serde_json::Value;
use stepwell_core::blob::digests_in;
use stepwell_core::digest::Digest;
use stepwell_core::id::{RunId, WorkflowName};
use stepwell_core::run::{Event, RunOutcome};
use stepwell_store::{Mark, MarkChange, MarkKind};

/// The blobs that a run is known to need, since it came into memory.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    known: BTreeSet<Digest>,
    /// Kept, so that an event without blobs costs no more than a look at it.
    found: BTreeSet<Digest>,
}

impl Uses {
    /// Those that an event names and no event before did.
    pub(crate) fn note(&mut self, run: RunId, event: &Event, marks: &mut Vec<MarkChange>) {
        for_each_value(event, |value| digests_in(value, &mut self.found));
        while let Some(digest) = self.found.pop_first() {
            if self.known.insert(digest) {
                marks.push(by_run(&digest, run));
            }
        }
    }
}

/// All that came into the run with an event, from outside or from a step.
fn for_each_value(event: &Event, mut see: impl FnMut(&Value)) {
    match event {
        Event::RunAccepted { input, .. }
        | Event::AttemptStarted { input, .. }
        | Event::ChildStarted { input, .. } => see(input),
        Event::EffectAnswered { effect, .. } => see(&effect.answer),
        Event::AttemptSucceeded { output, .. }
        | Event::ChildEnded { outcome: RunOutcome::Succeeded { output }, .. }
        | Event::RunEnded { outcome: RunOutcome::Succeeded { output } } => see(output),
        Event::MapStarted { items, .. } => see(items),
        Event::ApprovalOpened { show, .. } => see(show),
        Event::ApprovalDecided { decision, .. } => see(&decision.form),
        Event::CallbackReceived { body, .. } => see(body),
        Event::EventEmitted { event, .. } => see(event),
        Event::SignalReceived { payload, .. } => see(payload),
        Event::RunReopened { edits, .. } => {
            edits
                .values()
                .flat_map(|edit| [&edit.input, &edit.config])
                .flatten()
                .for_each(|value| see(value));
        }
        _ => {}
    }
}

/// A run needs a blob, until it is purged.
pub(super) fn by_run(digest: &Digest, run: RunId) -> MarkChange {
    MarkChange::Put(Mark {
        kind: MarkKind::BlobUse,
        key: format!("{}{run}", prefix(digest)),
        run: Some(run),
        due: None,
        body: Value::Null,
    })
}

/// A version of a workflow needs the blobs that its definition names.
pub(crate) fn of_version(name: &WorkflowName, version: &Version, definition: &Value) -> Vec<MarkChange> {
    let mut digests = BTreeSet::new();
    digests_in(definition, &mut digests);
    let used = |digest: &Digest| {
        MarkChange::Put(Mark {
            kind: MarkKind::BlobUse,
            key: format!("{}workflow/{name}/{version}", prefix(digest)),
            run: None,
            due: None,
            body: Value::Null,
        })
    };
    digests.iter().map(used).collect()
}

/// What the keys of all that need a blob begin with.
pub(super) fn prefix(digest: &Digest) -> String {
    format!("{}/", digest.to_hex())
}
