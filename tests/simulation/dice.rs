//! Chance, by seed: the same question gets the same answer in every life, however often and in whatever order it is asked.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// The world's seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    /// Dice for one question.
    pub(crate) fn dice(self, about: impl Hash) -> Dice {
        let mut hasher = DefaultHasher::new();
        (self, about).hash(&mut hasher);
        Dice(StdRng::seed_from_u64(hasher.finish()))
    }
}

/// Dice that fall by their seed.
pub(crate) struct Dice(StdRng);

impl Dice {
    /// Of these, each as often as its weight says.
    pub(crate) fn pick<T: Clone>(&mut self, weighted: &[(u32, T)]) -> T {
        let chosen = weighted.choose_weighted(&mut self.0, |(weight, _)| *weight);
        chosen.expect("there is something to choose from").1.clone()
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound)
    }

    /// Whether something happens that happens in so many of a hundred cases.
    pub(crate) fn percent(&mut self, chance: u32) -> bool {
        self.0.random_range(0..100) < chance
    }

    pub(crate) fn between_ms(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.0.random_range(least..=most))
    }
}
