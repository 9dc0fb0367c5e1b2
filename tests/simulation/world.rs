//! One world, by its seed: a workflow, people, services and a disk; lived through from the start of a run until all is quiet.
//!
//! Each life of the engine has a runtime of its own with one thread and a paused clock. To drop it is to end every task where it
//! stands, as a crash does.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use stepwell_core::id::TenantId;
use stepwell_core::manifest::PublishedStep;
use stepwell_core::schema::Schema;
use stepwell_engine::{Engine, EngineConfig};
use stepwell_sandbox::{NetworkPolicy, Sandbox, SandboxConfig};
use stepwell_store::memory::{MemoryCatalogue, MemoryJournal};
use stepwell_store::{Catalogue, Journal, MarkKind, RunQuery};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::checks;
use crate::dice::Seed;
use crate::disk::{Crash, Disk, Manners, Mounted};
use crate::outside::{Network, Outside};
use crate::people::People;
use crate::{guests, workflows};

/// A world in which something still happens after so long comes to no end.
const PATIENCE: Duration = Duration::from_secs(6 * 60 * 60);

/// What all worlds share: a sandbox, and steps.
pub(crate) struct Stage {
    sandbox: Arc<Sandbox>,
    network: Arc<Network>,
    steps: Vec<(PublishedStep, Vec<u8>)>,
    /// Kept, so that the many lives of an engine share them.
    _schemas: Vec<Schema>,
}

impl Stage {
    pub(crate) fn set() -> Self {
        let network = Arc::<Network>::default();
        let config = SandboxConfig {
            cache_dir: Path::new(env!("CARGO_TARGET_TMPDIR")).join("simulation-code"),
            max_live: 64,
            network: NetworkPolicy {
                allow_networks: vec!["0.0.0.0/0".parse().expect("a network")],
                ..NetworkPolicy::default()
            },
            stand_in: Some(network.clone()),
            ..SandboxConfig::default()
        };
        let components =
            [guests::standard("http-request"), guests::standard("transform"), guests::test("courier")];
        tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
            let sandbox = Arc::new(Sandbox::new(config).expect("a sandbox"));
            let mut steps = Vec::new();
            for component in components {
                let step = sandbox.publish(component.clone().into()).await.expect("a step");
                steps.push((step, component));
            }
            let schemas = steps.iter().flat_map(|(step, _)| {
                let manifest = &step.manifest;
                [&manifest.config_schema, &manifest.input_schema, &manifest.output_schema]
            });
            let schemas = schemas.map(|schema| Schema::compile(schema).expect("a schema")).collect();
            Self { sandbox, network, steps, _schemas: schemas }
        })
    }

    fn catalogue(&self) -> Arc<MemoryCatalogue> {
        let catalogue = Arc::<MemoryCatalogue>::default();
        for (step, component) in &self.steps {
            let put = catalogue.put_step(&TenantId::default(), step, component).now_or_never();
            put.expect("memory does not wait").expect("memory keeps a step");
        }
        catalogue
    }
}

/// A world that was lived through.
pub(crate) struct Lived {
    pub(crate) wrongs: Vec<String>,
    pub(crate) disk: Arc<Disk>,
    /// How many batches were on the disk at the end.
    pub(crate) batches: usize,
    pub(crate) lives: usize,
}

/// Lives through a world with these crashes, and checks what came of it.
pub(crate) fn live_through(stage: &Stage, seed: Seed, manners: Manners, crashes: &[Crash]) -> Lived {
    let outside = Outside::new(seed);
    stage.network.lead_to(&outside);
    let world = World {
        sandbox: Arc::clone(&stage.sandbox),
        catalogue: stage.catalogue(),
        people: People::new(seed, manners, Arc::clone(&outside)),
        outside,
    };
    world.apply(seed);
    let mut disk = Disk::new(seed, manners);
    let mut lives = 1;
    for crash in crashes {
        disk = disk.next_life(Some(*crash));
        if world.live(&disk) == Life::Over {
            break;
        }
        lives += 1;
        disk = disk.next_life(None);
    }
    if lives > crashes.len() {
        world.live(&disk);
    }
    checks::check(&disk, &world.people, &world.outside);
    Lived { wrongs: world.outside.wrongs(), batches: disk.batches(), disk, lives }
}

struct World {
    sandbox: Arc<Sandbox>,
    catalogue: Arc<MemoryCatalogue>,
    people: Arc<People>,
    outside: Arc<Outside>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Crashed,
    Over,
}

impl World {
    fn apply(&self, seed: Seed) {
        one_thread().block_on(async {
            let engine = self.engine(MemoryJournal::default()).await;
            part_from_the_systems_clock(&engine).await;
            for definition in workflows::of(seed) {
                let name = definition["name"].as_str().expect("a name").parse().expect("a name");
                let applied = engine.apply_workflow(&TenantId::default(), &name, definition.clone()).await;
                applied.unwrap_or_else(|error| panic!("{error:?}: {definition:#}"));
            }
        });
    }

    async fn engine(&self, journal: impl Journal) -> Engine {
        let config = EngineConfig { run_schedules: false, clock_check: PATIENCE, ..EngineConfig::default() };
        let (catalogue, sandbox) = (self.catalogue.clone(), Arc::clone(&self.sandbox));
        let journal: Arc<dyn Journal> = Arc::new(journal);
        let mut tries = 0;
        loop {
            let opened =
                Engine::open(config.clone(), catalogue.clone(), Arc::clone(&journal), sandbox.clone());
            match opened.await {
                Ok(engine) => return engine,
                // The disk fails now and then, also at a start.
                Err(error) => assert!(tries < 100, "the engine does not start: {error}"),
            }
            tries += 1;
        }
    }

    fn live(&self, disk: &Arc<Disk>) -> Life {
        self.outside.face(disk);
        one_thread().block_on(async {
            tokio::select! {
                biased;
                () = disk.work() => Life::Crashed,
                () = self.story(disk) => Life::Over,
            }
        })
    }

    async fn story(&self, disk: &Arc<Disk>) {
        let engine = self.engine(Mounted(Arc::clone(disk))).await;
        let began = Instant::now();
        let quiet = async || {
            if began.elapsed() > PATIENCE {
                self.outside.accuse("it does not come to an end");
                return true;
            }
            is_quiet(&engine).await
        };
        self.people.live(&engine, disk, quiet).await;
    }
}

/// Whether nothing is left to be done: every run has ended, and everybody has heard what was to be told.
async fn is_quiet(engine: &Engine) -> bool {
    let (tenant, journal) = (TenantId::default(), engine.journal());
    let Ok(page) = journal.list(&tenant, RunQuery { limit: 1_000, ..RunQuery::default() }).await else {
        return false;
    };
    let told =
        async |kind| matches!(journal.marks(&tenant, kind, None, 1).await, Ok(marks) if marks.is_empty());
    page.runs.iter().all(|run| run.status.is_final())
        && engine.stats().live_runs == 0
        && told(MarkKind::Outbox).await
        && told(MarkKind::Child).await
}

/// An engine's clock follows the system's wherever that is not clearly behind: from here on it is, and time is what the runtime makes it.
async fn part_from_the_systems_clock(engine: &Engine) {
    let _ = engine.now();
    tokio::time::sleep(Duration::from_secs(60 * 60)).await;
    let _ = engine.now();
}

fn one_thread() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
}
