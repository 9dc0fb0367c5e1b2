//! Triggers: what starts a run beside the API, and whether what they give fits the workflow.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{Plan, fit};
use crate::cloud_event::CloudEvent;
use crate::definition::{Mistakes, TriggerDraft};
use crate::expression::{Expression, Scope, Template};
use crate::failure::{Failure, FailureKind};
use crate::mistake::{Mistake, code};
use crate::pointer;
use crate::route::Route;
use crate::schedule::Timetable;
use crate::schema::{Schema, SchemaViolation};
use crate::wildcard::Wildcard;

/// What starts a run.
#[derive(Debug)]
pub enum PlannedTrigger {
    /// A request.
    Http(Arc<HttpTrigger>),
    /// The time.
    Cron(Box<CronTrigger>),
    /// An event.
    Event(Box<EventTrigger>),
}

/// An HTTP trigger.
#[derive(Debug)]
pub struct HttpTrigger {
    /// Below `/hooks`.
    pub path: Route,
    /// In upper case.
    pub method: String,
    /// Whether a call needs no API key.
    pub open: bool,
    /// What becomes of a request's body.
    pub body: TriggerBody,
    /// The input of its runs; none: the request's body.
    pub input: Option<Template>,
    /// How the request is answered; none: as a start by the API is.
    pub respond: Option<Respond>,
}

/// How an HTTP trigger answers once its run has succeeded.
#[derive(Debug)]
pub struct Respond {
    /// How long the request waits for the run's end. If it takes longer, the answer is that of a start by the API.
    pub wait: Duration,
    /// The answer's status; none: 200.
    pub status: Option<Template>,
    /// The answer's body; none: the run's output.
    pub body: Option<Template>,
}

impl HttpTrigger {
    /// The input of the run that a request starts. `request` has `method`, `path`, `params`, `query`, `headers` and `body`.
    pub fn input(&self, request: &Arc<Value>) -> Result<Arc<Value>, Failure> {
        match &self.input {
            Some(input) => input.render(&Scope::of_request(request)),
            None => Ok(match &request["body"] {
                Value::Null => Arc::new(empty()),
                body => Arc::new(body.clone()),
            }),
        }
    }
}

impl Respond {
    /// The status and body of the answer to a request whose run gave this output. `run` has `id` and `workflow`.
    pub fn answer(
        &self,
        request: &Arc<Value>,
        run: &Arc<Value>,
        output: &Arc<Value>,
    ) -> Result<(u16, Arc<Value>), Failure> {
        let scope = Scope::of_answer(request, run, output);
        let status = match &self.status {
            Some(status) => status_of(&*status.render(&scope)?)?,
            None => 200,
        };
        let body = self.body.as_ref().map_or_else(|| Ok(Arc::clone(output)), |body| body.render(&scope))?;
        Ok((status, body))
    }
}

fn status_of(status: &Value) -> Result<u16, Failure> {
    let number = status.as_u64().and_then(|status| u16::try_from(status).ok());
    number.filter(|status| (200..600).contains(status)).ok_or_else(|| {
        let message =
            format!("the trigger's `respond.status` gives {status}, which is no HTTP status from 200 to 599");
        Failure::new(FailureKind::Expression, message)
    })
}

/// What becomes of the body of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TriggerBody {
    /// It is JSON.
    #[default]
    Json,
    /// It is kept as a blob, whatever it is, and the reference to it stands for it.
    Blob {
        /// The most that it may have; none: as much as any blob.
        max_bytes: Option<u64>,
    },
}

/// A cron trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronTrigger {
    /// When it fires, and how late that may be.
    pub timetable: Timetable,
    /// What happens while the run before still goes on.
    pub overlap: Overlap,
    /// The input of its runs.
    pub input: Arc<Value>,
}

/// What a fire does while the run that the trigger started before has not ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Overlap {
    /// It starts a run all the same.
    Allow,
    /// Nothing.
    #[default]
    Skip,
    /// It waits for that run's end, and then starts one.
    Queue,
}

/// An event trigger.
#[derive(Debug)]
pub struct EventTrigger {
    /// The events' type.
    pub event_type: Wildcard,
    /// The events' source; none: any.
    pub source: Option<Wildcard>,
    /// Which of them.
    pub when: Option<Expression>,
    /// The input of its runs; none: the event's data.
    pub input: Option<Template>,
}

impl EventTrigger {
    /// Whether this is an event of the type and source that it waits for. What it says of them is [`EventTrigger::wants`]'s.
    #[must_use]
    pub fn is_about(&self, event: &CloudEvent) -> bool {
        self.event_type.matches(&event.event_type)
            && self.source.as_ref().is_none_or(|source| source.matches(&event.source))
    }

    /// Whether it starts a run for such an event. `scope` shows the event.
    pub fn wants(&self, scope: &Scope) -> Result<bool, Failure> {
        self.when.as_ref().map_or(Ok(true), |when| when.is_true(scope))
    }

    /// The input of the run that it starts. `scope` shows the event.
    pub fn input(&self, event: &CloudEvent, scope: &Scope) -> Result<Arc<Value>, Failure> {
        match &self.input {
            Some(input) => input.render(scope),
            None => Ok(Arc::new(event.data_as_json().unwrap_or_else(empty))),
        }
    }
}

impl Plan {
    /// Its HTTP triggers.
    pub fn http_triggers(&self) -> impl Iterator<Item = &Arc<HttpTrigger>> {
        self.triggers.iter().filter_map(|trigger| match trigger {
            PlannedTrigger::Http(http) => Some(http),
            _ => None,
        })
    }

    /// Its cron triggers, each with its place among the triggers.
    pub fn cron_triggers(&self) -> impl Iterator<Item = (usize, &CronTrigger)> {
        self.triggers.iter().enumerate().filter_map(|(index, trigger)| match trigger {
            PlannedTrigger::Cron(cron) => Some((index, &**cron)),
            _ => None,
        })
    }

    /// Its event triggers.
    pub fn event_triggers(&self) -> impl Iterator<Item = &EventTrigger> {
        self.triggers.iter().filter_map(|trigger| match trigger {
            PlannedTrigger::Event(event) => Some(&**event),
            _ => None,
        })
    }
}

/// An input of which nothing was said.
pub(crate) fn empty() -> Value {
    Value::Object(Map::new())
}

/// Notes every input that can never match the workflow's schema.
pub(super) fn check_inputs(triggers: &[TriggerDraft], schema: &Schema, mistakes: &Mistakes) {
    for TriggerDraft { pointer, trigger } in triggers {
        let (kind, violations) = match trigger {
            PlannedTrigger::Http(http) => (
                "http",
                http.input.as_ref().map_or_else(Vec::new, |input| fit::misfits(input.root(), schema)),
            ),
            PlannedTrigger::Cron(cron) => ("cron", schema.check(&cron.input).err().unwrap_or_default()),
            PlannedTrigger::Event(event) => (
                "event",
                event.input.as_ref().map_or_else(Vec::new, |input| fit::misfits(input.root(), schema)),
            ),
        };
        let place = pointer::field(&pointer::field(pointer, kind), "input");
        mistakes.add_all(violations.into_iter().map(|SchemaViolation { pointer, message }| {
            Mistake::new(place.clone() + &pointer, code::INPUT_MISMATCH, message)
                .with_help("the workflow's `input` says what its runs must be given")
        }));
    }
}
