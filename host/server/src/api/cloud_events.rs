//! `/v1/events`: events that come in as CloudEvents 1.0, and the runs that they start.

use axum::extract::{FromRequest, Request, State};
use futures::{StreamExt as _, stream};
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use stepwell_core::cloud_event::CloudEvent;
use stepwell_core::id::{RunId, WorkflowName};
use stepwell_core::schema::SchemaViolation;
use stepwell_engine::{Delivery, DeliveryFailure, StartError};

use super::App;
use super::edge::Traceparent;
use super::extract::{Caller, ContentType, Json, NoParameters, Query, read_json_body};
use crate::cloud_events::{self, BATCH, OTHER_FORMATS, STRUCTURED};
use crate::problem::{Place, Problem};

/// So many events of a batch are delivered at the same time.
const AT_ONCE: usize = 16;

/// What the events did.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct EventAnswer {
    /// The runs that the events started, or had started before.
    runs: Vec<EventRun>,
    /// The workflows that want such an event and could not be given it. Sending it again will not help.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<EventFailure>,
}

/// A run that an event started.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventRun {
    workflow: WorkflowName,
    run_id: RunId,
    /// The event had come before, and had started this run.
    existing: bool,
    /// The event's id.
    event_id: String,
}

/// A workflow that an event started no run of.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventFailure {
    workflow: WorkflowName,
    /// The event's id.
    event_id: String,
    /// What went wrong.
    detail: String,
    /// Where the input does not match the workflow's schema, if that is it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<SchemaViolation>,
}

impl EventAnswer {
    fn add(&mut self, event: &CloudEvent, Delivery { workflow, outcome }: Delivery) {
        let event_id = event.id.clone();
        match outcome {
            Ok(started) => {
                self.runs.push(EventRun {
                    workflow,
                    run_id: started.run,
                    existing: started.existing,
                    event_id,
                });
            }
            Err(failure) => {
                let detail = failure.to_string();
                let violations = match failure {
                    DeliveryFailure::Start(StartError::InvalidInput(violations)) => violations,
                    _ => Vec::new(),
                };
                self.failures.push(EventFailure { workflow, event_id, detail, violations });
            }
        }
    }
}

/// Send events.
///
/// Starts a run of every workflow with a trigger for the event, once for each however often the event is sent: events of the same `id` and
/// `source` are the same event. One event is sent in structured mode (`application/cloudevents+json`) or in binary mode (its attributes as
/// `ce-` headers, its data as the body), several in a batch. The answer comes once what the events started is on disk. Any
/// other answer than a 202 means: send them again.
#[utoipa::path(
    post, path = "/v1/events", tag = "runs",
    request_body(content((Value = "application/cloudevents+json"), (Vec<Value> = "application/cloudevents-batch+json"), (Value = "application/json"))),
    responses(
        (status = 202, body = EventAnswer, description = "The runs are accepted, and that is on disk"),
        Problem,
    ),
)]
pub(crate) async fn receive(
    State(app): State<App>,
    caller: Caller,
    traceparent: Traceparent,
    Query(NoParameters {}): Query<NoParameters>,
    request: Request,
) -> Result<(StatusCode, axum::Json<EventAnswer>), Problem> {
    let events = read(request, &app).await?;
    let trace = traceparent.as_str();
    let deliveries: Vec<_> =
        events.iter().map(|event| app.engine.deliver_event(&caller.tenant, event, trace)).collect();
    let delivered: Vec<_> = stream::iter(deliveries).buffered(AT_ONCE).collect().await;
    let mut answer = EventAnswer::default();
    for (event, deliveries) in events.iter().zip(delivered) {
        deliveries?.into_iter().for_each(|delivery| answer.add(event, delivery));
    }
    Ok((StatusCode::ACCEPTED, axum::Json(answer)))
}

/// The events that a request brings; all of them, or what is wrong with the first that is none.
async fn read(request: Request, app: &App) -> Result<Vec<CloudEvent>, Problem> {
    let sent = ContentType::of(request.headers());
    if sent.is(&[STRUCTURED]) {
        let Json(event) = <Json<Value> as FromRequest<App>>::from_request(request, app).await?;
        return Ok(vec![structured(event, None)?]);
    }
    if sent.is(&[BATCH]) {
        let Json(events) = <Json<Vec<Value>> as FromRequest<App>>::from_request(request, app).await?;
        return events.into_iter().enumerate().map(|(index, event)| structured(event, Some(index))).collect();
    }
    if sent.starts_with(OTHER_FORMATS) {
        return Err(sent.refuse(&[STRUCTURED, BATCH]));
    }
    let headers = request.headers().clone();
    let body = read_json_body(request, app).await?;
    let wrong = |mistakes| Problem::InvalidEvent { event: None, mistakes };
    let attributes = cloud_events::attributes_of(&headers).map_err(wrong)?;
    let data = cloud_events::data_of(&headers, &body)?;
    Ok(vec![CloudEvent::from_attributes(attributes, data).map_err(wrong)?])
}

fn structured(event: Value, index: Option<usize>) -> Result<CloudEvent, Problem> {
    if !event.is_object() {
        let pointer = index.map(|index| format!("/{index}")).unwrap_or_default();
        let message = "an event is a JSON object of attributes".to_owned();
        return Err(Problem::InvalidRequest { place: Place::Body(pointer), message });
    }
    CloudEvent::from_json(event).map_err(|mistakes| Problem::InvalidEvent { event: index, mistakes })
}
