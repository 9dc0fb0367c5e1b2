//! Where effects go: a circuit breaker and a token bucket a destination, shared by all runs of a tenant.
//!
//! ```text
//! before an effect   -> door of its destination -> breaker: open? -> line, by priority -> token -> passage
//! after it           <- the passage is told how it went: breaker, bucket (a Retry-After stops it for everybody)
//! ```
//!
//! What is decided is [`stepwell_core::breaker`]'s and [`stepwell_core::bucket`]'s to say; here is who asks them, and who
//! waits. Nothing of it is kept over a restart: what is down is found out again.

mod door;
mod view;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use stepwell_core::breaker::BreakerPolicy;
use stepwell_core::bucket::RateLimit;
use stepwell_core::destination::Destination;
use stepwell_core::id::TenantId;

use crate::Engine;
use crate::live::lock;
use crate::meters::FlowMeters;

pub(crate) use door::{Deadline, Door};
pub use view::{BreakerView, DestinationView};

/// So many destinations are remembered. Steps may be granted whole domains: what they call must not fill the memory.
const MOST: usize = 1_000;

/// What holds for every destination, and what for some of them.
#[derive(Debug, Clone)]
pub struct FlowConfig {
    /// The circuit breaker of a destination that has no line of its own; none: it has none.
    pub breaker: Option<BreakerPolicy>,
    /// What holds for these instead.
    pub destinations: BTreeMap<Destination, DestinationPolicy>,
}

impl Default for FlowConfig {
    fn default() -> Self {
        Self { breaker: Some(BreakerPolicy::default()), destinations: BTreeMap::new() }
    }
}

/// What holds for one destination.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DestinationPolicy {
    /// Its circuit breaker, if it has one.
    pub breaker: Option<BreakerPolicy>,
    /// How often it is called at most, if that is bounded.
    pub rate: Option<RateLimit>,
}

/// Every destination that was called lately.
pub(crate) struct Destinations {
    config: FlowConfig,
    meters: FlowMeters,
    doors: Mutex<HashMap<(TenantId, Destination), Arc<Door>>>,
}

impl Destinations {
    pub(crate) fn new(config: FlowConfig, meters: FlowMeters) -> Self {
        Self { config, meters, doors: Mutex::default() }
    }

    /// The door of a destination.
    pub(crate) fn door(&self, tenant: &TenantId, destination: &Destination) -> Arc<Door> {
        let key = (tenant.clone(), destination.clone());
        let mut doors = lock(&self.doors);
        if let Some(door) = doors.get(&key) {
            door.touch();
            return Arc::clone(door);
        }
        if doors.len() >= MOST {
            forget_one(&mut doors);
        }
        let door = Arc::new(Door::new(destination.clone(), self.policy(destination), self.meters.clone()));
        doors.insert(key, Arc::clone(&door));
        door
    }

    fn known(&self, tenant: &TenantId, destination: &Destination) -> Option<Arc<Door>> {
        lock(&self.doors).get(&(tenant.clone(), destination.clone())).cloned()
    }

    fn policy(&self, destination: &Destination) -> DestinationPolicy {
        let usual = DestinationPolicy { breaker: self.config.breaker, rate: None };
        self.config.destinations.get(destination).copied().unwrap_or(usual)
    }

    fn all(&self) -> Vec<(TenantId, Arc<Door>)> {
        lock(&self.doors).iter().map(|((tenant, _), door)| (tenant.clone(), Arc::clone(door))).collect()
    }
}

/// The one that nobody has come to for longest; before those with something to remember, one that has nothing.
fn forget_one(doors: &mut HashMap<(TenantId, Destination), Arc<Door>>) {
    let longest_unused = doors.iter().min_by_key(|(_, door)| (door.is_telling(), door.last_used()));
    if let Some(key) = longest_unused.map(|(key, _)| key.clone()) {
        doors.remove(&key);
    }
}

impl Engine {
    /// The destinations that a tenant's runs called lately or the configuration names, by name.
    #[must_use]
    pub fn destinations(&self, tenant: &TenantId) -> Vec<DestinationView> {
        let destinations = &self.0.destinations;
        for configured in destinations.config.destinations.keys() {
            destinations.door(tenant, configured);
        }
        let of_tenant = destinations.all().into_iter().filter(|(owner, _)| owner == tenant);
        let mut views: Vec<_> = of_tenant.map(|(_, door)| door.view()).collect();
        views.sort_by(|a, b| a.destination.cmp(&b.destination));
        views
    }

    /// Closes a destination's circuit breaker and ends a pause that it asked for; gives how it stands then. None: no run has
    /// called it lately.
    #[must_use]
    pub fn reset_destination(&self, tenant: &TenantId, destination: &Destination) -> Option<DestinationView> {
        let door = self.0.destinations.known(tenant, destination)?;
        door.reset();
        Some(door.view())
    }

    /// Where each destination's circuit breaker stands; of several tenants' the one that is open furthest.
    #[must_use]
    pub fn breakers(&self) -> BTreeMap<Destination, BreakerView> {
        let mut breakers: BTreeMap<Destination, BreakerView> = BTreeMap::new();
        for view in self.0.destinations.all().into_iter().map(|(_, door)| door.view()) {
            let Some(breaker) = view.breaker else { continue };
            let shown = breakers.entry(view.destination).or_insert_with(|| breaker.clone());
            if breaker.openness() > shown.openness() {
                *shown = breaker;
            }
        }
        breakers
    }
}

#[cfg(test)]
mod tests;
