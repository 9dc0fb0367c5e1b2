//! The gate that attempts pass: so many run at the same time, and further ones queue.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

pub(crate) struct Gate {
    places: usize,
    free: Semaphore,
    queued: AtomicUsize,
}

impl Gate {
    pub(crate) fn new(places: usize) -> Self {
        let places = places.clamp(1, Semaphore::MAX_PERMITS);
        Self { places, free: Semaphore::new(places), queued: AtomicUsize::new(0) }
    }

    /// Waits for a place, which is free again when the permit is dropped.
    pub(crate) async fn enter(&self) -> SemaphorePermit<'_> {
        if let Ok(permit) = self.free.try_acquire() {
            return permit;
        }
        let _queued = Queued::new(&self.queued);
        #[expect(clippy::expect_used, reason = "an invariant")]
        self.free.acquire().await.expect("the gate is never closed")
    }

    pub(crate) fn inside(&self) -> usize {
        self.places.saturating_sub(self.free.available_permits())
    }

    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }
}

/// Counted as long as it lives: an attempt that is dropped while it queues leaves the queue.
struct Queued<'a>(&'a AtomicUsize);

impl<'a> Queued<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn who_finds_no_place_queues_until_one_is_free_or_it_gives_up() {
        let gate = Gate::new(1);
        let inside = gate.enter().now_or_never().unwrap();
        let mut second = Box::pin(gate.enter());
        let mut third = Box::pin(gate.enter());
        assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
        assert_eq!((gate.inside(), gate.queued()), (1, 2));
        drop(third);
        assert_eq!(gate.queued(), 1);
        drop(inside);
        assert!(second.now_or_never().is_some());
        assert_eq!((gate.inside(), gate.queued()), (0, 0));
    }
}
