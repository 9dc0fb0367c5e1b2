//! Starting a run: everything is checked before it is accepted, and accepted means on disk.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use semver::Version;
use serde::Serialize;
use serde_json::Value;
use stepwell_core::digest::Digest;
use stepwell_core::id::{RunId, TenantId, WorkflowName};
use stepwell_core::plan::Plan;
use stepwell_core::priority::Priority;
use stepwell_core::run::{Event, RunOutcome, RunStatus, RunView, Trigger};
use stepwell_core::trace;
use stepwell_store::{Accepted, IdempotencyClaim, MarkChange};
use uuid::Uuid;

use crate::ledger::Ledger;
use crate::live::LiveRun;
use crate::plans::Choice;
use crate::{Engine, EngineError, Phase, StartError, drive};

/// A wish to start a run.
#[derive(Debug, Clone)]
pub struct StartRequest {
    /// Whose.
    pub tenant: TenantId,
    /// The workflow.
    pub workflow: WorkflowName,
    /// Its version; none for the current one, or the canary if that is this run's share.
    pub version: Option<Version>,
    /// The run's input.
    pub input: Value,
    /// How urgent it is; none for what the workflow says.
    pub priority: Option<Priority>,
    /// Who or what starts it.
    pub trigger: Trigger,
    /// W3C Trace Context of whoever asks; one that is not well-formed is replaced.
    pub traceparent: String,
    /// The same key with the same request starts one run, however often it is asked for.
    pub idempotency_key: Option<String>,
    /// Wait so long for the run's end.
    pub wait: Option<Duration>,
    /// Nothing begins before.
    pub start_at: Option<Timestamp>,
}

/// A run that was accepted: it is on disk.
#[derive(Debug, Clone)]
pub struct Started {
    /// The run.
    pub run: RunId,
    /// The same request had started it before.
    pub existing: bool,
    /// Where it stood then.
    pub status: RunStatus,
    /// How the run ended, if that was waited for and came in time.
    pub ended: Option<RunOutcome>,
}

/// What makes a start be made once.
pub(crate) struct Once<'a> {
    /// The same key with the same request starts one run.
    pub(crate) key: String,
    /// The marks that change in one step with the run's acceptance, and not if it was started before.
    pub(crate) marks: &'a (dyn Fn(RunId) -> Vec<MarkChange> + Sync),
}

impl Engine {
    /// Starts a run. When this returns, its acceptance is on disk (with its end, if that was waited for).
    pub async fn start(&self, request: StartRequest) -> Result<Started, StartError> {
        let once = request.idempotency_key.clone().map(|key| Once { key, marks: &|_| Vec::new() });
        self.start_as(request, once).await
    }

    /// Starts a run once, and changes marks in one step with its acceptance.
    pub(crate) async fn start_once(
        &self,
        request: StartRequest,
        once: Once<'_>,
    ) -> Result<Started, StartError> {
        self.start_as(request, Some(once)).await
    }

    async fn start_as(&self, request: StartRequest, once: Option<Once<'_>>) -> Result<Started, StartError> {
        if self.0.phase() != Phase::Open {
            return Err(StartError::ShuttingDown);
        }
        let id = RunId(Uuid::now_v7());
        let choice = self.plan_for(&request, id).await?;
        self.check_input(&choice.plan, &request.input)?;
        self.0.check_blobs_of_input(&request.tenant, &request.input).await?;
        self.0.journal.admit()?;

        let once = once.map(|once| (self.claim(&request, once.key), once.marks));
        let (tenant, wait) = (request.tenant.clone(), request.wait);
        let admitted = self.admit(id, choice, request);
        let Some((claim, marks)) = once else { return self.drive_accepted(admitted?, wait).await };
        let run = match admitted {
            Err(full @ StartError::Full { .. }) => return self.repeat(&tenant, &claim, wait, full).await,
            admitted => admitted?,
        };
        let marks = marks(run.id);
        // In a task of its own: a caller who goes away while the claim is decided must not leave an accepted run that nobody drives.
        let (id, engine) = (run.id, self.clone());
        let claimed = self.0.tasks.spawn(async move { engine.start_claimed(run, claim, marks, wait).await });
        claimed.await.unwrap_or_else(|panic| {
            Err(EngineError::Journal { run: id, why: format!("its start panicked: {panic}") }.into())
        })
    }

    /// Starts a run whose id is known: that of a sub-workflow.
    pub(crate) async fn start_child(&self, id: RunId, request: StartRequest) -> Result<(), StartError> {
        let choice = self.plan_for(&request, id).await?;
        self.check_input(&choice.plan, &request.input)?;
        self.0.check_blobs_of_input(&request.tenant, &request.input).await?;
        let _turn = self.0.runs.load_turn(id).await;
        if self.0.runs.contains(id) || self.0.journal.summary(&request.tenant, id).await?.is_some() {
            return Ok(());
        }
        let run = self.admit(id, choice, request)?;
        self.drive_accepted(run, None).await.map(|_| ())
    }

    /// Starts the run if the claim is new; else tells of the run that it was claimed for.
    async fn start_claimed(
        &self,
        run: Arc<LiveRun>,
        claim: IdempotencyClaim,
        marks: Vec<MarkChange>,
        wait: Option<Duration>,
    ) -> Result<Started, StartError> {
        match self.claim_start(&run, claim, marks).await? {
            Some(earlier) => self.report_earlier(&run.tenant, earlier, wait).await,
            None => self.drive_accepted(run, wait).await,
        }
    }

    /// There is no room for another run: but the start may have been made before, and is then no other run.
    async fn repeat(
        &self,
        tenant: &TenantId,
        claim: &IdempotencyClaim,
        wait: Option<Duration>,
        full: StartError,
    ) -> Result<Started, StartError> {
        match self.0.journal.claimed(tenant, claim).await? {
            Some(Accepted::Before(run)) => self.report_earlier(tenant, run, wait).await,
            Some(Accepted::Mismatch(run)) => Err(StartError::IdempotencyMismatch { run }),
            Some(Accepted::New) | None => Err(full),
        }
    }

    async fn plan_for(&self, request: &StartRequest, run: RunId) -> Result<Choice, StartError> {
        let StartRequest { tenant, workflow, version, .. } = request;
        let (plans, catalogue) = (&self.0.plans, &*self.0.catalogue);
        let choice = match version {
            Some(version) => {
                let plan = plans.version(tenant, workflow, version, catalogue).await?;
                plan.map(|plan| Choice { plan, split: None })
            }
            None => plans.for_run(tenant, workflow, run, catalogue).await?,
        };
        match choice {
            Some(choice) => Ok(choice),
            None => Err(self.unknown(tenant, workflow, version.as_ref()).await?),
        }
    }

    /// What to say of a workflow, or a version of it, that there is not.
    async fn unknown(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
        version: Option<&Version>,
    ) -> Result<StartError, StartError> {
        let workflows = self.0.catalogue.workflows(tenant).await?;
        let same_name = workflows.iter().find(|workflow| workflow.name == *name);
        Ok(match (version, same_name) {
            (Some(version), Some(workflow)) => StartError::UnknownVersion {
                name: name.clone(),
                version: version.clone(),
                known: workflow.versions.clone(),
            },
            _ => StartError::UnknownWorkflow {
                name: name.clone(),
                known: workflows.into_iter().map(|workflow| workflow.name).collect(),
            },
        })
    }

    fn check_input(&self, plan: &Plan, input: &Value) -> Result<(), StartError> {
        let (size, limit) = (json_size(input), self.0.config.max_input_bytes);
        if size > limit {
            return Err(StartError::InputTooLarge { size, limit });
        }
        plan.input.check(input).map_err(StartError::InvalidInput)
    }

    fn claim(&self, request: &StartRequest, key: String) -> IdempotencyClaim {
        let ttl = SignedDuration::try_from(self.0.config.idempotency_ttl).unwrap_or(SignedDuration::MAX);
        IdempotencyClaim {
            workflow: request.workflow.clone(),
            key,
            request_digest: digest_of(request),
            expires_at: Timestamp::now().saturating_add(ttl).unwrap_or(Timestamp::MAX),
        }
    }

    /// Brings a new run into memory, with its acceptance recorded and not yet in the journal.
    fn admit(&self, id: RunId, choice: Choice, request: StartRequest) -> Result<Arc<LiveRun>, StartError> {
        let Choice { plan, split } = choice;
        let acceptance = Event::RunAccepted {
            workflow: plan.name.clone(),
            version: plan.version.clone(),
            input: Arc::new(request.input),
            trigger: request.trigger,
            traceparent: trace::of_run(request.traceparent, id),
            start_at: request.start_at,
            priority: request.priority.unwrap_or(plan.priority),
            split,
            rules: Event::RULES,
        };
        let ledger = Ledger::open(request.tenant.clone(), id, plan, acceptance, self.0.mint())
            .map_err(|error| StartError::Engine(EngineError::Journal { run: id, why: error.to_string() }))?;
        self.0.claim_place(&request.tenant, ledger.state())?;
        let run = LiveRun::new(request.tenant, ledger, Arc::clone(&self.0.journal));
        self.0.runs.insert(&run);
        self.0.admit_if_placed(&run);
        Ok(run)
    }

    /// Accepts the run under its claim; gives the earlier run if there was one, and then this one never was.
    async fn claim_start(
        &self,
        run: &LiveRun,
        claim: IdempotencyClaim,
        marks: Vec<MarkChange>,
    ) -> Result<Option<RunId>, StartError> {
        let mut batch = run.take_batch();
        batch.marks.extend(marks);
        let accepted = self.0.journal.accept(batch, claim).await;
        if !matches!(accepted, Ok(Accepted::New)) {
            self.0.runs.remove(run.id);
        }
        if let Ok(Accepted::Before(_) | Accepted::Mismatch(_)) = accepted {
            self.0.release_place(run.id);
        }
        match accepted {
            Ok(Accepted::New) => Ok(None),
            Ok(Accepted::Before(earlier)) => Ok(Some(earlier)),
            Ok(Accepted::Mismatch(earlier)) => Err(StartError::IdempotencyMismatch { run: earlier }),
            Err(error) => {
                // Whether it was kept is open: if it was, the run is to go on.
                self.0.strand(run);
                Err(error.into())
            }
        }
    }

    pub(crate) async fn report_earlier(
        &self,
        tenant: &TenantId,
        run: RunId,
        wait: Option<Duration>,
    ) -> Result<Started, StartError> {
        let ended = match wait {
            Some(at_most) => self.wait(tenant, run, at_most).await?.and_then(RunView::into_outcome),
            None => None,
        };
        let summary = self.0.journal.summary(tenant, run).await?;
        let status = summary.map_or(RunStatus::Running, |summary| summary.status);
        Ok(Started { run, existing: true, status, ended })
    }

    /// Sets the run going, and returns when what the caller is told is on disk.
    async fn drive_accepted(&self, run: Arc<LiveRun>, wait: Option<Duration>) -> Result<Started, StartError> {
        self.0.meters.runs_started.increment(1);
        // Without a wait the acceptance is what is told: it goes to the journal at once. With one, the end is.
        match wait {
            None => {
                run.hand_over();
                drive::spawn(&self.0, &run, Vec::new());
            }
            Some(at_most) => {
                let until = tokio::time::Instant::now() + at_most;
                if tokio::time::timeout(at_most, drive::attend(&self.0, &run)).await.is_ok() {
                    return self.report_departed(&run, until).await;
                }
            }
        }
        run.durable().await?;
        Ok(run.started(None))
    }
}

impl LiveRun {
    fn started(&self, ended: Option<RunOutcome>) -> Started {
        Started { run: self.id, existing: false, status: self.ledger().state().status(), ended }
    }
}

impl Engine {
    /// Tells of a run that has left memory: because it ended, or to wait.
    async fn report_departed(
        &self,
        run: &LiveRun,
        until: tokio::time::Instant,
    ) -> Result<Started, StartError> {
        let ended = match run.ended().await {
            Ok(()) => run.outcome(),
            Err(EngineError::Parked) => {
                let left = until.saturating_duration_since(tokio::time::Instant::now());
                self.wait(&run.tenant, run.id, left).await?.and_then(RunView::into_outcome)
            }
            Err(error) => return Err(error.into()),
        };
        Ok(run.started(ended))
    }
}

/// Of what was asked for. A version that was not named is no part of it: a repeated request is the same request even if
/// another version was applied in between.
fn digest_of(request: &StartRequest) -> Digest {
    #[derive(Serialize)]
    struct Asked<'a> {
        workflow: &'a WorkflowName,
        version: Option<&'a Version>,
        input: &'a Value,
        #[serde(skip_serializing_if = "Option::is_none")]
        start_at: Option<Timestamp>,
        #[serde(skip_serializing_if = "Option::is_none")]
        priority: Option<Priority>,
    }
    let asked = Asked {
        workflow: &request.workflow,
        version: request.version.as_ref(),
        input: &request.input,
        start_at: request.start_at,
        priority: request.priority,
    };
    #[expect(clippy::expect_used, reason = "an invariant")]
    let json = serde_json::to_vec(&asked).expect("names, versions and JSON values are JSON");
    Digest::of(&json)
}

/// Bytes of a value as JSON text.
fn json_size(value: &Value) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    #[expect(clippy::expect_used, reason = "an invariant")]
    serde_json::to_writer(&mut count, value).expect("counting cannot fail");
    count.0
}
