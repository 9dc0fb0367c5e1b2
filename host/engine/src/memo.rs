//! Outputs that are remembered: those of effect-free steps, by step, config and input.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use stepwell_core::digest::Digest;
use stepwell_core::failure::Failure;
use stepwell_store::{Mark, MarkChange, MarkKind};

use crate::attempt::{Chosen, internal};
use crate::live::LiveRun;
use crate::{Shared, clock};

/// Where an output is remembered, and for how long.
pub(crate) struct Memo {
    key: String,
    ttl: Duration,
    /// It was there.
    pub(crate) found: bool,
}

impl Memo {
    /// Looks whether the output for this input is known.
    pub(crate) async fn look_up(
        engine: &Shared,
        run: &LiveRun,
        chosen: &Chosen<'_>,
        input: &str,
        ttl: Duration,
    ) -> Result<(Self, Option<Value>), Failure> {
        let key = key(&chosen.call.step.digest, &chosen.config, input);
        if let Some(output) = run.remembered(&key) {
            return Ok((Self { key, ttl, found: true }, Some(Value::clone(&output))));
        }
        let mark = engine.journal.mark(&run.tenant, MarkKind::Memo, &key).await;
        let mark = mark.map_err(|error| internal(format!("what was remembered cannot be read: {error}")))?;
        let mut fresh = mark.filter(|mark| mark.due.is_some_and(|due| clock::now() < due));
        if let Some(mark) = &fresh
            && !engine.has_blobs_of(&run.tenant, &mark.body).await?
        {
            // The run that made them is gone, and they with it.
            fresh = None;
        }
        Ok((Self { key, ttl, found: fresh.is_some() }, fresh.map(|mark| mark.body)))
    }

    /// Remembers an output, unless it was remembered: at once in its run, and for all runs with what is to be journalled.
    pub(crate) fn keep(self, run: &LiveRun, output: &Arc<Value>) -> Option<MarkChange> {
        if self.found {
            return None;
        }
        let ttl = SignedDuration::try_from(self.ttl).unwrap_or(SignedDuration::MAX);
        let due = clock::now().saturating_add(ttl).unwrap_or(Timestamp::MAX);
        run.remember(self.key.clone(), due, Arc::clone(output));
        Some(MarkChange::Put(Mark {
            kind: MarkKind::Memo,
            key: self.key,
            run: None,
            due: Some(due),
            body: Value::clone(output),
        }))
    }
}

/// Each part is closed by its length: no two questions have one key.
fn key(step: &Digest, config: &str, input: &str) -> String {
    let question = format!("{step} {} {config} {} {input}", config.len(), input.len());
    Digest::of(question.as_bytes()).to_string()
}
