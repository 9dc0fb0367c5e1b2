//! Sinks: where the operator wants events sent. How one is reached is its owner's to know; whether it can be reached now is kept here.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use stepwell_core::cloud_event::CloudEvent;
use stepwell_core::id::SinkName;
use stepwell_core::wildcard::Wildcard;

use crate::clock;
use crate::live::lock;

/// How long a sink is left alone after it could not be reached: at first, and at most.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_millis(500);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(5);

/// Where events of some types are sent.
#[derive(Debug, Clone)]
pub struct Sink {
    /// Its name: what waits for it is known by that.
    pub name: SinkName,
    /// The types of the events that it takes.
    pub types: Vec<Wildcard>,
    /// How it is reached.
    pub post: Arc<dyn PostEvent>,
}

/// Sends events to one sink.
#[async_trait]
pub trait PostEvent: fmt::Debug + Send + Sync {
    /// Returns once the sink has answered that it has the event. It ends in bounded time.
    async fn post(&self, event: &CloudEvent) -> Result<(), PostError>;
}

/// Why a sink does not have an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// It takes nothing at the moment.
    #[error("{why}")]
    Unavailable {
        /// What happened.
        why: String,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// It does not take this event.
    #[error("{0}")]
    Refused(String),
}

/// A sink, and whether it is to be left alone.
pub(super) struct SinkState {
    sink: Sink,
    health: Mutex<Health>,
}

#[derive(Clone, Copy, Default)]
struct Health {
    failures: u32,
    rests_until: Option<Timestamp>,
}

/// What became of an event for a sink.
pub(super) enum Posted {
    Done,
    /// The sink is to be left alone until then.
    Later(Timestamp),
    Refused,
}

impl SinkState {
    pub(super) fn new(sink: Sink) -> Self {
        Self { sink, health: Mutex::default() }
    }

    pub(super) fn name(&self) -> &SinkName {
        &self.sink.name
    }

    pub(super) fn takes(&self, event: &CloudEvent) -> bool {
        self.sink.types.iter().any(|wanted| wanted.matches(&event.event_type))
    }

    /// Sends an event, unless the sink is to be left alone.
    pub(super) async fn post(&self, event: &CloudEvent) -> Posted {
        let began = clock::now();
        if let Some(until) = lock(&self.health).rests_until.filter(|until| *until > began) {
            return Posted::Later(until);
        }
        match self.sink.post.post(event).await {
            Ok(()) => {
                *lock(&self.health) = Health::default();
                Posted::Done
            }
            Err(PostError::Unavailable { why, retry_after }) => {
                Posted::Later(self.rest(began, &why, retry_after))
            }
            Err(PostError::Refused(why)) => {
                tracing::warn!(sink = %self.sink.name, event = event.id, source = event.source, why, "a sink refuses an event");
                *lock(&self.health) = Health::default();
                Posted::Refused
            }
        }
    }

    /// Leaves the sink alone for a while; for those that were sent at the same time it is the same while.
    fn rest(&self, began: Timestamp, why: &str, asked_for: Option<Duration>) -> Timestamp {
        let mut health = lock(&self.health);
        if let Some(until) = health.rests_until.filter(|until| *until > began) {
            return until;
        }
        let asked_for = asked_for.and_then(|pause| SignedDuration::try_from(pause).ok()).unwrap_or_default();
        let pause = pause_after(health.failures).max(asked_for.min(LONGEST_PAUSE));
        let until = clock::now().saturating_add(pause).unwrap_or(Timestamp::MAX);
        *health = Health { failures: health.failures.saturating_add(1), rests_until: Some(until) };
        tracing::warn!(sink = %self.sink.name, why, %until, "a sink cannot be reached; its events wait");
        until
    }
}

/// How long to wait after so many failures.
pub(super) fn pause_after(failures: u32) -> SignedDuration {
    let pause = FIRST_PAUSE.checked_mul(2_i32.saturating_pow(failures)).unwrap_or(LONGEST_PAUSE);
    pause.min(LONGEST_PAUSE)
}
