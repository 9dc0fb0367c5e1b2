//! Schedules: when a cron line fires in a time zone. Pure: the time zones are part of the program, and what the time is comes in as
//! a value.
//!
//! Where clocks change, two rules hold. A line that names its hours goes by the clock on the wall: a time that the change leaves out
//! fires once, at the first moment after the gap; a time that comes twice fires at the first of the two. A line of every hour
//! (`*/15 * * * *`) goes on at its pace: nothing is moved and nothing is dropped.

mod due;
mod line;

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

pub use self::due::{Due, MOST_MISSED, Missed, Timetable};
pub use self::line::{BadCronLine, CronLine};

/// A time zone of the IANA database, such as `Europe/Berlin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// A name that is no time zone's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone `{0}`")]
pub struct UnknownZone(pub String);

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// Every name in the database.
    pub(crate) fn names() -> Vec<String> {
        TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect()
    }

    /// Its name in the database.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }
}

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(name: &str) -> Result<Self, UnknownZone> {
        // The database in the program alone: a schedule must not mean something else on another machine.
        TimeZoneDatabase::bundled()
            .get(name)
            .map(Self)
            .map_err(|_| UnknownZone(name.chars().take(100).collect()))
    }
}

/// When to fire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The cron line.
    pub line: CronLine,
    /// Whose clock it goes by.
    pub zone: Zone,
}

impl Schedule {
    /// The first time after this one at which it fires. None: there is none that the calendar reaches.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        if self.line.is_of_every_hour() { self.next_at_its_pace(after) } else { self.next_on_the_wall(after) }
    }

    /// Times on the wall keep their order when they become moments, so the first that lies behind is the next.
    fn next_on_the_wall(&self, after: Timestamp) -> Option<Timestamp> {
        let mut wall = self.zone.0.to_datetime(after);
        loop {
            wall = self.line.after(wall)?;
            let at = self.moment(wall)?;
            if at > after {
                return Some(at);
            }
        }
    }

    /// The moment at which a wall shows this time, for the first time; the first moment after the gap, if none does.
    fn moment(&self, wall: DateTime) -> Option<Timestamp> {
        let zone = &self.zone.0;
        let candidates = zone.to_ambiguous_timestamp(wall);
        let in_gap = matches!(candidates.offset(), AmbiguousOffset::Gap { .. });
        let earlier = candidates.earlier().ok()?;
        if in_gap { zone.following(earlier).next().map(|change| change.timestamp()) } else { Some(earlier) }
    }

    /// Looks at one stretch after the other in which the zone keeps its distance to UTC.
    fn next_at_its_pace(&self, after: Timestamp) -> Option<Timestamp> {
        let zone = &self.zone.0;
        let (mut from, mut wall) = (after, self.line.after(zone.to_datetime(after))?);
        loop {
            let at = zone.to_offset(from).to_timestamp(wall).ok()?;
            let change = zone.following(from).next().map(|change| change.timestamp());
            let Some(change) = change.filter(|change| *change <= at) else { return Some(at) };
            (from, wall) = (change, self.line.at_or_after(zone.to_datetime(change))?);
        }
    }
}

#[cfg(test)]
mod tests;
