//! Which versions of a workflow new runs get, now and before: what both catalogues do with a version that is put into them.

use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};
use stepwell_core::id::WorkflowName;
use stepwell_core::split::Percent;

use crate::{StoreError, WorkflowVersion};

/// So many changes of the current version are remembered.
const MAX_HISTORY: usize = 50;

/// What new runs get of a version that is put into the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Every one of them: it becomes the current version, and a canary beside the one before it ends.
    Current(Reason),
    /// A share of them: it becomes the canary beside the current version, in place of an earlier canary.
    Canary(Percent),
}

/// Why a version became the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Its definition was applied.
    Applied,
    /// It was gone back to.
    RolledBack,
    /// It was the canary.
    Promoted,
}

impl Reason {
    /// As written in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::RolledBack => "rolled-back",
            Self::Promoted => "promoted",
        }
    }
}

/// The version that a share of new runs gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// The version.
    pub version: Version,
    /// Its share.
    pub percent: Percent,
    /// Since when it has this share.
    pub since: Timestamp,
}

/// A version became the current one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Succession {
    /// The version.
    pub version: Version,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
}

/// A workflow's line in the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkflowSummary {
    /// The workflow.
    pub name: WorkflowName,
    /// The version that new runs get.
    pub current: Version,
    /// All versions, oldest first.
    pub versions: Vec<Version>,
    /// When the current version became the current one.
    pub applied_at: Timestamp,
    /// The version that a share of new runs gets instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Which versions were current when, oldest first, the current one last. Bounded; what an older Stepwell did is not in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Succession>,
}

impl WorkflowSummary {
    /// The version that was current before this one, as far as that is remembered.
    #[must_use]
    pub fn previous(&self) -> Option<&Version> {
        self.history.iter().rev().map(|then| &then.version).find(|version| **version != self.current)
    }

    /// The line after a release; none if it says so already. The version's `applied_at` is the moment of the release.
    pub(crate) fn after(
        before: Option<Self>,
        version: &WorkflowVersion,
        release: Release,
    ) -> Result<Option<Self>, StoreError> {
        match (before, release) {
            (None, Release::Current(reason)) => Ok(Some(Self::first(version, reason))),
            (Some(before), Release::Current(_)) if before.current == version.version => Ok(None),
            (Some(before), Release::Current(reason)) => Ok(Some(before.succeeded_by(version, reason))),
            (Some(before), Release::Canary(percent)) if before.current != version.version => {
                Ok(before.beside(version, percent))
            }
            (_, Release::Canary(_)) => Err(StoreError::Conflict(format!(
                "version {} of workflow `{}` cannot be the canary: a canary is beside a current version that is another one",
                version.version, version.name
            ))),
        }
    }

    fn first(version: &WorkflowVersion, reason: Reason) -> Self {
        Self {
            name: version.name.clone(),
            current: version.version.clone(),
            versions: vec![version.version.clone()],
            applied_at: version.applied_at,
            canary: None,
            history: vec![Succession { version: version.version.clone(), at: version.applied_at, reason }],
        }
    }

    fn succeeded_by(mut self, version: &WorkflowVersion, reason: Reason) -> Self {
        if self.history.is_empty() {
            // Written by a Stepwell that kept no history, in which applying was the only way.
            self.history.push(Succession {
                version: self.current.clone(),
                at: self.applied_at,
                reason: Reason::Applied,
            });
        }
        self.history.push(Succession { version: version.version.clone(), at: version.applied_at, reason });
        self.history.drain(..self.history.len().saturating_sub(MAX_HISTORY));
        self.know(&version.version);
        Self { current: version.version.clone(), applied_at: version.applied_at, canary: None, ..self }
    }

    fn beside(mut self, version: &WorkflowVersion, percent: Percent) -> Option<Self> {
        let is_so = |canary: &Canary| canary.version == version.version && canary.percent == percent;
        if self.canary.as_ref().is_some_and(is_so) {
            return None;
        }
        self.know(&version.version);
        let canary = Canary { version: version.version.clone(), percent, since: version.applied_at };
        Some(Self { canary: Some(canary), ..self })
    }

    fn know(&mut self, version: &Version) {
        self.versions.push(version.clone());
        self.versions.sort();
        self.versions.dedup();
    }
}
