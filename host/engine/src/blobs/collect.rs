//! Blobs that nobody needs any more are removed in the background, when they have been left alone for a while.

use std::sync::Arc;
use std::time::Duration;

use stepwell_core::digest::Digest;
use stepwell_core::id::TenantId;
use stepwell_store::{Mark, MarkChange, MarkKind};

use super::{BlobFault, uses};
use crate::{Phase, Shared, clock};

const A_PAGE: usize = 100;
/// Between two looks for blobs whose time is over, at most.
const BETWEEN_LOOKS: Duration = Duration::from_secs(60);

/// The task: ends when the engine does.
pub(crate) async fn keep(engine: Arc<Shared>, keep_unused: Duration) {
    let mut phase = engine.phase.subscribe();
    tokio::select! {
        biased;
        () = collect_for_ever(&engine, BETWEEN_LOOKS.min(keep_unused)) => {}
        _ = phase.wait_for(|phase| *phase != Phase::Open) => {}
    }
}

async fn collect_for_ever(engine: &Shared, between: Duration) {
    loop {
        tokio::time::sleep(between).await;
        if let Err(error) = collect(engine).await {
            tracing::warn!(%error, "blobs that nobody needs cannot be removed now; trying again");
        }
    }
}

/// Looks at every blob whose time has come: one that is needed is looked at again later.
async fn collect(engine: &Shared) -> Result<(), BlobFault> {
    loop {
        let due = engine.journal.due(MarkKind::Blob, clock::now(), A_PAGE).await?;
        let pages_end = due.len() < A_PAGE;
        for (tenant, mark) in due {
            if let Some(digest) = digest_of(&mark) {
                look_at(engine, &tenant, &digest).await?;
            }
        }
        if pages_end {
            return Ok(());
        }
    }
}

async fn look_at(engine: &Shared, tenant: &TenantId, digest: &Digest) -> Result<(), BlobFault> {
    let _turn = engine.blobs.turn(digest).await;
    let key = digest.to_hex();
    // Whoever had its turn before may have touched it.
    let mark = engine.journal.mark(tenant, MarkKind::Blob, &key).await?;
    let Some(mark) = mark.filter(|mark| mark.due.is_some_and(|due| due <= clock::now())) else {
        return Ok(());
    };
    if is_used(engine, tenant, digest).await? {
        return put_off(engine, tenant, mark).await;
    }
    if let Err(error) = engine.blobs.store.delete(tenant, digest).await {
        // The others go first.
        put_off(engine, tenant, mark).await?;
        return Err(error.into());
    }
    // Last, or a crash in between would leave bytes that nobody knows of.
    let gone = MarkChange::Remove { kind: MarkKind::Blob, key };
    engine.journal.note(tenant, vec![gone]).durable().await?;
    engine.meters.blobs_removed.increment(1);
    Ok(())
}

async fn put_off(engine: &Shared, tenant: &TenantId, mark: Mark) -> Result<(), BlobFault> {
    let later = MarkChange::Put(Mark { due: engine.blobs.next_look(), ..mark });
    Ok(engine.journal.note(tenant, vec![later]).durable().await?)
}

async fn is_used(engine: &Shared, tenant: &TenantId, digest: &Digest) -> Result<bool, BlobFault> {
    let prefix = uses::prefix(digest);
    let next = engine.journal.marks(tenant, MarkKind::BlobUse, Some(&prefix), 1).await?;
    Ok(next.first().is_some_and(|mark| mark.key.starts_with(&prefix)))
}

fn digest_of(mark: &Mark) -> Option<Digest> {
    let digest = format!("sha256:{}", mark.key).parse();
    if digest.is_err() {
        tracing::error!(key = mark.key, "the mark of a blob has no digest for its key");
    }
    digest.ok()
}
