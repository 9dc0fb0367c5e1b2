//! The task that looks at the clock.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use jiff::Timestamp;

use crate::{Engine, Phase, clock};

/// The longest that nobody looks at the clock: it may jump.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// So many schedules are dealt with at the same time: their starts share the journal's commits.
const AT_ONCE: usize = 64;

/// Runs the schedules as long as the engine is open.
pub(crate) async fn keep(engine: Engine) {
    let mut phase = engine.0.phase.subscribe();
    tokio::select! {
        biased;
        () = run_for_ever(&engine) => {}
        _ = phase.wait_for(|phase| *phase != Phase::Open) => {}
    }
}

async fn run_for_ever(engine: &Engine) {
    // What was under way counts for `overlap`: it is taken up first.
    engine.ready().await;
    loop {
        let mut changed = std::pin::pin!(engine.0.schedules.changed.notified());
        changed.as_mut().enable();
        match engine.run_schedules(Timestamp::now()).await {
            Some(next) => {
                let pause = clock::until(next).min(LOOK_EVERY);
                // Whether the pause or the news ends the wait is all the same.
                let _ = tokio::time::timeout(pause, changed).await;
            }
            None => changed.await,
        }
    }
}

impl Engine {
    /// Starts what the schedules of all workflows ask for up to a time, and says when there is something to do next; none: there is no
    /// schedule. The engine calls this itself, unless it was told otherwise ([`crate::EngineConfig::run_schedules`]): then
    /// time passes for schedules when somebody calls it.
    pub async fn run_schedules(&self, now: Timestamp) -> Option<Timestamp> {
        let mut table = self.0.schedules.table.lock().await;
        let busy = table.values_mut().flatten().filter(|scheduled| !scheduled.is_quiet(now));
        stream::iter(busy).for_each_concurrent(AT_ONCE, |scheduled| scheduled.look(self, now)).await;
        table.values().flatten().filter_map(|scheduled| scheduled.look_again(now)).min()
    }
}
