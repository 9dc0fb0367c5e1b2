//! Room for instances: so many live at a time, and further attempts queue.
//!
//! An attempt that only waits for an answer needs none. It gives its room up when it has waited for long, or as soon as somebody
//! queues: so nobody waits behind those that only wait.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use std::time::Duration;

use futures::poll;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{sleep, timeout};

use crate::attempt::AttemptHost;

/// Most answers that come at all come sooner: nobody makes room for a wait that is over in a moment.
const MOMENT: Duration = Duration::from_millis(5);

/// All the room that there is.
pub(crate) struct Rooms {
    instances: Semaphore,
    max_live: u32,
    park_after: Duration,
    /// As many as queue, here or with the caller.
    wishes: AtomicUsize,
    /// Calls one of those that may go, for each that begins to queue.
    call: Notify,
    away: AtomicU32,
}

/// Room for one instance, free again when it is dropped.
pub(crate) struct Room<'a> {
    _instance: Option<SemaphorePermit<'a>>,
    _caller: Box<dyn Send>,
}

impl Rooms {
    pub(crate) fn new(max_live: u32, park_after: Duration) -> Self {
        Self {
            instances: Semaphore::new(max_live as usize),
            max_live,
            park_after,
            wishes: AtomicUsize::new(0),
            call: Notify::new(),
            away: AtomicU32::new(0),
        }
    }

    /// Room for an attempt's instance, the caller's own among it.
    pub(crate) async fn enter(&self, host: &dyn AttemptHost) -> Room<'_> {
        self.wishing(async {
            let caller = host.room().await;
            // The semaphore is never closed: there always is a permit to wait for.
            Room { _instance: self.instances.acquire().await.ok(), _caller: caller }
        })
        .await
    }

    /// Returns once an attempt that only waits is better off without its instance; not before it has waited for so long.
    pub(crate) async fn worth_leaving(&self, patience: Duration) {
        let moment = MOMENT.min(self.park_after).max(patience);
        sleep(moment).await;
        // An error says that nobody wanted its room: it has waited for long.
        let _ = timeout(self.park_after.saturating_sub(moment), self.wanted()).await;
    }

    /// Counts an attempt that waits without an instance, until it is dropped.
    pub(crate) fn go_away(&self) -> Away<'_> {
        self.away.fetch_add(1, SeqCst);
        Away(self)
    }

    /// Instances that live.
    pub(crate) fn live(&self) -> u32 {
        let free = u32::try_from(self.instances.available_permits()).unwrap_or(self.max_live);
        self.max_live - free
    }

    /// Instances that may live at the same time.
    pub(crate) fn max_live(&self) -> u32 {
        self.max_live
    }

    /// Attempts that wait without an instance.
    pub(crate) fn away(&self) -> u32 {
        self.away.load(SeqCst)
    }

    /// Waits for room, calling somebody out of theirs if there is none.
    async fn wishing<T>(&self, room: impl Future<Output = T>) -> T {
        let mut room = pin!(room);
        if let Poll::Ready(room) = poll!(room.as_mut()) {
            return room;
        }
        let _wish = Wish::make(self);
        room.await
    }

    async fn wanted(&self) {
        loop {
            let called = self.call.notified();
            // A call may be an old one; and who begins to wait while others queue heard none.
            if self.wishes.load(SeqCst) > 0 {
                return;
            }
            called.await;
        }
    }
}

/// Somebody queues.
struct Wish<'a>(&'a Rooms);

impl<'a> Wish<'a> {
    fn make(rooms: &'a Rooms) -> Self {
        rooms.wishes.fetch_add(1, SeqCst);
        rooms.call.notify_one();
        Self(rooms)
    }
}

impl Drop for Wish<'_> {
    fn drop(&mut self) {
        self.0.wishes.fetch_sub(1, SeqCst);
    }
}

/// Somebody waits without an instance.
pub(crate) struct Away<'a>(&'a Rooms);

impl Drop for Away<'_> {
    fn drop(&mut self) {
        self.0.away.fetch_sub(1, SeqCst);
    }
}
