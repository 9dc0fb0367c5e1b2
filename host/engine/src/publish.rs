//! Publishing a step: the sandbox judges the component, the catalogue keeps it.

use bytes::Bytes;
use stepwell_core::id::TenantId;
use stepwell_core::manifest::PublishedStep;
use stepwell_store::StoreError;

use crate::{Engine, PublishError};

/// A step that was published.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// As the catalogue keeps it.
    pub step: PublishedStep,
    /// `false`: the same bytes were published before.
    pub created: bool,
}

impl Engine {
    /// Publishes a component as a step, under the name and version that it gives itself.
    pub async fn publish_step(&self, tenant: &TenantId, component: Bytes) -> Result<Published, PublishError> {
        let step = self.0.sandbox.publish(component.clone()).await?;
        let kept = self.0.catalogue.put_step(tenant, &step, &component).await;
        let created = kept.map_err(|error| match error {
            StoreError::Conflict(message) => PublishError::Conflict(message),
            other => PublishError::Store(other),
        })?;
        self.0.steps.forget(tenant).await;
        Ok(Published { step, created })
    }
}
