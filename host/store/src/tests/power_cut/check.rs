//! What a store must hold after a power cut: all that was acknowledged, and nothing by halves. And it serves on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use secrecy::ExposeSecret as _;
use stepwell_core::id::TenantId;
use stepwell_core::run::{Entry, RunStatus};

use super::super::open;
use super::workload::{Told, component, live_one_run, timer_of};
use crate::conformance::samples;
use crate::{Accepted, Catalogue, EmbeddedStore, Journal, MarkKind, Reason, Release, RunQuery};

/// A run that nobody lived before the cut.
const NEW_RUN: u32 = 1_000_000;

/// What was acknowledged.
#[derive(Debug, Default)]
pub(super) struct Expected {
    runs: BTreeMap<u32, u64>,
    marks: BTreeMap<String, Option<u64>>,
    steps: BTreeSet<u32>,
    workflows: BTreeSet<u32>,
    secret: Option<u64>,
    /// Runs that have ended may have been removed.
    purging: bool,
}

impl Expected {
    pub(super) fn after<'a>(said: impl IntoIterator<Item = &'a str>) -> Self {
        let mut expected = Self::default();
        for told in said.into_iter().flat_map(Told::parse) {
            match told {
                Told::Run { n, entries } => drop(expected.runs.insert(n, entries)),
                Told::Mark { key, value } => drop(expected.marks.insert(key, Some(value))),
                Told::Gone { key } => drop(expected.marks.insert(key, None)),
                Told::Step { n } => drop(expected.steps.insert(n)),
                Told::Workflow { n } => drop(expected.workflows.insert(n)),
                Told::Secret { value } => expected.secret = Some(value),
                Told::Purging => expected.purging = true,
            }
        }
        expected
    }

    /// Opens a store that a power cut left, and checks it; uses it, opens it again, and checks it again.
    pub(super) async fn check(&self, folder: &Path) {
        let store = open(folder).unwrap();
        self.check_journal(&*store.journal()).await;
        self.check_catalogue(&*store.catalogue()).await;
        serve_on(&store).await;
        store.journal().close().await.unwrap();
        drop(store);

        let store = open(folder).unwrap();
        self.check_journal(&*store.journal()).await;
        self.check_catalogue(&*store.catalogue()).await;
        assert_eq!(entries(&*store.journal(), NEW_RUN).await.len(), 5);
    }

    async fn check_journal(&self, journal: &dyn Journal) {
        let tenant = TenantId::default();
        for (n, kept) in &self.runs {
            let found = self.check_run(journal, *n).await;
            let may_be_gone = self.purging && *kept == 5;
            assert!(
                found >= *kept || (may_be_gone && found == 0),
                "run {n}: {kept} acknowledged, {found} found"
            );
        }
        let runs = journal.list(&tenant, RunQuery { limit: 100_000, ..RunQuery::default() }).await.unwrap();
        for line in runs.runs {
            assert!(!journal.read(&tenant, line.id, 0, 100).await.unwrap().is_empty());
        }
        for (key, kept) in &self.marks {
            let found = journal.mark(&tenant, MarkKind::Outbox, key).await.unwrap();
            let found = found.map(|mark| mark.body["value"].as_u64().unwrap());
            match kept {
                Some(kept) => {
                    assert!(found >= Some(*kept), "mark {key}: {kept} acknowledged, {found:?} found")
                }
                None => assert_eq!(found, None, "mark {key} was removed"),
            }
        }
        journal.marks(&tenant, MarkKind::Outbox, None, 100_000).await.unwrap();
        journal.due(MarkKind::Timer, samples::at(u32::MAX), 100_000).await.unwrap();
    }

    /// A run is whole as far as it goes: its entries, its line, its places, its timer and its claim say the same.
    async fn check_run(&self, journal: &dyn Journal, n: u32) -> u64 {
        let (tenant, run, workflow) = (TenantId::default(), samples::run(n), samples::workflow("triage"));
        let found = entries(journal, n).await;
        let line = journal.summary(&tenant, run).await.unwrap();
        let status = match found.len() {
            0 => None,
            5 => Some(RunStatus::Succeeded),
            _ => Some(RunStatus::Running),
        };
        assert_eq!(line.map(|line| line.status), status, "run {n}");
        assert!([0, 1, 4, 5].contains(&found.len()), "run {n}: {} entries", found.len());
        for entry in &found[1.min(found.len())..4.min(found.len())] {
            assert_eq!(*entry, samples::middle(entry.seq));
        }
        let unfinished = journal.unfinished(None, 100_000).await.unwrap();
        assert_eq!(
            unfinished.contains(&(tenant.clone(), run)),
            status == Some(RunStatus::Running),
            "run {n}"
        );
        let timer = journal.mark(&tenant, MarkKind::Timer, &timer_of(n)).await.unwrap();
        assert_eq!(timer.is_some(), found.len() == 4, "run {n}");
        if !found.is_empty() {
            let claim = samples::claim(&workflow, &format!("key {n}"), "request");
            let again = samples::first_batch(&tenant, samples::run(NEW_RUN + 1), &workflow);
            assert_eq!(journal.accept(again, claim).await.unwrap(), Accepted::Before(run));
        }
        found.len() as u64
    }

    async fn check_catalogue(&self, catalogue: &dyn Catalogue) {
        let tenant = TenantId::default();
        for n in &self.steps {
            let (name, version) = (samples::step("llm-chat"), samples::version(&format!("{n}.0.0")));
            let step = catalogue.step(&tenant, &name, &version).await.unwrap().expect("the step is kept");
            let bytes = catalogue.component(&step.digest).await.unwrap();
            assert_eq!(bytes, Some(component(*n)), "step {n}");
        }
        for step in catalogue.steps(&tenant).await.unwrap() {
            assert!(
                catalogue.component(&step.digest).await.unwrap().is_some(),
                "no step without a component"
            );
        }
        for n in &self.workflows {
            let (name, version) = (samples::workflow("triage"), samples::version(&format!("{n}.0.0")));
            let workflow = catalogue.workflow(&tenant, &name, Some(&version)).await.unwrap();
            assert!(workflow.is_some(), "workflow {n}");
        }
        for workflow in catalogue.workflows(&tenant).await.unwrap() {
            assert!(catalogue.workflow(&tenant, &workflow.name, None).await.unwrap().is_some());
        }
        let secret = catalogue.secret(&tenant, &samples::secret("KEY")).await.unwrap();
        let secret = secret.and_then(|secret| secret.expose_secret().parse::<u64>().ok());
        assert!(secret >= self.secret, "secret: {:?} acknowledged, {secret:?} found", self.secret);
    }
}

async fn entries(journal: &dyn Journal, n: u32) -> Vec<Entry> {
    journal.read(&TenantId::default(), samples::run(n), 0, 100).await.unwrap()
}

async fn serve_on(store: &EmbeddedStore) {
    live_one_run(&*store.journal(), NEW_RUN, |_| {}).await;
    let applied = samples::applied("another", "1.0.0", serde_json::json!({"n": 1}), 1);
    assert!(
        store
            .catalogue()
            .put_workflow(&TenantId::default(), &applied, Release::Current(Reason::Applied))
            .await
            .unwrap()
    );
}
