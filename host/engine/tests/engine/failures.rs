//! When the disk fails, nothing is acknowledged that is not on it, and what was goes on when it is mended.

use futures::future::join;
use serde_json::json;
use stepwell_core::run::RunStatus;
use stepwell_engine::{EngineError, StartError};
use stepwell_store::StoreError;

use crate::support::{Ground, PATIENCE, request, tenant};

#[test]
fn a_run_whose_journal_fails_is_not_told_as_ended_and_comes_back() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("courier");
    life.apply(&json!({"nodes": {"send": ground.courier(&["/hold/it"])}}));
    let run = life.start();
    life.block_on(ground.outside.arrived("/hold/it", 1));

    let told = life.block_on(async {
        // The first of the two is polled first: it waits by the time that the second breaks the disk.
        let failure = async {
            life.disk.break_down();
            ground.outside.let_go();
        };
        join(life.engine.wait(&tenant(), run, PATIENCE), failure).await.0
    });
    assert!(matches!(told, Err(EngineError::Store(StoreError::DiskFull { .. }))), "{told:?}");
    let refused = life.block_on(life.engine.start(request(json!({})))).unwrap_err();
    assert!(matches!(refused, StartError::Store(StoreError::DiskFull { .. })), "{refused}");

    life.disk.mend();
    assert_eq!(life.end_of(run).status, RunStatus::Succeeded);
    assert_eq!(life.complete(json!({})).status, RunStatus::Succeeded, "new runs are accepted again");
}
