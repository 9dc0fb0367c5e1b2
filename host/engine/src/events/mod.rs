//! Events that come in: which workflows want one, and the runs that it starts.
//!
//! An event may come more than once: whoever sends it sends it until it was answered. It is known by its id and source, and starts
//! one run of a workflow.

mod table;

use std::sync::{Arc, PoisonError};

use futures::{StreamExt as _, stream};
use serde_json::Value;
use stepwell_core::cloud_event::CloudEvent;
use stepwell_core::expression::Scope;
use stepwell_core::failure::Failure;
use stepwell_core::id::{RunId, TenantId, WorkflowName};
use stepwell_core::plan::Plan;
use stepwell_core::run::Trigger;

pub(crate) use self::table::EventTable;

use crate::start::Once;
use crate::{Engine, StartError, StartRequest, Started};

/// So many runs are started at the same time: they share the journal's commits.
const AT_ONCE: usize = 64;

/// What an event did for a workflow that wants its kind.
#[derive(Debug)]
pub struct Delivery {
    /// The workflow.
    pub workflow: WorkflowName,
    /// Its run, or why there is none; sending the event again will not help.
    pub outcome: Result<Started, DeliveryFailure>,
}

/// Why an event started no run of a workflow that wants its kind.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryFailure {
    /// An expression of the trigger failed.
    #[error("{}", .0.message)]
    Expression(Failure),
    /// The run cannot be started.
    #[error(transparent)]
    Start(StartError),
}

impl Engine {
    /// Starts a run of every workflow that wants the event, once for each however often the event is delivered. An error means
    /// that some of them may not have been started, and that the event is to be delivered again.
    ///
    /// The runs belong to the event's trace; to `traceparent`'s, if the event tells none.
    pub async fn deliver_event(
        &self,
        tenant: &TenantId,
        event: &CloudEvent,
        traceparent: &str,
    ) -> Result<Vec<Delivery>, StartError> {
        let plans = self.0.events.read().unwrap_or_else(PoisonError::into_inner).interested(tenant, event);
        if plans.is_empty() {
            return Ok(Vec::new());
        }
        let scope = Scope::of_event(&event.to_shown());
        let wanted = plans.iter().filter_map(|plan| Some((plan, input_of(plan, event, &scope)?)));
        let deliveries: Vec<_> =
            wanted.map(|(plan, input)| self.deliver(tenant, event, plan, input, traceparent)).collect();
        let delivered: Vec<_> = stream::iter(deliveries).buffered(AT_ONCE).collect().await;
        delivered.into_iter().collect()
    }

    async fn deliver(
        &self,
        tenant: &TenantId,
        event: &CloudEvent,
        plan: &Plan,
        input: Result<Arc<Value>, Failure>,
        traceparent: &str,
    ) -> Result<Delivery, StartError> {
        let workflow = plan.name.clone();
        let outcome = match input {
            Ok(input) => self
                .start_for(tenant, event, &workflow, input, traceparent)
                .await?
                .map_err(DeliveryFailure::Start),
            Err(failure) => Err(DeliveryFailure::Expression(failure)),
        };
        if let Err(error) = &outcome {
            tracing::error!(%workflow, event = event.id, source = event.source, %error, "an event starts no run");
        }
        Ok(Delivery { workflow, outcome })
    }

    /// Inside: what will not change by trying again.
    async fn start_for(
        &self,
        tenant: &TenantId,
        event: &CloudEvent,
        workflow: &WorkflowName,
        input: Arc<Value>,
        traceparent: &str,
    ) -> Result<Result<Started, StartError>, StartError> {
        let trigger = Trigger::Event {
            id: event.id.clone(),
            source: event.source.clone(),
            event_type: event.event_type.clone(),
        };
        let own_trace = event.extensions.get("traceparent").and_then(Value::as_str);
        let request = StartRequest {
            tenant: tenant.clone(),
            workflow: workflow.clone(),
            version: None,
            input: Arc::unwrap_or_clone(input),
            trigger,
            traceparent: own_trace.unwrap_or(traceparent).to_owned(),
            idempotency_key: None,
            wait: None,
            start_at: None,
            priority: None,
        };
        // No header holds a line feed: no client can make up this key.
        let key = format!("event\n{}", event.identity());
        match self.start_once(request, Once { key, marks: &|_: RunId| Vec::new() }).await {
            // The same event, told in other words or to another version of the workflow.
            Err(StartError::IdempotencyMismatch { run }) => {
                self.report_earlier(tenant, run, None).await.map(Ok)
            }
            Err(error) if error.is_lasting() => Ok(Err(error)),
            Err(error) => Err(error),
            Ok(started) => Ok(Ok(started)),
        }
    }
}

/// The input that the first trigger gives which wants the event, or why that cannot be told. None: no trigger wants it.
fn input_of(plan: &Plan, event: &CloudEvent, scope: &Scope) -> Option<Result<Arc<Value>, Failure>> {
    let about = plan.event_triggers().filter(|trigger| trigger.is_about(event));
    about.map(|trigger| (trigger, trigger.wants(scope))).find_map(|(trigger, wants)| match wants {
        Ok(true) => Some(trigger.input(event, scope)),
        Ok(false) => None,
        Err(failure) => Some(Err(failure)),
    })
}
