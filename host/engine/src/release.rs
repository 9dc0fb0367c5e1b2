//! Which version new runs get: going back to an older one, trying a new one with a share of them, giving it all of them.
//!
//! Every version that was applied is kept with its lock, and is released as it was kept: nothing is resolved again. Runs
//! that were started before keep the version that they have.

use std::panic::resume_unwind;
use std::sync::PoisonError;

use jiff::Timestamp;
use semver::Version;
use stepwell_core::id::{TenantId, WorkflowName};
use stepwell_core::split::Percent;
use stepwell_store::{Reason, Release, WorkflowSummary, WorkflowVersion};
use tokio::task::JoinError;

use crate::{Engine, EngineError, ReleaseError, plans};

/// A change of the current version.
#[derive(Debug, Clone, PartialEq)]
pub struct Released {
    /// What was the current version.
    pub before: WorkflowVersion,
    /// What is: the same, if it was so before.
    pub now: WorkflowVersion,
}

impl Engine {
    /// Makes an older version the current one again: this one, or the one that was current before. Its triggers come into force.
    pub async fn rollback(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
        to: Option<&Version>,
    ) -> Result<Released, ReleaseError> {
        let (tenant, name, to) = (tenant.clone(), name.clone(), to.cloned());
        self.release_alone(move |engine| async move {
            let summary = engine.summary(&tenant, &name).await?;
            let to = to.as_ref().or_else(|| summary.previous());
            let to = to.ok_or_else(|| ReleaseError::NoEarlierVersion {
                name: name.clone(),
                current: summary.current.clone(),
            })?;
            engine.make_current(&tenant, &summary, to, Reason::RolledBack).await
        })
        .await
    }

    /// Makes the canary the current version. Its triggers come into force.
    pub async fn promote(&self, tenant: &TenantId, name: &WorkflowName) -> Result<Released, ReleaseError> {
        let (tenant, name) = (tenant.clone(), name.clone());
        self.release_alone(move |engine| async move {
            let summary = engine.summary(&tenant, &name).await?;
            let Some(canary) = &summary.canary else { return Err(ReleaseError::NoCanary { name }) };
            engine.make_current(&tenant, &summary, &canary.version, Reason::Promoted).await
        })
        .await
    }

    /// Gives a version that was applied a share of new runs, in place of an earlier canary.
    pub async fn set_canary(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
        version: &Version,
        percent: Percent,
    ) -> Result<WorkflowSummary, ReleaseError> {
        let (tenant, name, version) = (tenant.clone(), name.clone(), version.clone());
        self.release_alone(move |engine| async move {
            let summary = engine.summary(&tenant, &name).await?;
            check_canary(&summary, &version)?;
            let canary = engine.kept(&tenant, &summary, &version).await?;
            engine.release(&tenant, canary, Release::Canary(percent)).await?;
            engine.summary(&tenant, &name).await
        })
        .await
    }

    /// Lets every new run have the current version.
    pub async fn end_canary(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
    ) -> Result<WorkflowSummary, ReleaseError> {
        let (tenant, name) = (tenant.clone(), name.clone());
        self.release_alone(move |engine| async move {
            let summary = engine.summary(&tenant, &name).await?;
            if engine.0.catalogue.end_canary(&tenant, &name).await?.is_none() {
                return Err(ReleaseError::NoCanary { name });
            }
            engine.take_effect(&tenant, &name).await?;
            Ok(WorkflowSummary { canary: None, ..summary })
        })
        .await
    }

    /// Does what changes what new runs get, one at a time and each to its end, in a task of its own: a caller who goes away in the
    /// middle must not leave the catalogue saying one thing and new runs getting another.
    pub(crate) async fn release_alone<T, E, F>(
        &self,
        work: impl FnOnce(Self) -> F + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<EngineError> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let engine = self.clone();
        let done = self.0.tasks.spawn(async move {
            let _turn = engine.0.applying.lock().await;
            work(engine.clone()).await
        });
        match done.await.map_err(JoinError::try_into_panic) {
            Ok(result) => result,
            Err(Ok(panic)) => resume_unwind(panic),
            Err(Err(_cancelled)) => Err(EngineError::ShuttingDown.into()),
        }
    }

    /// Whether this version may be the canary of its workflow.
    pub(crate) async fn check_canary(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
        version: &Version,
    ) -> Result<(), ReleaseError> {
        match self.0.catalogue.workflow_summary(tenant, name).await? {
            Some(summary) => check_canary(&summary, version),
            None => Err(ReleaseError::FirstCanary { name: name.clone() }),
        }
    }

    /// What the catalogue says now is what new runs get, and which triggers are in force.
    pub(crate) async fn take_effect(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
    ) -> Result<(), EngineError> {
        if let Some(current) = self.0.plans.refresh(tenant, name, &*self.0.catalogue).await? {
            self.adopt_triggers(tenant, &current).await?;
        }
        Ok(())
    }

    async fn make_current(
        &self,
        tenant: &TenantId,
        summary: &WorkflowSummary,
        version: &Version,
        reason: Reason,
    ) -> Result<Released, ReleaseError> {
        let now = self.kept(tenant, summary, version).await?;
        let before = self.kept(tenant, summary, &summary.current).await?;
        self.check_hooks(tenant, &now)?;
        self.release(tenant, now.clone(), Release::Current(reason)).await?;
        Ok(Released { before, now })
    }

    /// Another workflow may have taken a path since this version was current.
    fn check_hooks(&self, tenant: &TenantId, version: &WorkflowVersion) -> Result<(), ReleaseError> {
        let hooks = self.0.hooks.read().unwrap_or_else(PoisonError::into_inner);
        let taken = hooks.mistakes(tenant, &version.name, &version.definition);
        if taken.is_empty() { Ok(()) } else { Err(ReleaseError::Mistakes(taken)) }
    }

    /// Releases a version that is kept and can be loaded: one that cannot would end all new runs.
    async fn release(
        &self,
        tenant: &TenantId,
        kept: WorkflowVersion,
        release: Release,
    ) -> Result<(), ReleaseError> {
        let catalogue = &*self.0.catalogue;
        self.0.plans.version(tenant, &kept.name, &kept.version, catalogue).await?;
        let now = WorkflowVersion { applied_at: Timestamp::now(), ..kept };
        catalogue.put_workflow(tenant, &now, release).await?;
        self.take_effect(tenant, &now.name).await.map_err(Into::into)
    }

    async fn kept(
        &self,
        tenant: &TenantId,
        summary: &WorkflowSummary,
        version: &Version,
    ) -> Result<WorkflowVersion, ReleaseError> {
        let name = &summary.name;
        if !summary.versions.contains(version) {
            let (name, version, known) = (name.clone(), version.clone(), summary.versions.clone());
            return Err(ReleaseError::UnknownVersion { name, version, known });
        }
        let kept = self.0.catalogue.workflow(tenant, name, Some(version)).await?;
        kept.ok_or_else(|| plans::missing(name, version).into())
    }

    async fn summary(&self, tenant: &TenantId, name: &WorkflowName) -> Result<WorkflowSummary, ReleaseError> {
        if let Some(summary) = self.0.catalogue.workflow_summary(tenant, name).await? {
            return Ok(summary);
        }
        let known = self.0.catalogue.workflows(tenant).await?;
        let known = known.into_iter().map(|workflow| workflow.name).collect();
        Err(ReleaseError::UnknownWorkflow { name: name.clone(), known })
    }
}

fn check_canary(summary: &WorkflowSummary, version: &Version) -> Result<(), ReleaseError> {
    if summary.current != *version {
        return Ok(());
    }
    Err(ReleaseError::CanaryIsCurrent { name: summary.name.clone(), version: version.clone() })
}
