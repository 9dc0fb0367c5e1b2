//! The gate that attempts pass: so many run at the same time, and further ones queue, by the priority of their runs. One that waits
//! without an instance is outside, and passes the gate again when it comes back.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use stepwell_core::priority::{Line, Priority, Spot};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::live::lock;

pub(crate) struct Gate {
    places: usize,
    free: AtomicUsize,
    /// As many as stand in the line. Counted before a last look for a free place, as a place is freed before the last look for
    /// somebody who queues: one of the two sees the other.
    queued: AtomicUsize,
    line: Mutex<Line<oneshot::Sender<()>>>,
    origin: Instant,
}

impl Gate {
    pub(crate) fn new(places: usize) -> Self {
        let places = places.max(1);
        Self {
            places,
            free: AtomicUsize::new(places),
            queued: AtomicUsize::new(0),
            line: Mutex::default(),
            origin: Instant::now(),
        }
    }

    /// Waits for a place, which is free again when it is dropped.
    pub(crate) async fn enter(self: &Arc<Self>, priority: Priority) -> Place {
        if self.queued.load(SeqCst) == 0 && self.take_free() {
            return Place(Arc::clone(self));
        }
        match self.join(priority) {
            Ok(place) => place,
            Err(queued) => queued.called().await,
        }
    }

    pub(crate) fn inside(&self) -> usize {
        self.places.saturating_sub(self.free.load(SeqCst))
    }

    pub(crate) fn queued(&self) -> usize {
        self.queued.load(SeqCst)
    }

    fn take_free(&self) -> bool {
        self.free.fetch_update(SeqCst, SeqCst, |free| free.checked_sub(1)).is_ok()
    }

    fn join(self: &Arc<Self>, priority: Priority) -> Result<Place, Queued<'_>> {
        let mut line = lock(&self.line);
        self.queued.fetch_add(1, SeqCst);
        if line.is_empty() && self.take_free() {
            self.queued.fetch_sub(1, SeqCst);
            return Ok(Place(Arc::clone(self)));
        }
        let (call, called) = oneshot::channel();
        let spot = line.join(self.origin.elapsed(), priority, call);
        Err(Queued { gate: self, spot, call: called, has_entered: false })
    }

    fn leave(&self) {
        self.free.fetch_add(1, SeqCst);
        if self.queued.load(SeqCst) > 0 {
            self.call_next();
        }
    }

    fn call_next(&self) {
        let mut line = lock(&self.line);
        while !line.is_empty() && self.take_free() {
            self.queued.fetch_sub(1, SeqCst);
            // Who gives up before they hear it gives the place back: an error needs no care.
            let _ = line.take_first().map(|call| call.send(()));
        }
    }
}

/// A place inside.
pub(crate) struct Place(Arc<Gate>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// An attempt in the line. Dropped, it leaves it; and if it was called already, it gives its place to the next.
struct Queued<'a> {
    gate: &'a Arc<Gate>,
    spot: Spot,
    call: oneshot::Receiver<()>,
    has_entered: bool,
}

impl Queued<'_> {
    async fn called(mut self) -> Place {
        // The sender stands in the line until it sends: there is no other end than a call.
        let _ = (&mut self.call).await;
        self.has_entered = true;
        Place(Arc::clone(self.gate))
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        if self.has_entered {
            return;
        }
        let left = lock(&self.gate.line).leave(self.spot);
        match left {
            Some(_) => _ = self.gate.queued.fetch_sub(1, SeqCst),
            None => self.gate.leave(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::future::join_all;

    use super::*;

    #[test]
    fn who_finds_no_place_queues_until_one_is_free_or_it_gives_up() {
        let gate = Arc::new(Gate::new(1));
        let inside = gate.enter(Priority::Normal).now_or_never().unwrap();
        let mut second = Box::pin(gate.enter(Priority::Normal));
        let mut third = Box::pin(gate.enter(Priority::Normal));
        assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
        assert_eq!((gate.inside(), gate.queued()), (1, 2));
        drop(third);
        assert_eq!(gate.queued(), 1);
        drop(inside);
        assert!(second.now_or_never().is_some());
        assert_eq!((gate.inside(), gate.queued()), (0, 0));
    }

    #[test]
    fn the_more_urgent_enter_first() {
        let gate = Arc::new(Gate::new(1));
        let inside = gate.enter(Priority::Low).now_or_never().unwrap();
        let mut waiting = [Priority::Low, Priority::Normal, Priority::High].map(|p| Box::pin(gate.enter(p)));
        for attempt in &mut waiting {
            assert!(attempt.now_or_never().is_none());
        }
        let [mut low, mut normal, mut high] = waiting;
        drop(inside);
        assert!((&mut low).now_or_never().is_none() && (&mut normal).now_or_never().is_none());
        drop((&mut high).now_or_never().unwrap());
        assert!((&mut low).now_or_never().is_none());
        drop((&mut normal).now_or_never().unwrap());
        assert!(low.now_or_never().is_some());
    }

    #[test]
    fn who_is_called_and_does_not_come_gives_the_place_to_the_next() {
        let gate = Arc::new(Gate::new(1));
        let inside = gate.enter(Priority::Normal).now_or_never().unwrap();
        let mut second = Box::pin(gate.enter(Priority::Normal));
        let mut third = Box::pin(gate.enter(Priority::Normal));
        assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
        drop(inside);
        drop(second);
        assert!(third.now_or_never().is_some());
        assert_eq!((gate.inside(), gate.queued()), (0, 0));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn under_a_crowd_no_place_is_lost_and_none_is_given_twice() {
        let gate = Arc::new(Gate::new(3));
        let most = Arc::new(AtomicUsize::new(0));
        let crowd = (0..200usize).map(|n| {
            let (gate, most) = (Arc::clone(&gate), Arc::clone(&most));
            tokio::spawn(async move {
                for _ in 0..20 {
                    let place = gate.enter(Priority::ALL[n % 3]).await;
                    most.fetch_max(gate.inside(), SeqCst);
                    tokio::task::yield_now().await;
                    drop(place);
                    // Some come, queue, and do not stay.
                    let _ = gate.enter(Priority::Normal).now_or_never();
                }
            })
        });
        join_all(crowd).await.into_iter().for_each(|ended| ended.unwrap());
        assert_eq!((gate.inside(), gate.queued()), (0, 0));
        assert!(most.load(SeqCst) <= 3);
    }
}
