//! Who goes first where not all can: priorities, and the line that they make of those who wait.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How urgent a run is. The first in order goes first.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before the others.
    High,
    /// What holds if nobody says anything.
    #[default]
    Normal,
    /// When there is room.
    Low,
}

impl Priority {
    /// Every one, the most urgent first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// As written in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    /// Whether it is what holds if nobody says anything.
    #[must_use]
    pub fn is_normal(&self) -> bool {
        *self == Self::Normal
    }
}

/// How much later somebody seems to have come for each step that their priority is below the highest. So a higher priority goes
/// before those who came up to a minute earlier, and nobody is overtaken for ever.
const A_STEP: Duration = Duration::from_secs(60);

/// Those who wait, by priority and then by when they came.
///
/// `now` is the time since a fixed moment of the caller's choosing, on a clock that is never set back.
#[derive(Debug)]
pub struct Line<T> {
    waiting: BTreeMap<Spot, T>,
    next: u64,
}

/// A place in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    rank: Duration,
    arrival: u64,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), next: 0 }
    }
}

impl<T> Line<T> {
    /// Where somebody who comes now would wait.
    #[must_use]
    pub fn spot(&self, now: Duration, priority: Priority) -> Spot {
        let steps = match priority {
            Priority::High => 0,
            Priority::Normal => 1,
            Priority::Low => 2,
        };
        Spot { rank: now.saturating_add(A_STEP * steps), arrival: self.next }
    }

    /// How many wait before this spot.
    #[must_use]
    pub fn before(&self, spot: Spot) -> usize {
        self.waiting.range(..spot).count()
    }

    /// Somebody comes, and waits where their priority puts them.
    pub fn join(&mut self, now: Duration, priority: Priority, who: T) -> Spot {
        let spot = self.spot(now, priority);
        self.next += 1;
        self.waiting.insert(spot, who);
        spot
    }

    /// Somebody goes, wherever they stood. None: they had left before.
    pub fn leave(&mut self, spot: Spot) -> Option<T> {
        self.waiting.remove(&spot)
    }

    /// Whose turn it is.
    #[must_use]
    pub fn first(&self) -> Option<(Spot, &T)> {
        self.waiting.first_key_value().map(|(spot, who)| (*spot, who))
    }

    /// Whose turn it is, out of the line.
    pub fn take_first(&mut self) -> Option<T> {
        self.waiting.pop_first().map(|(_, who)| who)
    }

    /// Everybody, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.waiting.values()
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn order(mut line: Line<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| line.take_first()).collect()
    }

    #[test]
    fn the_more_urgent_go_first_and_among_equals_who_came_first() {
        let mut line = Line::default();
        for (priority, who) in [
            (Priority::Low, "low"),
            (Priority::Normal, "normal"),
            (Priority::High, "high"),
            (Priority::Normal, "normal again"),
            (Priority::High, "high again"),
        ] {
            line.join(seconds(0), priority, who);
        }
        assert_eq!(order(line), ["high", "high again", "normal", "normal again", "low"]);
    }

    #[test]
    fn who_has_waited_long_is_overtaken_no_more() {
        let mut line = Line::default();
        line.join(seconds(0), Priority::Low, "old and low");
        line.join(seconds(119), Priority::High, "high");
        line.join(seconds(121), Priority::High, "late and high");
        assert_eq!(order(line), ["high", "old and low", "late and high"]);
    }

    #[test]
    fn who_leaves_is_waited_for_no_more() {
        let mut line = Line::default();
        let spot = line.join(seconds(0), Priority::High, "gone");
        line.join(seconds(0), Priority::Low, "there");
        let late = line.spot(seconds(0), Priority::Low);
        assert_eq!((line.before(spot), line.before(late)), (0, 2));
        assert_eq!(line.leave(spot), Some("gone"));
        assert_eq!(line.leave(spot), None);
        assert_eq!((line.first().map(|(_, who)| *who), line.len()), (Some("there"), 1));
    }

    proptest! {
        /// Nobody is overtaken by somebody who came more than two steps later, and nobody overtakes a more urgent or equal one who
        /// came before.
        #[test]
        fn overtaking_has_its_bounds(arrivals in prop::collection::vec((0u64..30, 0usize..3), 1..100)) {
            let mut line = Line::default();
            let mut now = 0;
            for (pause, priority) in arrivals {
                now += pause;
                line.join(seconds(now), Priority::ALL[priority], (now, Priority::ALL[priority]));
            }
            let served: Vec<_> = std::iter::from_fn(|| line.take_first()).collect();
            for (at, (came, priority)) in served.iter().enumerate() {
                for (before, urgency) in &served[..at] {
                    prop_assert!(*before <= came + 120);
                    prop_assert!(before <= came || urgency < priority);
                }
            }
        }
    }
}
